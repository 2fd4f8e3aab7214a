//! One request and its reply: a stream. It waits for a connection, is carried by one, and ends as
//! one [`Completed`].

use super::origins::OriginId;
use super::reply::{Keep, Reply};
use crate::clock::Moment;
use crate::http::encode::Template;
use crate::http::head_flags::HeadFlags;
use crate::http::message::Message;
use crate::http::upload::Upload;
use crate::ring::Slot;
use stats::{FailureKind, NameId, Phase};

/// No owner, no connection, no stream.
pub(crate) const NONE: u32 = u32::MAX;

/// Whose connections a request uses: an index that the caller chooses, small and dense, and frees
/// with `Transport::release`. What it stands for is the caller's matter.
pub(crate) type Owner = u32;

/// The index of a stream, from its submission until the caller gives it back.
pub(crate) type StreamId = u32;

/// What is sent.
#[derive(Debug)]
pub(crate) enum Payload {
    /// A request that is made once and sent any number of times.
    Template(&'static Template),
    /// A template with one more field: the value of Cookie.
    WithCookies(&'static Template, Vec<u8>),
    /// A request made for one use.
    Message(Box<Message>),
    /// A request whose body goes out in pieces.
    Upload(Box<Upload>),
    /// Nothing: the stream is free.
    Gone,
}

/// A request that the caller submits.
#[derive(Debug)]
pub(crate) struct Request {
    /// The caller's own number for it, handed back when it has ended.
    pub(crate) ticket: u32,
    pub(crate) name: NameId,
    pub(crate) origin: OriginId,
    pub(crate) payload: Payload,
    /// Since when the generator could have sent it.
    pub(crate) ready: Moment,
    /// Time limit from its submission, in nanoseconds.
    pub(crate) timeout_ns: u64,
    /// No body is expected whatever the head says.
    pub(crate) head_only: bool,
    /// It may be sent again when a reused connection turns out dead.
    pub(crate) idempotent: bool,
    /// Close the connection afterwards.
    pub(crate) last: bool,
    pub(crate) keep: Keep,
    /// What is looked for in the reply's head.
    pub(crate) watch: HeadFlags,
}

/// The end of a request. The stream is the caller's until it calls `Transport::give_back`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    pub(crate) stream: StreamId,
    /// What the request was submitted with.
    pub(crate) ticket: u32,
    /// Why no whole reply came; what its status means is not judged here.
    pub(crate) failure: Option<FailureKind>,
    /// False when the request failed before any of it was written.
    pub(crate) was_written: bool,
    pub(crate) done: Moment,
}

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The place is free.
    Vacant,
    /// It waits for an address.
    Lookup,
    /// It waits for a connection of its owner.
    Queued,
    /// It waits for a connection of the pool, behind smaller tickets.
    Pooled { ticket: u64 },
    /// A connection has it.
    Carried,
    /// It has ended, and the caller has not given it back.
    Ended,
}

/// What a request has waited for before it was sent, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Waits {
    pub(super) queue_ns: u64,
    pub(super) dns_ns: u64,
    pub(super) connect_ns: u64,
    pub(super) tls_ns: u64,
    pub(super) send_ns: u64,
}

/// The parts of the time of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timings {
    waits: Waits,
    first_byte_ns: u64,
    receive_ns: u64,
}

impl Timings {
    /// Each part with its nanoseconds; 0 where it did not occur.
    pub(crate) fn parts(&self) -> [(Phase, u64); 7] {
        [
            (Phase::Queue, self.waits.queue_ns),
            (Phase::Dns, self.waits.dns_ns),
            (Phase::Connect, self.waits.connect_ns),
            (Phase::Tls, self.waits.tls_ns),
            (Phase::Send, self.waits.send_ns),
            (Phase::FirstByte, self.first_byte_ns),
            (Phase::Receive, self.receive_ns),
        ]
    }
}

/// A request under way, or one that has ended and is being looked at.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) ticket: u32,
    pub(super) owner: Owner,
    pub(crate) name: NameId,
    pub(crate) origin: OriginId,
    pub(super) stage: Stage,
    /// The connection that has it, or [`NONE`].
    pub(super) connection: Slot,
    pub(crate) payload: Payload,
    /// Since when the generator could have acted.
    pub(super) ready: Moment,
    /// When the first byte was written, or [`Moment::NEVER`].
    pub(crate) sent: Moment,
    /// When the first byte of the reply came, or [`Moment::NEVER`].
    pub(crate) first_byte: Moment,
    /// The generator's own lateness so far, in nanoseconds.
    pub(crate) lag_ns: u64,
    pub(super) timeout_ns: u64,
    pub(crate) bytes_out: u64,
    /// When it runs out of time.
    pub(super) limit: Moment,
    /// When it, or the phase of it that is under way, does.
    pub(super) deadline: Moment,
    /// The earliest entry of this place in the timers; it outlives the request.
    pub(super) armed: Moment,
    pub(super) head_only: bool,
    pub(super) idempotent: bool,
    pub(super) last: bool,
    /// It was sent once already, on a connection that turned out dead.
    pub(super) retried: bool,
    /// It has waited for something; otherwise `waits` is of another request.
    has_waited: bool,
    waits: Waits,
    pub(crate) reply: Reply,
}

