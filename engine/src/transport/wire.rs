//! What passes between a connection and the protocol that it speaks.

use crate::http::fault::Fault;
use crate::ring::Received;

/// A request as bytes.
pub(super) enum Encoded {
    /// Bytes of a template, which live as long as the process.
    Static(&'static [u8]),
    /// Bytes made for one use.
    Owned(Vec<u8>),
}

/// What some received bytes came to.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The reply is complete.
    pub(super) done: bool,
    /// Data came that was not asked for.
    pub(super) surplus: bool,
    /// The surplus says that the server has waited long enough for a request.
    pub(super) timed_out: bool,
    /// The reply cannot be read.
    pub(super) fault: Option<Fault>,
}

/// Encrypted bytes that have come.
pub(super) enum Incoming {
    /// In a buffer of the ring's.
    Ring(Received),
    /// Inside of TLS with a proxy.
    Unwrapped(Vec<u8>),
}
