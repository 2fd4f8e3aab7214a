//! Which users this core starts and when: a pure function of plan, seed and share of the work.
//!
//! The work of a run is cut into [`SHARDS`] virtual shards; arrival `k`, user `k` and data row
//! `k` belong to shard `k mod SHARDS`, whatever the number of cores. A core owns some of the
//! shards, so the union over the cores is the same run however it is spread.

mod arrivals;
mod closed;
mod portion;
mod share;
#[cfg(test)]
mod tests;

pub(crate) use arrivals::Arrivals;
pub(crate) use closed::{ActiveSpan, active_spans};
pub(crate) use portion::part_of_limit;
pub use share::Segment;
pub(crate) use share::{Share, place_of};

use config::random;

/// How many virtual shards a run is cut into.
pub(crate) const SHARDS: u64 = 1024;

/// What random numbers are for; each purpose of each load is a stream of its own.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// Gaps between Poisson arrivals, one stream per virtual shard.
    Gaps = 1,
    /// The choice of a scenario.
    Choice = 2,
    /// What scripts and sleeps draw, one stream per user.
    User = 3,
    /// The place of a jittered arrival within its slot.
    Jitter = 4,
    /// The order of shuffled rows of a data source, one stream per pass.
    Data = 5,
    /// What a branch of a user draws, one stream per branch.
    Branch = 6,
}

/// The number of a stream of random numbers: purpose, load block and item (below 2^48).
pub(crate) fn stream(purpose: Purpose, load: usize, item: u64) -> u64 {
    (purpose as u64) << 60 | (load as u64 & 0xfff) << 48 | (item & 0xffff_ffff_ffff)
}

/// The stream of a user's branch: `drawn` is what its user drew from its own stream when it wanted
/// branches, so that the same branch draws the same numbers whatever happened meanwhile.
pub(crate) fn branch_stream(drawn: u64, index: u32) -> u64 {
    let item = random::bits(drawn, Purpose::Branch as u64, u64::from(index));
    (Purpose::Branch as u64) << 60 | item >> 4
}

/// The place in `weights` that falls to pass `k` of `load`, in proportion to the weights.
pub(crate) fn choose(seed: u64, load: usize, k: u64, weights: &[f64]) -> usize {
    let total: f64 = weights.iter().sum();
    let mut rest = random::unit(seed, stream(Purpose::Choice, load, 0), k) * total;
    for (index, weight) in weights.iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return index;
        }
    }
    weights.len() - 1
}
