//! Connections over TLS: the handshake, and what is encrypted and decrypted on the way.

use crate::clock::Moment;
use crate::core::Core;
use crate::http::fault::Fault;
use crate::http::response::{Fed, ResponseHeadCache};
use crate::ring::{Received, Slot};
use crate::tls::{Fault as TlsFault, Session};
use crate::transport::completions::End;
use crate::transport::connections::Connection;
use crate::transport::connections::{NONE, SHARED, State};
use crate::transport::stream::{Payload, failure_of};
use stats::FailureKind;

/// What came of the data in some received bytes.
#[derive(Default)]
pub(crate) struct Heard {
    /// The response is complete.
    done: bool,
    /// Data came that was not asked for.
    surplus: bool,
    /// It says that the server has waited long enough.
    timed_out: bool,
    fault: Option<Fault>,
}

impl Core {
    /// Begins the TLS of a connection that has just been made; false when it has none.
    pub(crate) fn start_handshake(&mut self, slot: Slot) -> bool {
        let connection = self.connections.get(slot);
        let (origin, user) = (connection.origin, connection.owner);
        let Some(server) = self.state.origins.borrow().get(origin).server_name.clone() else {
            return false;
        };
        let first = match user {
            NONE => true,
            SHARED => self.is_first_handshake(origin),
            user => {
                let bit = 1 << (origin % u64::BITS);
                let handshakes = &mut self.users.get_mut(user).handshakes;
                let first = *handshakes & bit == 0;
                *handshakes |= bit;
                first
            }
        };
        let mut out = self.tls.buffer();
        let begun = self.tls.session(server, first).and_then(|mut session| {
            session.hello(&mut out)?;
            Ok(session)
        });
        let connection = self.connections.get_mut(slot);
        connection.state = State::Handshaking;
        self.limit_part(slot, self.policy.tls_ns);
        let connection = self.connections.get_mut(slot);
        match begun {
            Ok(session) => {
                connection.tls = Some(session);
                self.write(slot, out);
                self.acting.push(slot);
            }
            Err(fault) => self.fail_tls(slot, fault),
        }
        true
    }

    /// Sends encrypted bytes, behind those that are being sent.
    pub(crate) fn write(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        if bytes.is_empty() {
            return self.tls.give_back(bytes);
        }
        if connection.sending || !connection.unsent.is_empty() {
            connection.unsent.extend_from_slice(&bytes);
            self.tls.give_back(bytes);
            if connection.sending {
                return;
            }
            let all = std::mem::take(&mut connection.unsent);
            return self.transmit(slot, all);
        }
        self.transmit(slot, bytes);
    }

    pub(crate) fn transmit(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        connection.pending += 1;
        connection.sending = true;
        self.ring.send_owned(slot, bytes, connection.generation);
    }

    /// A send of encrypted bytes has ended: the next, if there are more, or the request that
    /// waited for the end of the handshake. False when there is none.
    pub(crate) fn send_unsent(&mut self, slot: Slot) -> bool {
        let connection = self.connections.get_mut(slot);
        if connection.send_failed || connection.state == State::Closing {
            return false;
        }
        if !connection.unsent.is_empty() {
            let more = std::mem::take(&mut connection.unsent);
            self.transmit(slot, more);
            return true;
        }
        let is_open = connection.tls.as_deref().is_some_and(Session::is_open);
        let waits = is_open && connection.state == State::Handshaking;
        if waits {
            self.send(slot);
        }
        waits
    }

    /// Encrypts and queues the request of a connection that is ready for it.
    pub(crate) fn send_encrypted(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        let (Some(session), Some(exchange)) = (&mut connection.tls, &mut connection.exchange)
        else {
            return;
        };
        let plain: &[u8] = match &exchange.payload {
            Payload::Static(bytes) => bytes,
            Payload::Owned(bytes) => bytes,
            Payload::Upload => return self.send_piece(slot, Vec::new()),
            Payload::InRing => unreachable!("the ring holds what is encrypted"),
        };
        let mut out = self.tls.buffer();
        if let Err(fault) = session.encrypt(plain, &mut out) {
            return self.fail_tls(slot, fault);
        }
        exchange.bytes_out += plain.len() as u64;
        self.write(slot, out);
        self.acting.push(slot);
    }

    /// Encrypts and queues a piece of the request of a connection.
    pub(crate) fn send_encrypted_piece(&mut self, slot: Slot, plain: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        let Some(session) = &mut connection.tls else {
            return;
        };
        let mut out = self.tls.buffer();
        let encrypted = session.encrypt(&plain, &mut out);
        self.tls.give_back(plain);
        match encrypted {
            Ok(()) => self.write(slot, out),
            Err(fault) => self.fail_tls(slot, fault),
        }
    }

