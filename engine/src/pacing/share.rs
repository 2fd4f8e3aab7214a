//! Which part of a run's work is whose: segments of the run for nodes, shares of them for cores.

use super::SHARDS;

/// The part of a run that one node carries: a range of its virtual shards.
///
/// Shards are taken in the order of their bit-reversed numbers (van der Corput's sequence in base
/// 2), so that any range of them holds evenly spread arrivals and users: half of the shards are
/// every second user, not the first 512 of each 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first place of the range, below `end` where the segment has any work.
    pub(super) first: u64,
    /// The place after the last, at most [`SHARDS`].
    pub(super) end: u64,
}

impl Segment {
    /// Its part of the whole, 0 to 1.
    pub fn part(&self) -> f64 {
        (self.end - self.first) as f64 / SHARDS as f64
    }

    /// Its shards, by their places: a range of 0 to 1024.
    pub fn shards(&self) -> std::ops::Range<u64> {
        self.first..self.end
    }

    /// The whole run.
    pub const WHOLE: Segment = Segment {
        first: 0,
        end: SHARDS,
    };

    /// Segment `index`, from 1, of as many as there are `weights`: shards are shared out in
    /// proportion to the weights, those that are left go to the largest remainders (Hamilton's
    /// method; the first of equal ones).
    ///
    /// # Errors
    /// A message that says what is allowed: an index from 1 to the number of weights, at most 1024
    /// weights, each a positive number.
    pub fn of(index: usize, weights: &[f64]) -> Result<Segment, String> {
        if weights.is_empty() || weights.len() as u64 > SHARDS {
            return Err(format!("a run has 1 to {SHARDS} segments"));
        }
        if index == 0 || index > weights.len() {
            let all = weights.len();
            return Err(format!("segments are counted from 1 to {all}"));
        }
        let total: f64 = weights.iter().sum();
        let fits = |weight: &f64| *weight > 0.0 && (weight / total).is_finite();
        if !weights.iter().all(fits) || !total.is_finite() {
            return Err("each weight is a number above zero".to_owned());
        }
        let counts = shared_out(weights, total);
        let first = counts[..index - 1].iter().sum();
        Ok(Segment {
            first,
            end: first + counts[index - 1],
        })
    }
}

/// How many shards fall to each weight.
fn shared_out(weights: &[f64], total: f64) -> Vec<u64> {
    let exact = |weight: &f64| weight / total * SHARDS as f64;
    let mut counts: Vec<u64> = weights.iter().map(|weight| exact(weight) as u64).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let remainder = |index: usize| exact(&weights[index]).fract();
    order.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)));
    let left = SHARDS - counts.iter().sum::<u64>().min(SHARDS);
    for index in order.into_iter().cycle().take(left as usize) {
        counts[index] += 1;
    }
    counts
}

/// The place of the shard of work item `k`: its number, with the bits reversed.
pub(crate) fn place_of(k: u64) -> u64 {
    let shard = (k % SHARDS) as u16;
    u64::from(shard.reverse_bits() >> (u16::BITS - SHARDS.trailing_zeros()))
}

/// The part of a run that one core carries; may be empty when there are more cores than shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    first: u64,
    end: u64,
}

impl Share {
    /// The part of core `core` of `cores` of a segment.
    pub(crate) fn new(segment: Segment, core: u32, cores: u32) -> Share {
        let shards = segment.end - segment.first;
        let boundary = |core: u32| segment.first + shards * u64::from(core) / u64::from(cores);
        Share {
            first: boundary(core),
            end: boundary(core + 1),
        }
    }

    /// Whether work item `k` is this core's.
    pub(crate) fn owns(self, k: u64) -> bool {
        (self.first..self.end).contains(&place_of(k))
    }

    /// Whether nothing is this core's.
    pub(crate) fn is_empty(self) -> bool {
        self.first == self.end
    }

    /// This core's part of a whole number that is split over the run in proportion to shards.
    pub(crate) fn part(self, whole: u64) -> u64 {
        let below =
            |shard: u64| (u128::from(whole) * u128::from(shard) / u128::from(SHARDS)) as u64;
        below(self.end) - below(self.first)
    }
}
