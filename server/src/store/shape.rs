//! The counts of one histogram on their own, as numbers sorted by what their neighbours say.
//!
//! Latencies lie thick around some value and thin elsewhere, so the mean of the last places tells
//! what to expect of the next. Where it is low, the distance to the next filled place and its
//! count less one are written; elsewhere the count of each place, from a mean of 16 on as what it
//! differs from the mean.

use super::streams::Streams;

/// Distances by mean, counts behind them, counts of place after place by mean.
const DISTANCES: usize = 4;
const COUNT: usize = DISTANCES;
const DENSE: usize = COUNT + 1;
const DENSE_MAX: usize = super::streams::STREAMS - 1;
/// Means are in 256ths; below this one places are mostly empty.
const THIN: u64 = 128;
/// From this mean on differences are written.
const THICK: u64 = 16 << 8;
/// The largest mean that is told from larger ones.
const MEAN_MAX: u64 = 1 << 48;

/// The mean of the last places, later ones weighing more.
#[derive(Default)]
struct Mean(u64);

impl Mean {
    #[inline]
    fn add(&mut self, n: u64) {
        let n = n.min(MEAN_MAX >> 8) << 8;
        self.0 = self.0 - self.0 / 8 + n / 8;
    }

    /// So many empty places.
    #[inline]
    fn skip(&mut self, places: u64) {
        for _ in 0..places.min(40) {
            self.0 -= self.0 / 8;
        }
    }

    fn is_thin(&self) -> bool {
        self.0 < THIN
    }

    fn distance_stream(&self) -> usize {
        (super::streams::log8(self.0) / 16).min(DISTANCES - 1)
    }

    #[inline]
    fn dense_stream(&self) -> usize {
        let above = super::streams::log8(self.0) - super::streams::log8(THIN);
        (DENSE + above / 4).min(DENSE_MAX)
    }

    /// A count as it is written here.
    #[inline]
    fn told(&self, n: u64) -> u64 {
        if self.0 < THICK {
            return n;
        }
        let mean = self.0 >> 8;
        match n.checked_sub(mean) {
            Some(above) => above << 1,
            None => (mean - n) << 1 | 1,
        }
    }

    /// The count that was written so.
    #[inline]
    fn meant(&self, told: u64) -> u64 {
        if self.0 < THICK {
            return told;
        }
        let (mean, off) = (self.0 >> 8, told >> 1);
        match told & 1 {
            0 => mean.saturating_add(off),
            _ => mean.saturating_sub(off),
        }
    }
}

/// Writes the filled places of a histogram, in order.
pub(super) fn write(places: &[(u32, u64)], streams: &mut Streams) {
    let mut mean = Mean::default();
    let mut next = 0_u64;
    for (place, n) in places {
        let place = u64::from(*place);
        while next < place && !mean.is_thin() {
            streams.put(mean.dense_stream(), mean.told(0));
            mean.add(0);
            next += 1;
        }
        if mean.is_thin() {
            streams.put(mean.distance_stream(), place - next);
            streams.put(COUNT, *n - 1);
            mean.skip(place - next);
        } else {
            streams.put(mean.dense_stream(), mean.told(*n));
        }
        mean.add(*n);
        next = place + 1;
    }
}

/// Visits what [`write`] wrote, `count` values in all.
pub(super) fn read(
    count: u64,
    streams: &mut Streams,
    mut visit: impl FnMut(u32, u64),
) -> Result<(), String> {
    let mut mean = Mean::default();
    let (mut next, mut left) = (0_u64, count);
    while left > 0 {
        let n = if mean.is_thin() {
            let distance = streams.take(mean.distance_stream())?;
            let n = streams.take(COUNT)?.saturating_add(1);
            mean.skip(distance);
            next = next.saturating_add(distance);
            n
        } else {
            let told = streams.take(mean.dense_stream())?;
            mean.meant(told)
        };
        left = left.checked_sub(n).ok_or("more values than said")?;
        if n > 0 {
            visit(u32::try_from(next).unwrap_or(u32::MAX), n);
        }
        mean.add(n);
        next = next.saturating_add(1);
    }
    Ok(())
}
