//! Connections that belong to no owner (`pool = "shared"`): an idle one serves whichever request
//! comes next to its origin. No step takes longer because there are more of them.

use super::Transport;
use super::connections::{ConnectionState, SHARED};
use super::origins::{Endpoint, OriginId};
use super::owners::{Acquired, Queued};
use super::stream::{NONE, Stage, StreamId};
use crate::ring::{RingIo, Slot};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The connections of a core and the requests that wait for one.
pub(super) struct SharedPool {
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
struct OriginPool {
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
    has_met: bool,
}

impl OriginPool {
    fn new() -> OriginPool {
        OriginPool {
            idle: Vec::new(),
            turn: 0,
            sources: 0,
            open: 0,
            waiting: BTreeMap::new(),
            has_met: false,
        }
    }
}

impl OriginPool {
    /// The idle connection to use next: local addresses in turn, without those that have none.
    fn next_idle(&mut self) -> Option<Slot> {
        let count = self.idle.len();
        let from_turn = (self.turn..count).chain(0..self.turn);
        let index = from_turn
            .into_iter()
            .find(|&index| self.idle[index] != NONE)?;
        self.turn = (index + 1) % count;
        Some(self.idle[index])
    }

    /// The first idle connection from a local address.
    fn head(&mut self, source: u32) -> &mut Slot {
        let index = source as usize;
        if index >= self.idle.len() {
            self.idle.resize(index + 1, NONE);
        }
        &mut self.idle[index]
    }
}

impl SharedPool {
    /// Takes a waiting request out of its queue.
    pub(super) fn dequeue(&mut self, origin: OriginId, ticket: u64) {
        self.at(origin).waiting.remove(&ticket);
    }

    /// The pool of a plan, if its connections are shared.
    pub(super) fn of(plan: &config::Plan) -> Option<SharedPool> {
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

    fn at(&mut self, origin: OriginId) -> &mut OriginPool {
        let index = origin as usize;
        if index >= self.origins.len() {
            self.origins.resize_with(index + 1, OriginPool::new);
        }
        &mut self.origins[index]
    }

    /// A connection has become free or is gone: the requests that wait are looked at soon.
    pub(super) fn mark_available(&mut self, origin: OriginId) {
        if !self.at(origin).waiting.is_empty() {
            self.available.push(origin);
        }
    }
}

impl<R: RingIo> Transport<R> {
    /// Finds the connection for a stream in the pool, now or later.
    pub(super) fn acquire_shared(&mut self, id: StreamId) {
        let origin = self.streams.get(id).origin;
        let pool = self.pool.as_mut();
        if pool.is_some_and(|pool| !pool.at(origin).waiting.is_empty()) {
            return self.wait_in_pool(id);
        }
        match self.claim(origin) {
            Acquired::Idle(slot) => self.reuse(slot, id),
            Acquired::New => self.open(id),
            Acquired::Later => self.wait_in_pool(id),
        }
    }

    /// Takes an idle connection out of the pool, or says what to do without one. Idle ones that
    /// are too old for another request are closed on the way, each once.
    fn claim(&mut self, origin: OriginId) -> Acquired {
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
                self.connections.get_mut(slot).state = ConnectionState::Busy;
                return Acquired::Idle(slot);
            }
            self.give_up(slot);
        }
        Acquired::New
    }

    /// A connection that is being made belongs to the pool from now on.
    pub(super) fn adopt(&mut self, slot: Slot, origin: OriginId, to: Endpoint) {
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
    pub(super) fn list_idle(&mut self, slot: Slot) {
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
    fn unlist(&mut self, slot: Slot) {
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
    pub(super) fn leave_pool(&mut self, slot: Slot) {
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
    pub(super) fn is_first_handshake_of_pool(&mut self, origin: OriginId) -> bool {
        let pool = self.pool.as_mut();
        pool.is_none_or(|pool| !std::mem::replace(&mut pool.at(origin).has_met, true))
    }

    /// The request waits behind those that came before, as long as its time limit lets it.
    fn wait_in_pool(&mut self, id: StreamId) {
        let (_, queued) = self.queued(id);
        let Some(pool) = &mut self.pool else { return };
        let ticket = pool.tickets;
        pool.tickets += 1;
        pool.at(queued.origin).waiting.insert(ticket, queued);
        self.wait_as(id, Stage::Pooled { ticket });
    }

    /// Gives the connections that became free to the requests that wait for them.
    pub(super) fn serve_pool(&mut self) {
        while let Some(origin) = self.pool.as_mut().and_then(|pool| pool.available.pop()) {
            while self.serve_first(origin) {}
        }
    }

    /// Sends the request that has waited longest; false when none waits or there is no connection.
    fn serve_first(&mut self, origin: OriginId) -> bool {
        let pool = self.pool.as_mut();
        if pool.is_none_or(|pool| pool.at(origin).waiting.is_empty()) {
            return false;
        }
        let acquired = self.claim(origin);
        if acquired == Acquired::Later {
            return false;
        }
        let pool = self.pool.as_mut();
        if let Some((_, queued)) = pool.and_then(|pool| pool.at(origin).waiting.pop_first()) {
            self.send_queued(queued, acquired);
        }
        true
    }

    /// Closes the pool: what is under way or waits is forgotten.
    pub(crate) fn close_pool(&mut self) {
        let Some(pool) = &mut self.pool else { return };
        let origins = pool.origins.iter_mut();
        let waiting: Vec<Queued> = origins
            .flat_map(|of_origin| std::mem::take(&mut of_origin.waiting).into_values())
            .collect();
        for queued in waiting {
            self.streams.release(queued.stream);
        }
        for slot in self.connections.slots() {
            if self.connections.get(slot).owner == SHARED {
                self.give_up(slot);
            }
        }
    }
}
