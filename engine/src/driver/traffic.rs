//! What comes back from the kernel: bytes, ends and errors, and what follows from them.

use super::Driver;
use super::afterwards::After;
use super::connections::State;
use super::exchange::{Exchange, Keep, Payload, failure_of};
use super::users::Answer;
use crate::clock::Moment;
use crate::event::{self, Event};
use crate::http::notes::Notes;
use crate::http::response::Fed;
use crate::ring::{Completion, Kind, Slot, Token};
use crate::timers::Owner;
use crate::tls::Session;
use stats::{Counter, FailureKind};
use std::time::Duration;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The other side closed its direction.
    Closed,
    /// Reset, or another error.
    Broken(i32),
}

impl Driver {
    /// Serves one completion.
    pub(super) fn complete(&mut self, completion: Completion) {
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
        let mut piece = None;
        let is_secure = connection.tls.is_some();
        match connection
            .exchange
            .as_mut()
            .map(|exchange| &mut exchange.payload)
        {
            Some(payload @ Payload::InRing) => *payload = Payload::Owned(bytes),
            Some(Payload::Upload) => piece = Some(bytes),
            _ if is_secure => self.tls.give_back(bytes),
            _ => {}
        }
        if is_secure && self.send_unsent(slot) {
            return;
        }
        let connection = self.connections.get_mut(slot);
        if let Some(end) = connection.ended.take() {
            return self.ended(slot, end);
        }
        if let Some(bytes) = piece
            && connection.state == State::Busy
            && !connection.send_failed
        {
            return self.piece_sent(slot, bytes);
        }
        self.settle(slot);
    }

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
                self.buffers.grow();
                self.shared
                    .record(|recorder| recorder.count(Counter::BuffersExhausted, 1));
                None
            }
            code if code < 0 => Some(End::Broken(-code)),
            _ => None,
        };
        if let Some(received) = completion.received {
            if completion.result > 0 {
                self.feed(slot, received);
            } else {
                self.buffers.give_back(received);
            }
        }
        self.after_receive(slot, completion.token.generation, completion.more, end);
    }

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
            None if connection.state == State::Closing => self.settle(slot),
            None => self.receive(slot),
        }
    }

    /// Hands received bytes to the reader of the connection.
    fn feed(&mut self, slot: Slot, received: crate::ring::Received) {
        if self.shared.traced {
            self.keep_wire(slot, self.buffers.bytes(&received));
        }
        let connection = self.connections.get_mut(slot);
        if connection.tls.is_some() {
            return self.feed_encrypted(slot, received);
        }
        let outcome = match (connection.state, &mut connection.exchange) {
            (State::Busy, Some(exchange)) => {
                let bytes = self.buffers.bytes(&received);
                if exchange.first_byte == Moment::NEVER {
                    exchange.first_byte = self.now;
                    connection.deadline = connection.limit;
                }
                exchange.reply.bytes_in += bytes.len() as u64;
                let fed = connection
                    .reader
                    .feed(&mut self.memo, bytes, &mut exchange.reply);
                fed.map(|Fed { consumed, done }| (done, consumed < bytes.len()))
            }
            (State::Idle, _) => {
                let timed_out = self.buffers.bytes(&received).starts_with(b"HTTP/1.1 408");
                self.buffers.give_back(received);
                return self.spoken_to_while_idle(slot, timed_out);
            }
            _ => return self.buffers.give_back(received),
        };
        self.buffers.give_back(received);
        match outcome {
            Ok((false, _)) => self.look_at_part(slot),
            Ok((true, surplus)) => self.answered(slot, surplus),
            Err(fault) => self.fail(slot, failure_of(fault)),
        }
    }

    /// Part of a reply has come. When the body that the script asked for cannot be had, the rest
    /// is not waited for.
    pub(super) fn look_at_part(&mut self, slot: Slot) {
        let Some(exchange) = &self.connections.get(slot).exchange else {
            return;
        };
        if let Some(kind) = exchange.reply.body_failure() {
            self.fail(slot, kind);
        } else if exchange.upload.is_some() {
            self.look_for_continue(slot);
        }
    }

    /// Bytes that nobody asked for: the server has given the connection up, or is confused.
    pub(super) fn spoken_to_while_idle(&mut self, slot: Slot, timed_out: bool) {
        let counter = if timed_out {
            Counter::IdleClosed
        } else {
            Counter::UnsolicitedData
        };
        self.shared.record(|recorder| recorder.count(counter, 1));
        self.hang_up(slot);
    }

    /// A whole response is there.
    pub(super) fn answered(&mut self, slot: Slot, surplus: bool) {
        let after = match &self.connections.get(slot).exchange {
            None => return,
            Some(exchange) if exchange.reply.seen.has(Notes::FOLLOWED) => self.heed(slot),
            Some(_) => After::Answer,
        };
        let connection = self.connections.get_mut(slot);
        let Some(exchange) = &connection.exchange else {
            return;
        };
        connection.served += 1;
        let reusable = connection.reader.keep_alive()
            && !surplus
            && !exchange.last
            && !connection.sending
            && !connection.send_failed
            && exchange
                .upload
                .as_ref()
                .is_none_or(|upload| upload.is_done())
            && connection.receiving
            && self
                .habits
                .goes_on(connection.served, self.now.since(connection.born))
            && !connection.tls.as_deref().is_some_and(Session::is_closed);
        let failure = if let After::Failure(kind) = after {
            Some(kind)
        } else if matches!(after, After::Request(_)) {
            None
        } else if !exchange.expects(connection.reader.status()) {
            Some(FailureKind::Status)
        } else {
            exchange.reply.whole_body_failure()
        };
        let user = exchange.user;
        // The reply may have come before all of a long request was sent.
        let is_sent = reusable || exchange.payload.is_short();
        let answer = self.conclude(slot, failure);
        if reusable {
            self.rest(slot);
        } else {
            if surplus {
                self.shared
                    .record(|recorder| recorder.count(Counter::UnsolicitedData, 1));
            }
            if is_sent {
                self.connections.get_mut(slot).state = State::Idle;
            }
            self.hang_up(slot);
        }
        match after {
            After::Request(next) => self.issue(user, next.0, next.1),
            After::Answer | After::Failure(_) => self.hand_over(user, answer),
        }
    }

    /// The connection ended: what that means depends on what was under way.
    pub(super) fn ended(&mut self, slot: Slot, end: End) {
        match self.connections.get(slot).state {
            State::Idle => {
                self.shared
                    .record(|recorder| recorder.count(Counter::IdleClosed, 1));
                self.hang_up(slot);
            }
            State::Busy => self.ended_busy(slot, end),
            State::Handshaking => self.fail(slot, end_in_handshake(end)),
            State::Closing => self.settle(slot),
            State::Free | State::Connecting => {}
        }
    }

    fn ended_busy(&mut self, slot: Slot, end: End) {
        let connection = self.connections.get_mut(slot);
        if connection.sending {
            // How the send ended tells what this is, and gives the request back for a retry.
            connection.ended = Some(end);
            return;
        }
        let started = connection.reader.got_any_byte();
        if end == End::Closed && started {
            let cut = connection
                .tls
                .as_deref()
                .is_some_and(|tls| !tls.is_closed());
            return match connection.reader.eof() {
                // Only the end of the stream ends it, and somebody else may have made that.
                Ok(_) if cut => self.fail(slot, FailureKind::TlsTruncated),
                Ok(_) => self.answered(slot, false),
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
        let reused = connection.served > 0;
        let may = |exchange: &Exchange| {
            exchange.idempotent && !exchange.retried && !matches!(exchange.payload, Payload::InRing)
        };
        if !reused || !connection.exchange.as_ref().is_some_and(may) {
            return false;
        }
        let origin = connection.origin;
        let Some(mut exchange) = connection.exchange.take() else {
            return false;
        };
        let user = exchange.user;
        exchange.rewind(self.now);
        self.shared
            .record(|recorder| recorder.count(Counter::StaleRetry, 1));
        self.hang_up(slot);
        self.open(user, origin, exchange);
        true
    }

    /// The request of a connection failed; the connection is given up.
    pub(super) fn fail(&mut self, slot: Slot, kind: FailureKind) {
        let connection = self.connections.get_mut(slot);
        if matches!(connection.state, State::Connecting | State::Handshaking) {
            let exchange = connection.exchange.take();
            self.hang_up(slot);
            if let Some(exchange) = exchange {
                self.refuse(exchange.user, &exchange, kind);
            }
        } else if let Some(exchange) = &connection.exchange {
            let user = exchange.user;
            let answer = self.conclude(slot, Some(kind));
            self.hang_up(slot);
            self.hand_over(user, answer);
        } else {
            self.hang_up(slot);
        }
    }

    /// A request could not even be written: the reply reaches the script a little later, so that
    /// a dead target costs no busy loop.
    pub(super) fn refuse(&mut self, user: u32, exchange: &Exchange, kind: FailureKind) {
        self.shared
            .record(|recorder| recorder.count(Counter::NotWritten, 1));
        self.account(user, exchange, Some(kind));
        let latency_ns = self.now.since(exchange.begun);
        self.postpone_refusal(user, kind, latency_ns);
    }

    /// Records the end of a request.
    #[inline]
    fn account(&self, user: u32, exchange: &Exchange, failure: Option<FailureKind>) {
        let sample = exchange.sample(self.now, failure);
        if exchange.reply.seen.has(Notes::ODD) {
            self.shared
                .record(|recorder| recorder.count(Counter::OddHead, 1));
        }
        if let Some((encoded, plain)) = exchange.reply.decoded_bytes() {
            self.shared.record(|recorder| {
                recorder.count(Counter::EncodedBytes, encoded);
                recorder.count(Counter::DecodedBytes, plain);
            });
        }
        self.shared
            .record(|recorder| recorder.request(exchange.name, &sample));
        if failure.is_some() {
            self.shared.fail_transactions(user);
        }
        if self.shared.traced {
            self.trace(exchange, failure);
        }
    }

    /// The end of the request of a connection: recorded, and returned as what its script is told.
    fn conclude(&mut self, slot: Slot, failure: Option<FailureKind>) -> Answer {
        let connection = self.connections.get(slot);
        if let Some(exchange) = &connection.exchange {
            self.account(exchange.user, exchange, failure);
            let root = self.users.get(exchange.user).root;
            self.users.get_mut(root).refusals = 0;
        }
        let connection = self.connections.get_mut(slot);
        let exchange = connection.exchange.as_mut();
        let answer = exchange.map(|exchange| Answer {
            status: exchange.reply.status,
            failure,
            latency_ns: self.now.since(exchange.begun),
            asked: exchange.reply.keep == Keep::Asked,
            // What was kept for the sake of the head alone is of no use any more.
            kept: exchange
                .reply
                .kept
                .take()
                .filter(|_| exchange.reply.keep != Keep::Nothing),
        });
        connection.exchange = None;
        answer.expect("a busy connection has an exchange")
    }

    fn trace(&self, exchange: &Exchange, failure: Option<FailureKind>) {
        let request = match &exchange.payload {
            Payload::Static(bytes) => bytes.to_vec(),
            Payload::Owned(bytes) => bytes.clone(),
            Payload::Upload => exchange
                .upload
                .as_ref()
                .map_or_else(Vec::new, |upload| upload.head().to_vec()),
            Payload::InRing => Vec::new(),
        };
        let kept = exchange.reply.kept.as_ref();
        self.shared.tell(Event::Exchange(Box::new(event::Exchange {
            name: self.shared.recorder.borrow().text(exchange.name).to_owned(),
            request,
            head: kept.map_or_else(Vec::new, |kept| kept.head.clone()),
            body: kept
                .and_then(|kept| kept.plain())
                .map_or_else(Vec::new, <[u8]>::to_vec),
            wire: self.shared.wire.take(exchange.user, failure),
            status: exchange.reply.status,
            failure: failure.map(FailureKind::as_str),
            latency: Duration::from_nanos(self.now.since(exchange.intended)),
        })));
    }

    /// A connection's entry in the timers came up.
    pub(super) fn check_deadline(&mut self, slot: Slot, generation: u32) {
        let connection = self.connections.get_mut(slot);
        if connection.generation != generation || connection.armed > self.now {
            return;
        }
        connection.armed = Moment::NEVER;
        if connection.exchange.is_none() {
            return;
        }
        if connection.deadline > self.now {
            connection.armed = connection.deadline;
            self.timers
                .add(connection.deadline, Owner::Connection { slot, generation });
            return;
        }
        let kind = match connection.state {
            State::Connecting => FailureKind::ConnectTimeout,
            State::Handshaking => FailureKind::TlsTimeout,
            _ if self.now < connection.limit => FailureKind::FirstByteTimeout,
            _ => FailureKind::Timeout,
        };
        if kind == FailureKind::ConnectTimeout {
            let (origin, address) = (connection.origin, connection.address);
            self.notice_dead(origin, address, kind);
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
