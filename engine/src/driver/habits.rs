//! How this core makes connections and how long it keeps them.

use super::Driver;
use super::connections::NONE;
use super::origins::Endpoint;
use crate::clock::Moment;
use crate::ring::{Slot, bind_late};
use crate::timers::Owner;
use config::{Pick, Plan, Renew, random};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// The stream of random addresses; no user's.
const ADDRESS_STREAM: u64 = u64::MAX - 1;
/// No limit, in nanoseconds.
const UNLIMITED: u64 = u64::MAX;

/// The plan's wishes about connections, and where this core stands with them.
pub(super) struct Habits {
    pub(super) renew: Renew,
    /// Connections to one origin at once: of one user, or of the core's pool.
    pub(super) per_origin: u32,
    /// How often names are resolved again.
    pub(super) resolve_ns: Option<u64>,
    requests_max: u32,
    age_max_ns: u64,
    pick: Pick,
    seed: u64,
    source: Vec<IpAddr>,
    /// Connections begun.
    made: u64,
    pub(super) connect_ns: u64,
    pub(super) tls_ns: u64,
    pub(super) first_byte_ns: u64,
    /// Connections end by what is said here.
    is_bounded: bool,
}

impl Habits {
    pub(super) fn of(plan: &Plan) -> Habits {
        let wishes = &plan.connections;
        let ns = |limit: Option<std::time::Duration>| {
            limit.map_or(UNLIMITED, |limit| Moment(0).after(limit).0)
        };
        let limits = wishes.limits;
        let is_bounded = wishes.requests_max.is_some()
            || wishes.age_max.is_some()
            || wishes.renew == Renew::Request;
        Habits {
            renew: wishes.renew,
            per_origin: wishes.per_origin.unwrap_or(u32::MAX),
            resolve_ns: wishes.resolve.map(|every| ns(Some(every))),
            requests_max: wishes.requests_max.unwrap_or(u32::MAX),
            age_max_ns: ns(wishes.age_max),
            pick: wishes.addresses,
            seed: plan.seed,
            source: wishes.source.clone(),
            made: 0,
            connect_ns: ns(limits.connect),
            tls_ns: ns(limits.tls),
            first_byte_ns: ns(limits.first_byte),
            is_bounded,
        }
    }

    /// Whether a connection of this age that has served so many requests may serve another.
    #[inline]
    pub(super) fn goes_on(&self, served: u32, age_ns: u64) -> bool {
        !self.is_bounded
            || (self.renew != Renew::Request
                && served < self.requests_max
                && age_ns < self.age_max_ns)
    }

    /// Whether the address that has failed is to be tried last from now on.
    pub(super) fn prefers_living(&self) -> bool {
        self.pick == Pick::First
    }

    /// Which of so many addresses, at least one, the next connection goes to.
    pub(super) fn address(&mut self, count: usize) -> usize {
        let number = self.made;
        self.made += 1;
        let drawn = match self.pick {
            Pick::First => return 0,
            Pick::Turn => number,
            Pick::Random => random::bits(self.seed, ADDRESS_STREAM, number),
        };
        (drawn % count as u64) as usize
    }

    /// The next local address of the same family and its place among them, if the plan names any.
    fn source_for(&self, to: SocketAddr) -> Option<(usize, IpAddr)> {
        let same = |address: &&IpAddr| address.is_ipv4() == to.is_ipv4();
        let count = self.source.iter().filter(same).count();
        let place = self.made.checked_rem(count as u64)? as usize;
        let source = self.source.iter().filter(same).nth(place).copied()?;
        Some((place, source))
    }

    /// The place of the local address that [`Habits::socket`] has just used.
    fn source_place(&self, to: Endpoint) -> u32 {
        let Endpoint::Internet(address) = to else {
            return 0;
        };
        self.source_for(address)
            .map_or(0, |(place, _)| place as u32)
    }

    fn socket(&self, to: Endpoint) -> io::Result<Socket> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let Endpoint::Internet(address) = to else {
            return Socket::new(Domain::UNIX, kind, None);
        };
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some((_, source)) = self.source_for(address) {
            bind_late(&socket, source)?;
        }
        Ok(socket)
    }
}

impl Driver {
    /// Puts a fresh socket into the ring's table.
    pub(super) fn install(&mut self, slot: Slot, to: Endpoint) -> io::Result<()> {
        let socket = self.habits.socket(to)?;
        self.connections.get_mut(slot).source = self.habits.source_place(to);
        self.ring.install(slot, socket.into())
    }

    /// A part of a request begins that has a limit of its own; that of the request goes on.
    #[inline]
    pub(super) fn limit_part(&mut self, slot: Slot, part_ns: u64) {
        let connection = self.connections.get_mut(slot);
        let end = Moment(self.now.0.saturating_add(part_ns));
        connection.deadline = connection.limit.min(end);
        if connection.deadline < connection.armed {
            connection.armed = connection.deadline;
            let owner = Owner::Connection {
                slot,
                generation: connection.generation,
            };
            self.timers.add(connection.deadline, owner);
        }
    }

    /// Closes the idle connections of a user that are too old for another request.
    #[inline]
    pub(super) fn retire(&mut self, root: u32) {
        if self.habits.age_max_ns != UNLIMITED {
            self.close_idle(root, self.habits.age_max_ns);
        }
    }

    /// Closes the idle connections of a user that are of this age or older.
    pub(super) fn close_idle(&mut self, root: u32, age_ns: u64) {
        let mut slot = self.users.get(root).connection;
        while slot != NONE {
            let connection = self.connections.get(slot);
            let next = connection.next;
            if connection.is_idle() && self.now.since(connection.born) >= age_ns {
                self.hang_up(slot);
            }
            slot = next;
        }
    }
}
