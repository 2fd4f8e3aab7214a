//! HTTP/1.1 as an arm of `Protocol`: one stream at a time per connection, requests as the bytes of
//! their templates.

use super::stream::{Payload, Stream};
use super::wire::{Encoded, Progress};
use crate::http::encode::encode;
use crate::http::fault::Fault;
use crate::http::response::{BodyRule, Fed, ResponseHeadCache, ResponseReader};

/// The name of the protocol in ALPN.
pub(super) const ALPN: &[u8] = b"http/1.1";
/// How a server begins that has waited long enough for the next request.
const TIMED_OUT: &[u8] = b"HTTP/1.1 408";

/// A request up to this length fits into any send buffer that is empty.
const SHORT_BYTES: usize = 4 << 10;

/// One connection that speaks HTTP/1.1.
#[derive(Debug)]
pub(super) struct H1 {
    reader: ResponseReader,
}

impl H1 {
    pub(super) const fn new() -> H1 {
        H1 {
            reader: ResponseReader::new(),
        }
    }

    /// The next reply belongs to this request.
    #[inline]
    pub(super) fn begin(&mut self, stream: &Stream) {
        let rule = if stream.head_only {
            BodyRule::Head
        } else {
            BodyRule::Normal
        };
        self.reader.start(rule);
    }

    /// Hands received bytes to the reply of the stream under way.
    #[inline]
    pub(super) fn receive(
        &mut self,
        cache: &mut ResponseHeadCache,
        bytes: &[u8],
        stream: &mut Stream,
        progress: &mut Progress,
    ) {
        match self.reader.feed(cache, bytes, &mut stream.reply) {
            Ok(Fed { consumed, done }) => {
                progress.done = done;
                progress.surplus |= consumed < bytes.len();
            }
            Err(fault) => progress.fault = Some(fault),
        }
    }

    /// Whether bytes that nobody asked for say that the server has waited long enough.
    pub(super) fn is_time_out(bytes: &[u8]) -> bool {
        bytes.starts_with(TIMED_OUT)
    }

    /// The stream of bytes has ended: completes a reply that only its end completes.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.reader.eof().map(drop)
    }

    pub(super) fn has_begun_reply(&self) -> bool {
        self.reader.got_any_byte()
    }

    pub(super) fn has_head(&self) -> bool {
        self.reader.status() != 0
    }

    pub(super) fn wants_body(&self) -> bool {
        self.reader.continued()
    }

    #[inline]
    pub(super) fn may_reuse(&self) -> bool {
        self.reader.keep_alive()
    }
}

/// Whether a request fits into any send buffer that is empty; for one that the ring holds until it
/// is sent, its completion says more.
pub(super) fn is_short(payload: &Payload) -> bool {
    !matches!(payload, Payload::Template(template) if template.h1.len() > SHORT_BYTES)
}

/// A request as bytes; `spare` is memory for those that are made. An upload has its own pieces.
#[inline]
pub(super) fn encoded(payload: &Payload, spare: impl FnOnce() -> Vec<u8>) -> Encoded {
    let mut out = match payload {
        Payload::Template(template) => return Encoded::Static(&template.h1),
        _ => spare(),
    };
    match payload {
        Payload::WithCookies(template, cookies) => {
            template.encode_with(b"Cookie", cookies, &mut out);
        }
        Payload::Message(message) => encode(message, &mut out),
        Payload::Upload(upload) => encode(upload.message(), &mut out),
        Payload::Template(_) | Payload::Gone => {}
    }
    Encoded::Owned(out)
}
