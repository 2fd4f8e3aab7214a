//! The sessions that a core may resume.

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Servers whose sessions are kept; the others are not resumed.
const SERVERS_MAX: usize = 1_000;
/// Tickets of TLS 1.3 that are kept for one server; each is used once.
pub(super) const TICKETS_MAX: usize = 4_096;

/// The sessions of one core. rustls wants to share it between threads, so there is a lock, which
/// nobody ever waits for.
#[derive(Debug)]
pub(super) struct SessionCache {
    /// Tickets that are kept for one server.
    tickets_max: usize,
    servers: Mutex<HashMap<ServerName<'static>, Known>>,
}

/// What is known of one server.
#[derive(Debug, Default)]
struct Known {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl SessionCache {
    pub(super) fn new(tickets_max: usize) -> SessionCache {
        SessionCache {
            tickets_max,
            servers: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServerName<'static>, Known>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a server, if there is room for it.
    fn change(&self, server: ServerName<'static>, change: impl FnOnce(&mut Known)) {
        let mut servers = self.lock();
        if servers.len() < SERVERS_MAX || servers.contains_key(&server) {
            change(servers.entry(server).or_default());
        }
    }
}

impl ClientSessionStore for SessionCache {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.change(server, |known| known.group = Some(group));
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.lock().get(server).and_then(|known| known.group)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.change(server, |known| known.tls12 = Some(value));
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.lock()
            .get(server)
            .and_then(|known| known.tls12.clone())
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        if let Some(known) = self.lock().get_mut(server) {
            known.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.change(server, |known| {
            if known.tickets.len() == self.tickets_max {
                known.tickets.pop_front();
            }
            known.tickets.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.lock().get_mut(server)?.tickets.pop_back()
    }
}

/// A memory that is only written: full handshakes leave sessions for others to resume.
#[derive(Debug)]
pub(super) struct WriteOnly(pub(super) Arc<SessionCache>);

impl ClientSessionStore for WriteOnly {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(server, value);
    }

    fn tls12_session(&self, _server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _server: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server, value);
    }

    fn take_tls13_ticket(&self, _server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
