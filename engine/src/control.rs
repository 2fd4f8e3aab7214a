//! The few words that pass between a run and the rest of the process while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// The scenario number of `setup`, `teardown`, `on_start` and `on_stop` in a [`Pulse`].
pub(crate) const HOOK: u32 = u32::MAX;

/// What is asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// Go on.
    Run,
    /// Start nothing new, let users finish within the drain limit.
    Drain,
    /// Stop at once.
    Stop,
}

/// The switch of a run: cheap to clone, usable from any thread and before the run begins. A wish
/// only ever becomes stricter.
#[derive(Clone, Debug, Default)]
pub struct Control {
    wish: Arc<AtomicU8>,
}

impl Control {
    /// A switch that lets the run go on.
    pub fn new() -> Control {
        Control::default()
    }

    /// Ends the load early: no new users or iterations, the present ones finish within the
    /// profile's drain limit.
    pub fn drain(&self) {
        self.wish.fetch_max(1, Ordering::Relaxed);
    }

    /// Ends the load at once: what is under way is reported as unfinished.
    pub fn stop(&self) {
        self.wish.fetch_max(2, Ordering::Relaxed);
    }

    pub(crate) fn wish(&self) -> Wish {
        match self.wish.load(Ordering::Relaxed) {
            0 => Wish::Run,
            1 => Wish::Drain,
            _ => Wish::Stop,
        }
    }
}

/// A core's sign of life, written by the core and read by the watchdog.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    turns: AtomicU64,
    scenario: AtomicU32,
    user: AtomicU64,
    /// The core has ended.
    done: AtomicBool,
}

impl Pulse {
    /// The core has turned.
    pub(crate) fn beat(&self) {
        // The only writer: no read-modify-write is needed.
        self.turns
            .store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The core enters a script.
    pub(crate) fn enter(&self, scenario: u32, user: u64) {
        self.scenario.store(scenario, Ordering::Relaxed);
        self.user.store(user, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Scenario (or [`HOOK`]) and user that were entered last.
    pub(crate) fn last_entered(&self) -> (u32, u64) {
        (
            self.scenario.load(Ordering::Relaxed),
            self.user.load(Ordering::Relaxed),
        )
    }
}
