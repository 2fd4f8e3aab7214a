//! Encodes the counts of one histogram, using streams chosen by the neighbouring counts.
//!
//! Latencies cluster around some values and are sparse elsewhere, so the mean of the preceding
//! buckets predicts the next one. Where the mean is low, the distance to the next non-empty bucket
//! and its count minus one are written; elsewhere the count of each bucket, and from a mean of 16
//! on its difference from the mean.

use super::streams::{CUT_OFF, Streams};

/// Streams: distances by mean, the counts that follow them, and bucket counts by mean.
const DISTANCES: usize = 4;
const COUNT: usize = DISTANCES;
const DENSE: usize = COUNT + 1;
const DENSE_MAX: usize = super::streams::STREAMS - 1;
/// Means are in 1/256; below this one, buckets are mostly empty.
const SPARSE: u64 = 128;
/// So many empty buckets in a row leave of a sparse mean what more of them would.
const SKIPPED_MAX: usize = 40;
/// The sparse mean after a number of empty buckets.
static SKIPPED: [[u8; SPARSE as usize]; SKIPPED_MAX + 1] = {
    let mut after = [[0; SPARSE as usize]; SKIPPED_MAX + 1];
    let mut mean = 0;
    while mean < SPARSE as usize {
        after[0][mean] = mean as u8;
        let mut buckets = 0;
        while buckets < SKIPPED_MAX {
            let before = after[buckets][mean];
            after[buckets + 1][mean] = before - before / 8;
            buckets += 1;
        }
        mean += 1;
    }
    after
};
/// The stream of a dense mean is the same for all means with this quotient.
const DENSE_STEP: u64 = SPARSE / 2;
/// The streams of the usual means, by that quotient.
static DENSE_STREAMS: [u8; 1024] = {
    let mut streams = [DENSE as u8; 1024];
    let mut quotient = 2;
    while quotient < streams.len() {
        streams[quotient] = dense_stream(quotient as u64 * DENSE_STEP) as u8;
        quotient += 1;
    }
    streams
};

/// The stream of counts after a mean that is not sparse: two per octave.
const fn dense_stream(mean: u64) -> usize {
    let above = super::streams::log8(mean) - super::streams::log8(SPARSE);
    let stream = DENSE + above / 4;
    if stream < DENSE_MAX {
        stream
    } else {
        DENSE_MAX
    }
}

/// From this mean on, differences are written.
const DIFFERENCES_FROM: u64 = 16 << 8;
/// The largest mean that is distinguished.
const MEAN_MAX: u64 = 1 << 48;

/// The mean of the preceding buckets, the latest weighing most.
#[derive(Default)]
struct Mean(u64);

impl Mean {
    #[inline]
    fn add(&mut self, n: u64) {
        let n = n.min(MEAN_MAX >> 8) << 8;
        self.0 = self.0 - self.0 / 8 + n / 8;
    }

    /// Skips empty buckets; the mean is sparse.
    #[inline]
    fn skip(&mut self, buckets: u64) {
        let after = &SKIPPED[buckets.min(SKIPPED_MAX as u64) as usize];
        self.0 = u64::from(after[self.0 as usize % SPARSE as usize]);
    }

    fn is_sparse(&self) -> bool {
        self.0 < SPARSE
    }

    fn distance_stream(&self) -> usize {
        (super::streams::log8(self.0) / 16).min(DISTANCES - 1)
    }

    #[inline]
    fn dense_stream(&self) -> usize {
        match DENSE_STREAMS.get((self.0 / DENSE_STEP) as usize) {
            Some(stream) => usize::from(*stream),
            None => dense_stream(self.0),
        }
    }

    /// Encodes a count.
    #[inline]
    fn encode(&self, n: u64) -> u64 {
        if self.0 < DIFFERENCES_FROM {
            return n;
        }
        let mean = self.0 >> 8;
        match n.checked_sub(mean) {
            Some(above) => above << 1,
            None => (mean - n) << 1 | 1,
        }
    }

    /// Decodes a count.
    #[inline]
    fn decode(&self, code: u64) -> u64 {
        if self.0 < DIFFERENCES_FROM {
            return code;
        }
        // above and below are a coin's toss: no question asked
        let (mean, off) = (self.0 >> 8, code >> 1);
        let is_below = (code & 1).wrapping_neg();
        let (above, below) = (mean.saturating_add(off), mean.saturating_sub(off));
        above & !is_below | below & is_below
    }
}

/// Writes the non-empty buckets of a histogram, in order.
pub(super) fn write(buckets: &[(u32, u64)], streams: &mut Streams) {
    let mut mean = Mean::default();
    let mut next = 0_u64;
    for (bucket, n) in buckets {
        let bucket = u64::from(*bucket);
        while next < bucket && !mean.is_sparse() {
            streams.put(mean.dense_stream(), mean.encode(0));
            mean.add(0);
            next += 1;
        }
        if mean.is_sparse() {
            streams.put(mean.distance_stream(), bucket - next);
            streams.put(COUNT, *n - 1);
            mean.skip(bucket - next);
        } else {
            streams.put(mean.dense_stream(), mean.encode(*n));
        }
        mean.add(*n);
        next = bucket + 1;
    }
}

/// Appends the buckets that [`write`] wrote, `count` values in all.
pub(super) fn read(
    count: u64,
    streams: &mut Streams,
    buckets: &mut Vec<(u32, u64)>,
) -> Result<(), String> {
    let mut mean = Mean::default();
    let (mut next, mut left) = (0_u64, count);
    while left > 0 {
        let n = if mean.is_sparse() {
            let distance = streams.take(mean.distance_stream()).ok_or(CUT_OFF)?;
            let n = streams.take(COUNT).ok_or(CUT_OFF)?.saturating_add(1);
            mean.skip(distance);
            next = next.saturating_add(distance);
            n
        } else {
            let code = streams.take(mean.dense_stream()).ok_or(CUT_OFF)?;
            mean.decode(code)
        };
        left = left.checked_sub(n).ok_or("more values than said")?;
        // whether a bucket is empty is a coin's toss too
        buckets.push((u32::try_from(next).unwrap_or(u32::MAX), n));
        buckets.truncate(buckets.len() - usize::from(n == 0));
        mean.add(n);
        next = next.saturating_add(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_usual_means_are_those_of_all_means() {
        for mean in SPARSE..1 << 17 {
            assert_eq!(Mean(mean).dense_stream(), dense_stream(mean), "{mean}");
        }
    }

    #[test]
    fn a_sparse_mean_after_empty_buckets_is_that_of_one_after_another() {
        for before in 0..SPARSE {
            for buckets in 0..99 {
                let mut mean = Mean(before);
                mean.skip(buckets);
                let expected = (0..buckets).fold(before, |mean, _| mean - mean / 8);
                assert_eq!(mean.0, expected, "{before} after {buckets}");
            }
        }
    }
}