    /// Takes bytes of a connection over TLS.
    pub(crate) fn feed_encrypted(&mut self, slot: Slot, mut received: Received) {
        let mut out = self.tls.buffer();
        let connection = self.connections.get_mut(slot);
        let Some(mut session) = connection.tls.take() else {
            return self.buffers.give_back(received);
        };
        let mut heard = Heard::default();
        let (head_cache, now) = (&mut self.head_cache, self.now);
        let state = &self.state;
        let bytes = self.buffers.bytes_mut(&mut received);
        let taken = session.receive(bytes, &mut out, &mut |data| {
            if state.traced
                && let Some(exchange) = &connection.exchange
            {
                state.wire.came(exchange.user, data);
            }
            heard.take(connection, head_cache, now, data);
        });
        self.buffers.give_back(received);
        let (is_open, is_closed) = (session.is_open(), session.is_closed());
        connection.tls = Some(session);
        if matches!(connection.state, State::Free | State::Closing) {
            return self.tls.give_back(out);
        }
        self.write(slot, out);
        let unasked = heard.surplus && self.connections.get(slot).state == State::Handshaking;
        if is_open && taken.is_ok() && self.connections.get(slot).state == State::Handshaking {
            self.handshake_done(slot);
        }
        if unasked {
            // HTTP/1.1 has nothing to say before it is asked.
            return self.fail(slot, FailureKind::BadHead);
        }
        self.follow_data(slot, heard, taken.err());
        if is_closed {
            self.ended_by_word(slot);
        }
    }

    /// What the data that came means for the request or the connection.
    pub(crate) fn follow_data(&mut self, slot: Slot, heard: Heard, broken: Option<TlsFault>) {
        let state = self.connections.get(slot).state;
        if heard.done {
            // Doubt closes: a break behind the reply counts as data nobody asked for.
            return self.on_response(slot, heard.surplus || broken.is_some());
        }
        if let Some(fault) = heard.fault {
            return self.fail(slot, failure_of(fault));
        }
        if let Some(fault) = broken {
            return self.fail_tls(slot, fault);
        }
        match state {
            State::Idle if heard.surplus => {
                self.spoken_to_while_idle(slot, heard.timed_out);
            }
            State::Busy => self.look_at_part(slot),
            _ => {}
        }
    }

    /// The server has said that nothing more comes, before it closed.
    pub(crate) fn ended_by_word(&mut self, slot: Slot) {
        let connection = self.connections.get(slot);
        // A user that was handed its reply may have gone on; only this very connection is meant.
        let still = connection.tls.as_deref().is_some_and(Session::is_closed);
        if still {
            self.ended(slot, End::Closed);
        }
    }

    /// The handshake is done: the request follows.
    pub(crate) fn handshake_done(&mut self, slot: Slot) {
        let now = self.now;
        let connection = self.connections.get_mut(slot);
        let took_ns = now.since(connection.opened);
        let resumed = connection.tls.as_deref().is_some_and(Session::is_resumed);
        if let Some(exchange) = &mut connection.exchange {
            exchange.ready = now;
            let name = exchange.name;
            self.state
                .record(|recorder| recorder.secured(name, took_ns, resumed));
        }
        let connection = self.connections.get(slot);
        let exchange = connection.exchange.as_ref();
        let is_upload =
            exchange.is_some_and(|exchange| matches!(exchange.payload, Payload::Upload));
        // The pieces of an upload go out one by one, behind the end of the handshake.
        if !(is_upload && connection.sending) {
            self.send(slot);
        }
    }

    /// Tells the server that nothing more comes, as far as that can be said.
    pub(crate) fn say_goodbye(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        if connection.sending || connection.send_failed {
            return;
        }
        if let Some(session) = &mut connection.tls {
            let mut out = self.tls.buffer();
            session.close(&mut out);
            self.write(slot, out);
        }
    }
}

impl Heard {
    /// Takes decrypted data.
    #[inline]
    pub(crate) fn take(
        &mut self,
        connection: &mut Connection,
        head_cache: &mut ResponseHeadCache,
        now: Moment,
        data: &[u8],
    ) {
        let exchange = match (connection.state, &mut connection.exchange) {
            (State::Busy, Some(exchange)) if !self.done && self.fault.is_none() => exchange,
            _ => {
                self.surplus = true;
                self.timed_out |= data.starts_with(b"HTTP/1.1 408");
                return;
            }
        };
        if exchange.first_byte == Moment::NEVER {
            exchange.first_byte = now;
            connection.deadline = connection.limit;
        }
        exchange.reply.bytes_in += data.len() as u64;
        match connection
            .reader
            .feed(head_cache, data, &mut exchange.reply)
        {
            Ok(Fed { consumed, done }) => {
                self.done = done;
                self.surplus |= consumed < data.len();
            }
            Err(fault) => self.fault = Some(fault),
        }
    }
}
