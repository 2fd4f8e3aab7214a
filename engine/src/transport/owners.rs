//! The connections of each owner, and its requests that wait for one: an owner has only so many to
//! one origin, as browsers do. Where connections are shared, the pool has them (`pool.rs`).

use super::Transport;
use super::connections::Connections;
use super::origins::OriginId;
use super::stream::{NONE, Owner, Stage, StreamId};
use crate::clock::Moment;
use crate::ring::{RingIo, Slot};
use stats::{Counter, Phase};
use std::collections::VecDeque;

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) origin: OriginId,
    pub(super) stream: StreamId,
    /// Since when.
    pub(super) since: Moment,
}

/// Which connection a request can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acquired {
    Idle(Slot),
    New,
    /// None yet.
    Later,
}

/// What there is of one owner.
struct OwnerState {
    /// The first of its connections, or [`NONE`]; the others follow by their `next`.
    connection: Slot,
    /// Its requests that wait, the first to come first; only owners that make several requests at
    /// once have any.
    #[expect(
        clippy::box_collection,
        reason = "there is one for each user, and few have any"
    )]
    queue: Option<Box<VecDeque<Queued>>>,
    /// The number of its own client certificate, or [`NONE`].
    identity: u32,
    /// Origins that it has begun TLS with, by their number; those beyond 64 share bits.
    handshakes: u64,
}

impl OwnerState {
    const NEW: OwnerState = OwnerState {
        connection: NONE,
        queue: None,
        identity: NONE,
        handshakes: 0,
    };
}

/// The owners of one core, by their index.
#[derive(Default)]
pub(super) struct Owners {
    table: Vec<OwnerState>,
    /// Owners whose waiting requests may find a connection now.
    available: Vec<Owner>,
}

impl Owners {
    /// Makes room for so many, and no more.
    pub(super) fn reserve(&mut self, owners: usize) {
        self.table.reserve_exact(owners);
    }

    /// Admits an owner that is new, or comes again after it was released.
    #[inline]
    pub(super) fn admit(&mut self, owner: Owner) {
        if owner as usize >= self.table.len() {
            self.table
                .resize_with(owner as usize + 1, || OwnerState::NEW);
        }
    }

    fn get_mut(&mut self, owner: Owner) -> &mut OwnerState {
        &mut self.table[owner as usize]
    }

    /// The first connection of an owner, or [`NONE`].
    #[inline]
    pub(super) fn first(&self, owner: Owner) -> Slot {
        self.table
            .get(owner as usize)
            .map_or(NONE, |state| state.connection)
    }

    /// Puts a connection in front of an owner's list; what was there before.
    pub(super) fn list(&mut self, owner: Owner, slot: Slot) -> Slot {
        std::mem::replace(&mut self.get_mut(owner).connection, slot)
    }

    /// Takes a connection out of an owner's list.
    pub(super) fn unlist(&mut self, owner: Owner, slot: Slot, connections: &mut Connections) {
        let next = connections.get(slot).next;
        let mut at = self.first(owner);
        if at == slot {
            self.get_mut(owner).connection = next;
            return;
        }
        while at != NONE {
            let connection = connections.get_mut(at);
            if connection.next == slot {
                connection.next = next;
                return;
            }
            at = connection.next;
        }
    }

    /// A connection of an owner has become free or is gone: what waits for one is looked at soon.
    #[inline]
    pub(super) fn mark_available(&mut self, owner: Owner) {
        if self.get_mut(owner).queue.is_some() {
            self.available.push(owner);
        }
    }

    /// Whether this is the owner's first TLS handshake with an origin; the next one is not.
    pub(super) fn is_first_handshake(&mut self, owner: Owner, origin: OriginId) -> bool {
        let bit = 1 << (origin % u64::BITS);
        let handshakes = &mut self.get_mut(owner).handshakes;
        let is_first = *handshakes & bit == 0;
        *handshakes |= bit;
        is_first
    }

    /// The number of an owner's own client certificate.
    pub(super) fn identity(&self, owner: Owner) -> Option<u32> {
        let state = self.table.get(owner as usize)?;
        Some(state.identity).filter(|identity| *identity != NONE)
    }

    /// Whether requests for an origin came before, and wait.
    fn others_wait(&self, owner: Owner, origin: OriginId) -> bool {
        let mut waiting = self.table[owner as usize]
            .queue
            .iter()
            .flat_map(|queue| queue.iter());
        waiting.any(|queued| queued.origin == origin)
    }

    fn enqueue(&mut self, owner: Owner, queued: Queued) {
        let queue = self.get_mut(owner).queue.get_or_insert_default();
        queue.push_back(queued);
    }

    /// Takes a waiting request out of its queue.
    pub(super) fn dequeue(&mut self, owner: Owner, stream: StreamId) {
        if let Some(queue) = &mut self.get_mut(owner).queue {
            queue.retain(|queued| queued.stream != stream);
        }
    }

    /// Forgets what waits, everywhere.
    pub(super) fn clear_queues(&mut self) {
        for state in &mut self.table {
            state.queue = None;
        }
        self.available.clear();
    }
}

