//! Whether runs differ beyond noise.
//!
//! Each run is cut into blocks of some seconds, long enough that what one request does to the next
//! stays within a block. Blocks are drawn with replacement as often as there are (Efron's
//! bootstrap over blocks, as Künsch 1989 proposes for series), their histograms merged, and every
//! figure taken from the merged ones, 500 times. The difference of two runs is the difference of
//! such figures; where 95 % of them lie is its interval. A difference whose interval does not
//! hold 0 is beyond the noise *within* these runs: what differs from one start of the target to
//! the next is not in it.

mod blocks;
mod regression;

pub use blocks::of as blocks;
pub use regression::{RegressionLimit, regressions};

use serde::Serialize;
use stats::Histogram;
use std::collections::BTreeMap;

/// Blocks of a run at most; longer runs have longer blocks.
const BLOCKS_MAX: u64 = 60;
/// With fewer blocks nothing is said.
const BLOCKS_MIN: usize = 5;
/// How often blocks are drawn anew.
const RESAMPLES: usize = 500;
/// The share of resamples that the interval leaves out at each end.
const TAIL: f64 = 0.025;
/// The same runs give the same intervals.
const SEED: u64 = 0x6d69_7374_7265_7373;

/// The quantiles compared, with their names.
const QUANTILES: [(f64, &str, &str); 6] = [
    (0.5, "latency_p50", "latency p50"),
    (0.9, "latency_p90", "latency p90"),
    (0.95, "latency_p95", "latency p95"),
    (0.99, "latency_p99", "latency p99"),
    (0.999, "latency_p999", "latency p99.9"),
    (1.0, "latency_max", "latency max"),
];

/// Some seconds of a run.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// How many seconds of the load.
    pub seconds: f64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that ended within the load.
    pub done: u64,
    /// Requests that failed, or were under way when the run ended.
    pub failed: u64,
    /// Latency of those asked about.
    pub latency: Histogram,
}

/// One figure of all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// Its stable name.
    pub metric: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// `us`, `per_s` or `share`.
    pub unit: &'static str,
    /// Whether less is better.
    pub lower_is_better: bool,
    /// By run; absent where nothing was measured.
    pub values: Vec<Option<f64>>,
    /// By run, to the first one; absent for the first, and where there is nothing to compare.
    pub differences: Vec<Option<Difference>>,
}

/// What a run's figure is beside the first run's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// In the unit of the figure.
    pub difference: f64,
    /// The lower end of its 95 % interval; absent when the runs are too short.
    pub difference_low: Option<f64>,
    /// The upper end.
    pub difference_high: Option<f64>,
    /// As a share of the first run's; absent when that is 0.
    pub relative: Option<f64>,
    /// The lower end of the 95 % interval, as a share; absent when the runs are too short.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// `beyond noise`, `within noise` or `too short to say`.
    pub statement: &'static str,
}

/// How long blocks are in a run of so many seconds.
pub fn block_s(length_s: u64) -> u64 {
    let least = length_s.div_ceil(BLOCKS_MAX).max(1);
    // of whole tens where the run is long enough: those are stored ready-made
    if least > 1 {
        least.next_multiple_of(10)
    } else {
        1
    }
}

/// Compares runs, each as its blocks in order, with the first.
pub fn compare(runs: &[Vec<Block>]) -> Vec<Metric> {
    let runs: Vec<Drawn> = (0..).zip(runs).map(|(n, run)| Drawn::of(run, n)).collect();
    let count = 2 + 1 + QUANTILES.len();
    (0..count).map(|place| metric(place, &runs)).collect()
}

fn metric(place: usize, runs: &[Drawn]) -> Metric {
    let (metric, label, unit, lower_is_better) = match place {
        0 => ("throughput", "requests done", "per_s", false),
        1 => ("failed", "failed requests", "share", true),
        2 => ("latency_mean", "latency mean", "us", true),
        _ => {
            let (_, metric, label) = QUANTILES[place - 3];
            (metric, label, "us", true)
        }
    };
    let values = runs.iter().map(|run| run.value(place));
    let first = &runs[0];
    let others = runs[1..].iter().map(|run| difference(place, first, run));
    Metric {
        metric,
        label,
        unit,
        lower_is_better,
        values: values.collect(),
        differences: std::iter::once(None).chain(others).collect(),
    }
}

fn difference(place: usize, first: &Drawn, other: &Drawn) -> Option<Difference> {
    let (a, b) = (first.value(place)?, other.value(place)?);
    let drawn = |of: fn(f64, f64) -> Option<f64>| {
        let pairs = first.resamples.iter().zip(&other.resamples);
        interval(pairs.filter_map(|(a, b)| of(a[place]?, b[place]?)))
    };
    let bounds = drawn(|a, b| Some(b - a));
    // a draw has its own share, which is never below -100 %; none is told where some have none
    let shares = drawn(|a, b| (a != 0.0).then(|| (b - a) / a));
    let statement = match bounds {
        None => "too short to say",
        Some((low, high)) if low > 0.0 || high < 0.0 => "beyond noise",
        Some(_) => "within noise",
    };
    Some(Difference {
        difference: b - a,
        difference_low: bounds.map(|(low, _)| low),
        difference_high: bounds.map(|(_, high)| high),
        relative: (a != 0.0).then(|| (b - a) / a),
        low: shares.map(|(low, _)| low),
        high: shares.map(|(_, high)| high),
        statement,
    })
}

