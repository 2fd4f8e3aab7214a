//! What the misbehaving server and its connections share: the script, and what has been seen.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::script::Script;
use super::wire::TlsSide;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has not.
    Open,
    /// The server followed its list to the end, or to a close or reset.
    Server,
    /// The peer closed.
    PeerClosed,
    /// The peer reset, or was gone when something was written.
    PeerReset,
    /// The server was stopped.
    Stopped,
}

/// What a misbehaving server has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultReport {
    /// How each connection ended, in order of accepting; their number is that of connections.
    pub ends: Vec<End>,
    /// Complete request heads.
    pub requests: u64,
    /// Of each connection.
    pub requests_by_connection: Vec<u32>,
    /// The first thousand heads, as received, in order of being complete.
    pub heads: Vec<String>,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

impl FaultReport {
    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.ends.len() as u64
    }
}

/// What the threads share.
pub(super) struct Shared {
    pub(super) script: Script,
    /// `Some`: the server speaks TLS.
    pub(super) tls: Option<TlsSide>,
    state: Mutex<ServerState>,
    /// Told of each change that somebody may wait for.
    pub(super) changed: Condvar,
}

#[derive(Default)]
pub(super) struct ServerState {
    pub(super) stopping: bool,
    pub(super) report: FaultReport,
    /// Those open, to be shut down at the end.
    pub(super) open: HashMap<usize, Arc<TcpStream>>,
}

impl Shared {
    pub(super) fn new(script: Script, tls: Option<TlsSide>) -> Shared {
        Shared {
            script,
            tls,
            state: Mutex::new(ServerState::default()),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.state
            .lock()
            .expect("no thread panics while it holds the lock")
    }

    pub(super) fn wait<'a>(
        &self,
        guard: MutexGuard<'a, ServerState>,
        at_most: Duration,
    ) -> MutexGuard<'a, ServerState> {
        let waited = self.changed.wait_timeout(guard, at_most);
        waited.expect("no thread panics while it holds the lock").0
    }

    /// Changes the report and tells those who wait.
    pub(super) fn update(&self, change: impl FnOnce(&mut FaultReport)) {
        change(&mut self.lock().report);
        self.changed.notify_all();
    }
}
