//! Connections over TLS: the handshake, and what is encrypted and decrypted on the way.

use super::Transport;
use super::completions::ReplyReader;
use super::connections::{ConnectionState, End};
use super::protocol::{Protocol, encoded};
use super::stream::NONE;
use super::wire::{Encoded, Incoming, Progress};
use crate::error_key::error_key;
use crate::event::Event;
use crate::ring::{RingIo, Slot};
use crate::tls::{Fault, Session};
use stats::FailureKind;

impl<R: RingIo> Transport<R> {
    /// Begins the TLS of a connection that has just been made; false when it has none.
    pub(super) fn start_handshake(&mut self, slot: Slot) -> bool {
        let origin = self.connections.get(slot).origin;
        let Some(server) = self.origins.borrow().tls_name(origin).cloned() else {
            return false;
        };
        let is_first = self.is_first_handshake(slot, origin);
        let mut out = self.tls.buffer();
        let identity = self.owners.identity(self.connections.get(slot).owner);
        let begun = self.tls.session(server, is_first, identity);
        let begun = begun.and_then(|mut session| {
            session.hello(&mut out)?;
            Ok(session)
        });
        let connection = self.connections.get_mut(slot);
        connection.state = ConnectionState::Handshaking;
        let id = connection.stream;
        match begun {
            Ok(session) => {
                connection.tls = Some(session);
                self.limit_phase(id, self.policy.tls_ns);
                self.write(slot, out);
                self.acting.push(slot);
            }
            Err(fault) => self.fail_tls(slot, fault),
        }
        true
    }

    /// Sends bytes as they are, behind those that are being sent.
    pub(super) fn write_plain(&mut self, slot: Slot, bytes: Vec<u8>) {
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

    /// A send of encrypted bytes has ended: the next, if there are more, or the request that
    /// waited for the end of the handshake. False when there is none.
    pub(super) fn send_unsent(&mut self, slot: Slot) -> bool {
        let connection = self.connections.get_mut(slot);
        if connection.send_failed || connection.state == ConnectionState::Closing {
            return false;
        }
        if !connection.unsent.is_empty() {
            let more = std::mem::take(&mut connection.unsent);
            self.transmit(slot, more);
            return true;
        }
        if connection.state == ConnectionState::Tunneling {
            return self.enter_tunnel(slot);
        }
        let is_open = connection.tls.as_deref().is_some_and(Session::is_open);
        let waits = is_open && connection.state == ConnectionState::Handshaking;
        if waits {
            self.send(slot);
        }
        waits
    }

    /// Encrypts and queues the request of a connection that is ready for it.
    pub(super) fn send_encrypted(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        let stream = self.streams.get_mut(connection.stream);
        let Some(session) = &mut connection.tls else {
            return;
        };
        let spare = || self.tls.buffer();
        let plain = encoded(&connection.protocol, &stream.payload, spare);
        let mut out = self.tls.buffer();
        let (bytes, encrypted) = match &plain {
            Encoded::Static(bytes) => (bytes.len(), session.encrypt(bytes, &mut out)),
            Encoded::Owned(bytes) => (bytes.len(), session.encrypt(bytes, &mut out)),
        };
        if let Encoded::Owned(plain) = plain {
            self.tls.give_back(plain);
        }
        match encrypted {
            Ok(()) => {
                stream.bytes_out += bytes as u64;
                self.write(slot, out);
            }
            Err(fault) => self.fail_tls(slot, fault),
        }
    }

    /// Encrypts and queues a piece of the request of a connection.
    pub(super) fn send_encrypted_piece(&mut self, slot: Slot, plain: Vec<u8>) {
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
    pub(super) fn feed_encrypted(&mut self, slot: Slot, mut incoming: Incoming) {
        let mut out = self.tls.buffer();
        let connection = self.connections.get_mut(slot);
        let Some(mut session) = connection.tls.take() else {
            if let Incoming::Ring(received) = incoming {
                self.ring.give_back(received);
            }
            return;
        };
        let mut progress = Progress::default();
        let mut reader = ReplyReader {
            streams: &mut self.streams,
            head_cache: &mut self.head_cache,
            now: self.now,
            is_traced: self.is_traced,
        };
        let bytes = match &mut incoming {
            Incoming::Ring(received) => self.ring.bytes_mut(received),
            Incoming::Unwrapped(bytes) => bytes,
        };
        let taken = session.receive(bytes, &mut out, &mut |data| {
            reader.take(connection, data, &mut progress);
        });
        if let Incoming::Ring(received) = incoming {
            self.ring.give_back(received);
        }
        let (is_open, is_closed) = (session.is_open(), session.is_closed());
        connection.tls = Some(session);
        let state = connection.state;
        if matches!(state, ConnectionState::Free | ConnectionState::Closing) {
            return self.tls.give_back(out);
        }
        self.write(slot, out);
        let is_handshaking = state == ConnectionState::Handshaking;
        if is_open && taken.is_ok() && is_handshaking {
            self.handshake_done(slot);
        }
        if progress.surplus && is_handshaking {
            // The server has nothing to say before it is asked.
            return self.fail(slot, FailureKind::BadHead);
        }
        match taken {
            // Doubt closes: a break behind the reply counts as data nobody asked for.
            Err(_) if progress.done => self.on_response(slot, true),
            Err(fault) if progress.fault.is_none() => self.fail_tls(slot, fault),
            _ => self.follow_progress(slot, &progress),
        }
        if is_closed {
            // The server has said that nothing more comes, before it closed.
            self.ended(slot, End::Closed);
        }
    }

    /// The handshake is done: the request follows.
    fn handshake_done(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        let took_ns = self.now.since(connection.opened);
        let is_resumed = connection.tls.as_deref().is_some_and(Session::is_resumed);
        let alpn = connection.tls.as_deref().and_then(Session::alpn);
        connection.protocol = Protocol::negotiated(alpn);
        if connection.stream == NONE {
            return;
        }
        let stream = self.streams.get_mut(connection.stream);
        stream.ready = self.now;
        stream.waits().tls_ns = took_ns;
        let name = stream.name;
        self.telemetry
            .record(|recorder| recorder.secured(name, took_ns, is_resumed));
        // The pieces of an upload go out one by one, behind the end of the handshake.
        if !(stream.is_upload() && connection.sending) {
            self.send(slot);
        }
    }

    /// Tells the server that nothing more comes, as far as that can be said.
    pub(super) fn close_session(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        if connection.sending || connection.send_failed {
            return;
        }
        if let Some(session) = &mut connection.tls {
            let mut out = self.tls.buffer();
            session.close(&mut out);
            if let Some(proxied) = &mut connection.proxied {
                let mut wrapped = self.tls.buffer();
                proxied.wrap_last(&out, &mut wrapped);
                out = wrapped;
            }
            self.write_plain(slot, out);
        }
    }

    /// The request of a connection fails since its TLS has: says why.
    #[cold]
    fn fail_tls(&mut self, slot: Slot, fault: Fault) {
        let connection = self.connections.get(slot);
        let kind = fault.kind();
        if let Some(reason) = connection.tls.as_deref().and_then(Session::reason) {
            let origins = self.origins.borrow();
            let server = origins.tls_peer(connection.origin);
            let matter = format!("{server}\n{kind}\n{}", error_key(reason));
            self.telemetry.send_once(matter, || Event::Notice {
                text: format!("{server}: {kind}: {reason}"),
            });
        }
        self.fail(slot, kind);
    }
}
