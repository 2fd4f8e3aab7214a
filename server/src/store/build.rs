//! Making chunks: of a minute in memory, and of ten blocks of a finer level.

use super::chunk::{Builder, Chunk, Unpacker, put_row, sections};
use super::fold::Sealed;
use super::levels::{LEVELS, MINUTE_S};
use super::merge::merge;
use super::rows::{Key, SLOTS, is_histogram, phase_key};
use crate::Error;
use rusqlite::Connection;
use stats::Phase;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Phases of names other than latency keep single seconds while a minute of them is no larger
/// than this; beyond it they keep tens of seconds.
const DETAIL_MAX: usize = 512 << 10;

/// The chunks of levels 1, 10 and 60 of a minute.
pub(crate) fn minute(rows: &[Arc<Sealed>]) -> Result<Vec<(u64, Chunk)>, Error> {
    let mut by_key: BTreeMap<Key, Vec<(u64, &[u8])>> = BTreeMap::new();
    for sealed in rows {
        for (key, bytes) in sealed.rows() {
            by_key.entry(key).or_default().push((sealed.time_s, bytes));
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
    for (key, rows) in &by_key {
        let (is_name, is_detail) = (*key >= SLOTS, is_detail(*key));
        let is_kept = [!is_detail || keeps_details, !is_name || is_detail];
        if is_histogram(*key) {
            put_histograms(&mut builders, *key, rows, is_kept)?;
        } else {
            put_counts(&mut builders, *key, rows, is_kept)?;
        }
    }
    let chunks = LEVELS.iter().zip(&mut builders);
    Ok(chunks.map(|(level, b)| (*level, b.take())).collect())
}

/// Rows (second, content) of a key at the levels of a minute; `is_kept` tells of the first two.
fn put_counts(
    builders: &mut [Builder; 3],
    key: Key,
    rows: &[(u64, &[u8])],
    is_kept: [bool; 2],
) -> Result<(), Error> {
    let mut section = Vec::new();
    for (place, builder) in builders.iter_mut().enumerate() {
        if is_kept.get(place).is_some_and(|is_kept| !is_kept) {
            continue;
        }
        section.clear();
        let level = LEVELS[place];
        for group in rows.chunk_by(|a, b| level > 1 && a.0 / level == b.0 / level) {
            put_row(&mut section, row_of(group[0].0, level), &merge(key, group)?);
        }
        builder.put(key, &section)?;
    }
    Ok(())
}

/// As [`put_counts`] for histograms: the minute's own, and what tells the finer ones apart.
fn put_histograms(
    builders: &mut [Builder; 3],
    key: Key,
    rows: &[(u64, &[u8])],
    is_kept: [bool; 2],
) -> Result<(), Error> {
    let [seconds, tens, minute] = builders;
    let by_ten = rows.chunk_by(|a, b| a.0 / 10 == b.0 / 10);
    let by_ten = by_ten.map(|group| Ok((group[0].0, merge(key, group)?)));
    let by_ten: Vec<(u64, Vec<u8>)> = by_ten.collect::<Result<_, Error>>()?;
    let by_ten: Vec<(u64, &[u8])> = by_ten.iter().map(|(t, b)| (*t, b.as_slice())).collect();
    let whole = merge(key, &by_ten)?;
    for (builder, level, rows, is_kept) in [
        (seconds, 1, rows, is_kept[0]),
        (tens, 10, &by_ten[..], is_kept[1]),
    ] {
        if is_kept {
            let rows = rows.iter().map(|(t, bytes)| (row_of(*t, level), *bytes));
            builder.put_split(key, &rows.collect::<Vec<_>>(), &whole)?;
        }
    }
    let mut section = Vec::new();
    put_row(&mut section, 0, &whole);
    minute.put(key, &section)
}

/// Which row of its minute a second belongs to.
fn row_of(time_s: u64, level: u64) -> u64 {
    time_s % MINUTE_S / level
}

/// Whether rows of the key may be kept by tens of seconds only.
fn is_detail(key: Key) -> bool {
    let is_latency = key % SLOTS == phase_key(0, Phase::Latency);
    key >= SLOTS && is_histogram(key) && !is_latency
}

/// The chunk of one block of a rolled level, with how many parts of the finer level went into it.
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
        for section in sections(directory)? {
            let end = section.start + section.len;
            let stored = data
                .get(section.start..end)
                .ok_or_else(|| Error::Format("a chunk is cut off".to_owned()))?;
            let rows = by_key.entry(section.key).or_default();
            unpacker.each(&section, stored, |_, bytes| {
                rows.push((finer_block * finer, bytes.to_vec()));
                Ok(())
            })?;
        }
    }
    let mut builder = Builder::new()?;
    let mut section = Vec::new();
    for (key, rows) in by_key {
        let rows: Vec<(u64, &[u8])> = rows.iter().map(|(t, b)| (*t, b.as_slice())).collect();
        section.clear();
        put_row(&mut section, 0, &merge(key, &rows)?);
        builder.put(key, &section)?;
    }
    Ok((builder.take(), parts))
}
