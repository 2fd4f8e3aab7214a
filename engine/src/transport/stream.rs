//! One request and its reply: what is sent, what has come back, and the moments in between.

use crate::clock::Moment;
use crate::http::content::{DecodeFault, Decoder, decode_whole};
use crate::http::fault::Fault;
use crate::http::head_flags::{HeadFlags, values};
use crate::http::response::Sink;
use crate::http::upload::Upload;
use scripting::RequestSpec;
use stats::{FailureKind, NameId, Sample};
use std::cell::OnceCell;

/// A kept body above this size is a failure, unless the script raised no hand for it at all.
pub(crate) const KEPT_BODY_BYTES_MAX: usize = 64 << 20;
/// A body that is kept only in case a check asks for it is let go above this size.
pub(crate) const RETAINED_BODY_BYTES_MAX: usize = 1 << 20;

/// The encoded request.
#[derive(Debug)]
pub(crate) enum Payload {
    /// A template: the same bytes for ever.
    Static(&'static [u8]),
    /// Made for this request.
    Owned(Vec<u8>),
    /// Made for this request, and held by the ring until it is sent.
    InRing,
    /// Sent in pieces, by the exchange's upload.
    Upload,
}

/// A request up to this length fits into any send buffer that is empty.
const SHORT_BYTES: usize = 4 << 10;

impl Payload {
    /// Whether it was sent at once, when it was.
    pub(crate) fn is_short(&self) -> bool {
        !matches!(self, Payload::Static(bytes) if bytes.len() > SHORT_BYTES)
    }
}

/// How much of a reply is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing: bytes are counted and dropped.
    Nothing,
    /// Head and body, in case a check or a header look-up asks before the user goes on.
    InCase,
    /// Head and body: the script asked.
    Asked,
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// The user or branch that waits for the reply.
    pub(crate) user: u32,
    pub(crate) name: NameId,
    pub(crate) payload: Payload,
    /// When it was due.
    pub(crate) intended: Moment,
    /// When the script was due to make the request that led to it.
    pub(crate) begun: Moment,
    /// Since when the generator could have acted.
    pub(crate) ready: Moment,
    /// When the first byte was written.
    pub(crate) sent: Moment,
    /// When the first byte of the reply came.
    pub(crate) first_byte: Moment,
    /// The generator's own lateness so far, in nanoseconds.
    pub(crate) lag_ns: u64,
    /// Time limit from the moment it was issued, in nanoseconds.
    pub(crate) timeout_ns: u64,
    pub(crate) bytes_out: u64,
    /// The template it is made from, unless it has options.
    pub(crate) template: u32,
    /// Its options; the URL is the path it went to.
    pub(crate) spec: Option<Box<RequestSpec>>,
    pub(crate) upload: Option<Box<Upload>>,
    /// Redirects followed so far, and how many may be.
    pub(crate) hops: u8,
    pub(crate) redirects: u8,
    /// Times it was sent again with an answer to a challenge.
    pub(crate) challenges: u8,
    /// It answers a challenge.
    pub(crate) is_signed: bool,
    pub(crate) head_only: bool,
    pub(crate) idempotent: bool,
    /// Close the connection afterwards.
    pub(crate) last: bool,
    /// It was sent once already, on a connection that turned out dead.
    pub(crate) retried: bool,
    pub(crate) reply: Reply,
}

/// What has come back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) keep: Keep,
    /// What is looked for in its head, and what of it was there.
    pub(crate) watch: HeadFlags,
    pub(crate) seen: HeadFlags,
    pub(crate) status: u16,
    pub(crate) bytes_in: u64,
    /// What is kept of it, if anything.
    pub(crate) kept: Option<Box<Kept>>,
}

/// The kept bytes of a reply.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// The body was larger than what may be kept, and is gone.
    pub(crate) overflowed: bool,
    /// The body is encoded, and is decoded when somebody asks for it.
    is_encoded: bool,
    /// So it was.
    decoded: OnceCell<Result<Vec<u8>, DecodeFault>>,
    /// Decodes the body as it comes, since the script asked for it.
    decoder: Option<Decoder>,
    /// Bytes of the body as it came, when it is decoded.
    pub(crate) encoded_bytes: u64,
    fault: Option<DecodeFault>,
}

