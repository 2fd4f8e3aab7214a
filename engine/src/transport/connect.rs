//! Making the connection that carries a request, and queueing the request on it.

use super::Transport;
use super::connections::{ConnectionState, SHARED};
use super::origins::{Address, Addresses, Endpoint, OriginId};
use super::policy::is_about_ports;
use super::protocol::encoded;
use super::stream::{NONE, Stage, StreamId};
use super::wire::Encoded;
use crate::clock::Moment;
use crate::event::Event;
use crate::ring::{RingIo, Slot};
use stats::{Counter, FailureKind};
use std::io;

impl<R: RingIo> Transport<R> {
    /// Gives a stream to a connection.
    #[inline]
    pub(super) fn assign(&mut self, slot: Slot, id: StreamId) {
        let connection = self.connections.get_mut(slot);
        debug_assert!(
            connection.stream == NONE || connection.protocol.streams_max() > 1,
            "a connection carries no more streams than its protocol allows"
        );
        connection.stream = id;
        let stream = self.streams.get_mut(id);
        stream.stage = Stage::Carried;
        stream.connection = slot;
        self.limit_phase(id, u64::MAX);
    }

    /// A phase of a request begins that has a limit of its own; that of the request goes on.
    #[inline]
    pub(super) fn limit_phase(&mut self, id: StreamId, phase_ns: u64) {
        let stream = self.streams.get_mut(id);
        let end = Moment(self.now.0.saturating_add(phase_ns));
        stream.deadline = stream.limit.min(end);
        if stream.deadline < stream.armed {
            stream.armed = stream.deadline;
            self.timers
                .add(stream.deadline, super::Deadline::Stream(id));
        }
    }

    /// Queues the request of a connection that is ready for it.
    #[inline]
    pub(super) fn send(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        let id = connection.stream;
        if id == NONE {
            return;
        }
        connection.state = ConnectionState::Busy;
        let stream = self.streams.get(id);
        connection.protocol.begin(stream);
        let is_first = connection.served == 0;
        let (generation, is_secure) = (connection.generation, connection.tls.is_some());
        let is_upload = stream.is_upload();
        // After a connect or a handshake, the limit of that no longer holds.
        if is_first || self.policy.first_byte_ns != u64::MAX {
            let phase_ns = if is_upload {
                u64::MAX
            } else {
                self.policy.first_byte_ns
            };
            self.limit_phase(id, phase_ns);
        }
        if is_upload {
            self.send_piece(slot, Vec::new());
        } else if is_secure {
            self.send_encrypted(slot);
        } else {
            let connection = self.connections.get(slot);
            let stream = self.streams.get_mut(id);
            let spare = || self.tls.buffer();
            match encoded(&connection.protocol, &stream.payload, spare) {
                Encoded::Static(bytes) => {
                    stream.bytes_out += bytes.len() as u64;
                    self.ring.send_static(slot, bytes, generation);
                }
                Encoded::Owned(bytes) => self.send_bytes(slot, bytes),
            }
        }
        self.acting.push(slot);
    }

    /// Queues bytes made for the request of a connection.
    pub(super) fn send_bytes(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get(slot);
        if connection.stream != NONE {
            let stream = self.streams.get_mut(connection.stream);
            stream.bytes_out += bytes.len() as u64;
        }
        if connection.tls.is_some() {
            return self.send_encrypted_piece(slot, bytes);
        }
        self.transmit(slot, bytes);
    }

    /// Queues bytes as they are.
    pub(super) fn transmit(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        connection.pending += 1;
        connection.sending = true;
        self.ring.send_owned(slot, bytes, connection.generation);
    }

    /// Makes a new connection for a stream.
    pub(super) fn open(&mut self, id: StreamId) {
        let origin = self.streams.get(id).origin;
        let (dialled, told) = self.origins.borrow().looked_up(origin);
        if let Some(told) = told
            && self.addresses(id, told).is_none()
        {
            return;
        }
        if let Some(list) = self.addresses(id, dialled) {
            self.dial(id, origin, &list);
        }
    }

    /// The addresses of a server for a stream, which otherwise waits for them or fails.
    fn addresses(&mut self, id: StreamId, origin: OriginId) -> Option<Vec<Address>> {
        self.ask_again(origin);
        let addresses = self.origins.borrow().get(origin).addresses.clone();
        match addresses {
            Addresses::Known(list) => return Some(list),
            Addresses::None => self.refuse(id, FailureKind::Dns),
            Addresses::Asked => self.wait_for_address(id),
            Addresses::Unknown => {
                if !self.look_up(origin) {
                    return self.addresses(id, origin);
                }
                self.wait_for_address(id);
            }
        }
        None
    }

    fn dial(&mut self, id: StreamId, origin: OriginId, list: &[Address]) {
        let Some(slot) = self.connections.take() else {
            return self.refuse(id, FailureKind::Descriptors);
        };
        let first = self.policy.address(list.len());
        let mut tried = 1;
        let mut address = list[first];
        let mut installed = self.install(slot, address);
        // Ports are had by address of the server: the next may have some left.
        while installed.as_ref().is_err_and(is_about_ports) && tried < list.len() {
            address = list[(first + tried) % list.len()];
            tried += 1;
            installed = self.install(slot, address);
        }
        if let Err(e) = installed {
            self.connections.release(slot);
            return self.refuse(id, connect_failure(&e));
        }
        let connection = self.connections.get_mut(slot);
        connection.origin = origin;
        connection.tried = tried as u16;
        self.take_in(slot, id, address.to);
        self.assign(slot, id);
        self.connect(slot, address.index);
        self.count_connections();
    }