impl Stream {
    /// A place that was never used; `name` is of no account.
    fn vacant(name: NameId) -> Stream {
        Stream {
            ticket: 0,
            owner: NONE,
            name,
            origin: 0,
            stage: Stage::Vacant,
            connection: NONE,
            payload: Payload::Gone,
            ready: Moment::NEVER,
            sent: Moment::NEVER,
            first_byte: Moment::NEVER,
            lag_ns: 0,
            timeout_ns: 0,
            bytes_out: 0,
            limit: Moment::NEVER,
            deadline: Moment::NEVER,
            armed: Moment::NEVER,
            head_only: false,
            idempotent: false,
            last: false,
            retried: false,
            has_waited: false,
            waits: Waits::default(),
            reply: Reply::new(Keep::Nothing, HeadFlags::NONE),
        }
    }

    /// A free place takes a request in. Field by field, since this is on the way of every request;
    /// `armed` goes on.
    #[inline]
    fn begin(&mut self, owner: Owner, request: Request, now: Moment) {
        self.ticket = request.ticket;
        self.owner = owner;
        self.name = request.name;
        self.origin = request.origin;
        self.stage = Stage::Carried;
        self.connection = NONE;
        self.payload = request.payload;
        self.ready = request.ready;
        self.sent = Moment::NEVER;
        self.first_byte = Moment::NEVER;
        self.lag_ns = 0;
        self.timeout_ns = request.timeout_ns;
        self.bytes_out = 0;
        self.limit = Moment(now.0.saturating_add(request.timeout_ns));
        self.deadline = self.limit;
        self.head_only = request.head_only;
        self.idempotent = request.idempotent;
        self.last = request.last;
        self.retried = false;
        self.has_waited = false;
        self.reply.begin(request.keep, request.watch);
    }

    /// What it has waited for, to be added to.
    pub(super) fn waits(&mut self) -> &mut Waits {
        if !self.has_waited {
            self.has_waited = true;
            self.waits = Waits::default();
        }
        &mut self.waits
    }

    /// The parts of its time, when it has ended at `done`.
    pub(crate) fn timings(&self, done: Moment) -> Timings {
        let known = |moment: Moment| {
            if moment == Moment::NEVER {
                done
            } else {
                moment
            }
        };
        let (sent, first_byte) = (known(self.sent), known(self.first_byte));
        let waits = if self.has_waited {
            self.waits
        } else {
            Waits::default()
        };
        Timings {
            waits,
            first_byte_ns: first_byte.since(sent),
            receive_ns: done.since(first_byte),
        }
    }

    /// The generator acts at `now`: what passed since it could have is its own lateness.
    #[inline]
    pub(super) fn act(&mut self, now: Moment) {
        self.lag_ns += now.since(self.ready);
        self.ready = now;
    }

    /// Rewinds to unsent, for the one retry on a new connection. The clock runs on.
    pub(super) fn rewind(&mut self, now: Moment) {
        self.retried = true;
        self.limit = Moment(now.0.saturating_add(self.timeout_ns));
        self.deadline = self.limit;
        self.ready = now;
        self.sent = Moment::NEVER;
        self.first_byte = Moment::NEVER;
        self.connection = NONE;
        self.reply.rewind();
        if let Some(upload) = self.upload() {
            upload.rewind();
        }
    }

    pub(super) fn is_upload(&self) -> bool {
        matches!(self.payload, Payload::Upload(_))
    }

    pub(super) fn upload(&mut self) -> Option<&mut Upload> {
        match &mut self.payload {
            Payload::Upload(upload) => Some(upload),
            _ => None,
        }
    }
}

/// The streams of one core. A place is used again as soon as it is given back, the latest first.
#[derive(Default)]
pub(super) struct Streams {
    table: Vec<Stream>,
    free: Vec<StreamId>,
}

impl Streams {
    /// Makes room for so many, and no more.
    pub(super) fn reserve(&mut self, streams: usize) {
        self.table.reserve_exact(streams);
    }

    /// Takes a request in at `now`.
    #[inline]
    pub(super) fn take(&mut self, owner: Owner, request: Request, now: Moment) -> StreamId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.table.push(Stream::vacant(request.name));
            self.table.len() as StreamId - 1
        });
        self.table[id as usize].begin(owner, request, now);
        id
    }

    /// Frees a place. What the request and its reply held in memory is freed with it.
    #[inline]
    pub(super) fn release(&mut self, id: StreamId) {
        let stream = &mut self.table[id as usize];
        debug_assert!(stream.stage != Stage::Vacant, "a stream is given back once");
        stream.stage = Stage::Vacant;
        stream.reply.kept = None;
        stream.reply.wire = None;
        if !matches!(stream.payload, Payload::Template(_)) {
            stream.payload = Payload::Gone;
        }
        self.free.push(id);
    }

    /// All places that were ever used.
    pub(super) fn ids(&self) -> std::ops::Range<StreamId> {
        0..self.table.len() as StreamId
    }

    /// Streams that are not free.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.table.len() - self.free.len()
    }

    #[inline]
    pub(super) fn get(&self, id: StreamId) -> &Stream {
        &self.table[id as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: StreamId) -> &mut Stream {
        &mut self.table[id as usize]
    }
}
