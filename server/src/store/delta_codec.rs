//! Encodes histograms as deltas from their sum: tens of seconds from their minute, seconds from
//! their ten or their minute.
//!
//! The sum says how many values are in each bucket, so only their distribution over the rows is
//! encoded, bucket by bucket: few values as distances between their rows, many as the count of each
//! row but the last, which is the remainder. How such a number is distributed follows from the
//! remaining values and rows, so numbers with similar expectations are compressed together, in a
//! stream of their own.
//!
//! Format, in LEB128 numbers: the number of sums, the number of rows of each, unpacked and stored
//! bytes of the heads, the heads (row number, length and exact figures of each row), then all
//! streams: index, unpacked and stored bytes, content.

use super::Content;
use super::packing::{Packer, put_number, put_row, take_number, unpack_into};
use super::streams::{CUT_OFF, Streams, log8};
use crate::Error;
use stats::Histogram;
use std::ops::Range;
use zstd::bulk::Decompressor;

/// Numbers of streams: distances, counts, and counts of the last two rows when there are few.
const LISTS: usize = 8;
const COUNTS: usize = 24;
const LAST_TWO: usize = 12;
/// Up to this many rows, the count before the last has its own streams.
const FEW_ROWS: usize = 16;
/// Number of buckets of a histogram.
const BUCKETS: usize = 1 << 16;

/// [`log8`] of numbers of rows; a minute has at most 60.
const ROW_LOGS: [u8; 64] = {
    let mut logs = [0; 64];
    let mut rows = 0;
    while rows < logs.len() {
        logs[rows] = log8(rows as u64) as u8;
        rows += 1;
    }
    logs
};

/// [`log8`] of a number of rows, or of a number that is seldom larger.
#[inline]
fn row_log(number: u64) -> usize {
    match ROW_LOGS.get(number as usize) {
        Some(log) => usize::from(*log),
        None => log8(number),
    }
}

/// The stream of a distance when `values` are still to come in `rows`.
#[inline]
fn list_stream(rows: usize, values: u64) -> usize {
    let log = (row_log(rows as u64) + 16).saturating_sub(row_log(values + 1));
    (log / 8).min(LISTS - 1)
}

/// The stream of a count when `values` are left for `rows`, of `all`.
#[inline]
fn count_stream(all: usize, rows: usize, values: u64) -> usize {
    let log = (log8(values) + 16).saturating_sub(row_log(rows as u64));
    if rows == 2 && all <= FEW_ROWS {
        LISTS + COUNTS + (log / 8).min(LAST_TWO - 1)
    } else {
        LISTS + (log / 4).min(COUNTS - 1)
    }
}

/// Whether this many values of a bucket are encoded as distances.
fn is_list(values: u64, rows: usize) -> bool {
    values <= rows as u64
}

/// Non-empty buckets, with their number of values.
pub(crate) type Buckets = Vec<(u32, u64)>;

/// Histograms (row number, content) and their sum.
pub(crate) struct Group<'a> {
    pub(crate) whole: &'a [u8],
    pub(crate) rows: Vec<(u64, &'a [u8])>,
}

/// Encodes rows as deltas; reusing it reuses its memory.
#[derive(Default)]
pub(crate) struct DeltaEncoder {
    /// The start of each bucket's cells.
    ends: Vec<u32>,
    /// The buckets of the sum.
    buckets: Vec<(u32, u64)>,
    /// Cells in order of input: bucket, row, values.
    found: Vec<(u32, u16, u64)>,
    /// Cells in order of buckets: row, values.
    cells: Vec<(u16, u64)>,
    heads: Vec<u8>,
    streams: Streams,
}

