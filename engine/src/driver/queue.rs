//! Requests that wait for a connection: a user has only so many to one origin, as browsers do.
//! Where connections are shared, the pool of the core has them (`pool.rs`).

use super::Driver;
use super::connections::{NONE, SHARED, State};
use super::exchange::Exchange;
use super::origins::OriginId;
use super::users::Doing;
use crate::clock::Moment;
use crate::ring::Slot;
use stats::{Counter, FailureKind, Phase};
use std::collections::VecDeque;

/// The requests of a user that wait, the first to come first. Only users with branches have any.
pub(super) type Queue = Option<Box<VecDeque<Queued>>>;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) origin: OriginId,
    pub(super) exchange: Exchange,
    /// Since when.
    pub(super) since: Moment,
}

/// Which connection a request can have.
pub(super) enum Place {
    Idle(Slot),
    New,
    /// None yet.
    Later,
}

impl Driver {
    /// Finds the connection for a request of a user or branch, now or later.
    pub(super) fn place(&mut self, user: u32, origin: OriginId, exchange: Exchange) {
        if self.pool.is_some() {
            return self.place_in_pool(user, origin, exchange);
        }
        let root = self.users.get(user).root;
        self.retire(root);
        match self.place_for(root, origin) {
            Place::Later => self.enqueue(user, origin, exchange),
            Place::Idle(_) | Place::New if self.others_wait(root, origin) => {
                self.enqueue(user, origin, exchange);
            }
            Place::Idle(slot) => self.reuse(slot, exchange),
            Place::New => self.open(user, origin, exchange),
        }
    }

    pub(super) fn reuse(&mut self, slot: Slot, exchange: Exchange) {
        self.shared
            .record(|recorder| recorder.count(Counter::ConnectionReused, 1));
        self.occupy(slot, exchange);
        self.send(slot);
    }

    fn place_for(&self, root: u32, origin: OriginId) -> Place {
        let mut made = 0;
        let mut slot = self.users.get(root).connection;
        while slot != NONE {
            let connection = self.connections.get(slot);
            if connection.origin == origin {
                if connection.is_idle() {
                    return Place::Idle(slot);
                }
                made += 1;
            }
            slot = connection.next;
        }
        if made < self.habits.per_origin {
            Place::New
        } else {
            Place::Later
        }
    }

    /// Whether requests for an origin came before, and wait.
    fn others_wait(&self, root: u32, origin: OriginId) -> bool {
        let queue = self.users.get(root).queue.as_ref();
        queue.is_some_and(|queue| queue.iter().any(|queued| queued.origin == origin))
    }

    /// The request waits, as long as its time limit lets it.
    fn enqueue(&mut self, user: u32, origin: OriginId, exchange: Exchange) {
        let limit = Moment(self.now.0.saturating_add(exchange.timeout_ns));
        self.wait_until(user, limit, Doing::Queued);
        let root = self.users.get(user).root;
        let queued = Queued {
            origin,
            exchange,
            since: self.now,
        };
        let queue = self.users.get_mut(root).queue.get_or_insert_default();
        queue.push_back(queued);
    }

    /// A connection has served a request and may serve another.
    #[inline]
    pub(super) fn rest(&mut self, slot: Slot) {
        let connection = self.connections.get_mut(slot);
        connection.state = State::Idle;
        connection.deadline = Moment::NEVER;
        match connection.owner {
            SHARED => self.list(slot),
            owner => self.relieve(owner),
        }
    }

    /// A connection of a user has become free or is gone: what waits for one is looked at soon.
    #[inline]
    pub(super) fn relieve(&mut self, root: u32) {
        if self.users.get(root).queue.is_some() {
            self.relieved.push(root);
        }
    }

    /// Gives the connections that became free to the requests that wait for them.
    pub(super) fn serve_queues(&mut self) {
        self.serve_pool();
        while let Some(root) = self.relieved.pop() {
            let Some(queue) = self.users.get_mut(root).queue.take() else {
                continue;
            };
            let mut left = VecDeque::new();
            let mut full = Vec::new();
            for queued in *queue {
                if full.contains(&queued.origin) {
                    left.push_back(queued);
                } else if let Some(queued) = self.try_queued(root, queued) {
                    full.push(queued.origin);
                    left.push_back(queued);
                }
            }
            if !left.is_empty() {
                self.users.get_mut(root).queue = Some(Box::new(left));
            }
        }
    }

    /// Sends a request that has waited; gives it back when it has to go on waiting.
    fn try_queued(&mut self, root: u32, queued: Queued) -> Option<Queued> {
        let place = self.place_for(root, queued.origin);
        if matches!(place, Place::Later) {
            return Some(queued);
        }
        self.send_queued(queued, place);
        None
    }

    /// Sends a request that has waited: that time is its own, and not the generator's lateness.
    pub(super) fn send_queued(&mut self, queued: Queued, place: Place) {
        let Queued {
            origin,
            mut exchange,
            since,
        } = queued;
        exchange.ready = self.now;
        let waited_ns = self.now.since(since);
        exchange.timeout_ns = exchange.timeout_ns.saturating_sub(waited_ns);
        self.shared
            .record(|recorder| recorder.part(exchange.name, Phase::Queue, waited_ns));
        let user = exchange.user;
        self.users.get_mut(user).doing = Doing::Request;
        match place {
            Place::Idle(slot) => self.reuse(slot, exchange),
            Place::New | Place::Later => self.open(user, origin, exchange),
        }
    }

    /// The time of a request is over before it had a connection.
    pub(super) fn give_up_queued(&mut self, user: u32) {
        let root = self.users.get(user).root;
        let Some(queue) = &mut self.users.get_mut(root).queue else {
            return;
        };
        let place = queue.iter().position(|queued| queued.exchange.user == user);
        let found = place.and_then(|place| queue.remove(place));
        if let Some(queued) = found {
            self.refuse(user, &queued.exchange, FailureKind::Timeout);
        }
    }

    /// What a user that is given up has waiting ends unfinished.
    pub(super) fn forget_queue(&mut self, root: u32) {
        for queued in self
            .users
            .get_mut(root)
            .queue
            .take()
            .into_iter()
            .flat_map(|queue| *queue)
        {
            self.record_unfinished(&queued.exchange);
        }
    }

    /// The run ends before the request did.
    pub(super) fn record_unfinished(&self, exchange: &Exchange) {
        let age_ns = self.now.since(exchange.intended);
        self.shared
            .record(|recorder| recorder.request_unfinished(exchange.name, age_ns));
    }
}