    /// A connection that is being made belongs to its owner, or to the pool.
    fn take_in(&mut self, slot: Slot, id: StreamId, to: Endpoint) {
        if self.pool.is_some() {
            return self.adopt(slot, self.connections.get(slot).origin, to);
        }
        let owner = self.streams.get(id).owner;
        let next = self.owners.list(owner, slot);
        let connection = self.connections.get_mut(slot);
        (connection.owner, connection.next) = (owner, next);
    }

    fn connect(&mut self, slot: Slot, address: usize) {
        let connection = self.connections.get_mut(slot);
        let id = connection.stream;
        connection.state = ConnectionState::Connecting;
        connection.address = address;
        connection.pending += 1;
        self.ring.connect(slot, address, connection.generation);
        self.acting.push(slot);
        if self.policy.connect_ns != u64::MAX {
            self.limit_phase(id, self.policy.connect_ns);
        }
    }

    /// A connect completed.
    pub(super) fn connected(&mut self, slot: Slot, result: i32) {
        let connection = self.connections.get_mut(slot);
        connection.pending -= 1;
        if connection.state == ConnectionState::Closing {
            return self.settle(slot);
        }
        if result < 0 {
            return self.connect_failed(slot, &io::Error::from_raw_os_error(-result));
        }
        connection.born = self.now;
        self.telemetry.count(Counter::ConnectionOpened, 1);
        self.receive(slot);
        if !self.start_tunnel(slot) {
            self.made(slot);
        }
    }

    /// A connection leads to its server now.
    pub(super) fn made(&mut self, slot: Slot) {
        let connection = self.connections.get(slot);
        let took_ns = self.now.since(connection.opened);
        let stream = self.streams.get_mut(connection.stream);
        stream.ready = self.now;
        stream.waits().connect_ns = took_ns;
        let name = stream.name;
        self.telemetry
            .record(|recorder| recorder.connected(name, took_ns));
        if !self.start_handshake(slot) {
            self.send(slot);
        }
    }

    /// Arms the multishot receive.
    pub(super) fn receive(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        connection.receiving = true;
        connection.pending += 1;
        self.ring.receive(slot, connection.generation);
    }

    /// A connect failed: the next address, or the end of the request.
    fn connect_failed(&mut self, slot: Slot, error: &io::Error) {
        let connection = self.connections.get(slot);
        let (origin, failed) = (connection.origin, connection.address);
        let (tried, id) = (usize::from(connection.tried), connection.stream);
        let of_ports = is_about_ports(error);
        let mut origins = self.origins.borrow_mut();
        let dialled = origins.dialled(origin);
        if self.policy.prefers_living() && !of_ports {
            origins.prefer_next(dialled, failed);
        }
        let (mut same, mut next) = (None, None);
        if let Addresses::Known(list) = &origins.get(dialled).addresses {
            let index = list.iter().position(|one| one.index == failed);
            same = index.map(|index| list[index]);
            let after = index.map_or(0, |index| (index + 1) % list.len());
            next = (tried < list.len()).then(|| list[after]);
        }
        drop(origins);
        self.streams.get_mut(id).ready = self.now;
        if let Some(same) = same.filter(|_| of_ports)
            && self.change_port(slot, same)
        {
            return self.connect(slot, failed);
        }
        self.leave_port(slot);
        if let Some(next) = next {
            self.notice_dead(origin, failed, connect_failure(error));
            self.connections.get_mut(slot).tried += 1;
            if self.install(slot, next).is_ok() {
                return self.connect(slot, next.index);
            }
        }
        self.fail(slot, connect_failure(error));
    }

    /// A connection could not be made to one of several addresses.
    #[cold]
    pub(super) fn notice_dead(&self, origin: OriginId, address: usize, kind: FailureKind) {
        let is_dead = matches!(
            kind,
            FailureKind::Refused
                | FailureKind::Unreachable
                | FailureKind::ConnectTimeout
                | FailureKind::ConnectFailed
                | FailureKind::ResetConnect
        );
        let origins = self.origins.borrow();
        let known = origins.get(origins.dialled(origin));
        let Addresses::Known(list) = &known.addresses else {
            return;
        };
        let dead = list.iter().find(|one| one.index == address);
        let Some(Endpoint::Internet(dead)) = dead.map(|one| one.to) else {
            return;
        };
        if !is_dead || list.len() < 2 {
            return;
        }
        let (server, all) = (known.origin.authority(), list.len());
        self.telemetry
            .send_once(format!("{server}\n{kind}\n{dead}"), || Event::Notice {
                text: format!(
                    "{server}: no connection to {dead}, one of its {all} addresses ({kind})"
                ),
            });
    }

    pub(super) fn count_connections(&self) {
        let open = self.connections.open();
        self.telemetry.record(|recorder| recorder.connections(open));
    }

    /// Whether this is the first TLS handshake of a connection's owner, or of the pool, with an
    /// origin.
    pub(super) fn is_first_handshake(&mut self, slot: Slot, origin: OriginId) -> bool {
        match self.connections.get(slot).owner {
            NONE => true,
            SHARED => self.is_first_handshake_of_pool(origin),
            owner => self.owners.is_first_handshake(owner, origin),
        }
    }
}

/// The failure a connect error counts as.
fn connect_failure(error: &io::Error) -> FailureKind {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => FailureKind::Refused,
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EPERM) => {
            FailureKind::Unreachable
        }
        Some(libc::ETIMEDOUT) => FailureKind::ConnectTimeout,
        Some(libc::ECONNRESET | libc::ECONNABORTED) => FailureKind::ResetConnect,
        Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE) => FailureKind::PortsExhausted,
        Some(libc::EMFILE | libc::ENFILE) => FailureKind::Descriptors,
        _ => FailureKind::ConnectFailed,
    }
}
