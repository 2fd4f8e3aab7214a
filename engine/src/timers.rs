//! Deadlines in the order of time.

use crate::clock::Moment;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A heap of deadlines. Entries are not removed when they become void: the owner looks at its
/// own state when woken. Each owner has few entries, so the heap stays as small as the core's
/// population.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Moment, T)>>,
}

impl<T: Ord> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers {
            heap: BinaryHeap::new(),
        }
    }
}

impl<T: Ord> Timers<T> {
    /// Wakes `owner` at `when`.
    pub(crate) fn add(&mut self, when: Moment, owner: T) {
        self.heap.push(Reverse((when, owner)));
    }

    /// The earliest deadline, or [`Moment::NEVER`].
    pub(crate) fn next(&self) -> Moment {
        self.heap.peek().map_or(Moment::NEVER, |entry| entry.0.0)
    }

    /// Takes one deadline that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Moment) -> Option<T> {
        if self.next() > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.0.1)
    }
}
