//! How the store writes a histogram: the counts of HDR's layout, small and quick to add up.
//!
//! LEB128 numbers: the count, then, unless it is 0, how far the exact figures are from what the
//! counts say (minimum, maximum, sum, clamped), the form, and the counts. Form 0 lists the values
//! in order, each as the distance of its index from the one before: few values on many places.
//! Form 1 lists counts from the first index on; an even number is a count, an odd one a run of
//! empty places. Both leave most bytes small and alike, so that Huffman coding halves them.

use super::{CHUNK_LEN, Histogram, VALUE_MAX_US, highest_of, index_of, lowest_of};

/// More values per used place than this, and counts are shorter than a list.
const LISTED_PER_PLACE: u64 = 2;
/// The place of the largest value.
pub(super) const PLACE_MAX: usize = index_of(VALUE_MAX_US);
/// The most values one histogram may bring; sums of any number of rows stay within 64 bits.
const COUNT_MAX: u64 = 1 << 40;

impl Histogram {
    /// Appends the counts and exact figures to `out`.
    pub fn put_compact(&self, out: &mut Vec<u8>) {
        put(out, u128::from(self.count));
        if self.count == 0 {
            return;
        }
        let seen = self.seen();
        put(out, u128::from(self.min_us.saturating_sub(seen.low)));
        put(out, u128::from(seen.high.saturating_sub(self.max_us)));
        put(out, zigzag(self.sum_us as i128 - seen.sum as i128));
        put(out, u128::from(self.clamped));
        let is_list = self.count <= LISTED_PER_PLACE * seen.places;
        put(out, u128::from(!is_list));
        if !is_list {
            return put_counts(out, self.places());
        }
        let mut next = 0;
        for (index, n) in self.places() {
            put(out, (index - next) as u128);
            out.resize(out.len() + (n as usize - 1), 0);
            next = index;
        }
    }

    /// Adds what [`Histogram::put_compact`] wrote and moves `bytes` behind it.
    ///
    /// # Errors
    /// When the bytes are damaged; the histogram may then hold a part of them.
    pub fn add_compact(&mut self, bytes: &mut &[u8]) -> Result<(), String> {
        let mut seen = Seen::default();
        let mut visit = |place, n| {
            self.put_at(place, n)?;
            seen.add(place, n);
            Ok(())
        };
        let head = Head::take(bytes)?;
        if head.is_list {
            // whether the next value has the place of this one is a coin's toss: no question asked
            each_value(bytes, head.count, |place| visit(place, 1))?;
        } else {
            counts_of(bytes, head.count, &mut visit)?;
        }
        self.add_figures(&seen, head.count, head.figures)
    }

    /// Adds a histogram that [`Histogram::each_compact`] took apart into the bytes of its exact
    /// figures (none when it holds nothing), and the places that hold something, lowest first, each
    /// with how many values.
    ///
    /// # Errors
    /// When a place is beyond the largest value; the histogram may then hold a part of it.
    pub fn add_places(&mut self, figures: &[u8], places: &[(u32, u64)]) -> Result<(), String> {
        let mut seen = Seen::default();
        for (place, n) in places {
            self.put_at(*place as usize, *n)?;
            seen.add(*place as usize, *n);
        }
        self.add_figures(&seen, seen.count, figures)
    }

    /// Appends the compact form of a histogram taken apart as for [`Histogram::add_places`].
    pub fn put_places(figures: &[u8], places: &[(u32, u64)], out: &mut Vec<u8>) {
        let count: u64 = places.iter().map(|(_, n)| n).sum();
        put(out, u128::from(count));
        if count > 0 {
            out.extend_from_slice(figures);
            put(out, 1);
            put_counts(out, places.iter().map(|(place, n)| (*place as usize, *n)));
        }
    }

    /// Adds what is known besides the counts that were seen.
    fn add_figures(&mut self, seen: &Seen, count: u64, mut figures: &[u8]) -> Result<(), String> {
        if count == 0 {
            return Ok(());
        }
        let (above, below) = (take_u64(&mut figures)?, take_u64(&mut figures)?);
        let off = unzigzag(take(&mut figures)?);
        let clamped = take_u64(&mut figures)?;
        self.count = self.count.saturating_add(count);
        self.clamped = self.clamped.saturating_add(clamped);
        self.min_us = self.min_us.min(seen.low.saturating_add(above));
        self.max_us = self.max_us.max(seen.high.saturating_sub(below));
        let sum = (seen.sum as i128).saturating_add(off).max(0) as u128;
        self.sum_us = self.sum_us.saturating_add(sum);
        Ok(())
    }

