//! How connections end.
//!
//! What is armed on a connection is cancelled, and in the same submission its place in the ring's
//! table is closed: the kernel sends the FIN, or the RST, when the last cancelled operation has let
//! go of the socket, before the call returns. A shutdown in the ring would do the same through a
//! worker thread of the kernel, two switches for each connection.

use super::Transport;
use super::connections::{ConnectionState, SHARED};
use super::ports::Left;
use super::stream::NONE;
use crate::clock::Moment;
use crate::ring::{Kind, RingIo, Slot, Token};
use stats::Counter;

impl<R: RingIo> Transport<R> {
    /// Gives a connection up. Its slot is free once the kernel has let go of it. A request that is
    /// still on it is forgotten: whoever wants to hear of its end takes it off before.
    pub(super) fn give_up(&mut self, slot: Slot) {
        self.unlink(slot);
        let stream = self.connections.get_mut(slot).take_stream();
        if stream != NONE {
            self.streams.release(stream);
        }
        match self.connections.get(slot).state {
            ConnectionState::Free | ConnectionState::Closing => return,
            ConnectionState::Connecting => {
                if self.connections.get(slot).pending > 0 {
                    self.cancel(slot, Kind::Connect);
                }
            }
            state @ (ConnectionState::Tunneling
            | ConnectionState::Handshaking
            | ConnectionState::Idle
            | ConnectionState::Busy) => {
                if !self.policy.resets {
                    self.close_session(slot);
                }
                self.telemetry.count(Counter::ConnectionClosed, 1);
                self.disarm(slot, state);
            }
        }
        let connection = self.connections.get_mut(slot);
        connection.state = ConnectionState::Closing;
        connection.pending += 1;
        self.ring.close(slot, connection.generation);
    }

    /// Sees to it that no operation of a connection goes on.
    fn disarm(&mut self, slot: Slot, state: ConnectionState) {
        let connection = self.connections.get_mut(slot);
        let (receiving, sending) = (connection.receiving, connection.sending);
        if self.policy.shuts_down && (receiving || sending) {
            connection.pending += 1;
            let generation = connection.generation;
            self.ring.shutdown(slot, generation);
            return;
        }
        if receiving {
            self.cancel(slot, Kind::Receive);
        }
        if sending {
            self.cancel(slot, Kind::SendOwned);
        }
        if state == ConnectionState::Busy {
            // It completes silently, so whether it is still there is not known.
            self.cancel(slot, Kind::SendStatic);
        }
    }

    fn cancel(&mut self, slot: Slot, kind: Kind) {
        let connection = self.connections.get_mut(slot);
        connection.pending += 1;
        let target = Token::new(kind, slot, connection.generation);
        self.ring.cancel(target);
    }

    /// An operation of a connection completed: when it was the last of one that is given up, the
    /// slot is free again.
    pub(super) fn settle(&mut self, slot: Slot) {
        let connection = self.connections.get(slot);
        if connection.state == ConnectionState::Closing && connection.pending == 0 {
            self.leave_port(slot);
            self.connections.release(slot);
            self.count_connections();
        }
    }

    /// Gives the port of a connection that has ended back.
    pub(super) fn leave_port(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        let was_made = connection.born != Moment(0);
        // The server has said that it closes. Where the kernel can be asked, it knows who was first.
        let announced = connection.served > 0 && !connection.protocol.may_reuse();
        let by_peer = connection.ended_by_peer || (announced && !self.policy.is_port_late);
        let first = was_made && !by_peer && !self.policy.resets;
        if let Some(port) = connection.port.take() {
            let left = if first { Left::Resting } else { Left::Free };
            self.policy.ports.give_back(port, left, self.now);
        }
    }

    /// Takes a connection out of its owner's list, or out of the pool.
    fn unlink(&mut self, slot: Slot) {
        match self.connections.get_mut(slot).disown() {
            None => {}
            Some(SHARED) => self.leave_pool(slot),
            Some(owner) => {
                self.owners.mark_available(owner);
                self.owners.unlist(owner, slot, &mut self.connections);
            }
        }
    }
}
