//! The deadlines of one core: sleeps of users and time limits of connections.

use crate::clock::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Whom a deadline wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// The user in this slot, if it still sleeps in this use of the slot.
    User { slot: u32, generation: u32 },
    /// The connection in this slot, whose own deadline says whether it is time.
    Connection { slot: u32, generation: u32 },
    /// The upload on the connection in this slot, if it still waits to be asked for.
    Upload { slot: u32, generation: u32 },
}

/// A heap of deadlines. Entries are not removed when they become void: the owner looks at its
/// own state when woken. Each owner has few entries, so the heap stays as small as the core's
/// population.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Moment, Owner)>>,
}

impl Timers {
    /// Wakes `owner` at `when`.
    pub(crate) fn add(&mut self, when: Moment, owner: Owner) {
        self.heap.push(Reverse((when, owner)));
    }

    /// The earliest deadline, or [`Moment::NEVER`].
    pub(crate) fn next(&self) -> Moment {
        self.heap.peek().map_or(Moment::NEVER, |entry| entry.0.0)
    }

    /// Takes one deadline that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Moment) -> Option<(Moment, Owner)> {
        if self.next() > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0)
    }
}