    /// Visits what [`Histogram::put_compact`] wrote, place by place and how many values each holds,
    /// and moves `bytes` behind it. Gives the count of all and the bytes of the exact figures, for
    /// [`Histogram::add_places`].
    ///
    /// # Errors
    /// When the bytes are damaged, and what `visit` returns.
    pub fn each_compact<'a>(
        bytes: &mut &'a [u8],
        mut visit: impl FnMut(usize, u64) -> Result<(), String>,
    ) -> Result<(u64, &'a [u8]), String> {
        let head = Head::take(bytes)?;
        if head.is_list {
            list_of(bytes, head.count, &mut visit)?;
        } else {
            counts_of(bytes, head.count, &mut visit)?;
        }
        Ok((head.count, head.figures))
    }

    /// The places that hold something: lowest value, highest value, count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.places()
            .map(|(index, n)| (lowest_of(index), highest_of(index), n))
    }

    /// Adds `n` values at a place of the counts; not to the count.
    #[inline]
    pub(super) fn put_at(&mut self, index: usize, n: u64) -> Result<(), String> {
        if index > PLACE_MAX {
            return Err("counts beyond the largest value".to_owned());
        }
        let place = &mut self.chunk_mut(index / CHUNK_LEN)[index % CHUNK_LEN];
        *place = place.saturating_add(n);
        Ok(())
    }

    fn places(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.used_chunks().flat_map(|(c, chunk)| {
            let filled = chunk.iter().enumerate().filter(|(_, n)| **n > 0);
            filled.map(move |(i, n)| (c * CHUNK_LEN + i, *n))
        })
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        self.places().for_each(|(index, n)| seen.add(index, n));
        seen
    }
}

/// What comes before the counts.
struct Head<'a> {
    count: u64,
    figures: &'a [u8],
    /// Form 0; an empty histogram is an empty list.
    is_list: bool,
}

impl<'a> Head<'a> {
    fn take(bytes: &mut &'a [u8]) -> Result<Self, String> {
        let count = take_u64(bytes)?;
        let start = *bytes;
        if count == 0 {
            return Ok(Head {
                count,
                figures: &start[..0],
                is_list: true,
            });
        }
        for _ in 0..4 {
            take(bytes)?;
        }
        let figures = &start[..start.len() - bytes.len()];
        Ok(Head {
            count,
            figures,
            is_list: take(bytes)? == 0,
        })
    }
}

/// Visits the place of each value of form 0.
#[inline]
fn each_value(
    bytes: &mut &[u8],
    count: u64,
    mut visit: impl FnMut(usize) -> Result<(), String>,
) -> Result<(), String> {
    let mut rest = *bytes;
    let mut place = 0_usize;
    for _ in 0..count {
        let step = usize::try_from(take_u64(&mut rest)?).unwrap_or(usize::MAX);
        place = place.saturating_add(step);
        visit(place)?;
    }
    *bytes = rest;
    Ok(())
}

/// Form 0; values of the same place are visited as one.
#[inline]
fn list_of(
    bytes: &mut &[u8],
    count: u64,
    visit: &mut impl FnMut(usize, u64) -> Result<(), String>,
) -> Result<(), String> {
    let (mut last, mut n) = (0_usize, 0_u64);
    each_value(bytes, count, |place| {
        if place > last && n > 0 {
            visit(last, n)?;
            n = 0;
        }
        last = place;
        n += 1;
        Ok(())
    })?;
    match n {
        0 => Ok(()),
        _ => visit(last, n),
    }
}

/// Form 1.
#[inline]
fn counts_of(
    bytes: &mut &[u8],
    count: u64,
    visit: &mut impl FnMut(usize, u64) -> Result<(), String>,
) -> Result<(), String> {
    let mut rest = *bytes;
    let mut left = count;
    let mut next = 0_usize;
    loop {
        let number = take_u64(&mut rest)?;
        if number == 1 {
            break;
        } else if number & 1 == 1 {
            next = next.saturating_add(usize::try_from(number >> 1).unwrap_or(usize::MAX));
            continue;
        }
        let n = number >> 1;
        left = left.checked_sub(n).ok_or("more values than said")?;
        visit(next, n)?;
        next = next.saturating_add(1);
    }
    if left != 0 {
        return Err("fewer values than said".to_owned());
    }
    *bytes = rest;
    Ok(())
}

