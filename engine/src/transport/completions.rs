//! What comes back from the kernel: bytes, ends and errors, and what follows from them.

use super::connections::{Connection, ConnectionState, End, SHARED};
use super::reply::failure_of;
use super::stream::{Completed, NONE, Stage, StreamId, Streams};
use super::wire::{Incoming, Progress};
use super::{Deadline, Transport};
use crate::clock::Moment;
use crate::http::response::ResponseHeadCache;
use crate::ring::{Completion, Kind, Received, RingIo, Slot, Token};
use crate::tls::Session;
use stats::{Counter, FailureKind};

/// What received bytes are read with.
pub(super) struct ReplyReader<'a> {
    pub(super) streams: &'a mut Streams,
    pub(super) head_cache: &'a mut ResponseHeadCache,
    pub(super) now: Moment,
    pub(super) is_traced: bool,
}

impl ReplyReader<'_> {
    /// Hands bytes that are plain to the protocol of their connection.
    #[inline]
    pub(super) fn take(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
        progress: &mut Progress,
    ) {
        let id = connection.stream;
        let is_under_way = connection.state == ConnectionState::Busy && id != NONE;
        if !is_under_way || progress.done || progress.fault.is_some() {
            return connection.protocol.receive_unasked(bytes, progress);
        }
        let stream = self.streams.get_mut(id);
        if self.is_traced {
            stream.reply.keep_wire(bytes);
        }
        if stream.first_byte == Moment::NEVER {
            stream.first_byte = self.now;
            stream.deadline = stream.limit;
        }
        stream.reply.bytes_in += bytes.len() as u64;
        let protocol = &mut connection.protocol;
        protocol.receive(self.head_cache, bytes, stream, progress);
    }
}

impl<R: RingIo> Transport<R> {
    /// Serves one completion.
    #[inline]
    pub(super) fn on_completion(&mut self, completion: Completion) {
        let Token {
            kind,
            slot,
            generation,
        } = completion.token;
        match kind {
            Kind::Receive => return self.received(completion),
            Kind::SendOwned => return self.sent_owned(&completion),
            Kind::Read => return self.piece_read(&completion),
            _ => {}
        }
        if self.connections.get(slot).generation != generation {
            return;
        }
        match kind {
            Kind::Connect => self.connected(slot, completion.result),
            Kind::SendStatic => self.connections.get_mut(slot).send_failed = true,
            Kind::Shutdown | Kind::Cancel | Kind::Close => {
                self.connections.get_mut(slot).pending -= 1;
                self.settle(slot);
            }
            Kind::Accept | Kind::Receive | Kind::SendOwned | Kind::Read | Kind::Tick => {}
        }
    }

    /// An owned send ended: its bytes are free again.
    fn sent_owned(&mut self, completion: &Completion) {
        let bytes = self.ring.take_sent(completion);
        let slot = completion.token.slot;
        let connection = self.connections.get_mut(slot);
        connection.pending -= 1;
        connection.sending = false;
        // A send that broke off in its middle completes with what it had sent by then.
        if usize::try_from(completion.result) != Ok(bytes.len()) {
            connection.send_failed = true;
        }
        let (id, is_wrapped) = (connection.stream, connection.is_wrapped());
        let mut piece = None;
        if id != NONE && self.streams.get(id).is_upload() {
            piece = Some(bytes);
        } else {
            self.tls.give_back(bytes);
        }
        if is_wrapped && self.send_unsent(slot) {
            return;
        }
        let connection = self.connections.get_mut(slot);
        if let Some(end) = connection.ended.take() {
            return self.ended(slot, end);
        }
        if let Some(bytes) = piece
            && connection.state == ConnectionState::Busy
            && !connection.send_failed
        {
            return self.piece_sent(slot, bytes);
        }
        self.settle(slot);
    }

    #[inline]
    fn received(&mut self, completion: Completion) {
        let slot = completion.token.slot;
        if !completion.more {
            let connection = self.connections.get_mut(slot);
            connection.receiving = false;
            connection.pending -= 1;
        }
        let end = match completion.result {
            0 => Some(End::Closed),
            code if code == -libc::ENOBUFS => {
                self.ring.grow_buffers();
                self.telemetry.count(Counter::BuffersExhausted, 1);
                None
            }
            code if code < 0 => Some(End::Broken(-code)),
            _ => None,
        };
        if let Some(received) = completion.received {
            if completion.result > 0 {
                self.feed(slot, received);
            } else {
                self.ring.give_back(received);
            }
        }
        self.after_receive(slot, completion.token.generation, completion.more, end);
    }

    #[inline]
    fn after_receive(&mut self, slot: Slot, generation: u32, more: bool, end: Option<End>) {
        let connection = self.connections.get(slot);
        if connection.generation != generation {
            return;
        }
        match end {
            Some(end) => {
                // A receive that was cancelled ended by our own doing.
                let is_own = end == End::Broken(libc::ECANCELED);
                self.connections.get_mut(slot).ended_by_peer = !is_own;
                self.ended(slot, end);
            }
            None if more => {}
            None if connection.state == ConnectionState::Closing => self.settle(slot),
            None => self.receive(slot),
        }
    }