impl Kept {
    fn begin_decoding(&mut self) {
        match Decoder::new(values(&self.head, "content-encoding"), KEPT_BODY_BYTES_MAX) {
            Ok(decoder) => self.decoder = decoder,
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// The next bytes of a body that the script asked for.
    fn decode(&mut self, bytes: &[u8]) {
        self.encoded_bytes += bytes.len() as u64;
        if let Some(decoder) = &mut self.decoder
            && self.fault.is_none()
        {
            self.fault = decoder.feed(bytes, &mut self.body).err();
        }
    }

    /// The plain body of a reply that was kept in case somebody asks; decodes it the first time.
    /// None when it is gone or no stream of its coding.
    pub(crate) fn plain(&self) -> Option<&[u8]> {
        if self.overflowed {
            return None;
        }
        if !self.is_encoded {
            return Some(&self.body);
        }
        self.decoded().as_deref().ok()
    }

    /// Whether the body was asked for and could not be decoded.
    pub(crate) fn is_undecodable(&self) -> bool {
        matches!(self.decoded.get(), Some(Err(_)))
    }

    fn decoded(&self) -> &Result<Vec<u8>, DecodeFault> {
        self.decoded.get_or_init(|| {
            let fields = values(&self.head, "content-encoding");
            match Decoder::new(fields, KEPT_BODY_BYTES_MAX)? {
                None => Ok(self.body.clone()),
                Some(decoder) => decode_whole(decoder, &self.body),
            }
        })
    }
}

impl Sink for Reply {
    #[inline]
    fn head(&mut self, status: u16, head_flags: HeadFlags, head: &[u8]) {
        self.status = status;
        self.seen = head_flags.among(self.watch);
        if self.keep != Keep::Nothing || !self.seen.is_empty() {
            let kept = self.kept.get_or_insert_default();
            kept.head.extend_from_slice(head);
            if self.seen.has(HeadFlags::ENCODED) {
                match self.keep {
                    Keep::Asked => kept.begin_decoding(),
                    _ => kept.is_encoded = true,
                }
            }
        }
    }

    #[inline]
    fn body(&mut self, bytes: &[u8]) {
        let most = match self.keep {
            Keep::Nothing => return,
            Keep::InCase => RETAINED_BODY_BYTES_MAX,
            Keep::Asked => KEPT_BODY_BYTES_MAX,
        };
        let kept = self.kept.get_or_insert_default();
        if kept.decoder.is_some() {
            return kept.decode(bytes);
        }
        if kept.overflowed || kept.body.len() + bytes.len() > most {
            kept.overflowed = true;
            kept.body = Vec::new();
        } else {
            kept.body.extend_from_slice(bytes);
        }
    }
}

impl Reply {
    /// Why the body that the script asked for cannot be had, as far as it has come.
    pub(crate) fn body_failure(&self) -> Option<FailureKind> {
        let kept = self.kept.as_ref().filter(|_| self.keep == Keep::Asked)?;
        match kept.fault {
            None if kept.overflowed => Some(FailureKind::BodyTooLarge),
            None => None,
            Some(DecodeFault::TooLarge) => Some(FailureKind::BodyTooLarge),
            Some(DecodeFault::Corrupt) => Some(FailureKind::DecodeError),
        }
    }

    /// Bytes of the body as they came and after decoding, where the script asked for it.
    #[inline]
    pub(crate) fn decoded_bytes(&self) -> Option<(u64, u64)> {
        let kept = self.kept.as_ref()?;
        kept.decoder.as_ref()?;
        Some((kept.encoded_bytes, kept.body.len() as u64))
    }

    /// The same of a body that has come whole.
    pub(crate) fn whole_body_failure(&self) -> Option<FailureKind> {
        let kept = self.kept.as_ref()?;
        let is_cut = kept.decoder.as_ref().is_some_and(|d| d.finish().is_err());
        let cut = is_cut.then_some(FailureKind::DecodeError);
        self.body_failure().or(cut)
    }
}

impl Exchange {
    /// Whether a status counts as ok.
    pub(crate) fn expects(&self, status: u16) -> bool {
        match self.expectation() {
            Some(list) => list.contains(&status),
            None => status < 400,
        }
    }

    /// Whether the script named the status as one it wants.
    pub(crate) fn is_expected(&self, status: u16) -> bool {
        self.expectation()
            .is_some_and(|list| list.contains(&status))
    }

    fn expectation(&self) -> Option<&[u16]> {
        self.spec.as_ref()?.expect.as_deref()
    }

    /// What is recorded of it when it ends at `done`.
    pub(crate) fn sample(&self, done: Moment, failure: Option<FailureKind>) -> Sample {
        let sent = if self.sent == Moment::NEVER {
            done
        } else {
            self.sent
        };
        let first_byte = if self.first_byte == Moment::NEVER {
            done
        } else {
            self.first_byte
        };
        Sample {
            latency_ns: done.since(self.intended),
            service_ns: done.since(sent),
            lag_ns: self.lag_ns,
            first_byte_ns: first_byte.since(sent),
            receive_ns: done.since(first_byte),
            status: self.reply.status,
            failure,
            bytes_in: self.reply.bytes_in,
            bytes_out: self.bytes_out,
        }
    }

    /// The generator acts at `now`: what passed since it could have is its own lateness.
    pub(crate) fn act(&mut self, now: Moment) {
        self.lag_ns += now.since(self.ready);
        self.ready = now;
    }

    /// Rewinds to unsent, for the one retry on a new connection. The clock runs on.
    pub(crate) fn rewind(&mut self, now: Moment) {
        self.retried = true;
        self.ready = now;
        self.sent = Moment::NEVER;
        self.first_byte = Moment::NEVER;
        self.reply.status = 0;
        self.reply.kept = None;
        self.reply.seen = HeadFlags::NONE;
        if let Some(upload) = &mut self.upload {
            upload.rewind();
        }
    }
}

/// The failure a framing fault counts as.
pub(crate) fn failure_of(fault: Fault) -> FailureKind {
    match fault {
        Fault::ClosedNoResponse => FailureKind::ClosedNoResponse,
        Fault::IncompleteBody => FailureKind::IncompleteBody,
        Fault::HeadTooLarge => FailureKind::HeadTooLarge,
        Fault::BadHead => FailureKind::BadHead,
        Fault::BadChunk => FailureKind::BadChunk,
        Fault::BadLength => FailureKind::BadLength,
        Fault::TooManyInformational => FailureKind::TooManyInformational,
        Fault::UnexpectedUpgrade => FailureKind::UnexpectedUpgrade,
    }
}
