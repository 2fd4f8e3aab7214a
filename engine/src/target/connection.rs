//! One connection of the target: requests in, parts of answers out, in order.

use super::pages::{Page, Part};
use crate::clock::Moment;
use crate::http::request::{RequestHead, RequestReader, RequestSink};
use std::collections::VecDeque;

/// The largest body that `/echo` returns and the shop reads; more of it is dropped.
const ECHO_BYTES_MAX: usize = 64 << 20;

/// One connection.
pub(super) struct Connection {
    /// The use of this slot.
    pub(super) generation: u32,
    /// Accepted and not yet closed.
    pub(super) open: bool,
    /// Being closed: nothing is read or sent any more.
    pub(super) closing: bool,
    /// A send whose completion will be seen is under way.
    pub(super) sending: bool,
    /// The multishot receive is armed.
    pub(super) receiving: bool,
    /// Entries in the kernel besides sends of immortal bytes.
    pub(super) pending: u8,
    /// Nothing is sent before.
    pub(super) not_before: Moment,
    pub(super) reader: RequestReader,
    pub(super) heard: Heard,
    /// What is still to be sent.
    pub(super) parts: VecDeque<Part>,
}

/// What was heard of the present request.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) page: Page,
    pub(super) head_only: bool,
    /// The client wants to be told to go on with its body.
    pub(super) expects_continue: bool,
    pub(super) text: Vec<u8>,
}

impl Connection {
    /// A slot nobody uses.
    pub(super) fn unused() -> Connection {
        Connection {
            generation: 0,
            open: false,
            closing: false,
            sending: false,
            receiving: false,
            pending: 0,
            not_before: Moment(0),
            reader: RequestReader::new(),
            heard: Heard::default(),
            parts: VecDeque::new(),
        }
    }

    /// Whether an answer may be sent at once, ahead of nothing.
    pub(super) fn is_clear(&self) -> bool {
        self.parts.is_empty() && !self.sending
    }
}

impl RequestSink for Heard {
    #[inline]
    fn head(&mut self, head: &RequestHead<'_>) {
        self.page = if head.path == b"/" {
            Page::Home
        } else {
            Page::of(head.path)
        };
        self.head_only = head.method == b"HEAD";
        self.expects_continue = head.expects_continue;
        if matches!(self.page, Page::Headers | Page::Shop) {
            self.text.extend_from_slice(head.raw);
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        if matches!(self.page, Page::Echo | Page::Shop)
            && self.text.len() + bytes.len() <= ECHO_BYTES_MAX
        {
            self.text.extend_from_slice(bytes);
        }
    }
}
