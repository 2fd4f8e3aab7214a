//! Finding or making the connection that carries a request.

use super::connections::State;
use super::exchange::{Exchange, Payload};
use super::habits::is_about_ports;
use super::origins::{Addresses, Endpoint, Kept, OriginId};
use super::resolver::Resolver;
use super::{Driver, users};
use crate::clock::Moment;
use crate::http::response::BodyRule;
use crate::launch::fixed_addresses;
use crate::ring::Slot;
use socket2::SockAddr;
use stats::{Counter, FailureKind, Phase};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

/// The resolver, and the requests that wait for its answers.
#[derive(Default)]
pub(super) struct Lookups {
    resolver: RefCell<Resolver>,
    waiting: RefCell<Vec<Waiting>>,
    /// The numbers of addresses in the ring: a name that is resolved again mostly has the same.
    kept: RefCell<HashMap<SocketAddr, usize>>,
}

struct Waiting {
    origin: OriginId,
    user: u32,
    generation: u32,
    exchange: Exchange,
    since: Moment,
}

impl Lookups {
    /// Whether nobody waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.borrow().is_empty()
    }
}

impl Driver {
    /// Sends a request of a user on one of its idle connections, or on a new one.
    #[inline]
    pub(super) fn issue(&mut self, user: u32, origin: OriginId, mut exchange: Exchange) {
        if self.shared.recording.get() && !self.budget.take_request() {
            return self.hold(user);
        }
        exchange.user = user;
        let acting = self.users.get_mut(user);
        acting.doing = users::Doing::Request;
        self.shared.record(|recorder| recorder.sent(exchange.name));
        self.place(user, origin, exchange);
    }

    /// Gives a connection to a request and sets its time limit.
    pub(super) fn occupy(&mut self, slot: Slot, exchange: Exchange) {
        let connection = self.connections.get_mut(slot);
        let limit = exchange.timeout_ns;
        connection.exchange = Some(exchange);
        connection.limit = Moment(self.now.0.saturating_add(limit));
        self.limit_part(slot, u64::MAX);
    }

    /// Queues the request of a connection that is ready for it.
    pub(super) fn send(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        let Some(exchange) = &mut connection.exchange else {
            return;
        };
        connection.state = State::Busy;
        let rule = if exchange.head_only {
            BodyRule::Head
        } else {
            BodyRule::Normal
        };
        connection.reader.start(rule);
        let is_upload = matches!(exchange.payload, Payload::Upload);
        // After a connect or a handshake, the limit of that no longer holds.
        if connection.served == 0 || self.habits.first_byte_ns != u64::MAX {
            let part_ns = if is_upload {
                u64::MAX
            } else {
                self.habits.first_byte_ns
            };
            self.limit_part(slot, part_ns);
        }
        let connection = self.connections.get_mut(slot);
        let Some(exchange) = &mut connection.exchange else {
            return;
        };
        if connection.tls.is_some() {
            return self.send_encrypted(slot);
        }
        let generation = connection.generation;
        match std::mem::replace(&mut exchange.payload, Payload::InRing) {
            Payload::Static(bytes) => {
                exchange.payload = Payload::Static(bytes);
                exchange.bytes_out += bytes.len() as u64;
                self.ring.send_static(slot, bytes, generation);
            }
            Payload::Owned(bytes) => self.send_bytes(slot, bytes),
            Payload::Upload => {
                exchange.payload = Payload::Upload;
                self.send_piece(slot, Vec::new());
            }
            Payload::InRing => unreachable!("a payload is sent once at a time"),
        }
        self.acting.push(slot);
    }

    /// Queues bytes made for the request of a connection.
    pub(super) fn send_bytes(&mut self, slot: Slot, bytes: Vec<u8>) {
        let connection = self.connections.get_mut(slot);
        if let Some(exchange) = &mut connection.exchange {
            exchange.bytes_out += bytes.len() as u64;
        }
        if connection.tls.is_some() {
            return self.send_encrypted_piece(slot, bytes);
        }
        connection.pending += 1;
        connection.sending = true;
        self.ring.send_owned(slot, bytes, connection.generation);
    }

