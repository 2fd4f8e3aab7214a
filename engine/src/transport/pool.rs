//! Connections of a core that outlive its users (`pool = "shared"`): an idle one serves whichever
//! user comes next to its origin. No step takes longer because there are more of them.

use crate::clock::Moment;
use crate::core::Core;
use crate::core::users::Doing;
use crate::ring::Slot;
use crate::transport::connections::{NONE, SHARED, State};
use crate::transport::origins::{Endpoint, OriginId};
use crate::transport::stream::Exchange;
use crate::transport::waiting::{Acquired, Queued};
use stats::FailureKind;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The connections of a core and the requests that wait for one.
pub(crate) struct SharedPool {
    /// Local addresses of the plan by family, IPv4 first.
    sources: [u32; 2],
    /// By the number of the origin.
    origins: Vec<OriginPool>,
    /// Origins whose waiting requests may find a connection now.
    available: Vec<OriginId>,
    /// Tickets given out so far.
    tickets: u64,
}

/// What there is for one origin.
pub(crate) struct OriginPool {
    /// By the local address that the plan names, or one for all: the idle connection that was used
    /// last, or [`NONE`]; the others follow by their `next`. The last one is used first, so that
    /// few are kept busy and the server sees the rest idle.
    idle: Vec<Slot>,
    /// Which local address has its turn.
    turn: usize,
    /// Local addresses that connections are made from: each has one before any is used again.
    sources: u32,
    /// Connections made or being made, without those that are being closed.
    open: u32,
    /// Requests that wait, by ticket: the first to come is the first to go.
    waiting: BTreeMap<u64, Queued>,
    /// A TLS handshake was begun.
    handshakes: bool,
}

impl OriginPool {
    pub(crate) fn new() -> OriginPool {
        OriginPool {
            idle: Vec::new(),
            turn: 0,
            sources: 0,
            open: 0,
            waiting: BTreeMap::new(),
            handshakes: false,
        }
    }
}

impl OriginPool {
    /// The idle connection to use next: local addresses in turn, without those that have none.
    pub(crate) fn next_idle(&mut self) -> Option<Slot> {
        let count = self.idle.len();
        let from_turn = (self.turn..count).chain(0..self.turn);
        let place = from_turn
            .into_iter()
            .find(|&place| self.idle[place] != NONE)?;
        self.turn = (place + 1) % count;
        Some(self.idle[place])
    }

    /// The first idle connection from a local address.
    pub(crate) fn head(&mut self, source: u32) -> &mut Slot {
        let place = source as usize;
        if place >= self.idle.len() {
            self.idle.resize(place + 1, NONE);
        }
        &mut self.idle[place]
    }
}

impl SharedPool {
    /// The pool of a plan, if its connections are shared.
    pub(crate) fn of(plan: &config::Plan) -> Option<SharedPool> {
        let wishes = &plan.connections;
        let count = |is_v4| {
            let same = |source: &&IpAddr| source.is_ipv4() == is_v4;
            wishes.source.iter().filter(same).count() as u32
        };
        (wishes.pool == config::Pool::Shared).then(|| SharedPool {
            sources: [count(true), count(false)],
            origins: Vec::new(),
            available: Vec::new(),
            tickets: 0,
        })
    }

    pub(crate) fn at(&mut self, origin: OriginId) -> &mut OriginPool {
        let index = origin as usize;
        if index >= self.origins.len() {
            self.origins.resize_with(index + 1, OriginPool::new);
        }
        &mut self.origins[index]
    }

    /// A connection has become free or is gone: the requests that wait are looked at soon.
    pub(crate) fn mark_available(&mut self, origin: OriginId) {
        if !self.at(origin).waiting.is_empty() {
            self.available.push(origin);
        }
    }
}

impl Core {
    /// Finds the connection for a request in the core's pool, now or later.
    pub(crate) fn acquire_shared(&mut self, user: u32, origin: OriginId, exchange: Exchange) {
        let others_wait = self
            .pool
            .as_mut()
            .is_some_and(|pool| !pool.at(origin).waiting.is_empty());
        if others_wait {
            return self.wait_in_pool(user, origin, exchange);
        }
        match self.claim(origin) {
            Acquired::Idle(slot) => self.reuse(slot, exchange),
            Acquired::New => self.open(user, origin, exchange),
            Acquired::Later => self.wait_in_pool(user, origin, exchange),
        }
    }

    /// Takes an idle connection out of the pool, or says what to do without one. Idle ones that
    /// are too old for another request are closed on the way, each once.
    pub(crate) fn claim(&mut self, origin: OriginId) -> Acquired {
        let per_origin = self.policy.per_origin;
        while let Some(pool) = &mut self.pool {
            let of_origin = pool.at(origin);
            let may_open = of_origin.open < per_origin;
            if may_open && of_origin.open < of_origin.sources {
                return Acquired::New;
            }
            let Some(slot) = of_origin.next_idle() else {
                return if may_open {
                    Acquired::New
                } else {
                    Acquired::Later
                };
            };
            let connection = self.connections.get(slot);
            let age_ns = self.now.since(connection.born);
            if self.policy.may_reuse(connection.served, age_ns) {
                self.unlist(slot);
                self.connections.get_mut(slot).state = State::Busy;
                return Acquired::Idle(slot);
            }
            self.hang_up(slot);
        }
        Acquired::New
    }

