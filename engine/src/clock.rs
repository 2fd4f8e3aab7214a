//! Moments of a run: nanoseconds since one origin that all cores share.

use std::time::{Duration, Instant};

/// A moment inside the engine: nanoseconds since the [`Clock`]'s origin. The origin lies before
/// the start of the load, so that a moment is never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// No moment: later than any other.
    pub(crate) const NEVER: Moment = Moment(u64::MAX);

    /// Nanoseconds from `earlier` to this moment; 0 when it is not earlier.
    pub(crate) fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This moment plus a length of time.
    pub(crate) fn after(self, length: Duration) -> Moment {
        Moment(
            self.0
                .saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// Reads the monotonic clock of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose moments count from `origin`.
    pub(crate) fn new(origin: Instant) -> Clock {
        Clock { origin }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Moment {
        let elapsed = self.origin.elapsed();
        // 584 years of nanoseconds fit.
        Moment(elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()))
    }

    /// The standard library's form of a moment.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        self.origin + Duration::from_nanos(moment.0)
    }
}
