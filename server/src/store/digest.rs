//! Precomputed figures of all requests for plots, for every column width they have, made when the
//! rows are written: otherwise a plot of hours would merge thousands of histograms.
//!
//! A digest is a row under its own key, in the chunk of the level given by [`WIDTHS`]: its row
//! number is the index of the width times 64 plus that of the column in the block. It has LEB128
//! numbers for each phase with values: slot, the lowest percentile, the increments to each further
//! one and to the maximum, mean. If a column has failed requests, the latency of successful ones is
//! under [`LATENCY_OK`], or there is [`NONE_OK`] when there were none; earlier versions wrote
//! neither.

use super::levels::MINUTE_S;
use super::merge::add_histogram;
use super::packing::{put_number, put_row, take_number};
use super::rows::{Key, SLOTS, phase_key};
use crate::Error;
use stats::{Histogram, Phase};
use std::collections::BTreeMap;

/// The slot of the latency of successful requests in a digest; no slot of a chunk.
const LATENCY_OK: u32 = SLOTS;
/// The slot used instead where all requests failed; its figures are 0.
const NONE_OK: u32 = SLOTS + 1;

/// The percentiles of plots; stored figures have these.
pub(crate) const QUANTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
];

/// Column widths in seconds, by the level whose chunks hold their digests.
const WIDTHS: [(u64, &[u64]); 5] = [
    (1, &[1, 2, 5]),
    (10, &[10, 20, 30]),
    (60, &[60]),
    (600, &[120, 300, 600]),
    (6_000, &[1_200, 3_000, 6_000]),
];
/// More than the columns of a width in one block.
pub(crate) const COLUMNS_MAX: u64 = 64;

/// The quantiles without their names.
pub(crate) fn quantiles() -> [f64; QUANTILES.len()] {
    QUANTILES.map(|(_, quantile)| quantile)
}

/// A distribution as plots show it, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The percentiles p50, p75, p90, p95, p99 and p99.9.
    pub quantiles: [u64; QUANTILES.len()],
    /// The largest value.
    pub max_us: u64,
    /// The mean, rounded.
    pub mean_us: u64,
}

