//! Builds chunks: from a minute in memory, and from ten blocks of a finer level.

use super::Content;
use super::chunk::{ALL_ROWS, Builder, Chunk, Unpacker, sections};
use super::delta_codec::Group;
use super::digest::{self, PhaseRows};
use super::levels::{LEVELS, MINUTE_S};
use super::merge::merge;
use super::packing::put_row;
use super::rows::{DIGEST, Key, SLOTS, is_histogram, phase_key};
use super::second_merge::ClosedSecond;
use crate::Error;
use rusqlite::Connection;
use stats::{Histogram, Phase};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Phases of names other than latencies keep single seconds while a minute of them is at most this
/// large; beyond it, tens of seconds. Bytes.
const DETAIL_MAX: usize = 512 << 10;

/// The chunks of levels 1, 10 and 60 of a minute.
pub(crate) fn minute(number: u64, rows: &[Arc<ClosedSecond>]) -> Result<Vec<(u64, Chunk)>, Error> {
    let mut by_key: BTreeMap<Key, Vec<(u64, &[u8])>> = BTreeMap::new();
    for closed in rows {
        for (key, bytes) in closed.rows() {
            by_key.entry(key).or_default().push((closed.time_s, bytes));
        }
    }
    for rows in by_key.values_mut() {
        rows.sort_by_key(|(time_s, _)| *time_s);
    }
    let details = by_key.iter().filter(|(key, _)| is_detail(**key));
    let details: usize = details
        .flat_map(|(_, rows)| rows)
        .map(|(_, b)| b.len())
        .sum();
    let keeps_details = details <= DETAIL_MAX;
    let mut builders = [Builder::new()?, Builder::new()?, Builder::new()?];
    let put = |builders: &mut _, key: Key, rows: &[(u64, &[u8])]| {
        let (is_name, is_detail) = (key >= SLOTS, is_detail(key));
        let is_kept = [!is_detail || keeps_details, !is_name || is_detail];
        match is_histogram(key) {
            true => put_histograms(builders, key, rows, is_kept),
            false => put_counts(builders, key, rows, is_kept),
        }
    };
    for (key, rows) in by_key.range(..DIGEST) {
        put(&mut builders, *key, rows)?;
    }
    let phases = phases_of_all(&by_key);
    for (level, builder) in LEVELS.iter().zip(&mut builders) {
        let digests = digest::section(*level, number * MINUTE_S, &phases)?;
        builder.put(DIGEST, &digests)?;
    }
    for (key, rows) in by_key.range(DIGEST..) {
        put(&mut builders, *key, rows)?;
    }
    let chunks = LEVELS.iter().zip(&mut builders);
    Ok(chunks.map(|(level, b)| (*level, b.take())).collect())
}

/// The rows of the phases of all requests.
fn phases_of_all<'a>(by_key: &'a BTreeMap<Key, Vec<(u64, &'a [u8])>>) -> Vec<PhaseRows<'a>> {
    let phases = by_key
        .range(..DIGEST)
        .filter(|(key, _)| is_histogram(**key));
    phases.map(|(key, rows)| (*key, rows.as_slice())).collect()
}

/// Writes the rows (second, content) of a key at the levels of a minute; `is_kept` applies to the
/// first two levels.
fn put_counts(
    builders: &mut [Builder; 3],
    key: Key,
    rows: &[(u64, &[u8])],
    is_kept: [bool; 2],
) -> Result<(), Error> {
    let mut section = Vec::new();
    for (index, builder) in builders.iter_mut().enumerate() {
        if is_kept.get(index).is_some_and(|is_kept| !is_kept) {
            continue;
        }
        section.clear();
        let level = LEVELS[index];
        for group in rows.chunk_by(|a, b| a.0 / level == b.0 / level) {
            put_row(&mut section, row_of(group[0].0, level), &merge(key, group)?);
        }
        builder.put(key, &section)?;
    }
    Ok(())
}

/// Like [`put_counts`] for histograms: the minute's histogram, the deltas of its tens of seconds,
/// and the deltas of the seconds of a ten, or of the minute where there are no tens.
fn put_histograms(
    builders: &mut [Builder; 3],
    key: Key,
    rows: &[(u64, &[u8])],
    is_kept: [bool; 2],
) -> Result<(), Error> {
    let [seconds, tens, minute] = builders;
    // several pieces of a second become one row
    let by_second = merged(key, rows, 1)?;
    let rows = &refs(&by_second)[..];
    let by_ten = merged(key, rows, 10)?;
    let by_ten = refs(&by_ten);
    let whole = merge(key, &by_ten)?;
    if is_kept[1] {
        let group = group_of(&whole, &by_ten, 10);
        tens.put_deltas(key, &[group])?;
    }
    if is_kept[0] {
        let groups: Vec<Group<'_>> = if is_kept[1] {
            let parts = rows.chunk_by(|a, b| a.0 / 10 == b.0 / 10);
            parts
                .zip(&by_ten)
                .map(|(rows, (_, ten))| group_of(ten, rows, 1))
                .collect()
        } else {
            vec![group_of(&whole, rows, 1)]
        };
        seconds.put_deltas(key, &groups)?;
    }
    minute.put_whole(key, &whole)
}