    /// Makes a new connection for a request.
    pub(super) fn open(&mut self, user: u32, origin: OriginId, exchange: Exchange) {
        self.ask_again(origin);
        let addresses = self.shared.origins.borrow().get(origin).addresses.clone();
        match addresses {
            Addresses::Known(list) => self.dial(user, origin, exchange, &list),
            Addresses::None => self.refuse(user, &exchange, FailureKind::Dns),
            Addresses::Asked => self.wait_for_address(user, origin, exchange),
            Addresses::Unknown => {
                if self.look_up(origin) {
                    self.wait_for_address(user, origin, exchange);
                } else {
                    self.open(user, origin, exchange);
                }
            }
        }
    }

    /// Names are resolved again when their time has come; meanwhile the old addresses are used.
    fn ask_again(&mut self, origin: OriginId) {
        let Some(every) = self.habits.resolve_ns else {
            return;
        };
        let origins = self.shared.origins.borrow();
        let known = origins.get(origin);
        let is_old = self.now.since(known.asked) >= every && known.origin.socket.is_none();
        let has_answer = matches!(known.addresses, Addresses::Known(_) | Addresses::None);
        drop(origins);
        if is_old && has_answer {
            self.look_up(origin);
        }
    }

    fn dial(&mut self, user: u32, origin: OriginId, exchange: Exchange, list: &[Kept]) {
        let Some(slot) = self.connections.take() else {
            return self.refuse(user, &exchange, FailureKind::Descriptors);
        };
        let first = self.habits.address(list.len());
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
            return self.refuse(user, &exchange, connect_failure(&e));
        }
        let connection = self.connections.get_mut(slot);
        connection.origin = origin;
        connection.tried = tried as u16;
        self.take_in(slot, user, address.to);
        self.occupy(slot, exchange);
        self.connect(slot, address.kept);
        self.count_connections();
    }

    /// A connection that is being made belongs to its user, or to the pool.
    fn take_in(&mut self, slot: Slot, user: u32, to: Endpoint) {
        if self.pool.is_some() {
            return self.adopt(slot, self.connections.get(slot).origin, to);
        }
        let root = self.users.get(user).root;
        let head = std::mem::replace(&mut self.users.get_mut(root).connection, slot);
        let connection = self.connections.get_mut(slot);
        (connection.owner, connection.next) = (root, head);
    }

    fn connect(&mut self, slot: Slot, address: usize) {
        let connection = self.connections.get_mut(slot);
        connection.state = State::Connecting;
        connection.address = address;
        connection.pending += 1;
        self.ring.connect(slot, address, connection.generation);
        self.acting.push(slot);
        if self.habits.connect_ns != u64::MAX {
            self.limit_part(slot, self.habits.connect_ns);
        }
    }

    /// A connect completed.
    pub(super) fn connected(&mut self, slot: Slot, result: i32) {
        let connection = self.connections.get_mut(slot);
        connection.pending -= 1;
        if connection.state == State::Closing {
            return self.settle(slot);
        }
        if result < 0 {
            return self.connect_failed(slot, &io::Error::from_raw_os_error(-result));
        }
        connection.born = self.now;
        let opened = connection.opened;
        let name = connection.exchange.as_mut().map(|exchange| {
            exchange.ready = self.now;
            exchange.name
        });
        let took_ns = self.now.since(opened);
        self.shared.record(|recorder| {
            recorder.count(Counter::ConnectionOpened, 1);
            if let Some(name) = name {
                recorder.connected(name, took_ns);
            }
        });
        self.receive(slot);
        if !self.greet(slot) {
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
        let connection = self.connections.get_mut(slot);
        let (origin, failed) = (connection.origin, connection.address);
        let tried = usize::from(connection.tried);
        let of_ports = is_about_ports(error);
        let mut origins = self.shared.origins.borrow_mut();
        if self.habits.prefers_living() && !of_ports {
            origins.prefer_next(origin, failed);
        }
        let (mut same, mut next) = (None, None);
        if let Addresses::Known(list) = &origins.get(origin).addresses {
            let place = list.iter().position(|one| one.kept == failed);
            same = place.map(|place| list[place]);
            let after = place.map_or(0, |place| (place + 1) % list.len());
            next = (tried < list.len()).then(|| list[after]);
        }
        drop(origins);
        if let Some(exchange) = &mut self.connections.get_mut(slot).exchange {
            exchange.ready = self.now;
        }
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
                return self.connect(slot, next.kept);
            }
        }
        self.fail(slot, connect_failure(error));
    }

    /// The request waits for an address, as long as its time limit lets it.
    fn wait_for_address(&mut self, user: u32, origin: OriginId, exchange: Exchange) {
        let generation = self.users.get(user).generation;
        let limit = Moment(self.now.0.saturating_add(exchange.timeout_ns));
        self.wait_until(user, limit, users::Doing::Lookup);
        self.lookups.waiting.borrow_mut().push(Waiting {
            origin,
            user,
            generation,
            exchange,
            since: self.now,
        });
    }

    /// The time of a request is over before its host name had an answer.
    pub(super) fn give_up_lookup(&mut self, user: u32, generation: u32) {
        let mut waiting = self.lookups.waiting.borrow_mut();
        let mine = |one: &Waiting| one.user == user && one.generation == generation;
        let found = waiting.iter().position(mine);
        let found = found.map(|place| waiting.swap_remove(place));
        drop(waiting);
        if let Some(one) = found {
            self.refuse(user, &one.exchange, FailureKind::Dns);
        }
    }

    /// Asks the system's resolver on its thread. False when the profile has the answer.
    fn look_up(&mut self, origin: OriginId) -> bool {
        let mut origins = self.shared.origins.borrow_mut();
        origins.asked(origin, self.now);
        let known = origins.get(origin);
        let (host, port) = (known.origin.host.clone(), known.origin.port);
        if let Some(fixed) = fixed_addresses(&self.plan, &host, port) {
            drop(origins);
            self.resolved(origin, fixed);
            return false;
        }
        if matches!(known.addresses, Addresses::Unknown | Addresses::None) {
            origins.set_addresses(origin, Addresses::Asked);
        }
        drop(origins);
        self.lookups.resolver.borrow_mut().ask(origin, host, port);
        true
    }

    /// The addresses of an origin are known. An empty answer changes none that were known before.
    fn resolved(&mut self, origin: OriginId, found: Vec<SocketAddr>) {
        let mut numbers = self.lookups.kept.borrow_mut();
        let mut keep = |address| {
            let number = numbers.entry(address);
            let kept = *number.or_insert_with(|| self.ring.add_address(SockAddr::from(address)));
            Kept {
                to: Endpoint::Internet(address),
                kept,
            }
        };
        let mut kept: Vec<Kept> = Vec::new();
        for address in found {
            let one = keep(address);
            if kept.iter().all(|known| known.kept != one.kept) {
                kept.push(one);
            }
        }
        let mut origins = self.shared.origins.borrow_mut();
        let is_known = matches!(origins.get(origin).addresses, Addresses::Known(_));
        match kept.is_empty() {
            true if is_known => {}
            true => origins.set_addresses(origin, Addresses::None),
            false => origins.set_addresses(origin, Addresses::Known(kept)),
        }
    }

    /// Takes in what the resolver answered, and opens the connections that waited for it.
    pub(super) fn serve_lookups(&mut self) {
        let mut answered = false;
        loop {
            let answer = self.lookups.resolver.borrow_mut().answer();
            let Some((origin, found)) = answer else { break };
            self.resolved(origin, found);
            answered = true;
        }
        if !answered {
            return;
        }
        let waiting = std::mem::take(&mut *self.lookups.waiting.borrow_mut());
        for mut one in waiting {
            let origins = self.shared.origins.borrow();
            let still = matches!(origins.get(one.origin).addresses, Addresses::Asked);
            drop(origins);
            if still {
                self.lookups.waiting.borrow_mut().push(one);
            } else if self.users.is_current(one.user, one.generation) {
                self.users.get_mut(one.user).doing = users::Doing::Request;
                let waited_ns = self.now.since(one.since);
                one.exchange.timeout_ns = one.exchange.timeout_ns.saturating_sub(waited_ns);
                let name = one.exchange.name;
                self.shared
                    .record(|recorder| recorder.part(name, Phase::Dns, waited_ns));
                self.place(one.user, one.origin, one.exchange);
            }
        }
    }

    /// Requests of a user that still wait for an address; they end unfinished.
    pub(super) fn forget_lookups(&mut self) {
        let waiting = std::mem::take(&mut *self.lookups.waiting.borrow_mut());
        for one in waiting {
            self.record_unfinished(&one.exchange);
        }
    }

    pub(super) fn count_connections(&mut self) {
        let open = self.connections.open();
        self.shared.record(|recorder| recorder.connections(open));
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