impl Figures {
    /// Those of a histogram.
    pub(crate) fn of(histogram: &Histogram) -> Self {
        Figures {
            quantiles: histogram.values_at(quantiles()),
            max_us: histogram.max_us(),
            mean_us: histogram.mean_us().round() as u64,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        let mut last = 0;
        for value in self.quantiles.iter().chain([&self.max_us]) {
            put_number(out, value.saturating_sub(last));
            last = *value;
        }
        put_number(out, self.mean_us);
    }

    fn take(bytes: &mut &[u8]) -> Result<Self, Error> {
        let mut last = 0_u64;
        let mut next = |bytes: &mut &[u8]| {
            last = last.saturating_add(take_number(bytes)?);
            Ok::<u64, Error>(last)
        };
        let mut quantiles = [0; QUANTILES.len()];
        for value in &mut quantiles {
            *value = next(bytes)?;
        }
        Ok(Figures {
            quantiles,
            max_us: next(bytes)?,
            mean_us: take_number(bytes)?,
        })
    }
}

/// The rows of a phase of all requests: second, histogram.
pub(crate) type PhaseRows<'a> = (Key, &'a [(u64, &'a [u8])]);

/// The phases of all requests in one column, by their keys.
pub type Digest = BTreeMap<u32, Figures>;

/// The latency of successful requests according to a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestOf {
    /// Its figures.
    Figures(Figures),
    /// No request was successful.
    Nothing,
    /// Some failed, and the digest comes from a version that did not store it.
    Unknown,
}

/// The latency of successful requests according to a digest.
pub(crate) fn rest_of(digest: &Digest) -> RestOf {
    let [all, failed] = [Phase::Latency, Phase::LatencyFailed].map(|phase| phase_key(0, phase));
    if digest.contains_key(&NONE_OK) {
        return RestOf::Nothing;
    }
    let is_all = !digest.contains_key(&failed);
    match (digest.get(&LATENCY_OK), digest.get(&all)) {
        (Some(figures), _) => RestOf::Figures(*figures),
        (None, Some(figures)) if is_all => RestOf::Figures(*figures),
        (None, None) if is_all => RestOf::Nothing,
        _ => RestOf::Unknown,
    }
}

/// The location of the digests of a column width: the level of their chunks, and the index of the
/// width there.
pub(crate) fn location_of(width_s: u64) -> Option<(u64, u64)> {
    WIDTHS.iter().find_map(|(level, widths)| {
        let index = widths.iter().position(|width| *width == width_s)?;
        Some((*level, index as u64))
    })
}

/// The number of seconds that a chunk of a level covers.
pub(crate) fn span_of(level: u64) -> u64 {
    level.max(MINUTE_S)
}

/// The digests of a block that starts at a second, from the rows (second, content) of its phases.
pub(crate) fn section(
    level: u64,
    start_s: u64,
    phases: &[PhaseRows<'_>],
) -> Result<Vec<u8>, Error> {
    let mut section = Vec::new();
    let of_level = WIDTHS.iter().find(|(l, _)| *l == level);
    let widths = of_level.map_or(&[][..], |(_, widths)| widths);
    let mut sum = Histogram::new();
    for (index, width_s) in widths.iter().enumerate() {
        let mut columns: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (key, rows) in phases {
            let column = |time_s: u64| time_s.saturating_sub(start_s) / width_s;
            for group in rows.chunk_by(|a, b| column(a.0) == column(b.0)) {
                sum.clear();
                for (_, bytes) in group {
                    add_histogram(&mut sum, *bytes)?;
                }
                if sum.count() > 0 {
                    let out = columns.entry(column(group[0].0)).or_default();
                    put_number(out, u64::from(*key % SLOTS));
                    Figures::of(&sum).put(out);
                }
            }
        }
        put_ok(&mut columns, phases, |time_s| {
            time_s.saturating_sub(start_s) / width_s
        })?;
        for (column, content) in columns {
            put_row(&mut section, index as u64 * COLUMNS_MAX + column, &content);
        }
    }
    if section.is_empty() {
        // an empty column says that the whole block has no values; no bytes at all would say so
        // too, but earlier versions take them for histograms
        put_row(&mut section, 0, &[]);
    }
    Ok(section)
}

/// Adds the latency of successful requests to columns with failed ones: all minus failed.
fn put_ok(
    columns: &mut BTreeMap<u64, Vec<u8>>,
    phases: &[PhaseRows<'_>],
    column: impl Fn(u64) -> u64,
) -> Result<(), Error> {
    let rows_of = |phase| {
        let key = phase_key(0, phase);
        let own = phases.iter().find(|(k, _)| *k == key);
        own.map_or(&[][..], |(_, rows)| rows)
    };
    let all = rows_of(Phase::Latency);
    let by_column = |a: &(u64, &[u8]), b: &(u64, &[u8])| column(a.0) == column(b.0);
    for group in rows_of(Phase::LatencyFailed).chunk_by(by_column) {
        let number = column(group[0].0);
        let (mut ok, mut failed) = (Histogram::new(), Histogram::new());
        for (_, bytes) in group {
            add_histogram(&mut failed, *bytes)?;
        }
        for (_, bytes) in all.iter().filter(|(time_s, _)| column(*time_s) == number) {
            add_histogram(&mut ok, *bytes)?;
        }
        if failed.count() == 0 {
            continue;
        }
        ok.subtract(&failed);
        let out = columns.entry(number).or_default();
        let slot = if ok.count() > 0 { LATENCY_OK } else { NONE_OK };
        put_number(out, u64::from(slot));
        Figures::of(&ok).put(out);
    }
    Ok(())
}

/// Reads the content of a row of [`section`].
pub(crate) fn read(mut content: &[u8]) -> Result<Digest, Error> {
    let mut digest = Digest::new();
    while !content.is_empty() {
        let slot = take_number(&mut content)?;
        let key = u32::try_from(slot).unwrap_or(u32::MAX);
        digest.insert(key, Figures::take(&mut content)?);
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The successful requests of a digest have the figures of their values.
    fn hold_rest(found: RestOf, own: &Histogram) -> Result<(), TestCaseError> {
        let RestOf::Figures(figures) = found else {
            prop_assert_eq!(found, RestOf::Nothing);
            prop_assert_eq!(own.count(), 0);
            return Ok(());
        };
        let expected = Figures::of(own);
        prop_assert_eq!(figures.mean_us, expected.mean_us);
        // the largest is exact unless a failed one is as large
        let close = |a: u64, b: u64| a.abs_diff(b) * 1_000 <= b;
        prop_assert!(close(figures.max_us, expected.max_us));
        for (shown, expected) in figures.quantiles.iter().zip(&expected.quantiles) {
            prop_assert!(close(*shown, *expected));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn columns_have_the_figures_of_their_values(
            // keys 1 to 3 are latency, service time and lag; failed requests are among the first
            values in proptest::collection::vec((0_u64..60, 1_u32..=3, 0_u64..1 << 30, any::<bool>()), 1..200),
        ) {
            let mut rows: BTreeMap<(Key, u64), Histogram> = BTreeMap::new();
            let failed = phase_key(0, Phase::LatencyFailed);
            let mut ok: BTreeMap<u64, Histogram> = BTreeMap::new();
            for (time_s, key, value, has_failed) in &values {
                rows.entry((*key, 120 + time_s)).or_default().record(*value);
                match (*key, *has_failed) {
                    (1, true) => rows.entry((failed, 120 + time_s)).or_default().record(*value),
                    (1, false) => ok.entry(120 + time_s).or_default().record(*value),
                    _ => {}
                }
            }
            let packed: Vec<_> = rows.iter().map(|((key, time_s), h)| {
                let mut bytes = Vec::new();
                h.put_compact(&mut bytes);
                (*key, *time_s, bytes)
            }).collect();
            let of_key = |key: Key| -> Vec<(u64, &[u8])> {
                let own = packed.iter().filter(|(k, ..)| *k == key);
                own.map(|(_, t, bytes)| (*t, bytes.as_slice())).collect()
            };
            let lists = [1, 2, 3, failed].map(|key| (key, of_key(key)));
            let phases: Vec<PhaseRows<'_>> =
                lists.iter().map(|(key, rows)| (*key, rows.as_slice())).collect();
            for (level, widths) in &WIDTHS[..3] {
                let section = section(*level, 120, &phases).expect("it is written");
                let mut rest = section.as_slice();
                let mut seen = 0;
                while !rest.is_empty() {
                    let number = take_number(&mut rest).expect("a number");
                    let len = take_number(&mut rest).expect("a length") as usize;
                    let (content, after) = rest.split_at(len);
                    rest = after;
                    let (index, column) = (number / COLUMNS_MAX, number % COLUMNS_MAX);
                    let digest = read(content).expect("a digest");
                    let width = widths[index as usize];
                    prop_assert_eq!(location_of(width), Some((*level, index)));
                    let from = 120 + column * width;
                    let mut own = Histogram::new();
                    ok.range(from..from + width).for_each(|(_, h)| own.add(h));
                    hold_rest(rest_of(&digest), &own)?;
                    let digest = digest.into_iter().filter(|(key, _)| *key < SLOTS);
                    for (key, figures) in digest {
                        let mut sum = Histogram::new();
                        for ((k, time_s), h) in &rows {
                            if *k == key && (from..from + width).contains(time_s) {
                                sum.add(h);
                            }
                        }
                        prop_assert!(sum.count() > 0);
                        seen += sum.count();
                        prop_assert_eq!(figures, Figures::of(&sum));
                    }
                }
                let entries: u64 = rows.values().map(Histogram::count).sum();
                prop_assert_eq!(seen, entries * widths.len() as u64);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn digests_of_earlier_versions_tell_of_ok_only_where_nothing_failed() {
        let figures = Figures {
            quantiles: [7; QUANTILES.len()],
            max_us: 9,
            mean_us: 8,
        };
        let [all, failed] = [Phase::Latency, Phase::LatencyFailed].map(|phase| phase_key(0, phase));
        let rows = [
            (vec![], RestOf::Nothing),
            (vec![all], RestOf::Figures(figures)),
            (vec![all, failed], RestOf::Unknown),
            (vec![all, failed, LATENCY_OK], RestOf::Figures(figures)),
            (vec![all, failed, NONE_OK], RestOf::Nothing),
        ];
        for (keys, expected) in rows {
            let digest: Digest = keys.iter().map(|key| (*key, figures)).collect();
            assert_eq!(rest_of(&digest), expected, "{keys:?}");
        }
    }

    #[test]
    fn a_block_without_values_is_a_row_without_figures() {
        for (level, _) in WIDTHS {
            let section = section(level, 120, &[(1, &[])]).expect("it is written");
            assert_eq!(section, [0, 0], "{level}");
        }
        assert_eq!(read(&[]).expect("a digest"), Digest::new());
    }

    #[test]
    fn blocks_hold_whole_columns() {
        for (level, widths) in WIDTHS {
            for width in widths {
                assert!(span_of(level).is_multiple_of(*width), "{width}");
                assert!(span_of(level) / width < COLUMNS_MAX, "{width}");
            }
        }
    }
}