/// The first second of a row, and its content.
type Row<'a> = (u64, Cow<'a, [u8]>);

/// Merges the rows of each period of `span_s` seconds; each result carries its first second.
fn merged<'a>(key: Key, rows: &[(u64, &'a [u8])], span_s: u64) -> Result<Vec<Row<'a>>, Error> {
    let groups = rows.chunk_by(|a, b| a.0 / span_s == b.0 / span_s);
    let merged = groups.map(|group| {
        let row = match group {
            [(_, only)] => Cow::Borrowed(*only),
            _ => Cow::Owned(merge(key, group)?),
        };
        Ok((group[0].0, row))
    });
    merged.collect()
}

fn refs<'a>(rows: &'a [Row<'_>]) -> Vec<(u64, &'a [u8])> {
    rows.iter().map(|(t, bytes)| (*t, bytes.as_ref())).collect()
}

fn group_of<'a>(whole: &'a [u8], rows: &[(u64, &'a [u8])], level: u64) -> Group<'a> {
    let rows = rows.iter().map(|(t, bytes)| (row_of(*t, level), *bytes));
    Group {
        whole,
        rows: rows.collect(),
    }
}

/// The row number of a second within its minute.
fn row_of(time_s: u64, level: u64) -> u64 {
    time_s % MINUTE_S / level
}

/// Whether rows of the key may be kept only by tens of seconds.
fn is_detail(key: Key) -> bool {
    // latencies of all and of failed requests are needed together: one is subtracted from the other
    let latencies = [Phase::Latency, Phase::LatencyFailed].map(|phase| phase_key(0, phase));
    key >= SLOTS && is_histogram(key) && !latencies.contains(&(key % SLOTS))
}

/// The chunk of one block of a rolled-up level, with the number of finer chunks it was made from.
pub(crate) fn roll(db: &Connection, level: u64, block: u64) -> Result<(Chunk, u32), Error> {
    let finer = level / 10;
    let sql = "SELECT block, directory, data FROM chunk \
               WHERE level = ?1 AND block >= ?2 AND block < ?2 + 10 ORDER BY block, part";
    let mut query = db.prepare_cached(sql)?;
    let mut found = query.query([finer as i64, (block * 10) as i64])?;
    let mut unpacker = Unpacker::new()?;
    let mut by_key: BTreeMap<Key, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
    let mut parts = 0;
    while let Some(row) = found.next()? {
        let finer_block = row.get::<_, i64>(0)? as u64;
        let directory = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let data = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        parts += 1;
        let sections = sections(directory, Key::MAX)?;
        // rebuilt for the block
        for section in sections.into_iter().filter(|section| section.key != DIGEST) {
            let end = section.start + section.len;
            let stored = data
                .get(section.start..end)
                .ok_or_else(|| Error::Format("a chunk is cut off".to_owned()))?;
            let rows = by_key.entry(section.key).or_default();
            unpacker.each(&section, stored, &ALL_ROWS, |_, content| {
                let mut bytes = Vec::new();
                match content {
                    Content::Bytes(content) => bytes.extend_from_slice(content),
                    Content::Places { figures, places } => {
                        Histogram::put_places(figures, places, &mut bytes);
                    }
                }
                rows.push((finer_block * finer, bytes));
                Ok(())
            })?;
        }
    }
    let rows = by_key.iter().map(|(key, rows)| {
        let rows = rows.iter().map(|(t, bytes)| (*t, bytes.as_slice()));
        (*key, rows.collect())
    });
    let by_key: BTreeMap<Key, Vec<(u64, &[u8])>> = rows.collect();
    let mut builder = Builder::new()?;
    for (key, rows) in by_key.range(..DIGEST) {
        put_sum(&mut builder, *key, rows)?;
    }
    let digests = digest::section(level, block * level, &phases_of_all(&by_key))?;
    builder.put(DIGEST, &digests)?;
    for (key, rows) in by_key.range(DIGEST..) {
        put_sum(&mut builder, *key, rows)?;
    }
    Ok((builder.take(), parts))
}

/// Adds the merged rows of a key as one row.
fn put_sum(builder: &mut Builder, key: Key, rows: &[(u64, &[u8])]) -> Result<(), Error> {
    let sum = merge(key, rows)?;
    if is_histogram(key) {
        return builder.put_whole(key, &sum);
    }
    let mut section = Vec::new();
    put_row(&mut section, 0, &sum);
    builder.put(key, &section)
}
