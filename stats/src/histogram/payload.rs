//! HDR's V2 encoding of the sparse layout, without compression and without a full array.
//!
//! The header is that of the HdrHistogram specification: cookie, length of the counts, index
//! offset, digits, bounds, ratio. The counts follow in the order of their index as ZigZag LEB128
//! numbers of at most 9 bytes; a negative number stands for so many empty places.

use super::compact::{PLACE_MAX, Seen};
use super::{CHUNK_LEN, DIGITS, Histogram, VALUE_MAX_US};
use wire::HistogramRow;

/// V2 with 9 bytes per number at most, as HdrHistogram writes it.
const COOKIE: u32 = 0x1c84_9313;
/// Cookie, length, offset and digits of 4 bytes; bounds and ratio of 8.
const HEADER_LEN: usize = 40;

impl Histogram {
    /// The counts in the V2 encoding; any HdrHistogram reads it.
    pub fn to_v2(&self) -> Vec<u8> {
        let mut counts = Vec::with_capacity(256);
        let mut next = 0;
        for (c, chunk) in self.used_chunks() {
            for (i, n) in chunk.iter().enumerate().filter(|(_, n)| **n > 0) {
                let index = c * CHUNK_LEN + i;
                match index - next {
                    0 => {}
                    1 => put(&mut counts, 0),
                    empty => put(&mut counts, -(empty as i64)),
                }
                // no run counts 2^63 of anything
                put(&mut counts, i64::try_from(*n).unwrap_or(i64::MAX));
                next = index + 1;
            }
        }
        let mut bytes = Vec::with_capacity(HEADER_LEN + counts.len());
        bytes.extend_from_slice(&COOKIE.to_be_bytes());
        bytes.extend_from_slice(&(counts.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&0_u32.to_be_bytes());
        bytes.extend_from_slice(&u32::from(DIGITS).to_be_bytes());
        bytes.extend_from_slice(&1_u64.to_be_bytes());
        bytes.extend_from_slice(&VALUE_MAX_US.to_be_bytes());
        bytes.extend_from_slice(&1_f64.to_be_bytes());
        bytes.extend_from_slice(&counts);
        bytes
    }

    /// What [`Histogram::to_v2`] wrote. Minimum, maximum and sum are taken from the counts, so to 3
    /// digits.
    ///
    /// # Errors
    /// When these are not a V2 histogram with the bounds and digits of this one.
    pub fn from_v2(bytes: &[u8]) -> Result<Self, String> {
        let mut histogram = Histogram::new();
        let seen = Seen::of_v2(bytes)?;
        histogram.add_v2(bytes, &seen)?;
        if seen.count > 0 {
            histogram.min_us = seen.low;
            histogram.max_us = seen.high;
            histogram.sum_us = seen.sum;
        }
        Ok(histogram)
    }

    /// Adds the counts alone of a payload that [`Seen::of_v2`] has read.
    fn add_v2(&mut self, bytes: &[u8], seen: &Seen) -> Result<(), String> {
        each_count(bytes, |index, n| self.put_at(index, n))?;
        self.count = self.count.saturating_add(seen.count);
        Ok(())
    }

    /// The message for these values, under the name of their phase.
    pub fn to_row(&self, phase: &str) -> HistogramRow {
        HistogramRow {
            phase: phase.to_owned(),
            payload: self.to_v2(),
            min_us: self.min_us(),
            max_us: self.max_us(),
            sum_us: self.sum_us(),
            clamped: self.clamped(),
        }
    }

    /// The values of a message, with their exact figures as far as they fit its counts.
    ///
    /// # Errors
    /// When the payload is not a V2 histogram with the bounds and digits of this one.
    pub fn from_row(row: &HistogramRow) -> Result<Self, String> {
        let mut histogram = Histogram::new();
        histogram.add_row(row)?;
        Ok(histogram)
    }

    /// Looks whether [`Histogram::add_row`] would take a message.
    ///
    /// # Errors
    /// When the payload is not a V2 histogram with the bounds and digits of this one.
    pub fn check_row(row: &HistogramRow) -> Result<(), String> {
        Seen::of_v2(&row.payload).map(drop)
    }

    /// Adds a message with its exact figures, as far as they are possible with its counts. When
    /// it is refused, nothing was added.
    ///
    /// # Errors
    /// When the payload is not a V2 histogram with the bounds and digits of this one.
    pub fn add_row(&mut self, row: &HistogramRow) -> Result<(), String> {
        let seen = Seen::of_v2(&row.payload)?;
        if seen.count == 0 {
            return Ok(());
        }
        self.add_v2(&row.payload, &seen)?;
        let count = u128::from(seen.count);
        let span = u128::from(seen.low) * count..=u128::from(seen.high) * count;
        let said = u128::from(row.sum_us);
        self.sum_us += if span.contains(&said) { said } else { seen.sum };
        self.min_us = self.min_us.min(row.min_us.clamp(seen.low, seen.high));
        self.max_us = self.max_us.max(row.max_us.clamp(seen.low, seen.high));
        self.clamped = self.clamped.saturating_add(row.clamped.min(seen.count));
        Ok(())
    }

    /// The exact sum of all values, as far as 64 bits hold it.
    pub fn sum_us(&self) -> u64 {
        u64::try_from(self.sum_us).unwrap_or(u64::MAX)
    }
}

impl Seen {
    /// What the counts of a payload tell, having checked all of it.
    fn of_v2(bytes: &[u8]) -> Result<Self, String> {
        let mut seen = Seen::default();
        each_count(bytes, |index, n| {
            if index > PLACE_MAX {
                return Err("counts beyond the largest value".to_owned());
            }
            seen.add(index, n);
            Ok(())
        })?;
        seen.check()?;
        Ok(seen)
    }
}

/// Visits the counts above 0 by their index.
fn each_count(
    bytes: &[u8],
    mut visit: impl FnMut(usize, u64) -> Result<(), String>,
) -> Result<(), String> {
    let (header, mut counts) = bytes
        .split_at_checked(HEADER_LEN)
        .ok_or("shorter than its header")?;
    check_header(header, counts.len())?;
    let mut index = 0_usize;
    while !counts.is_empty() {
        let number = take(&mut counts)?;
        if number <= 0 {
            let empty = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
            index = index.saturating_add(empty.max(1));
            continue;
        }
        visit(index, number.unsigned_abs())?;
        index += 1;
    }
    Ok(())
}

fn check_header(header: &[u8], counts_len: usize) -> Result<(), String> {
    let u32_at = |at: usize| {
        header[at..at + 4]
            .iter()
            .fold(0, |n, b| n << 8 | u32::from(*b))
    };
    let u64_at = |at: usize| {
        header[at..at + 8]
            .iter()
            .fold(0, |n, b| n << 8 | u64::from(*b))
    };
    if u32_at(0) & !0xf0 != COOKIE & !0xf0 {
        return Err("not a V2 histogram".to_owned());
    }
    if u32_at(4) as usize != counts_len {
        return Err("cut off, or longer than it says".to_owned());
    }
    let same = u32_at(8) == 0
        && u32_at(12) == u32::from(DIGITS)
        && u64_at(16) == 1
        && u64_at(24) == VALUE_MAX_US;
    if same {
        Ok(())
    } else {
        Err("other bounds or digits than 1 to 3600000000 with 3".to_owned())
    }
}

fn put(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    for _ in 0..8 {
        if rest < 0x80 {
            bytes.push(rest as u8);
            return;
        }
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    // the ninth byte holds 8 bits
    bytes.push(rest as u8);
}

fn take(bytes: &mut &[u8]) -> Result<i64, String> {
    let mut number = 0_u64;
    for place in 0..9 {
        let (byte, rest) = bytes.split_first().ok_or("cut off within a number")?;
        *bytes = rest;
        if place == 8 {
            number |= u64::from(*byte) << 56;
            break;
        }
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok((number >> 1) as i64 ^ -((number & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    fn buckets(histogram: &Histogram) -> Vec<(u64, u64)> {
        histogram.iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_written_is_read_by_others_and_back(
            values in proptest::collection::vec(0_u64..=VALUE_MAX_US + 5, 0..200),
            shift in 0_u32..32,
        ) {
            let values: Vec<u64> = values.iter().map(|v| v >> shift).collect();
            let own = of(&values);
            let bytes = own.to_v2();
            let back = Histogram::from_v2(&bytes).expect("its own bytes");
            prop_assert_eq!(buckets(&back), buckets(&own));
            prop_assert_eq!(back.count(), own.count());
            let theirs: hdrhistogram::Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .expect("what HdrHistogram reads");
            prop_assert_eq!(theirs.len(), own.count());
            let mut again = Vec::new();
            V2Serializer::new().serialize(&theirs, &mut again).expect("a Vec takes all");
            let theirs_read = Histogram::from_v2(&again).expect("what HdrHistogram wrote");
            prop_assert_eq!(buckets(&theirs_read), buckets(&own));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut whole = Histogram::new().to_v2();
            whole[7] = bytes.len() as u8;
            whole.extend_from_slice(&bytes);
            let _ = Histogram::from_v2(&whole);
            let _ = Histogram::from_v2(&bytes);
        }
    }

    #[test]
    fn exact_figures_come_back() {
        let own = of(&[123_457, 3, 99_999_999]);
        let mut back = Histogram::new();
        let row = own.to_row("latency");
        back.add_row(&row).expect("its own bytes");
        assert_eq!((back.min_us(), back.max_us()), (3, 99_999_999));
        assert!((back.mean_us() - own.mean_us()).abs() < 1e-9);
    }

    #[test]
    fn cut_bytes_are_refused() {
        let bytes = of(&[5, 700_000]).to_v2();
        for end in 0..bytes.len() {
            assert!(Histogram::from_v2(&bytes[..end]).is_err(), "{end}");
        }
    }
}
