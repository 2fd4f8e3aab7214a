//! Bodies that go out in pieces: one piece at a time is in the ring, read from disk there or
//! copied, so that an upload takes the memory of a piece whatever its size.

use super::connections::ConnectionState;
use super::stream::NONE;
use super::{Deadline, Transport};
use crate::clock::Moment;
use crate::http::upload::Piece;
use crate::ring::{Completion, RingIo, Slot};
use stats::{FailureKind, Phase};
use std::time::Duration;

/// How long a body waits for `100 Continue` before it is sent all the same (RFC 9110 section
/// 10.1.1 leaves the time to the client; curl waits as long).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

impl<R: RingIo> Transport<R> {
    /// Queues the next piece of a connection's upload. `spare` is memory for it.
    pub(super) fn send_piece(&mut self, slot: Slot, spare: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        let (generation, id) = (connection.generation, connection.stream);
        if id == NONE {
            return;
        }
        let Some(upload) = self.streams.get_mut(id).upload() else {
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
                    .read_file(slot, file, offset, bytes, range, generation);
            }
            Piece::Wait => {
                let when = self.now.after(CONTINUE_WAIT);
                self.timers.add(when, Deadline::Continue(slot, generation));
            }
            Piece::Done => self.sent_whole(slot),
        }
    }

    /// The last piece is sent; the reply is what is left.
    fn sent_whole(&mut self, slot: Slot) {
        let id = self.connections.get(slot).stream;
        let stream = self.streams.get_mut(id);
        if stream.sent != Moment::NEVER {
            let (name, took_ns) = (stream.name, self.now.since(stream.sent));
            stream.waits().send_ns = took_ns;
            self.telemetry
                .record(|recorder| recorder.part(name, Phase::Send, took_ns));
        }
        if stream.first_byte == Moment::NEVER {
            self.limit_phase(id, self.policy.first_byte_ns);
        }
    }

    /// Part of a file is in memory, or cannot be.
    pub(super) fn piece_read(&mut self, completion: &Completion) {
        let (bytes, range) = self.ring.take_read(completion);
        let slot = completion.token.slot;
        let connection = self.connections.get_mut(slot);
        connection.pending -= 1;
        connection.sending = false;
        if let Some(end) = connection.ended.take() {
            return self.ended(slot, end);
        }
        if connection.state != ConnectionState::Busy || connection.stream == NONE {
            return self.settle(slot);
        }
        // A file that has become shorter cannot fill the length that was announced.
        if usize::try_from(completion.result) != Ok(range.len()) {
            return self.fail(slot, FailureKind::UploadRead);
        }
        self.send_bytes(slot, bytes);
    }

    /// A piece has been sent whole, and the upload goes on.
    pub(super) fn piece_sent(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get(slot);
        if connection.protocol.wants_body()
            && let Some(upload) = self.streams.get_mut(connection.stream).upload()
        {
            upload.go_ahead();
        }
        self.send_piece(slot, bytes);
    }

    /// The peer may have asked for the body.
    #[cold]
    pub(super) fn look_for_continue(&mut self, slot: Slot) {
        let connection = self.connections.get(slot);
        if connection.protocol.wants_body() && !connection.sending {
            self.go_ahead(slot);
        }
    }

    /// The body has waited long enough.
    pub(super) fn stop_waiting(&mut self, slot: Slot, generation: u32) {
        let connection = self.connections.get(slot);
        let is_due = connection.generation == generation
            && connection.state == ConnectionState::Busy
            && connection.stream != NONE
            && !connection.protocol.has_head()
            && !connection.sending
            // An earlier request of the connection may have set the timer.
            && self.sent_for(slot) >= CONTINUE_WAIT;
        if is_due {
            self.go_ahead(slot);
        }
    }

    fn sent_for(&self, slot: Slot) -> Duration {
        let stream = self.streams.get(self.connections.get(slot).stream);
        Duration::from_nanos(self.now.since(stream.sent))
    }

    fn go_ahead(&mut self, slot: Slot) {
        let id = self.connections.get(slot).stream;
        if let Some(upload) = self.streams.get_mut(id).upload()
            && upload.is_waiting()
        {
            upload.go_ahead();
            self.send_piece(slot, Vec::new());
        }
    }
}
