//! A sparse HDR histogram: the layout of HdrHistogram, memory only where values fall.
//!
//! A full array for 1 µs to 1 h with 3 digits takes 184 KiB, and a run may have 2 000 names with
//! several histograms each on every core, three windows deep. Values of one name span a few powers
//! of two, so the counts live in chunks that exist once a value has touched them; a bit mask says
//! which ones are in use, so that adding and clearing cost what was touched.
//!
//! Bucket boundaries, and so percentiles and the V2 encoding, are those of HdrHistogram (Tene)
//! with a lowest discernible value of 1, a highest of 3 600 000 000 and 3 significant digits.

mod compact;
mod payload;
#[cfg(test)]
mod tests;

/// The largest value kept apart, 1 h in microseconds; larger ones are clamped to it and counted.
pub(crate) const VALUE_MAX_US: u64 = 3_600_000_000;
/// Significant decimal digits: a value is known to 1 part in 1 000.
pub(crate) const DIGITS: u8 = 3;

/// log2 of the sub-buckets per bucket: the least power of two >= 2 * 10^3 is 2^11.
const SUB_BUCKET_BITS: u32 = 11;
const HALF_BITS: u32 = SUB_BUCKET_BITS - 1;
/// Counts per chunk: 4 KiB.
const CHUNK_LEN: usize = 512;
/// `index_of(VALUE_MAX_US)` is below this many chunks: 23 half-buckets of 1 024 counts.
const CHUNKS: usize = 46;

type Chunk = [u64; CHUNK_LEN];

/// Emptied chunks at hand, so that a first value in a new region needs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Box<Chunk>>);

impl Spare {
    /// How many chunks [`Spare::refill`] brings the supply to: 64 KiB.
    pub(crate) const LEN: usize = 16;

    /// Allocates until [`Spare::LEN`] chunks are there; not for the recording side.
    pub(crate) fn refill(&mut self) {
        while self.0.len() < Self::LEN {
            self.0.push(Box::new([0; CHUNK_LEN]));
        }
    }

    #[cold]
    fn take(&mut self) -> Box<Chunk> {
        self.0.pop().unwrap_or_else(|| Box::new([0; CHUNK_LEN]))
    }
}

