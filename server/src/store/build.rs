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
pub(crate) fn minute(number: u64, rows: &[Arc<Sealed>]) -> Result<Vec<(u64, Chunk)>, Error> {
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
    let mut chunks = Vec::new();
    let mut builder = Builder::new()?;
    let mut section = Vec::new();
    for level in &LEVELS[..3] {
        for (key, rows) in &by_key {
            let is_left_out = match level {
                1 => is_detail(*key) && !keeps_details,
                10 => *key >= SLOTS && !is_detail(*key),
                _ => false,
            };
            if is_left_out {
                continue;
            }
            section.clear();
            for group in rows.chunk_by(|a, b| *level > 1 && a.0 / level == b.0 / level) {
                let place = (group[0].0 - number * MINUTE_S) / level;
                put_row(&mut section, place, &merge(*key, group)?);
            }
            builder.put(*key, &section)?;
        }
        chunks.push((*level, builder.take()));
    }
    Ok(chunks)
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
