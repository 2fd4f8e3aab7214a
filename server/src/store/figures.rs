//! What the store counts of its own work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Numbers since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StoreFigures {
    /// Batches stored.
    pub stored: u64,
    /// Batches that had been stored before.
    pub duplicate: u64,
    /// Commits of batches.
    pub writes: u64,
    /// The time they took, in seconds.
    pub write_seconds: f64,
    /// Batches that wait now.
    pub queued: u64,
}

/// The counters behind them.
#[derive(Debug, Default)]
pub(crate) struct StoreCounters {
    stored: AtomicU64,
    duplicate: AtomicU64,
    writes: AtomicU64,
    write_us: AtomicU64,
    queued: AtomicU64,
}

impl StoreCounters {
    pub(crate) fn figures(&self) -> StoreFigures {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreFigures {
            stored: count(&self.stored),
            duplicate: count(&self.duplicate),
            writes: count(&self.writes),
            write_seconds: count(&self.write_us) as f64 / 1e6,
            queued: count(&self.queued),
        }
    }

    pub(crate) fn batch(&self, is_new: bool) {
        let counter = if is_new {
            &self.stored
        } else {
            &self.duplicate
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, took: Duration) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.write_us.fetch_add(took_us, Ordering::Relaxed);
    }

    pub(crate) fn queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }
}
