//! What comes back for a request, and how much of it is kept.

use crate::event::WIRE_BYTES_MAX;
use crate::http::content::{DecodeFault, Decoder, decode_whole};
use crate::http::fault::Fault;
use crate::http::head_flags::{HeadFlags, values};
use crate::http::response::Sink;
use stats::FailureKind;
use std::cell::OnceCell;

/// A kept body above this size is a failure, unless the script never asked for the body.
pub(crate) const KEPT_BODY_BYTES_MAX: usize = 64 << 20;
/// A body that is kept only in case a check asks for it is let go above this size.
pub(crate) const RETAINED_BODY_BYTES_MAX: usize = 1 << 20;

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
    pub(crate) kept: Option<Box<KeptReply>>,
    /// The first bytes as they came, where the run is traced.
    pub(crate) wire: Option<Box<Wire>>,
}

/// The beginning of a reply as it came, [`WIRE_BYTES_MAX`] bytes at most.
#[derive(Debug, Default)]
pub(crate) struct Wire(Vec<u8>);

/// The kept bytes of a reply.
#[derive(Debug, Default)]
pub(crate) struct KeptReply {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// The body was larger than what may be kept, and is gone.
    pub(crate) overflowed: bool,
    /// The body is encoded, and is decoded when somebody asks for it.
    is_encoded: bool,
    /// The decoded body, from the first time that somebody asked for it.
    decoded: OnceCell<Result<Vec<u8>, DecodeFault>>,
    /// Decodes the body as it comes, since the script asked for it.
    decoder: Option<Decoder>,
    /// Bytes of the body as it came, when it is decoded.
    pub(crate) encoded_bytes: u64,
    fault: Option<DecodeFault>,
}

impl KeptReply {
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
    /// A reply of which nothing has come. `watch` says what is looked for in its head.
    pub(super) fn new(keep: Keep, watch: HeadFlags) -> Reply {
        Reply {
            keep,
            watch,
            seen: HeadFlags::NONE,
            status: 0,
            bytes_in: 0,
            kept: None,
            wire: None,
        }
    }

    /// The reply to another request, where nothing is kept of the one before.
    #[inline]
    pub(super) fn begin(&mut self, keep: Keep, watch: HeadFlags) {
        (self.keep, self.watch) = (keep, watch);
        self.seen = HeadFlags::NONE;
        (self.status, self.bytes_in) = (0, 0);
    }

    /// Forgets what has come, before the request is sent again.
    pub(super) fn rewind(&mut self) {
        self.status = 0;
        self.kept = None;
        self.seen = HeadFlags::NONE;
    }

    /// Keeps the beginning of what comes, for a run that is traced.
    #[cold]
    pub(super) fn keep_wire(&mut self, bytes: &[u8]) {
        let Wire(known) = &mut **self.wire.get_or_insert_default();
        let room = WIRE_BYTES_MAX - known.len();
        known.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The beginning of the reply as it came, when `failure` says that it could not be read.
    pub(crate) fn unreadable(&mut self, failure: Option<FailureKind>) -> Vec<u8> {
        let is_unreadable = matches!(
            failure,
            Some(
                FailureKind::BadHead
                    | FailureKind::BadChunk
                    | FailureKind::BadLength
                    | FailureKind::HeadTooLarge
                    | FailureKind::TooManyInformational
                    | FailureKind::UnexpectedUpgrade
            )
        );
        let wire = self.wire.take().filter(|_| is_unreadable);
        wire.map_or_else(Vec::new, |wire| wire.0)
    }

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

    /// Why the body of a whole reply cannot be had.
    pub(crate) fn whole_body_failure(&self) -> Option<FailureKind> {
        let kept = self.kept.as_ref()?;
        let is_cut = kept.decoder.as_ref().is_some_and(|d| d.finish().is_err());
        let cut = is_cut.then_some(FailureKind::DecodeError);
        self.body_failure().or(cut)
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