/// Form 1.
fn put_counts(out: &mut Vec<u8>, places: impl Iterator<Item = (usize, u64)>) {
    let mut next = 0;
    for (place, n) in places {
        if place > next {
            put(out, ((place - next) as u128) << 1 | 1);
        }
        put(out, u128::from(n) << 1);
        next = place.saturating_add(1);
    }
    put(out, 1);
}

/// What counts alone tell of the figures.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) count: u64,
    pub(super) places: u64,
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) sum: u128,
}

impl Seen {
    /// Adds a place above those before.
    #[inline]
    pub(super) fn add(&mut self, index: usize, n: u64) {
        let (low, high) = (lowest_of(index), highest_of(index).min(VALUE_MAX_US));
        if self.places == 0 {
            self.low = low;
        }
        self.places += 1;
        self.count = self.count.saturating_add(n);
        self.high = high;
        self.sum += u128::from(low + (high - low) / 2) * u128::from(n);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.count > COUNT_MAX {
            return Err(format!("{} values, at most {COUNT_MAX}", self.count));
        }
        Ok(())
    }
}

fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

fn unzigzag(number: u128) -> i128 {
    (number >> 1) as i128 ^ -((number & 1) as i128)
}

fn put(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Result<u128, String> {
    let mut number = 0_u128;
    for shift in (0..126).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("cut off")?;
        *bytes = rest;
        number |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number without end".to_owned())
}

#[inline]
fn take_u64(bytes: &mut &[u8]) -> Result<u64, String> {
    match bytes.split_first() {
        Some((byte, rest)) if *byte < 0x80 => {
            *bytes = rest;
            Ok(u64::from(*byte))
        }
        _ => take_wide(bytes),
    }
}

fn take_wide(bytes: &mut &[u8]) -> Result<u64, String> {
    u64::try_from(take(bytes)?).map_err(|_| "a number beyond 64 bits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(h: &Histogram) -> (u64, u64, u64, u64, u64, Vec<(u64, u64)>) {
        let (count, min, max, sum) = (h.count(), h.min_us(), h.max_us(), h.sum_us());
        (count, min, max, sum, h.clamped(), h.iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn sums_of_parts_are_the_whole(
            values in proptest::collection::vec((0_u64..=VALUE_MAX_US + 9, 0_u32..32, 0_usize..2), 0..900),
        ) {
            let mut parts = [Histogram::new(), Histogram::new()];
            let mut whole = Histogram::new();
            for (value, shift, part) in values {
                parts[part].record(value >> shift);
                whole.record(value >> shift);
            }
            let mut bytes = Vec::new();
            parts.iter().for_each(|part| part.put_compact(&mut bytes));
            whole.put_compact(&mut bytes);
            let mut rest = bytes.as_slice();
            let mut sum = Histogram::new();
            sum.add_compact(&mut rest).expect("the first");
            sum.add_compact(&mut rest).expect("the second");
            prop_assert_eq!(figures(&sum), figures(&whole));
            let mut back = Histogram::new();
            back.add_compact(&mut rest).expect("the whole");
            prop_assert_eq!(figures(&back), figures(&whole));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn places_make_up_what_they_came_from(
            values in proptest::collection::vec((0_u64..=VALUE_MAX_US, 0_u32..32), 0..600),
        ) {
            let mut h = Histogram::new();
            values.iter().for_each(|(value, shift)| h.record(value >> shift));
            let (mut bytes, mut again, mut places) = (Vec::new(), Vec::new(), Vec::new());
            h.put_compact(&mut bytes);
            let (count, shown) = Histogram::each_compact(&mut bytes.as_slice(), |place, n| {
                places.push((place as u32, n));
                Ok(())
            }).expect("what was written");
            prop_assert_eq!(count, h.count());
            let mut sum = Histogram::new();
            sum.add_places(shown, &places).expect("what was taken apart");
            prop_assert_eq!(figures(&sum), figures(&h));
            Histogram::put_places(shown, &places, &mut again);
            let mut back = Histogram::new();
            back.add_compact(&mut again.as_slice()).expect("what was put together");
            prop_assert_eq!(figures(&back), figures(&h));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Histogram::new().add_compact(&mut bytes.as_slice());
        }
    }

    #[test]
    fn many_values_on_few_places_are_counts() {
        let mut h = Histogram::new();
        (0..100_000).for_each(|n| h.record(1_000 + n % 40));
        let mut bytes = Vec::new();
        h.put_compact(&mut bytes);
        assert!(bytes.len() < 120, "{}", bytes.len());
    }
}
