//! Connections that lead through a proxy: TLS with an https proxy, the dialogue with it
//! (`tunnel.rs`), and TLS with the server inside of TLS with the proxy.

use super::Transport;
use super::connections::{ConnectionState, End};
use super::origins::{Known, OriginId, Route};
use super::proxy_session::{ProxySession, Stage};
use super::stream::NONE;
use super::tunnel::{Destination, Tunnel, TunnelFault};
use super::wire::Incoming;
use crate::error_key::error_key;
use crate::event::Event;
use crate::ring::{Received, RingIo, Slot};
use crate::tls::{Fault, Session};
use rustls::pki_types::ServerName;
use stats::FailureKind;
use std::net::IpAddr;
use std::rc::Rc;

impl<R: RingIo> Transport<R> {
    /// Asks the proxy of a connection that has just been made for a way to the server; false when
    /// there is nothing to ask.
    pub(super) fn start_tunnel(&mut self, slot: Slot) -> bool {
        let origin = self.connections.get(slot).origin;
        let origins = self.origins.borrow();
        let Some(via) = &origins.get(origin).via else {
            return false;
        };
        if via.route == Route::Forward {
            return false;
        }
        let via = Rc::clone(via);
        let name = origins.get(via.id).server_name.clone();
        drop(origins);
        let connection = self.connections.get_mut(slot);
        connection.state = ConnectionState::Tunneling;
        connection.proxied = Some(Box::new(ProxySession {
            via: Rc::clone(&via),
            outer: None,
            stage: Stage::Handshaking,
        }));
        match name {
            Some(name) => self.start_proxy_handshake(slot, via.id, name),
            None => self.request_tunnel(slot),
        }
        true
    }

    /// Begins TLS with the proxy.
    fn start_proxy_handshake(&mut self, slot: Slot, proxy: OriginId, name: ServerName<'static>) {
        let is_first = self.is_first_handshake(slot, proxy);
        let mut out = self.tls.buffer();
        // the certificates of users are for servers
        let begun = self.tls.session(name, is_first, None);
        let begun = begun.and_then(|mut session| {
            session.hello(&mut out)?;
            Ok(session)
        });
        match begun {
            Ok(session) => {
                if let Some(proxied) = &mut self.connections.get_mut(slot).proxied {
                    proxied.outer = Some(session);
                }
                self.act_in_tunnel(slot);
                self.write_plain(slot, out);
            }
            Err(fault) => self.fail_outer(slot, fault),
        }
    }

    /// Asks the proxy for a way to the server.
    fn request_tunnel(&mut self, slot: Slot) {
        let origin = self.connections.get(slot).origin;
        let mut out = self.tls.buffer();
        let mut asked = Vec::new();
        let origins = self.origins.borrow();
        let connection = self.connections.get_mut(slot);
        let Some(proxied) = &mut connection.proxied else {
            return;
        };
        let via = &proxied.via;
        let known = origins.get(origin);
        let tunnel = match via.route {
            Route::Socks { .. } => {
                let credentials = via.proxy.credentials.as_ref();
                Tunnel::socks(destination(known, via.route), credentials, &mut asked)
            }
            Route::Connect | Route::Forward => {
                let authorization = via.authorization.as_deref();
                Tunnel::connect(&known.origin.host_and_port(), authorization, &mut asked)
            }
        };
        drop(origins);
        proxied.stage = Stage::Requesting(tunnel);
        match proxied.wrap(&asked, &mut out) {
            Ok(()) => {
                self.act_in_tunnel(slot);
                self.write_plain(slot, out);
            }
            Err(fault) => self.fail_outer(slot, fault),
        }
    }

    /// Something is sent to the proxy: the generator acts with this submission.
    fn act_in_tunnel(&mut self, slot: Slot) {
        let id = self.connections.get(slot).stream;
        if id != NONE {
            self.streams.get_mut(id).ready = self.now;
            self.acting.push(slot);
        }
    }

    /// Sends bytes of TLS with the server, or behind it: inside of TLS with the proxy, if there is
    /// any.
    pub(super) fn write(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        let Some(proxied) = &mut connection.proxied else {
            return self.write_plain(slot, bytes);
        };
        if bytes.is_empty() {
            return self.tls.give_back(bytes);
        }
        let mut out = self.tls.buffer();
        let wrapped = proxied.wrap(&bytes, &mut out);
        self.tls.give_back(bytes);
        match wrapped {
            Ok(()) => self.write_plain(slot, out),
            Err(fault) => self.fail_outer(slot, fault),
        }
    }