    /// A connection that is being made belongs to the pool from now on.
    pub(crate) fn adopt(&mut self, slot: Slot, origin: OriginId, to: Endpoint) {
        if let Some(pool) = &mut self.pool {
            let sources = match to {
                Endpoint::Internet(address) => pool.sources[usize::from(address.is_ipv6())],
                Endpoint::Unix => 0,
            };
            let of_origin = pool.at(origin);
            of_origin.open += 1;
            of_origin.sources = sources;
            self.connections.get_mut(slot).owner = SHARED;
        }
    }

    /// A connection of the pool has become idle.
    pub(crate) fn list(&mut self, slot: Slot) {
        let connection = self.connections.get(slot);
        let (origin, source) = (connection.origin, connection.source);
        let Some(pool) = &mut self.pool else { return };
        let next = std::mem::replace(pool.at(origin).head(source), slot);
        pool.mark_available(origin);
        let connection = self.connections.get_mut(slot);
        (connection.previous, connection.next) = (NONE, next);
        if next != NONE {
            self.connections.get_mut(next).previous = slot;
        }
    }

    /// Takes a connection out of the list of idle ones.
    pub(crate) fn unlist(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        let (origin, source) = (connection.origin, connection.source);
        let next = std::mem::replace(&mut connection.next, NONE);
        let previous = std::mem::replace(&mut connection.previous, NONE);
        if next != NONE {
            self.connections.get_mut(next).previous = previous;
        }
        if previous != NONE {
            self.connections.get_mut(previous).next = next;
        } else if let Some(pool) = &mut self.pool {
            *pool.at(origin).head(source) = next;
        }
    }

    /// A connection of the pool is given up.
    pub(crate) fn leave_pool(&mut self, slot: Slot) {
        if self.connections.get(slot).is_idle() {
            self.unlist(slot);
        }
        let origin = self.connections.get(slot).origin;
        if let Some(pool) = &mut self.pool {
            pool.at(origin).open -= 1;
            pool.mark_available(origin);
        }
    }

    /// Whether this is the pool's first TLS handshake with an origin; the next one is not.
    pub(crate) fn is_first_handshake(&mut self, origin: OriginId) -> bool {
        let pool = self.pool.as_mut();
        pool.is_none_or(|pool| !std::mem::replace(&mut pool.at(origin).handshakes, true))
    }

    /// The request waits behind those that came before, as long as its time limit lets it.
    pub(crate) fn wait_in_pool(&mut self, user: u32, origin: OriginId, exchange: Exchange) {
        let Some(pool) = &mut self.pool else { return };
        let ticket = pool.tickets;
        pool.tickets += 1;
        let limit = Moment(self.now.0.saturating_add(exchange.timeout_ns));
        let queued = Queued {
            origin,
            exchange,
            since: self.now,
        };
        pool.at(origin).waiting.insert(ticket, queued);
        self.wait_until(user, limit, Doing::Waiting { origin, ticket });
    }

    /// Gives the connections that became free to the requests that wait for them.
    pub(crate) fn serve_pool(&mut self) {
        while let Some(origin) = self.pool.as_mut().and_then(|pool| pool.available.pop()) {
            while self.serve_first(origin) {}
        }
    }

    /// Sends the request that has waited longest; false when none waits or there is no connection.
    pub(crate) fn serve_first(&mut self, origin: OriginId) -> bool {
        let Some(pool) = &mut self.pool else {
            return false;
        };
        if pool.at(origin).waiting.is_empty() {
            return false;
        }
        let place = self.claim(origin);
        if matches!(place, Acquired::Later) {
            return false;
        }
        let pool = self.pool.as_mut();
        if let Some((_, queued)) = pool.and_then(|pool| pool.at(origin).waiting.pop_first()) {
            self.send_queued(queued, place);
        }
        true
    }

    /// The time of a request is over before it had a connection.
    pub(crate) fn give_up_waiting(&mut self, user: u32, origin: OriginId, ticket: u64) {
        let pool = self.pool.as_mut();
        if let Some(queued) = pool.and_then(|pool| pool.at(origin).waiting.remove(&ticket)) {
            self.refuse(user, &queued.exchange, FailureKind::Timeout);
        }
    }

    /// Closes the pool: what is under way or waits ends unfinished.
    pub(crate) fn close_pool(&mut self) {
        let Some(pool) = &mut self.pool else { return };
        let origins = pool.origins.iter_mut();
        let waiting: Vec<Queued> = origins
            .flat_map(|of_origin| std::mem::take(&mut of_origin.waiting).into_values())
            .collect();
        for queued in waiting {
            self.record_unfinished(&queued.exchange);
        }
        for slot in self.connections.slots() {
            let connection = self.connections.get_mut(slot);
            if connection.owner != SHARED {
                continue;
            }
            if let Some(exchange) = connection.exchange.take() {
                self.record_unfinished(&exchange);
            }
            self.hang_up(slot);
        }
    }
}