impl<R: RingIo> Transport<R> {
    /// Finds the connection for a stream, now or later.
    #[inline]
    pub(super) fn acquire(&mut self, id: StreamId) {
        if self.pool.is_some() {
            return self.acquire_shared(id);
        }
        let stream = self.streams.get(id);
        let (owner, origin) = (stream.owner, stream.origin);
        self.owners.admit(owner);
        self.close_aged(owner);
        match self.find_connection(owner, origin) {
            Acquired::Later => self.enqueue(id),
            Acquired::Idle(_) | Acquired::New if self.owners.others_wait(owner, origin) => {
                self.enqueue(id);
            }
            Acquired::Idle(slot) => self.reuse(slot, id),
            Acquired::New => self.open(id),
        }
    }

    #[inline]
    pub(super) fn reuse(&mut self, slot: Slot, id: StreamId) {
        self.telemetry.count(Counter::ConnectionReused, 1);
        self.assign(slot, id);
        self.send(slot);
    }

    #[inline]
    fn find_connection(&self, owner: Owner, origin: OriginId) -> Acquired {
        let mut made = 0;
        let mut slot = self.owners.first(owner);
        while slot != NONE {
            let connection = self.connections.get(slot);
            if connection.origin == origin {
                if connection.is_idle() {
                    return Acquired::Idle(slot);
                }
                made += 1;
            }
            slot = connection.next;
        }
        if made < self.policy.per_origin {
            Acquired::New
        } else {
            Acquired::Later
        }
    }

    /// The request waits, as long as its time limit lets it.
    fn enqueue(&mut self, id: StreamId) {
        self.wait_as(id, Stage::Queued);
        let (owner, queued) = self.queued(id);
        self.owners.enqueue(owner, queued);
    }

    /// The entry of a stream that begins to wait.
    pub(super) fn queued(&self, id: StreamId) -> (Owner, Queued) {
        let stream = self.streams.get(id);
        let queued = Queued {
            origin: stream.origin,
            stream: id,
            since: self.now,
        };
        (stream.owner, queued)
    }

    /// Gives the connections that became free to the requests that wait for them.
    pub(super) fn serve_queues(&mut self) {
        self.serve_pool();
        while let Some(owner) = self.owners.available.pop() {
            let Some(waiting) = self.owners.get_mut(owner).queue.take() else {
                continue;
            };
            let mut left = VecDeque::new();
            let mut full = Vec::new();
            for queued in *waiting {
                if !full.contains(&queued.origin) {
                    if self.try_queued(owner, queued) {
                        continue;
                    }
                    full.push(queued.origin);
                }
                left.push_back(queued);
            }
            if !left.is_empty() {
                self.owners.get_mut(owner).queue = Some(Box::new(left));
            }
        }
    }

    /// Sends a request that has waited; false when it has to go on waiting.
    fn try_queued(&mut self, owner: Owner, queued: Queued) -> bool {
        let acquired = self.find_connection(owner, queued.origin);
        if acquired == Acquired::Later {
            return false;
        }
        self.send_queued(queued, acquired);
        true
    }

    /// Sends a request that has waited: that time is its own, and not the generator's lateness.
    pub(super) fn send_queued(&mut self, queued: Queued, acquired: Acquired) {
        let stream = self.streams.get_mut(queued.stream);
        stream.ready = self.now;
        let (name, waited_ns) = (stream.name, self.now.since(queued.since));
        stream.waits().queue_ns += waited_ns;
        self.telemetry
            .record(|recorder| recorder.part(name, Phase::Queue, waited_ns));
        match acquired {
            Acquired::Idle(slot) => self.reuse(slot, queued.stream),
            Acquired::New | Acquired::Later => self.open(queued.stream),
        }
    }

    /// Gives an owner the client certificate that a row of the data file names.
    pub(crate) fn identify(&mut self, owner: Owner, row: u64) {
        self.owners.admit(owner);
        let identity = self.tls.identity_of_row(row);
        self.owners.get_mut(owner).identity = identity.unwrap_or(NONE);
    }

    /// A new iteration of the owner begins.
    #[inline]
    pub(crate) fn begin_iteration(&mut self, owner: Owner) {
        if self.policy.renews_by_iteration() {
            self.close_idle(owner, 0);
        }
    }

    /// Closes the idle connections of an owner that are too old for another request.
    #[inline]
    fn close_aged(&mut self, owner: Owner) {
        if let Some(age_ns) = self.policy.age_max_ns() {
            self.close_idle(owner, age_ns);
        }
    }

    /// Closes the idle connections of an owner that are of this age or older.
    fn close_idle(&mut self, owner: Owner, age_ns: u64) {
        let mut slot = self.owners.first(owner);
        while slot != NONE {
            let connection = self.connections.get(slot);
            let next = connection.next;
            if connection.is_idle() && self.now.since(connection.born) >= age_ns {
                self.give_up(slot);
            }
            slot = next;
        }
    }

    /// The owner ceases to exist, and its index may stand for another: its connections close.
    pub(crate) fn release(&mut self, owner: Owner) {
        while self.owners.first(owner) != NONE {
            self.give_up(self.owners.first(owner));
        }
        if let Some(state) = self.owners.table.get_mut(owner as usize) {
            *state = OwnerState::NEW;
        }
    }
}
