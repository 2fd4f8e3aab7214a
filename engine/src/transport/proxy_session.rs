//! What a connection that leads through a proxy has besides its own state.

use super::origins::Via;
use super::tunnel::Tunnel;
use crate::tls::{Fault, Session};
use std::rc::Rc;

/// What stands between a connection and its server.
pub(super) struct ProxySession {
    pub(super) via: Rc<Via>,
    /// TLS with the proxy, around everything else.
    pub(super) outer: Option<Box<Session>>,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// The TLS handshake with the proxy is under way.
    Handshaking,
    /// The proxy was asked for a way to the server and has not answered yet.
    Requesting(Tunnel),
    /// The tunnel is open, inside TLS with the proxy.
    Open,
}

impl ProxySession {
    /// Wraps what is sent into TLS with the proxy, if there is any.
    ///
    /// # Errors
    /// What is wrong with that TLS.
    pub(super) fn wrap(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        match &mut self.outer {
            Some(outer) => outer.encrypt(bytes, out),
            None => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Wraps the last bytes that are sent, and says that nothing more comes.
    pub(super) fn wrap_last(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.wrap(bytes, out).is_ok()
            && let Some(outer) = &mut self.outer
        {
            outer.close(out);
        }
    }
}
