//! Runs of the store as blocks.

use super::{Block, block_s};
use crate::Error;
use crate::store::{COUNTERS, RunView, Totals, Wanted, add_histogram, level_for, phase_key, read};
use stats::Phase;
use std::collections::BTreeMap;

/// A run without its warm-up, cut into blocks.
///
/// # Errors
/// When the store fails.
pub fn of(view: &dyn RunView) -> Result<Vec<Block>, Error> {
    let length = view.length_s();
    let step = block_s(length);
    let latency = phase_key(0, Phase::Latency);
    let mut blocks: BTreeMap<u64, (bool, Block)> = BTreeMap::new();
    let wanted = Wanted::Keys(vec![COUNTERS, latency]);
    view.read(0, length, level_for(step), &wanted, &mut |row| {
        let (is_warmup, block) = blocks.entry(row.time_s / step).or_default();
        if row.key == latency {
            return add_histogram(&mut block.latency, row.content);
        }
        let totals: Totals = read(row.content)?;
        let requests = totals.requests.unwrap_or_default();
        block.done += requests.ok + requests.failed;
        block.failed += requests.failed;
        *is_warmup |= totals.warmup;
        Ok(())
    })?;
    let measured = blocks.into_iter().filter(|(_, (is_warmup, _))| !is_warmup);
    Ok(measured
        .map(|(number, (_, mut block))| {
            // the last one ends with the run
            block.seconds = length.saturating_sub(number * step).clamp(1, step);
            block
        })
        .collect())
}
