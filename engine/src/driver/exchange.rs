//! One request and its reply: what is sent, what has come back, and the moments in between.

use crate::clock::Moment;
use crate::http::fault::Fault;
use crate::http::response::Sink;
use stats::{FailureKind, NameId, Sample};

/// A kept body above this size is a failure, unless the script raised no hand for it at all.
pub(super) const KEPT_BODY_BYTES_MAX: usize = 64 << 20;
/// A body that is kept only in case a check asks for it is let go above this size.
pub(super) const RETAINED_BODY_BYTES_MAX: usize = 1 << 20;

/// The encoded request.
#[derive(Debug)]
pub(super) enum Payload {
    /// A template: the same bytes for ever.
    Static(&'static [u8]),
    /// Made for this request.
    Owned(Vec<u8>),
    /// Made for this request, and held by the ring until it is sent.
    InRing,
}

/// How much of a reply is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Nothing: bytes are counted and dropped.
    Nothing,
    /// Head and body, in case a check or a header look-up asks before the user goes on.
    InCase,
    /// Head and body: the script asked.
    Asked,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The user or branch that waits for the reply.
    pub(super) user: u32,
    pub(super) name: NameId,
    pub(super) payload: Payload,
    /// When it was due.
    pub(super) intended: Moment,
    /// Since when the generator could have acted.
    pub(super) ready: Moment,
    /// When the first byte was written.
    pub(super) sent: Moment,
    /// When the first byte of the reply came.
    pub(super) first_byte: Moment,
    /// The generator's own lateness so far, in nanoseconds.
    pub(super) lag_ns: u64,
    /// Time limit from the moment it was issued, in nanoseconds.
    pub(super) timeout_ns: u64,
    pub(super) bytes_out: u64,
    /// The statuses that count as ok; none means below 400.
    pub(super) expect: Option<Box<[u16]>>,
    pub(super) head_only: bool,
    pub(super) idempotent: bool,
    /// Close the connection afterwards.
    pub(super) last: bool,
    /// It was sent once already, on a connection that turned out dead.
    pub(super) retried: bool,
    pub(super) reply: Reply,
}

/// What has come back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) keep: Keep,
    pub(super) status: u16,
    pub(super) bytes_in: u64,
    /// What is kept of it, if anything.
    pub(super) kept: Option<Box<Kept>>,
}

/// The kept bytes of a reply.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// The body was larger than what may be kept, and is gone.
    pub(super) overflowed: bool,
}

impl Sink for Reply {
    #[inline]
    fn head(&mut self, status: u16, head: &[u8]) {
        self.status = status;
        if self.keep != Keep::Nothing {
            self.kept
                .get_or_insert_default()
                .head
                .extend_from_slice(head);
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
        if kept.overflowed || kept.body.len() + bytes.len() > most {
            kept.overflowed = true;
            kept.body = Vec::new();
        } else {
            kept.body.extend_from_slice(bytes);
        }
    }
}

impl Reply {
    /// The script asked for a body that is too large to be kept.
    pub(super) fn is_too_large(&self) -> bool {
        self.keep == Keep::Asked && self.kept.as_ref().is_some_and(|kept| kept.overflowed)
    }
}

impl Exchange {
    /// Whether a status counts as ok.
    pub(super) fn expects(&self, status: u16) -> bool {
        match &self.expect {
            Some(list) => list.contains(&status),
            None => status < 400,
        }
    }

    /// What is recorded of it when it ends at `done`.
    pub(super) fn sample(&self, done: Moment, failure: Option<FailureKind>) -> Sample {
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
            status: self.reply.status,
            failure,
            bytes_in: self.reply.bytes_in,
            bytes_out: self.bytes_out,
        }
    }

    /// The generator acts at `now`: what passed since it could have is its own lateness.
    pub(super) fn act(&mut self, now: Moment) {
        self.lag_ns += now.since(self.ready);
        self.ready = now;
    }

    /// Rewinds to unsent, for the one retry on a new connection. The clock runs on.
    pub(super) fn rewind(&mut self, now: Moment) {
        self.retried = true;
        self.ready = now;
        self.sent = Moment::NEVER;
        self.first_byte = Moment::NEVER;
        self.reply.status = 0;
        self.reply.kept = None;
    }
}

/// The failure a framing fault counts as.
pub(super) fn failure_of(fault: Fault) -> FailureKind {
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
