//! Runs of the store as blocks.

use super::{Block, block_s};
use crate::Error;
use crate::query::{self, Rest, keys};
use crate::store::{COUNTERS, RunView, StoredRow, Totals, Wanted, level_for, read};
use stats::{Of, Phase};
use std::collections::BTreeMap;

/// What there is of a block while it is read.
#[derive(Default)]
struct BlockParts {
    block: Block,
    latency: Rest,
}

/// A run without its warm-up, cut into blocks; latency is of the requests `of` names.
///
/// # Errors
/// When the store fails.
pub fn of(view: &dyn RunView, of: Of) -> Result<Vec<Block>, Error> {
    let length = view.length_s();
    let load = query::load(view)?;
    let step = block_s(length);
    let keys = keys(of, 0, Phase::Latency);
    let mut parts: BTreeMap<u64, BlockParts> = BTreeMap::new();
    let mut wanted = Rest::wanted(keys);
    wanted.push(COUNTERS);
    let wanted = Wanted::Keys(wanted);
    let mut visit = |row: StoredRow<'_>| {
        let part = parts.entry(row.time_s / step).or_default();
        if row.key != COUNTERS {
            return part.latency.add(row.key != keys.0, row.content);
        }
        let totals: Totals = read(row.content)?;
        let requests = totals.requests.unwrap_or_default();
        part.block.sent += requests.sent;
        part.block.failed += requests.failed + requests.unfinished;
        // what ends in the drain is in no rate
        if row.time_s < load.end() {
            part.block.done += requests.ok + requests.failed;
        }
        Ok(())
    };
    // coarse rows cover whole multiples of their width, and the warm-up may end within one
    let aligned_s = load.from_s.next_multiple_of(step).min(length);
    view.read(load.from_s, aligned_s, 1, &wanted, &mut visit)?;
    view.read(aligned_s, length, level_for(step), &wanted, &mut visit)?;
    Ok(parts
        .into_iter()
        .map(|(number, part)| {
            let from = number * step;
            Block {
                // the first one begins after the warm-up, the last one ends with the load
                seconds: load.within(from.max(load.from_s), from + step),
                latency: part.latency.finish().unwrap_or_default(),
                ..part.block
            }
        })
        .collect())
}
