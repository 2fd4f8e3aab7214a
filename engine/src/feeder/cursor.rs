//! One core's place in each data source: which row comes next for a user.

use super::file::{RowReader, Store};
use super::{Source, Sources};
use crate::pacing::{Purpose, SHARDS, Share, stream};
use config::{AtEnd, Order, random};
use scripting::Row;
use std::sync::Arc;

/// Rounds of the permutation; four make a Feistel network of good round functions a random
/// permutation (Luby and Rackoff 1988).
const ROUNDS: u64 = 4;

/// Hands out rows on one core.
pub(crate) struct Feeder {
    sources: Arc<Sources>,
    share: Share,
    seed: u64,
    cursors: Vec<Cursor>,
}

/// One core's place in one source.
struct Cursor {
    /// Rows handed out to users of each shard, by load: loads walk through a source independently
    /// of each other, so that what a user gets does not depend on the timing of other loads. Unique
    /// rows are one walk for all.
    drawn: Vec<Vec<u64>>,
    /// Unique rows: shards below this one have none left for users of others.
    searched: u64,
    /// Rows handed out in all.
    given: u64,
    reader: RowReader,
}

impl Feeder {
    pub(crate) fn new(sources: Arc<Sources>, share: Share, seed: u64) -> Feeder {
        let cursor = |_: &Source| Cursor {
            drawn: Vec::new(),
            searched: 0,
            given: 0,
            reader: RowReader::new(),
        };
        let cursors = sources.0.iter().map(cursor).collect();
        Feeder {
            sources,
            share,
            seed,
            cursors,
        }
    }

    /// Goes on as if each user of `load` before `number` of its shard had taken one row of each
    /// source in each of its passes.
    pub(crate) fn skip_to(&mut self, load: usize, number: u64, passes: u32) {
        for (source, cursor) in self.sources.0.iter().zip(&mut self.cursors) {
            let load = walk(source, load);
            *cursor.drawn(load, number % SHARDS) = number / SHARDS * u64::from(passes);
        }
    }

    /// The next row of `data` for user `number` of a load; `chance` are random bits of its own. `Ok(None)`:
    /// there are no more, and the profile says stop.
    pub(crate) fn row(
        &mut self,
        data: &str,
        (load, number): (usize, u64),
        chance: u64,
    ) -> Result<Option<Row>, String> {
        let place = self.sources.0.iter().position(|one| one.data.name == data);
        let Some(place) = place else {
            return Err(self.unknown(data));
        };
        let source = &self.sources.0[place];
        let cursor = &mut self.cursors[place];
        let Some(row) = cursor.next(
            source,
            (place, walk(source, load)),
            number % SHARDS,
            chance,
            (self.share, self.seed),
        ) else {
            return match source.data.at_end {
                AtEnd::Error => Err(format!(
                    "all {} rows of {data:?} ({}) have been handed out; this core gave {}",
                    source.rows,
                    source.data.file.display(),
                    cursor.given
                )),
                AtEnd::Stop | AtEnd::Wrap => Ok(None),
            };
        };
        cursor.given += 1;
        match &source.store {
            Store::Held(rows) => Ok(Some(rows[row as usize].clone())),
            Store::Indexed(index) => {
                let failed = |e| format!("{}: {e}", source.data.file.display());
                cursor.reader.read(index, row).map(Some).map_err(failed)
            }
        }
    }

    fn unknown(&self, data: &str) -> String {
        let names: Vec<&str> = self.sources.0.iter().map(|one| &*one.data.name).collect();
        if names.is_empty() {
            return format!("there is no data {data:?}: the profile has no [data.NAME]");
        }
        format!(
            "there is no data {data:?}; the profile has {}",
            names.join(", ")
        )
    }
}

impl Cursor {
    /// The number of the next row; `None` at the end.
    fn next(
        &mut self,
        source: &Source,
        (place, load): (usize, usize),
        shard: u64,
        chance: u64,
        (share, seed): (Share, u64),
    ) -> Option<u64> {
        let rows = source.rows;
        if source.data.order == Order::Random {
            return Some(((u128::from(chance) * u128::from(rows)) >> 64) as u64);
        }
        if source.data.order == Order::Unique {
            return self.next_unique(rows, shard, share);
        }
        let ordinal = self.take(load, shard);
        if ordinal >= rows && source.data.at_end != AtEnd::Wrap {
            return None;
        }
        let row = ordinal % rows;
        match source.data.order {
            Order::Shuffled => {
                let key = stream(Purpose::Data, place, ordinal / rows);
                Some(permuted(row, rows, |k| random::bits(seed, key, k)))
            }
            _ => Some(row),
        }
    }

    fn drawn(&mut self, load: usize, shard: u64) -> &mut u64 {
        if self.drawn.len() <= load {
            self.drawn.resize_with(load + 1, Vec::new);
        }
        let shards = &mut self.drawn[load];
        shards.resize(SHARDS as usize, 0);
        &mut shards[shard as usize]
    }

    /// The next ordinal of a shard: `shard`, `shard + 1024`, and so on.
    fn take(&mut self, load: usize, shard: u64) -> u64 {
        let drawn = self.drawn(load, shard);
        *drawn += 1;
        shard + (*drawn - 1) * SHARDS
    }

    /// A row of the user's own shard, or when there are no more, of another shard of this core.
    fn next_unique(&mut self, rows: u64, shard: u64, share: Share) -> Option<u64> {
        let ordinal = self.take(0, shard);
        if ordinal < rows {
            return Some(ordinal);
        }
        while self.searched < SHARDS {
            if share.owns(self.searched) {
                let ordinal = self.take(0, self.searched);
                if ordinal < rows {
                    return Some(ordinal);
                }
            }
            self.searched += 1;
        }
        None
    }
}

/// Which walk through a source users of `load` take.
fn walk(source: &Source, load: usize) -> usize {
    match source.data.order {
        Order::Unique => 0,
        _ => load,
    }
}

/// The image of `value` below `count` under a permutation that `bits` chooses: a balanced Feistel
/// network over the next even power of two, walked until it comes back below `count` (Black and
/// Rogaway 2002).
pub(super) fn permuted(value: u64, count: u64, bits: impl Fn(u64) -> u64) -> u64 {
    let width = (u64::BITS - (count - 1).leading_zeros()).max(2);
    let half = width.div_ceil(2);
    let mask = (1 << half) - 1;
    let mut value = value;
    loop {
        let (mut left, mut right) = (value >> half, value & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (bits(round << 32 | right) & mask));
        }
        value = left << half | right;
        if value < count {
            return value;
        }
    }
}
