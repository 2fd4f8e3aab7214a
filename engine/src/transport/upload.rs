//! Bodies that go out in pieces: one piece at a time is in the ring, read from disk there or
//! copied, so that an upload takes the memory of a piece whatever its size.

use crate::clock::Moment;
use crate::core::Core;
use crate::http::upload::{Piece, Upload};
use crate::ring::{Completion, Slot};
use crate::timers::Owner;
use crate::transport::connections::State;
use stats::{FailureKind, Phase};
use std::time::Duration;

/// How long a body waits for `100 Continue` before it is sent all the same (RFC 9110 section
/// 10.1.1 leaves the time to the client; curl waits as long).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

impl Core {
    /// Queues the next piece of a connection's upload. `spare` is memory for it.
    pub(crate) fn send_piece(&mut self, slot: Slot, spare: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        let generation = connection.generation;
        let exchange = connection.exchange.as_mut();
        let Some(upload) = exchange.and_then(|exchange| exchange.upload.as_deref_mut()) else {
            return;
        };
        match upload.next(spare) {
            Piece::Send(bytes) => self.send_bytes(slot, bytes),
            Piece::Read {
                file,
                offset,
                bytes,
                range,
            } => {
                connection.pending += 1;
                connection.sending = true;
                self.ring
                    .read_file(slot, file, offset, (bytes, range), generation);
            }
            Piece::Wait => {
                let when = self.now.after(CONTINUE_WAIT);
                self.timers.add(when, Owner::Upload { slot, generation });
            }
            Piece::Done => self.sent_whole(slot),
        }
    }

    /// The last piece is sent; the reply is what is left.
    pub(crate) fn sent_whole(&mut self, slot: Slot) {
        let connection = self.connections.get(slot);
        let Some(exchange) = &connection.exchange else {
            return;
        };
        if exchange.sent != Moment::NEVER {
            let (name, took_ns) = (exchange.name, self.now.since(exchange.sent));
            self.state
                .record(|recorder| recorder.part(name, Phase::Send, took_ns));
        }
        if exchange.first_byte == Moment::NEVER {
            self.limit_part(slot, self.policy.first_byte_ns);
        }
    }

    /// Part of a file is in memory, or cannot be.
    pub(crate) fn piece_read(&mut self, completion: &Completion) {
        let (bytes, range) = self.ring.take_read(completion);
        let slot = completion.token.slot;
        let connection = self.connections.get_mut(slot);
        connection.pending -= 1;
        connection.sending = false;
        if let Some(end) = connection.ended.take() {
            return self.ended(slot, end);
        }
        if connection.state != State::Busy || connection.exchange.is_none() {
            return self.settle(slot);
        }
        // A file that has become shorter cannot fill the length that was announced.
        if usize::try_from(completion.result) != Ok(range.len()) {
            return self.fail(slot, FailureKind::UploadRead);
        }
        self.send_bytes(slot, bytes);
    }

    /// A piece has been sent whole; true when this was an upload, which goes on.
    pub(crate) fn piece_sent(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        let continued = connection.reader.continued();
        if let Some(upload) = upload_of(connection)
            && continued
        {
            upload.go_ahead();
        }
        self.send_piece(slot, bytes);
    }

    /// The peer may have asked for the body.
    #[cold]
    pub(crate) fn look_for_continue(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        if connection.reader.continued() && !connection.sending {
            self.go_ahead(slot);
        }
    }

    /// The body has waited long enough.
    pub(crate) fn stop_waiting(&mut self, slot: Slot, generation: u32) {
        let connection = self.connections.get(slot);
        let is_due = connection.generation == generation
            && connection.state == State::Busy
            && connection.reader.status() == 0
            && !connection.sending
            // An earlier exchange of the connection may have set the timer.
            && self.sent_for(slot) >= CONTINUE_WAIT;
        if is_due {
            self.go_ahead(slot);
        }
    }

    pub(crate) fn sent_for(&self, slot: Slot) -> Duration {
        let exchange = self.connections.get(slot).exchange.as_ref();
        let sent = exchange.map_or(Moment::NEVER, |exchange| exchange.sent);
        Duration::from_nanos(self.now.since(sent))
    }

    pub(crate) fn go_ahead(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        if let Some(upload) = upload_of(connection)
            && upload.is_waiting()
        {
            upload.go_ahead();
            self.send_piece(slot, Vec::new());
        }
    }
}

fn upload_of(connection: &mut crate::transport::connections::Connection) -> Option<&mut Upload> {
    let exchange = connection.exchange.as_mut()?;
    exchange.upload.as_deref_mut()
}
