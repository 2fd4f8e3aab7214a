//! How much of the run's limits this core has used up.

use crate::pacing::Share;
use config::Plan;

/// Iterations and requests of one core, and how many it may make. The limits of a run are split
/// over its cores in advance, so that cores need not ask each other.
#[derive(Debug)]
pub(super) struct Spending {
    iterations: u64,
    iterations_max: u64,
    requests: u64,
    requests_max: u64,
}

impl Spending {
    pub(super) fn of(plan: &Plan, share: Share) -> Spending {
        let part = |limit: Option<u64>| limit.map_or(u64::MAX, |whole| share.part(whole));
        Spending {
            iterations: 0,
            iterations_max: part(plan.limits.iterations),
            requests: 0,
            requests_max: part(plan.limits.requests),
        }
    }

    /// An iteration begins.
    pub(super) fn iteration(&mut self) {
        self.iterations += 1;
    }

    /// A request is issued.
    #[inline]
    pub(super) fn request(&mut self) {
        self.requests += 1;
    }

    /// Forgets what `setup` spent.
    pub(super) fn begin(&mut self) {
        (self.iterations, self.requests) = (0, 0);
    }

    /// Whether no further iteration may begin.
    pub(super) fn is_spent(&self) -> bool {
        self.iterations >= self.iterations_max || self.requests >= self.requests_max
    }
}