/// Between which bounds 95 % of all draws lie; absent when some draws are.
fn interval(drawn: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut drawn: Vec<f64> = drawn.collect();
    drawn.sort_by(f64::total_cmp);
    let tail = (RESAMPLES as f64 * TAIL) as usize;
    (drawn.len() == RESAMPLES).then(|| (drawn[tail], drawn[RESAMPLES - 1 - tail]))
}

/// The figures of one draw, in the order of [`metric`].
type Figures = Vec<Option<f64>>;

/// A run and its resamples.
struct Drawn {
    whole: Figures,
    resamples: Vec<Figures>,
}

impl Drawn {
    fn of(blocks: &[Block], number: u64) -> Drawn {
        let grid = Grid::of(blocks);
        let whole = grid.figures(&vec![1; blocks.len()]);
        let mut random = SEED ^ number;
        let enough = if blocks.len() < BLOCKS_MIN {
            0
        } else {
            RESAMPLES
        };
        let resamples = (0..enough).map(|_| {
            let mut weights = vec![0; blocks.len()];
            for _ in blocks {
                weights[below(&mut random, blocks.len())] += 1;
            }
            grid.figures(&weights)
        });
        Drawn {
            whole,
            resamples: resamples.collect(),
        }
    }

    fn value(&self, place: usize) -> Option<f64> {
        self.whole[place]
    }
}

/// A whole number below `bound`, by splitmix64.
fn below(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((u128::from(z) * bound as u128) >> 64) as usize
}

/// The blocks of a run over the values that occur in it, for adding them up fast.
struct Grid<'a> {
    blocks: &'a [Block],
    /// Highest equivalent values of all buckets in use, ascending.
    values: Vec<u64>,
    /// By block: place in `values` and count.
    counts: Vec<Vec<(u32, u64)>>,
    /// By block: the sum of its latencies.
    sums: Vec<f64>,
}

impl<'a> Grid<'a> {
    fn of(blocks: &'a [Block]) -> Grid<'a> {
        let mut places: BTreeMap<u64, u32> = BTreeMap::new();
        for (low, _) in blocks.iter().flat_map(|block| block.latency.iter()) {
            places.entry(low).or_default();
        }
        for (number, place) in (0..).zip(places.values_mut()) {
            *place = number;
        }
        let counts = blocks.iter().map(|block| {
            let buckets = block.latency.iter();
            buckets.map(|(low, n)| (places[&low], n)).collect()
        });
        let sum = |block: &Block| block.latency.mean_us() * block.latency.count() as f64;
        Grid {
            counts: counts.collect(),
            values: places
                .into_keys()
                .map(Histogram::highest_equivalent)
                .collect(),
            sums: blocks.iter().map(sum).collect(),
            blocks,
        }
    }

    /// The figures when each block counts so many times.
    fn figures(&self, weights: &[u64]) -> Figures {
        let (mut seconds, mut sent, mut done, mut failed, mut sum) = (0.0, 0, 0, 0, 0.0);
        let mut merged = vec![0_u64; self.values.len()];
        for (at, weight) in weights.iter().enumerate().filter(|(_, w)| **w > 0) {
            let block = &self.blocks[at];
            seconds += *weight as f64 * block.seconds;
            sent += weight * block.sent;
            done += weight * block.done;
            failed += weight * block.failed;
            sum += *weight as f64 * self.sums[at];
            for (place, n) in &self.counts[at] {
                merged[*place as usize] += weight * n;
            }
        }
        let count: u64 = merged.iter().sum();
        let share = |part: f64, whole: u64| (whole > 0).then(|| part / whole as f64);
        let mut figures = vec![
            (seconds > 0.0).then(|| done as f64 / seconds),
            share(failed as f64, sent),
            share(sum, count),
        ];
        figures.extend(self.quantiles(&merged, count));
        figures
    }

    fn quantiles(&self, merged: &[u64], count: u64) -> Vec<Option<f64>> {
        let most = self.blocks.iter().map(|block| block.latency.max_us()).max();
        let (mut at, mut seen) = (0, 0);
        let quantile = |(quantile, ..): &(f64, &str, &str)| {
            if count == 0 {
                return None;
            }
            let rank = ((quantile * count as f64 - 1e-6).ceil() as u64).max(1);
            while seen + merged[at] < rank {
                seen += merged[at];
                at += 1;
            }
            Some(self.values[at].min(most.unwrap_or(u64::MAX)) as f64)
        };
        QUANTILES.iter().map(quantile).collect()
    }
}

#[cfg(test)]
mod tests;