/// Counts of values in microseconds, 0 to 1 h, each to 3 significant digits.
///
/// Count, minimum, maximum and sum are exact (after clamping).
#[derive(Debug, Clone)]
pub struct Histogram {
    /// Bit `c` is set when chunk `c` may hold a count other than 0.
    used: u64,
    count: u64,
    clamped: u64,
    min_us: u64,
    max_us: u64,
    sum_us: u128,
    chunks: [Option<Box<Chunk>>; CHUNKS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram; no chunk is allocated yet.
    pub fn new() -> Self {
        Histogram {
            used: 0,
            count: 0,
            clamped: 0,
            min_us: u64::MAX,
            max_us: 0,
            sum_us: 0,
            chunks: [const { None }; CHUNKS],
        }
    }

    /// Counts one value, in microseconds.
    pub fn record(&mut self, value_us: u64) {
        self.record_spared(value_us, &mut Spare::default());
    }

    /// As [`Histogram::record`]; a new chunk comes from `spare` while that has one.
    #[inline]
    pub(crate) fn record_spared(&mut self, value_us: u64, spare: &mut Spare) {
        let value_us = if value_us > VALUE_MAX_US {
            self.clamped += 1;
            VALUE_MAX_US
        } else {
            value_us
        };
        let index = index_of(value_us);
        let chunk = self.chunks[index / CHUNK_LEN].get_or_insert_with(|| spare.take());
        chunk[index % CHUNK_LEN] += 1;
        self.used |= 1 << (index / CHUNK_LEN);
        self.count += 1;
        self.sum_us += u128::from(value_us);
        self.min_us = self.min_us.min(value_us);
        self.max_us = self.max_us.max(value_us);
    }

    /// Counts `n` values of the bucket that starts at or contains `value_us`.
    pub(crate) fn record_n(&mut self, value_us: u64, n: u64) {
        if n == 0 {
            return;
        }
        if value_us > VALUE_MAX_US {
            self.clamped += n;
        }
        let value_us = value_us.min(VALUE_MAX_US);
        let index = index_of(value_us);
        self.chunk_mut(index / CHUNK_LEN)[index % CHUNK_LEN] += n;
        self.count += n;
        self.sum_us += u128::from(value_us) * u128::from(n);
        self.min_us = self.min_us.min(value_us);
        self.max_us = self.max_us.max(value_us);
    }

    /// Adds all counts of `other`.
    pub fn add(&mut self, other: &Histogram) {
        for (c, theirs) in other.used_chunks() {
            for (mine, n) in self.chunk_mut(c).iter_mut().zip(theirs) {
                *mine += n;
            }
        }
        self.count += other.count;
        self.clamped += other.clamped;
        self.sum_us += other.sum_us;
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Takes out the values of `part`, which must all be among its own: what is left of all
    /// requests without the failed ones is the ok ones.
    ///
    /// Counts, sum and mean stay exact. The smallest and the largest value stay exact where
    /// `part` does not reach as far or one value is left; otherwise they are known to the
    /// histogram's 3 digits and lie between the former ones. A value that is not there is ignored.
    pub fn subtract(&mut self, part: &Histogram) {
        let mut taken = 0;
        for (c, theirs) in part.used_chunks() {
            let Some(mine) = &mut self.chunks[c] else {
                continue;
            };
            for (mine, n) in mine.iter_mut().zip(theirs) {
                let n = (*n).min(*mine);
                *mine -= n;
                taken += n;
            }
        }
        if self.count == taken {
            return self.clear();
        }
        self.count -= taken;
        self.clamped = self.clamped.saturating_sub(part.clamped);
        self.sum_us = self.sum_us.saturating_sub(part.sum_us);
        if self.count == 1 {
            // the sum is the value, unless `part` was none
            let range = u128::from(self.min_us)..=u128::from(self.max_us);
            if range.contains(&self.sum_us) {
                (self.min_us, self.max_us) = (self.sum_us as u64, self.sum_us as u64);
                return;
            }
        }
        let low = self.iter().next().map_or(0, |(low, _)| low);
        let high = self.iter().last().map_or(0, |(low, _)| low);
        if part.min_us <= self.min_us {
            self.min_us = self.min_us.max(low);
        }
        if part.max_us >= self.max_us {
            self.max_us = self.max_us.min(highest_of(index_of(high)));
        }
    }

    /// Forgets all values and keeps the memory.
    pub fn clear(&mut self) {
        let mut rest = self.used;
        while rest != 0 {
            if let Some(chunk) = &mut self.chunks[rest.trailing_zeros() as usize] {
                chunk.fill(0);
            }
            rest &= rest - 1;
        }
        self.used = 0;
        self.count = 0;
        self.clamped = 0;
        self.sum_us = 0;
        self.min_us = u64::MAX;
        self.max_us = 0;
    }

    /// How many values were recorded, clamped ones among them.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many values were above 1 h and counted as 1 h.
    pub fn clamped(&self) -> u64 {
        self.clamped
    }

    /// The smallest value, in microseconds; 0 when empty.
    pub fn min_us(&self) -> u64 {
        if self.count == 0 { 0 } else { self.min_us }
    }

    /// The largest value, in microseconds; 0 when empty.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The mean, in microseconds, from the exact sum; 0 when empty.
    pub fn mean_us(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.sum_us as f64 / self.count as f64
        }
    }

    /// The least bucket that has at least the share `quantile` (0 to 1) of all values at or below
    /// it: its highest value, in microseconds, never above the maximum. 0 when empty.
    pub fn value_at(&self, quantile: f64) -> u64 {
        let rank = rank(quantile, self.count);
        let mut seen = 0;
        for (c, chunk) in self.used_chunks() {
            for (i, n) in chunk.iter().enumerate() {
                seen += n;
                if seen >= rank && *n > 0 {
                    return highest_of(c * CHUNK_LEN + i).min(self.max_us);
                }
            }
        }
        self.max_us
    }

    /// The largest value that is counted in the same place as this one, in microseconds.
    pub fn highest_equivalent(value_us: u64) -> u64 {
        highest_of(index_of(value_us.min(VALUE_MAX_US)))
    }

    /// As [`Histogram::value_at`] for several quantiles, which must ascend, in one pass.
    pub fn values_at<const N: usize>(&self, quantiles: [f64; N]) -> [u64; N] {
        let mut values = [self.max_us; N];
        let mut wanted = quantiles.iter().map(|q| rank(*q, self.count)).enumerate();
        let mut next = wanted.next();
        let mut seen = 0;
        for (_, highest, n) in self.buckets() {
            seen += n;
            while let Some((place, rank)) = next.filter(|(_, rank)| *rank <= seen) {
                values[place] = highest.min(self.max_us);
                debug_assert!(rank > 0);
                next = wanted.next();
            }
        }
        values
    }

    /// The buckets that hold something, lowest first: (lowest value in microseconds, count).
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.used_chunks().flat_map(|(c, chunk)| {
            let filled = chunk.iter().enumerate().filter(|(_, n)| **n > 0);
            filled.map(move |(i, n)| (lowest_of(c * CHUNK_LEN + i), *n))
        })
    }

    fn used_chunks(&self) -> impl Iterator<Item = (usize, &Chunk)> + '_ {
        let slots = self
            .chunks
            .iter()
            .enumerate()
            .filter(|(c, _)| self.used & (1 << c) != 0);
        slots.filter_map(|(c, slot)| slot.as_deref().map(|chunk| (c, chunk)))
    }

    #[inline]
    fn chunk_mut(&mut self, c: usize) -> &mut Chunk {
        self.used |= 1 << c;
        self.chunks[c].get_or_insert_with(|| Box::new([0; CHUNK_LEN]))
    }
}

/// How many values lie at or below the quantile, at least 1; exact to 9 decimals of the quantile,
/// so that 0.999 of 1 000 is 999 whatever its nearest binary fraction.
fn rank(quantile: f64, count: u64) -> u64 {
    const SCALE: u128 = 1_000_000_000;
    let parts = (quantile.clamp(0.0, 1.0) * SCALE as f64).round() as u128;
    ((parts * u128::from(count)).div_ceil(SCALE) as u64).max(1)
}

/// The place of a value <= [`VALUE_MAX_US`] in the counts.
#[inline]
const fn index_of(value: u64) -> usize {
    let low_mask = (1 << SUB_BUCKET_BITS) - 1;
    let bucket = 64 - SUB_BUCKET_BITS - (value | low_mask).leading_zeros();
    ((bucket as usize) << HALF_BITS) + (value >> bucket) as usize
}

#[inline]
fn bucket_at(index: usize) -> u32 {
    ((index >> HALF_BITS) as u32).saturating_sub(1)
}

/// The smallest value counted at `index`.
#[inline]
fn lowest_of(index: usize) -> u64 {
    let bucket = bucket_at(index);
    let sub_bucket = index - ((bucket as usize) << HALF_BITS);
    (sub_bucket as u64) << bucket
}

/// The largest value counted at `index`.
#[inline]
fn highest_of(index: usize) -> u64 {
    lowest_of(index) + (1 << bucket_at(index)) - 1
}