impl DeltaEncoder {
    /// Appends the deltas of each group's rows.
    pub(crate) fn put(
        &mut self,
        groups: &[Group<'_>],
        packer: &mut Packer,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.ends.resize(BUCKETS, 0);
        self.heads.clear();
        put_number(out, groups.len() as u64);
        for group in groups {
            self.take(group)?;
            self.sort()?;
            self.write(group.rows.len());
            put_number(out, group.rows.len() as u64);
        }
        packer.put(&self.heads, out)?;
        self.streams.pack(packer, out)
    }

    /// Appends a histogram without a sum.
    pub(crate) fn put_whole(
        &mut self,
        number: u64,
        whole: &[u8],
        packer: &mut Packer,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let figures = decode_buckets(whole, &mut self.buckets)?;
        put_number(out, 0);
        put_number(out, self.buckets.iter().map(|(_, n)| n).sum());
        put_row(out, number, figures);
        super::histogram_codec::write(&self.buckets, &mut self.streams);
        self.streams.pack(packer, out)
    }

    fn take(&mut self, group: &Group<'_>) -> Result<(), Error> {
        self.found.clear();
        if group.rows.len() > usize::from(u16::MAX) {
            return Err(broken("too many rows of a minute".to_owned()));
        }
        decode_buckets(group.whole, &mut self.buckets)?;
        for (row, (number, mut bytes)) in group.rows.iter().copied().enumerate() {
            let (found, ends) = (&mut self.found, &mut self.ends);
            let (_, figures) = Histogram::each_compact(&mut bytes, |bucket, n| {
                let bucket = fit(bucket)?;
                ends[bucket as usize] += 1;
                found.push((bucket, row as u16, n));
                Ok(())
            })
            .map_err(broken)?;
            put_row(&mut self.heads, number, figures);
        }
        Ok(())
    }

    /// Sorts cells by bucket, then by row.
    fn sort(&mut self) -> Result<(), Error> {
        let mut start = 0;
        for (bucket, _) in &self.buckets {
            let count = std::mem::replace(&mut self.ends[*bucket as usize], start);
            start += count;
        }
        if start as usize != self.found.len() {
            self.ends.clear();
            return Err(broken("rows have values that their sum lacks".to_owned()));
        }
        self.cells.clear();
        self.cells.resize(self.found.len(), (0, 0));
        for (bucket, row, n) in &self.found {
            let end = &mut self.ends[*bucket as usize];
            if let Some(cell) = self.cells.get_mut(*end as usize) {
                *cell = (*row, *n);
            }
            *end += 1;
        }
        Ok(())
    }

    fn write(&mut self, rows: usize) {
        let mut start = 0;
        for (bucket, values) in &self.buckets {
            let end = std::mem::take(&mut self.ends[*bucket as usize]) as usize;
            let cells = self.cells.get(start..end).unwrap_or_default();
            start = end;
            if is_list(*values, rows) {
                write_list(&mut self.streams, rows, *values, cells);
            } else {
                write_counts(&mut self.streams, rows, *values, cells);
            }
        }
    }
}

fn write_list(streams: &mut Streams, rows: usize, values: u64, cells: &[(u16, u64)]) {
    let (mut at, mut left) = (0, values);
    for (row, n) in cells {
        let row = usize::from(*row);
        for _ in 0..*n {
            if at + 1 < rows {
                let stream = list_stream(rows - at, left);
                streams.put(stream, (row - at) as u64);
            }
            at = row;
            left = left.saturating_sub(1);
        }
    }
}

fn write_counts(streams: &mut Streams, rows: usize, values: u64, cells: &[(u16, u64)]) {
    let mut left = values;
    let mut cells = cells.iter().peekable();
    for row in 0..rows.saturating_sub(1) {
        if left == 0 {
            return;
        }
        let here = cells.next_if(|(r, _)| usize::from(*r) == row);
        let n = here.map_or(0, |(_, n)| *n);
        let stream = count_stream(rows, rows - row, left);
        streams.put(stream, n);
        left = left.saturating_sub(n);
    }
}

fn fit(bucket: usize) -> Result<u32, String> {
    match bucket < BUCKETS {
        true => Ok(bucket as u32),
        false => Err("counts beyond the largest value".to_owned()),
    }
}

fn broken(text: String) -> Error {
    Error::Format(format!("a histogram: {text}"))
}

/// Decodes a compact histogram into `buckets`, replacing their content; returns the bytes of its
/// exact figures.
pub(crate) fn decode_buckets<'a>(
    mut bytes: &'a [u8],
    buckets: &mut Buckets,
) -> Result<&'a [u8], Error> {
    buckets.clear();
    let (_, figures) = Histogram::each_compact(&mut bytes, |bucket, n| {
        buckets.push((fit(bucket)?, n));
        Ok(())
    })
    .map_err(broken)?;
    Ok(figures)
}

/// Decodes rows; reusing it reuses its memory.
#[derive(Default)]
pub(crate) struct DeltaDecoder {
    heads: Vec<u8>,
    streams: Streams,
    rows: Vec<Buckets>,
    /// Which of `rows` are needed; the others stay empty.
    needed: Range<usize>,
}

