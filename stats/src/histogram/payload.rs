//! HDR's V2 encoding of the sparse layout, without compression and without a full array.
//!
//! The header is that of the HdrHistogram specification: cookie, length of the counts, index
//! offset, digits, bounds, ratio. The counts follow in the order of their index as ZigZag LEB128
//! numbers of at most 9 bytes; a negative number stands for so many empty places.

use super::{CHUNK_LEN, CHUNKS, DIGITS, Histogram, VALUE_MAX_US, highest_of, lowest_of};

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

    /// Adds what [`Histogram::to_v2`] wrote. Minimum, maximum and sum are taken from the counts,
    /// so to 3 digits. Hostile bytes are an error; then nothing was added.
    ///
    /// # Errors
    /// When these are not a V2 histogram with the bounds and digits of this one.
    pub fn from_v2(bytes: &[u8]) -> Result<Self, String> {
        let (header, mut counts) = bytes
            .split_at_checked(HEADER_LEN)
            .ok_or("shorter than its header")?;
        check_header(header, counts.len())?;
        let mut histogram = Histogram::new();
        let mut index = 0_usize;
        while !counts.is_empty() {
            let number = take(&mut counts)?;
            if number <= 0 {
                let empty = usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX);
                index = index.saturating_add(empty.max(1));
                continue;
            }
            histogram.put_count(index, number.unsigned_abs())?;
            index += 1;
        }
        Ok(histogram)
    }

    fn put_count(&mut self, index: usize, n: u64) -> Result<(), String> {
        if index >= CHUNKS * CHUNK_LEN || lowest_of(index) > VALUE_MAX_US {
            return Err("counts beyond the largest value".to_owned());
        }
        self.count = self.count.checked_add(n).ok_or("more counts than fit")?;
        self.chunk_mut(index / CHUNK_LEN)[index % CHUNK_LEN] = n;
        let (low, high) = (lowest_of(index), highest_of(index).min(VALUE_MAX_US));
        self.sum_us += u128::from(low + (high - low) / 2) * u128::from(n);
        self.min_us = self.min_us.min(low);
        self.max_us = self.max_us.max(high);
        Ok(())
    }

    /// Puts the exact figures in the place of those read off the counts, as far as they are
    /// possible with these counts.
    pub(crate) fn set_exact(&mut self, min_us: u64, max_us: u64, sum_us: u64, clamped: u64) {
        if self.count == 0 {
            return;
        }
        let (low, high) = (self.min_us, self.max_us);
        let span =
            u128::from(low) * u128::from(self.count)..=u128::from(high) * u128::from(self.count);
        self.min_us = min_us.clamp(low, high);
        self.max_us = max_us.clamp(low, high);
        if span.contains(&u128::from(sum_us)) {
            self.sum_us = u128::from(sum_us);
        }
        self.clamped = clamped.min(self.count);
    }

    /// The exact sum of all values, as far as 64 bits hold it.
    pub(crate) fn sum_us(&self) -> u64 {
        u64::try_from(self.sum_us).unwrap_or(u64::MAX)
    }
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
        let mut back = Histogram::from_v2(&own.to_v2()).expect("its own bytes");
        back.set_exact(own.min_us(), own.max_us(), own.sum_us(), 0);
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