    /// Takes bytes of a connection whose way leads through a proxy.
    #[cold]
    pub(super) fn feed_proxied(&mut self, slot: Slot, mut received: Received) {
        let connection = self.connections.get_mut(slot);
        let generation = connection.generation;
        let mut plain = Vec::new();
        let mut out = self.tls.buffer();
        let mut taken = Ok(());
        if let Some(proxied) = &mut connection.proxied {
            let bytes = self.ring.bytes_mut(&mut received);
            match &mut proxied.outer {
                Some(outer) => {
                    let mut keep = |data: &[u8]| plain.extend_from_slice(data);
                    taken = outer.receive(bytes, &mut out, &mut keep);
                }
                None => plain.extend_from_slice(bytes),
            }
        }
        self.ring.give_back(received);
        let state = connection.state;
        if matches!(state, ConnectionState::Free | ConnectionState::Closing) {
            return self.tls.give_back(out);
        }
        self.write_plain(slot, out);
        if state == ConnectionState::Tunneling {
            self.feed_tunnel(slot, &plain);
        } else if !plain.is_empty() {
            self.feed_encrypted(slot, Incoming::Unwrapped(plain));
        }
        let connection = self.connections.get(slot);
        if connection.generation != generation || connection.state == ConnectionState::Closing {
            return;
        }
        let outer = connection.proxied.as_ref();
        let outer = outer.and_then(|proxied| proxied.outer.as_deref());
        let is_closed = outer.is_some_and(Session::is_closed);
        match taken {
            Err(fault) => self.fail_outer(slot, fault),
            Ok(()) if is_closed => self.ended(slot, End::Closed),
            Ok(()) => {}
        }
    }

    /// Takes what the proxy says itself.
    fn feed_tunnel(&mut self, slot: Slot, plain: &[u8]) {
        let connection = self.connections.get_mut(slot);
        let Some(proxied) = &mut connection.proxied else {
            return;
        };
        if let (Stage::Handshaking, Some(outer)) = (&proxied.stage, &proxied.outer) {
            if outer.is_open() {
                self.request_tunnel(slot);
            }
            if !plain.is_empty() {
                let text = "speaks before it is asked".to_owned();
                self.fail_tunnel(slot, &TunnelFault::Malformed(text));
            }
            return;
        }
        let Stage::Requesting(tunnel) = &mut proxied.stage else {
            return;
        };
        let mut answer = Vec::new();
        match tunnel.receive(plain, &mut answer) {
            Ok(()) if answer.is_empty() => drop(self.enter_tunnel(slot)),
            Ok(()) => {
                self.act_in_tunnel(slot);
                self.write(slot, answer);
            }
            Err(fault) => self.fail_tunnel(slot, &fault),
        }
    }

    /// Uses the tunnel for the server, if it is open and everything for the proxy is sent; false when
    /// it is not.
    pub(super) fn enter_tunnel(&mut self, slot: Slot) -> bool {
        let connection = self.connections.get_mut(slot);
        let is_sent = !connection.sending && connection.unsent.is_empty();
        let Some(proxied) = &mut connection.proxied else {
            return false;
        };
        match &proxied.stage {
            Stage::Requesting(tunnel) if tunnel.is_open() && is_sent => {}
            _ => return false,
        }
        proxied.stage = Stage::Open;
        if proxied.outer.is_none() {
            connection.proxied = None;
        }
        self.made(slot);
        true
    }

    /// The proxy opened no tunnel: tells why.
    #[cold]
    fn fail_tunnel(&mut self, slot: Slot, fault: &TunnelFault) {
        let (kind, text) = match fault {
            TunnelFault::Credentials(text) | TunnelFault::Refused(text) => {
                (FailureKind::ProxyRefused, text)
            }
            TunnelFault::Malformed(text) => (FailureKind::ProxyProtocol, text),
        };
        let connection = self.connections.get(slot);
        if let Some(proxied) = &connection.proxied {
            let proxy = &proxied.via.proxy;
            let advice = match (fault, &proxy.credentials) {
                (TunnelFault::Credentials(_), None) => format!(
                    "; it wants credentials: {}://NAME:PASSWORD@{}",
                    proxy.scheme.as_str(),
                    proxy.address()
                ),
                (TunnelFault::Credentials(_), Some(_)) => {
                    "; check the credentials in its URL".to_owned()
                }
                _ => String::new(),
            };
            let server = self
                .origins
                .borrow()
                .get(connection.origin)
                .origin
                .host_and_port();
            let matter = format!("{proxy}\n{server}\n{kind}\n{text}");
            self.telemetry.send_once(matter, || Event::Notice {
                text: format!("the proxy {proxy}, asked for {server}: {kind}: it {text}{advice}"),
            });
        }
        self.fail(slot, kind);
    }

    /// TLS with the proxy has failed: says why.
    #[cold]
    fn fail_outer(&mut self, slot: Slot, fault: Fault) {
        let kind = fault.kind();
        let proxied = self.connections.get(slot).proxied.as_ref();
        if let Some(proxied) = proxied {
            let proxy = &proxied.via.proxy;
            let reason = proxied.outer.as_deref().and_then(Session::reason);
            let reason = reason.unwrap_or_default();
            let matter = format!("{proxy}\n{kind}\n{}", error_key(reason));
            self.telemetry.send_once(matter, || Event::Notice {
                text: format!("the proxy {proxy}: {kind}: {reason}"),
            });
        }
        self.fail(slot, kind);
    }
}

/// How a SOCKS proxy is told of a server.
fn destination(known: &Known, route: Route) -> Destination<'_> {
    let (host, port) = (known.origin.host.as_str(), known.origin.port);
    let resolved = match route {
        Route::Socks { is_resolved: true } => known.first_address(),
        _ => host.parse().ok().map(|ip: IpAddr| (ip, port).into()),
    };
    resolved.map_or(Destination::Name(host, port), Destination::Address)
}