impl DeltaDecoder {
    /// Visits the rows that [`DeltaEncoder::put`] encoded, those whose number is `needed`: row
    /// number, histogram.
    pub(crate) fn each(
        &mut self,
        mut stored: &[u8],
        wholes: &[Buckets],
        zstd: &mut Decompressor<'static>,
        needed: &Range<u64>,
        mut visit: impl FnMut(u64, Content<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let sums = take_number(&mut stored)?;
        if sums == 0 {
            return self.whole(stored, zstd, visit);
        }
        if sums != wholes.len() as u64 {
            return Err(broken("the number of sums differs".to_owned()));
        }
        let mut counts = Vec::new();
        for _ in wholes {
            counts.push(take_number(&mut stored)? as usize);
        }
        unpack_into(&mut stored, zstd, &mut self.heads)?;
        let heads = std::mem::take(&mut self.heads);
        self.streams.unpack(stored, zstd)?;
        let mut rest = &heads[..];
        for (count, whole) in counts.into_iter().zip(wholes) {
            // each head has at least two bytes
            if count > heads.len() || count > usize::from(u16::MAX) {
                return Err(broken("more rows than heads".to_owned()));
            }
            let group = heads_of(&mut rest, count)?;
            let begin = group.partition_point(|(number, _)| *number < needed.start);
            let end = group.partition_point(|(number, _)| *number < needed.end);
            self.needed = begin..end.max(begin);
            self.rows.iter_mut().for_each(Vec::clear);
            self.rows.resize_with(count, Vec::new);
            for (bucket, n) in whole {
                self.distribute(*bucket, *n).map_err(broken)?;
            }
            for ((number, figures), places) in group.iter().zip(&self.rows).take(end).skip(begin) {
                visit(*number, Content::Places { figures, places })?;
            }
            if end < count {
                // rows are in order: what follows is beyond what is needed
                break;
            }
        }
        self.heads = heads;
        Ok(())
    }

    /// Visits the histogram that [`DeltaEncoder::put_whole`] encoded.
    fn whole(
        &mut self,
        mut stored: &[u8],
        zstd: &mut Decompressor<'static>,
        mut visit: impl FnMut(u64, Content<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let count = take_number(&mut stored)?;
        let number = take_number(&mut stored)?;
        let len = take_number(&mut stored)? as usize;
        let (figures, rest) = stored
            .split_at_checked(len)
            .ok_or_else(|| broken("a head is cut off".to_owned()))?;
        self.streams.unpack(rest, zstd)?;
        self.rows.resize_with(1, Vec::new);
        let buckets = &mut self.rows[0];
        buckets.clear();
        super::histogram_codec::read(count, &mut self.streams, buckets).map_err(broken)?;
        visit(
            number,
            Content::Places {
                figures,
                places: buckets,
            },
        )
    }

    /// Distributes the values of a bucket over the rows.
    #[inline]
    fn distribute(&mut self, bucket: u32, values: u64) -> Result<(), String> {
        let rows = self.rows.len();
        let mut left = values;
        if is_list(values, rows) {
            let (mut at, mut here) = (0, 0);
            while left > 0 {
                let step = match at + 1 < rows {
                    true => self
                        .streams
                        .take(list_stream(rows - at, left))
                        .ok_or(CUT_OFF)? as usize,
                    false => 0,
                };
                if step > 0 && here > 0 {
                    self.push(at, bucket, here)?;
                    here = 0;
                }
                at = at.saturating_add(step);
                here += 1;
                left -= 1;
            }
            return self.push(at, bucket, here);
        }
        for row in 0..rows.saturating_sub(1) {
            if left == 0 {
                return Ok(());
            }
            let n = self
                .streams
                .take(count_stream(rows, rows - row, left))
                .ok_or(CUT_OFF)?;
            left = left.checked_sub(n).ok_or("more values than said")?;
            if n > 0 {
                self.push(row, bucket, n)?;
            }
        }
        match left {
            0 => Ok(()),
            _ => self.push(rows.saturating_sub(1), bucket, left),
        }
    }

    #[inline]
    fn push(&mut self, row: usize, bucket: u32, n: u64) -> Result<(), String> {
        if self.needed.contains(&row) {
            self.rows[row].push((bucket, n));
            return Ok(());
        }
        match row < self.rows.len() {
            true => Ok(()),
            false => Err("no such row".to_owned()),
        }
    }
}

/// The heads of the next `count` rows: row number, the bytes of the exact figures.
fn heads_of<'a>(rest: &mut &'a [u8], count: usize) -> Result<Vec<(u64, &'a [u8])>, Error> {
    let mut heads = Vec::with_capacity(count);
    for _ in 0..count {
        let number = take_number(rest)?;
        let len = take_number(rest)? as usize;
        let (figures, after) = rest
            .split_at_checked(len)
            .ok_or_else(|| broken("a head is cut off".to_owned()))?;
        *rest = after;
        heads.push((number, figures));
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::super::chunk::ALL_ROWS;
    use super::super::merge::add_histogram;
    use super::*;
    use proptest::prelude::*;

    type Rows = Vec<(u64, Vec<u8>)>;

    fn packed(h: &Histogram) -> Vec<u8> {
        let mut bytes = Vec::new();
        h.put_compact(&mut bytes);
        bytes
    }

    fn split(rows: &Rows, whole: &[u8]) -> Result<Vec<u8>, Error> {
        // the same group twice: streams continue from sum to sum
        let groups = [(); 2].map(|()| Group {
            whole,
            rows: rows.iter().map(|(n, b)| (*n, b.as_slice())).collect(),
        });
        let mut out = Vec::new();
        DeltaEncoder::default().put(&groups, &mut Packer::for_histograms()?, &mut out)?;
        Ok(out)
    }

    fn figures<'a>(content: impl Into<Content<'a>>) -> (u64, u64, u64, u64, Vec<(u64, u64)>) {
        let mut h = Histogram::new();
        add_histogram(&mut h, content).expect("a histogram");
        let values = h.iter().collect();
        (h.count(), h.min_us(), h.max_us(), h.sum_us(), values)
    }

    /// Rows of up to `rows` seconds and their sum.
    fn made(values: &[(u64, u32, usize, u64)]) -> (Rows, Vec<u8>) {
        let mut sum = Histogram::new();
        let mut parts = std::collections::BTreeMap::<usize, Histogram>::new();
        for (value, shift, row, times) in values {
            for _ in 0..*times {
                sum.record(value >> shift);
                parts.entry(*row).or_default().record(value >> shift);
            }
        }
        let rows = parts.iter().map(|(row, h)| (*row as u64, packed(h)));
        (rows.collect(), packed(&sum))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn rows_come_back_as_they_were(
            few in proptest::bool::ANY,
            values in proptest::collection::vec(
                (0_u64..=3_600_000_000, 0_u32..32, 0_usize..60, 1_u64..300), 1..400),
        ) {
            let by = if few { 10 } else { 1 };
            let values: Vec<_> = values.iter().map(|v| (v.0, v.1, v.2 / by, v.3)).collect();
            let (rows, whole) = made(&values);
            let stored = split(&rows, &whole).expect("it is split");
            let mut zstd = Decompressor::new().expect("zstd");
            let mut back = Vec::new();
            let mut buckets = Vec::new();
            decode_buckets(&whole, &mut buckets).expect("a histogram");
            let wholes = [buckets.clone(), buckets];
            DeltaDecoder::default().each(&stored, &wholes, &mut zstd, &ALL_ROWS, |number, content| {
                back.push((number, figures(content)));
                Ok(())
            }).expect("it is joined");
            let (mut stored, mut packer) = (Vec::new(), Packer::for_histograms().expect("zstd"));
            let mut splitter = DeltaEncoder::default();
            splitter.put_whole(7, &whole, &mut packer, &mut stored).expect("it is put");
            DeltaDecoder::default().each(&stored, &[], &mut zstd, &ALL_ROWS, |number, content| {
                assert_eq!((number, figures(content)), (7, figures(whole.as_slice())));
                Ok(())
            }).expect("it is read");
            let twice = rows.iter().chain(&rows);
            let rows: Vec<_> = twice.map(|(n, b)| (*n, figures(b.as_slice()))).collect();
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn damaged_bytes_are_read_or_refused(
            bucket in 0_usize..5_000, byte in any::<u8>(),
            values in proptest::collection::vec((1_u64..9_000, 0_u32..4, 0_usize..60, 1_u64..9), 1..99),
        ) {
            let (rows, whole) = made(&values);
            let mut stored = split(&rows, &whole).expect("it is split");
            let bucket = bucket % stored.len();
            stored[bucket] = byte;
            let mut zstd = Decompressor::new().expect("zstd");
            let mut buckets = Vec::new();
            decode_buckets(&whole, &mut buckets).expect("a histogram");
            let wholes = [buckets.clone(), buckets];
            let _ = DeltaDecoder::default().each(&stored, &wholes, &mut zstd, &ALL_ROWS, |_, _| Ok(()));
            let mut packer = Packer::for_histograms().expect("zstd");
            let mut alone = Vec::new();
            DeltaEncoder::default().put_whole(0, &whole, &mut packer, &mut alone).expect("it is put");
            let at = bucket % alone.len();
            alone[at] = byte;
            let _ = DeltaDecoder::default().each(&alone, &[], &mut zstd, &ALL_ROWS, |_, _| Ok(()));
            stored.truncate(bucket);
            let _ = DeltaDecoder::default().each(&stored, &wholes, &mut zstd, &ALL_ROWS, |_, _| Ok(()));
        }
    }
}