    /// Hands received bytes to the protocol of the connection.
    #[inline]
    fn feed(&mut self, slot: Slot, received: Received) {
        let connection = self.connections.get_mut(slot);
        if connection.is_wrapped() {
            return match &connection.proxied {
                Some(_) => self.feed_proxied(slot, received),
                None => self.feed_encrypted(slot, Incoming::Ring(received)),
            };
        }
        let mut reader = ReplyReader {
            streams: &mut self.streams,
            head_cache: &mut self.head_cache,
            now: self.now,
            is_traced: self.is_traced,
        };
        let mut progress = Progress::default();
        let bytes = self.ring.bytes(&received);
        reader.take(connection, bytes, &mut progress);
        self.ring.give_back(received);
        self.follow_progress(slot, &progress);
    }

    /// What the data that came means for the request or the connection.
    #[inline]
    pub(super) fn follow_progress(&mut self, slot: Slot, progress: &Progress) {
        if progress.done {
            return self.on_response(slot, progress.surplus);
        }
        if let Some(fault) = progress.fault {
            return self.fail(slot, failure_of(fault));
        }
        match self.connections.get(slot).state {
            ConnectionState::Idle if progress.surplus => {
                let tally = if progress.timed_out {
                    Counter::IdleClosed
                } else {
                    Counter::UnsolicitedData
                };
                self.telemetry.count(tally, 1);
                self.give_up(slot);
            }
            ConnectionState::Busy => self.look_at_part(slot),
            _ => {}
        }
    }

    /// Part of a reply has come. When the body that the script asked for cannot be had, the rest
    /// is not waited for.
    fn look_at_part(&mut self, slot: Slot) {
        let id = self.connections.get(slot).stream;
        if id == NONE {
            return;
        }
        let stream = self.streams.get(id);
        if let Some(kind) = stream.reply.body_failure() {
            self.fail(slot, kind);
        } else if stream.is_upload() {
            self.look_for_continue(slot);
        }
    }

    /// A whole reply is there.
    #[inline]
    pub(super) fn on_response(&mut self, slot: Slot, surplus: bool) {
        let connection = self.connections.get_mut(slot);
        let id = connection.take_stream();
        if id == NONE {
            return;
        }
        connection.served += 1;
        let stream = self.streams.get_mut(id);
        let may_reuse = connection.protocol.may_reuse()
            && !surplus
            && !stream.last
            && !connection.sending
            && !connection.send_failed
            && stream.upload().is_none_or(|upload| upload.is_done())
            && connection.receiving
            && self
                .policy
                .may_reuse(connection.served, self.now.since(connection.born))
            && !connection.tls.as_deref().is_some_and(Session::is_closed);
        if may_reuse {
            self.rest(slot);
        } else {
            if surplus {
                self.telemetry.count(Counter::UnsolicitedData, 1);
            }
            // The reply may have come before all of a long request was sent.
            if connection.protocol.is_short(&stream.payload) {
                connection.state = ConnectionState::Idle;
            }
            self.give_up(slot);
        }
        self.finish(id, None, true);
    }

    /// A connection has served a request and may serve another.
    #[inline]
    fn rest(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        connection.state = ConnectionState::Idle;
        match connection.owner {
            SHARED => self.list_idle(slot),
            owner => self.owners.mark_available(owner),
        }
    }

    /// A request has ended, and the caller will hear of it.
    #[inline]
    fn finish(&mut self, id: StreamId, failure: Option<FailureKind>, was_written: bool) {
        let stream = self.streams.get_mut(id);
        stream.stage = Stage::Ended;
        self.finished.push_back(Completed {
            stream: id,
            ticket: stream.ticket,
            failure,
            was_written,
            done: self.now,
        });
    }

    /// A request fails before any of it was written.
    pub(super) fn refuse(&mut self, id: StreamId, kind: FailureKind) {
        self.finish(id, Some(kind), false);
    }

    /// The connection ended: what that means depends on what was under way.
    pub(super) fn ended(&mut self, slot: Slot, end: End) {
        match self.connections.get(slot).state {
            ConnectionState::Idle => {
                self.telemetry.count(Counter::IdleClosed, 1);
                self.give_up(slot);
            }
            ConnectionState::Busy => self.ended_busy(slot, end),
            ConnectionState::Handshaking => self.fail(slot, end_in_handshake(end)),
            ConnectionState::Tunneling => self.fail(slot, end_in_tunnel(end)),
            ConnectionState::Closing => self.settle(slot),
            ConnectionState::Free | ConnectionState::Connecting => {}
        }
    }

