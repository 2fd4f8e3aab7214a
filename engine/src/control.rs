//! The few words that pass between a run and the rest of the process while it goes on.

use config::Change;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The scenario number of `setup`, `teardown`, `on_start` and `on_stop` in a [`Heartbeat`].
pub(crate) const HOOK: u32 = u32::MAX;

/// What is asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopLevel {
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
    stop_level: Arc<AtomicU8>,
    steering: Arc<Steering>,
    /// Why the script ended the run.
    abort: Arc<OnceLock<String>>,
}

/// Changes of the load that were asked for, in the order of time.
#[derive(Debug, Default)]
struct Steering {
    /// How many there are, so that cores look at the list only when it has grown.
    count: AtomicUsize,
    changes: Mutex<Vec<(Duration, Change)>>,
}

impl Control {
    /// A switch that lets the run go on.
    pub fn new() -> Control {
        Control::default()
    }

    /// Ends the load early: no new users or iterations, the present ones finish within the
    /// profile's drain limit.
    pub fn drain(&self) {
        self.stop_level.fetch_max(1, Ordering::Relaxed);
    }

    /// Ends the load at once: what is under way is reported as unfinished.
    pub fn stop(&self) {
        self.stop_level.fetch_max(2, Ordering::Relaxed);
    }

    /// The script ends the load at once; of several reasons the first counts.
    pub(crate) fn abort(&self, reason: &str) {
        let _ = self.abort.set(reason.to_owned());
        self.stop();
    }

    /// Why the script ended the run, if it did.
    pub fn abort_reason(&self) -> Option<&str> {
        self.abort.get().map(String::as_str)
    }

    /// Changes the load from `at` on, counted from its start. Cores hear of it within some
    /// milliseconds: those that hear of it late make up for it, so `at` is best a little ahead. A
    /// time before that of the last change counts as that.
    pub fn change(&self, at: Duration, change: Change) {
        let mut changes = self.steering.list();
        let at = changes.last().map_or(at, |(last, _)| at.max(*last));
        changes.push((at, change));
        self.steering.count.store(changes.len(), Ordering::Release);
    }

    /// How many changes there are.
    #[inline]
    pub(crate) fn changes(&self) -> usize {
        self.steering.count.load(Ordering::Acquire)
    }

    /// The changes after the first `seen`.
    pub(crate) fn changes_after(&self, seen: usize) -> Vec<(Duration, Change)> {
        self.steering.list()[seen..].to_vec()
    }

    pub(crate) fn stop_level(&self) -> StopLevel {
        match self.stop_level.load(Ordering::Relaxed) {
            0 => StopLevel::Run,
            1 => StopLevel::Drain,
            _ => StopLevel::Stop,
        }
    }
}

impl Steering {
    fn list(&self) -> MutexGuard<'_, Vec<(Duration, Change)>> {
        // a list of changes is whole whenever its lock was given up
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A core's sign of life, written by the core and read by the watchdog.
#[derive(Debug, Default)]
pub(crate) struct Heartbeat {
    turns: AtomicU64,
    scenario: AtomicU32,
    user: AtomicU64,
    /// Lua is on the core's stack.
    in_script: AtomicBool,
    /// The kernel's number of the core's thread; 0 until it runs.
    thread: AtomicI32,
    /// The core has handed over its last window.
    delivered: AtomicBool,
    /// The core has ended.
    done: AtomicBool,
}

impl Heartbeat {
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
        self.in_script.store(true, Ordering::Relaxed);
    }

    /// The core is back from the script.
    pub(crate) fn leave(&self) {
        self.in_script.store(false, Ordering::Relaxed);
    }

    /// Whether the core is in a script.
    pub(crate) fn is_in_script(&self) -> bool {
        self.in_script.load(Ordering::Relaxed)
    }

    /// Called on the core's thread when it begins.
    pub(crate) fn set_thread(&self) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        self.thread.store(thread, Ordering::Relaxed);
    }

    /// The kernel's number of the core's thread, once it runs.
    pub(crate) fn thread(&self) -> Option<i32> {
        Some(self.thread.load(Ordering::Relaxed)).filter(|thread| *thread != 0)
    }

    /// The core has handed over its last window.
    pub(crate) fn deliver(&self) {
        self.delivered.store(true, Ordering::Relaxed);
    }

    /// Whether no window comes any more.
    pub(crate) fn is_delivered(&self) -> bool {
        self.delivered.load(Ordering::Relaxed) || self.is_done()
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
