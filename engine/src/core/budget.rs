//! What the cores of a process may still begin: iterations and requests up to the run's limits,
//! and users of loads whose rows are not used up.

use crate::pacing::{Segment, part_of_limit};
use config::Plan;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// The limits of this process, shared by its cores. A run without limits touches none of it.
#[derive(Debug)]
pub(crate) struct Budget {
    iterations: Option<Pool>,
    requests: Option<Pool>,
    loads: Vec<LoadRows>,
    /// How many loads have run out of rows.
    loads_ended: AtomicUsize,
}

/// A number that cores take from, one by one. On a cache line of its own: with a limit, every core
/// writes to it.
#[derive(Debug)]
#[repr(align(128))]
struct Pool(AtomicU64);

impl Pool {
    fn take(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Which scenarios of a load have found no row left.
#[derive(Debug)]
struct LoadRows {
    /// In the order of the plan.
    without: Vec<AtomicBool>,
    ended: AtomicBool,
}

impl Budget {
    /// The part of the plan's limits that falls to `segment`.
    pub(crate) fn of(plan: &Plan, segment: Segment) -> Budget {
        let pool = |limit: Option<u64>| {
            limit.map(|whole| Pool(AtomicU64::new(part_of_limit(plan, segment, whole))))
        };
        let rows = |load: &config::Load| LoadRows {
            without: load
                .scenarios
                .iter()
                .map(|_| AtomicBool::new(false))
                .collect(),
            ended: AtomicBool::new(false),
        };
        Budget {
            iterations: pool(plan.limits.iterations),
            requests: pool(plan.limits.requests),
            loads: plan.loads.iter().map(rows).collect(),
            loads_ended: AtomicUsize::new(0),
        }
    }

    /// Takes one iteration; false when none may begin any more.
    pub(crate) fn take_iteration(&self) -> bool {
        !self.is_out_of_requests() && self.iterations.as_ref().is_none_or(Pool::take)
    }

    /// Takes one request; false when none may be made any more.
    #[inline]
    pub(crate) fn take_request(&self) -> bool {
        self.requests.as_ref().is_none_or(Pool::take)
    }

    /// Whether no further request may be made.
    #[inline]
    pub(crate) fn is_out_of_requests(&self) -> bool {
        self.requests.as_ref().is_some_and(Pool::is_empty)
    }

    /// Whether no further iteration may begin.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_out_of_requests() || self.iterations.as_ref().is_some_and(Pool::is_empty)
    }

    /// A user of `load` found no row left in one of its scenarios, by its place in the plan, or
    /// before the first (`None`). The load ends when that was so in all of them: whoever would
    /// come, would leave.
    pub(crate) fn found_no_row(&self, load: usize, scenario: Option<usize>) {
        let rows = &self.loads[load];
        for (index, without) in rows.without.iter().enumerate() {
            if scenario.is_none_or(|scenario| scenario == index) {
                without.store(true, Ordering::Relaxed);
            }
        }
        let all = rows.without.iter().all(|one| one.load(Ordering::Relaxed));
        if all && !rows.ended.swap(true, Ordering::AcqRel) {
            self.loads_ended.fetch_add(1, Ordering::Release);
        }
    }

    /// How many loads have ended for want of rows.
    #[inline]
    pub(crate) fn loads_ended(&self) -> usize {
        self.loads_ended.load(Ordering::Acquire)
    }

    /// Whether a load has ended for want of rows.
    pub(crate) fn has_ended(&self, load: usize) -> bool {
        self.loads[load].ended.load(Ordering::Acquire)
    }
}