    fn ended_busy(&mut self, slot: Slot, end: End) {
        let connection = self.connections.get_mut(slot);
        if connection.sending {
            // How the send ended tells what this is, and gives the request back for a retry.
            connection.ended = Some(end);
            return;
        }
        let started = connection.protocol.has_begun_reply();
        if end == End::Closed && started {
            let cut = connection
                .tls
                .as_deref()
                .is_some_and(|tls| !tls.is_closed());
            return match connection.protocol.end() {
                // Only the end of the stream ends it, and somebody else may have made that.
                Ok(()) if cut => self.fail(slot, FailureKind::TlsTruncated),
                Ok(()) => self.on_response(slot, false),
                Err(fault) => self.fail(slot, failure_of(fault)),
            };
        }
        if !started && self.retry(slot) {
            return;
        }
        let send_failed = self.connections.get(slot).send_failed;
        let kind = match end {
            // The reset was told to the send, the receive saw the end that is left of it.
            End::Closed if send_failed => FailureKind::ResetSend,
            End::Closed => FailureKind::ClosedNoResponse,
            End::Broken(_) if started => FailureKind::ResetReceive,
            End::Broken(_) if send_failed => FailureKind::ResetSend,
            End::Broken(libc::ECONNRESET | libc::EPIPE) => FailureKind::ResetFirstByte,
            End::Broken(libc::ETIMEDOUT) => FailureKind::Timeout,
            End::Broken(libc::EHOSTUNREACH | libc::ENETUNREACH) => FailureKind::Unreachable,
            End::Broken(_) => FailureKind::Io,
        };
        self.fail(slot, kind);
    }

    /// A reused connection died with no byte answered: the server had closed it before it saw the
    /// request. Once, and when the request may be repeated, it goes out on a new connection.
    fn retry(&mut self, slot: Slot) -> bool {
        let connection = self.connections.get_mut(slot);
        let id = connection.stream;
        if connection.served == 0 || id == NONE {
            return false;
        }
        let stream = self.streams.get_mut(id);
        if !stream.idempotent || stream.retried {
            return false;
        }
        connection.take_stream();
        stream.rewind(self.now);
        self.telemetry.count(Counter::StaleRetry, 1);
        self.give_up(slot);
        self.open(id);
        true
    }

    /// The request of a connection failed; the connection is given up.
    pub(super) fn fail(&mut self, slot: Slot, kind: FailureKind) {
        let connection = self.connections.get_mut(slot);
        let id = connection.take_stream();
        let was_written = !matches!(
            connection.state,
            ConnectionState::Connecting | ConnectionState::Tunneling | ConnectionState::Handshaking
        );
        self.give_up(slot);
        if id != NONE {
            self.finish(id, Some(kind), was_written);
        }
    }

    /// A stream's entry in the timers came up.
    pub(super) fn check_deadline(&mut self, id: StreamId) {
        let stream = self.streams.get_mut(id);
        if stream.armed > self.now {
            return;
        }
        stream.armed = Moment::NEVER;
        if matches!(stream.stage, Stage::Vacant | Stage::Ended) {
            return;
        }
        if stream.deadline > self.now {
            stream.armed = stream.deadline;
            self.timers.add(stream.deadline, Deadline::Stream(id));
            return;
        }
        let (owner, origin, slot) = (stream.owner, stream.origin, stream.connection);
        let is_over = self.now >= stream.limit;
        match stream.stage {
            Stage::Vacant | Stage::Ended => {}
            Stage::Lookup => {
                self.lookups.dequeue(id);
                self.refuse(id, FailureKind::Dns);
            }
            Stage::Queued => {
                self.owners.dequeue(owner, id);
                self.refuse(id, FailureKind::Timeout);
            }
            Stage::Pooled { ticket } => {
                if let Some(pool) = &mut self.pool {
                    pool.dequeue(origin, ticket);
                }
                self.refuse(id, FailureKind::Timeout);
            }
            Stage::Carried => self.out_of_time(slot, is_over),
        }
    }

    /// The request of a connection has run out of time, or the phase that it is in has.
    fn out_of_time(&mut self, slot: Slot, is_over: bool) {
        let connection = self.connections.get(slot);
        let kind = match connection.state {
            ConnectionState::Connecting | ConnectionState::Tunneling => FailureKind::ConnectTimeout,
            ConnectionState::Handshaking => FailureKind::TlsTimeout,
            _ if !is_over => FailureKind::FirstByteTimeout,
            _ => FailureKind::Timeout,
        };
        if connection.state == ConnectionState::Connecting {
            self.notice_dead(connection.origin, connection.address, kind);
        }
        self.fail(slot, kind);
    }
}

/// The failure that the end of a connection within its TLS handshake counts as.
fn end_in_handshake(end: End) -> FailureKind {
    match end {
        End::Closed => FailureKind::TlsClosed,
        End::Broken(libc::ETIMEDOUT) => FailureKind::TlsTimeout,
        End::Broken(libc::EHOSTUNREACH | libc::ENETUNREACH) => FailureKind::Unreachable,
        End::Broken(libc::ECONNRESET | libc::EPIPE) => FailureKind::ResetTls,
        End::Broken(_) => FailureKind::Io,
    }
}

/// The failure that the end of a connection counts as before the proxy has made a way.
fn end_in_tunnel(end: End) -> FailureKind {
    match end {
        End::Broken(libc::ETIMEDOUT) => FailureKind::ConnectTimeout,
        End::Broken(libc::EHOSTUNREACH | libc::ENETUNREACH) => FailureKind::Unreachable,
        End::Closed | End::Broken(_) => FailureKind::ProxyClosed,
    }
}
