//! One connection of the origin: bytes in, requests out, no socket calls.

use super::request::{self, Head, Parsed};

/// Bytes of a next request that are kept while the last one waits for its reply.
const EARLY_MAX: usize = request::HEAD_MAX;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadState {
    /// Waiting for a head, or in the middle of one.
    Head,
    /// This many bytes of body are still to come.
    Body(u64),
    /// A complete request waits for its reply, or the reply is being written.
    Busy,
}

/// What the bytes read so far contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing until more is read, or until the reply is out.
    NeedsMore,
    /// A head is complete; its body, maybe empty, comes next.
    HeadRead,
    /// The request is complete and its reply awaited.
    Complete,
    /// Not a request that can be served.
    Bad,
}

/// The part of a connection that is not a socket.
pub(super) struct HttpConnection {
    state: ReadState,
    /// Read and not yet consumed.
    input: Vec<u8>,
    /// Bytes at the front of `input` known to hold no end of a head.
    seen: usize,
    /// The `x-id` of the current request, empty when it had none.
    id: Vec<u8>,
    /// Whether to close after the current reply.
    pub(super) close: bool,
    /// Whether the current reply must not have a body.
    bodiless: bool,
    /// The reply, from when it was due until it is written in full.
    output: Vec<u8>,
    /// Bytes of `output` already written.
    written: usize,
}

impl HttpConnection {
    pub(super) fn new() -> HttpConnection {
        HttpConnection {
            state: ReadState::Head,
            input: Vec::new(),
            seen: 0,
            id: Vec::new(),
            close: false,
            bodiless: false,
            output: Vec::new(),
            written: 0,
        }
    }

    /// Whether a complete request has not been answered in full.
    pub(super) fn is_busy(&self) -> bool {
        self.state == ReadState::Busy
    }

    /// Whether a head has come and its body has not, or not all of it.
    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.state, ReadState::Body(_))
    }

    /// Takes bytes from the peer; false when they are more than are kept ahead of a reply.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> bool {
        self.input.extend_from_slice(bytes);
        !self.is_busy() || self.input.len() <= EARLY_MAX
    }

    /// Consumes what can be; to be called until it says `NeedsMore` or `Bad`.
    pub(super) fn advance(&mut self) -> Progress {
        match self.state {
            ReadState::Busy => Progress::NeedsMore,
            ReadState::Body(left) => {
                let here = left.min(self.input.len() as u64);
                self.input.drain(..here as usize);
                if here < left {
                    self.state = ReadState::Body(left - here);
                    return Progress::NeedsMore;
                }
                self.state = ReadState::Busy;
                Progress::Complete
            }
            ReadState::Head if self.input.is_empty() => Progress::NeedsMore,
            ReadState::Head => match request::parse(&self.input, self.seen) {
                Parsed::Bad => Progress::Bad,
                Parsed::Partial => {
                    self.seen = self.input.len();
                    Progress::NeedsMore
                }
                Parsed::Head(Head {
                    length,
                    body,
                    close,
                    bodiless,
                    id,
                }) => {
                    self.id.clear();
                    self.id.extend_from_slice(id.unwrap_or_default());
                    self.close = close;
                    self.bodiless = bodiless;
                    self.state = ReadState::Body(body);
                    self.seen = 0;
                    self.input.drain(..length);
                    Progress::HeadRead
                }
            },
        }
    }

    /// Makes the reply to the current request.
    pub(super) fn reply(&mut self, status: &str, body: &[u8], service_ns: Option<u64>) {
        let out = &mut self.output;
        out.clear();
        self.written = 0;
        out.extend_from_slice(format!("HTTP/1.1 {status}\r\ncontent-length: ").as_bytes());
        out.extend_from_slice(body.len().to_string().as_bytes());
        if !self.id.is_empty() {
            out.extend_from_slice(b"\r\nx-id: ");
            out.extend_from_slice(&self.id);
        }
        if let Some(service_ns) = service_ns {
            out.extend_from_slice(format!("\r\nx-service-ns: {service_ns}").as_bytes());
        }
        if self.close {
            out.extend_from_slice(b"\r\nconnection: close");
        }
        out.extend_from_slice(b"\r\n\r\n");
        if !self.bodiless {
            out.extend_from_slice(body);
        }
    }

    /// What is still to be written of the reply.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// This many bytes were written; true when the reply is complete and the next request may be
    /// looked at.
    pub(super) fn wrote(&mut self, n: usize) -> bool {
        self.written += n;
        assert!(
            self.written <= self.output.len(),
            "no more is written than there is"
        );
        let complete = self.written == self.output.len();
        if complete {
            self.state = ReadState::Head;
            self.output.clear();
            self.written = 0;
        }
        complete
    }
}
