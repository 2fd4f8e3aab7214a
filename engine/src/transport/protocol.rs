//! The protocols that a connection may speak, and what each of them has to offer.
//!
//! A protocol is a state machine without sockets and clocks: bytes in, events out. Its methods are
//! all that the rest of the transport knows of it:
//!
//! - [`ALPN`]: what is offered in a TLS handshake, the preferred one first, and
//!   [`Protocol::negotiated`] makes the machine of what was agreed.
//! - [`Protocol::begin`] and [`encoded`]: a request goes out. It is structured until here
//!   (`http/message.rs`), and a template keeps its bytes for each protocol (`http/encode.rs`).
//! - [`Protocol::receive`]: received bytes become events of the stream that they belong to: head
//!   and body go to its `Reply` (a `Sink`), and [`Progress`] says what the connection has to do.
//! - [`Protocol::end`]: the peer has closed its direction.
//! - [`Protocol::streams_max`] and [`Protocol::may_reuse`]: what a request may be given to.
//!
//! What a second arm has to do, HTTP/2 for example:
//!
//! 1. A file beside `h1.rs` with its machine, and its name in [`ALPN`].
//! 2. Its own map from the protocol's stream numbers to [`StreamId`](super::stream::StreamId)s.
//!    `Connection::stream` is then only the stream that waits for the connect; every other step
//!    goes by the stream, which has its own deadline and knows its connection.
//! 3. `streams_max` above 1: `Owners::find` and `SharedPool::claim` treat a connection with fewer
//!    streams than that as idle ones.
//! 4. A reply that ends one stream leaves the connection as it is: `on_response` rests it only when
//!    its last stream has ended. A fault of one stream ends that stream; one of the connection ends
//!    all of them.
//! 5. Frames that answer the peer (settings, pings, window updates) go out as the answers of TLS
//!    do, by `Transport::write`.
//! 6. Deadlines of requests are their streams'. A machine with one of its own (a ping that must be
//!    answered) says when, and `Deadline` in `transport.rs` gets an entry for connections.
//! 7. Uploads are cut into plain pieces (`Upload` without chunks) and framed by the machine.

use super::h1::{self, H1};
use super::stream::{Payload, Stream};
use super::wire::{Encoded, Progress};
use crate::http::fault::Fault;
use crate::http::response::ResponseHeadCache;

/// The protocols that are offered in a TLS handshake, the preferred one first.
pub(super) const ALPN: [&[u8]; 1] = [h1::ALPN];

/// What one connection speaks.
#[derive(Debug)]
pub(super) enum Protocol {
    H1(H1),
}

impl Protocol {
    /// The protocol that a handshake agreed on, or that connections without TLS speak (`None`).
    pub(super) const fn negotiated(_alpn: Option<&[u8]>) -> Protocol {
        Protocol::H1(H1::new())
    }

    /// How many streams a connection may carry at once.
    pub(super) fn streams_max(&self) -> u32 {
        match self {
            Protocol::H1(_) => 1,
        }
    }

    /// A request is about to be sent.
    #[inline]
    pub(super) fn begin(&mut self, stream: &Stream) {
        match self {
            Protocol::H1(h1) => h1.begin(stream),
        }
    }

    /// Whether a request was sent at once, when it was.
    pub(super) fn is_short(&self, payload: &Payload) -> bool {
        match self {
            Protocol::H1(_) => h1::is_short(payload),
        }
    }

    /// Takes received bytes while a request is under way.
    #[inline]
    pub(super) fn receive(
        &mut self,
        cache: &mut ResponseHeadCache,
        bytes: &[u8],
        stream: &mut Stream,
        progress: &mut Progress,
    ) {
        match self {
            Protocol::H1(h1) => h1.receive(cache, bytes, stream, progress),
        }
    }

    /// Takes received bytes while none is.
    pub(super) fn receive_unasked(&self, bytes: &[u8], progress: &mut Progress) {
        progress.surplus = true;
        progress.timed_out |= match self {
            Protocol::H1(_) => H1::is_time_out(bytes),
        };
    }

    /// The peer has closed its direction: completes a reply that only its end completes.
    ///
    /// # Errors
    ///
    /// What was missing.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self {
            Protocol::H1(h1) => h1.end(),
        }
    }

    /// Whether any byte of the reply under way has come: a request that got none may be sent again.
    pub(super) fn has_begun_reply(&self) -> bool {
        match self {
            Protocol::H1(h1) => h1.has_begun_reply(),
        }
    }

    /// Whether the final head of the reply under way has come.
    pub(super) fn has_head(&self) -> bool {
        match self {
            Protocol::H1(h1) => h1.has_head(),
        }
    }

    /// Whether the peer has asked for the body of the request under way.
    pub(super) fn wants_body(&self) -> bool {
        match self {
            Protocol::H1(h1) => h1.wants_body(),
        }
    }

    /// Whether the connection may carry another request, now that a reply is whole.
    #[inline]
    pub(super) fn may_reuse(&self) -> bool {
        match self {
            Protocol::H1(h1) => h1.may_reuse(),
        }
    }
}

/// A request as bytes of the protocol; `spare` gives memory for those that are made for one use.
#[inline]
pub(super) fn encoded(
    protocol: &Protocol,
    payload: &Payload,
    spare: impl FnOnce() -> Vec<u8>,
) -> Encoded {
    match protocol {
        Protocol::H1(_) => h1::encoded(payload, spare),
    }
}
