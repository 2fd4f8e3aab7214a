//! The rows that one core hands out: which one a user gets, and its values.

use super::file::RowReader;
use super::walk::Walk;
use super::{Source, Sources};
use crate::pacing::{Purpose, stream};
use config::{AtEnd, Order, random};
use scripting::Row;
use std::sync::Arc;

/// Rounds of the permutation; four make a Feistel network of good round functions a random
/// permutation (Luby and Rackoff 1988).
const ROUNDS: u64 = 4;

/// Hands out rows on one core.
pub(crate) struct Feeder {
    sources: Arc<Sources>,
    seed: u64,
    /// By source.
    readers: Vec<RowReader>,
}

/// The user that asks for a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    /// Its load; one that the plan does not have asks for no row of its own.
    pub(crate) load: usize,
    pub(crate) number: u64,
    /// Its pass, from 0.
    pub(crate) pass: u32,
}

impl Feeder {
    pub(crate) fn new(sources: Arc<Sources>, seed: u64) -> Feeder {
        let readers = sources.list.iter().map(|_| RowReader::new()).collect();
        Feeder {
            sources,
            seed,
            readers,
        }
    }

    /// Goes on as if each user of `load` before `number` had taken one row of each source in each
    /// of its passes, and nobody else were there.
    pub(crate) fn skip_to(&mut self, load: usize, number: u64) {
        for source in &self.sources.list {
            let first = source.wanted(Asker {
                load,
                number,
                pass: 0,
            });
            if let Some(walk) = source.walk(load) {
                walk.continue_alone(first.unwrap_or(0));
            }
        }
    }

    /// Goes on from the last rows of sources that end, backward, and from the first ones of others,
    /// for one user of `load`, who is alone.
    pub(crate) fn keep_apart(&mut self, load: usize) {
        let walks = self
            .sources
            .list
            .iter()
            .filter_map(|source| source.walk(load));
        walks.for_each(Walk::keep_apart);
    }

    /// The next row of `data` for a user; `chance` are random bits of its own. `Ok(None)`: there
    /// are no more, and the profile says stop.
    pub(crate) fn row(
        &mut self,
        data: &str,
        asker: Asker,
        chance: u64,
    ) -> Result<Option<Row>, String> {
        let row = self.draw(data, asker, chance)?;
        row.map(|row| self.read(data, row)).transpose()
    }

    /// The number of the next row, as [`Feeder::row`].
    pub(crate) fn draw(
        &mut self,
        data: &str,
        asker: Asker,
        chance: u64,
    ) -> Result<Option<u64>, String> {
        let source_idx = self.index_of(data)?;
        let source = &self.sources.list[source_idx];
        match (
            next_row(source, source_idx, asker, self.seed, chance),
            source.data.at_end,
        ) {
            (None, AtEnd::Error) => Err(used_up(source, asker.load)),
            (row, _) => Ok(row),
        }
    }

    /// A row by its number in the file of `data`, from 0.
    pub(crate) fn read(&mut self, data: &str, row: u64) -> Result<Row, String> {
        let source_idx = self.index_of(data)?;
        let source = &self.sources.list[source_idx];
        let read = source.read(&mut self.readers[source_idx], row);
        read.map_err(|e| format!("{}: {e}", source.data.file.display()))
    }

    fn index_of(&self, data: &str) -> Result<usize, String> {
        let mut sources = self.sources.list.iter();
        let found = sources.position(|one| one.data.name == data);
        found.ok_or_else(|| self.unknown(data))
    }

    fn unknown(&self, data: &str) -> String {
        let sources = self.sources.list.iter();
        let names: Vec<&str> = sources.map(|one| &*one.data.name).collect();
        if names.is_empty() {
            return format!("there is no data {data:?}: the profile has no [data.NAME]");
        }
        format!(
            "there is no data {data:?}; the profile has {}",
            names.join(", ")
        )
    }
}

/// The number of the next row; `None` at the end.
fn next_row(
    source: &Source,
    source_idx: usize,
    asker: Asker,
    seed: u64,
    chance: u64,
) -> Option<u64> {
    let rows = source.rows;
    let Some(walk) = source.walk(asker.load) else {
        return Some(((u128::from(chance) * u128::from(rows)) >> 64) as u64);
    };
    let ordinal = walk.next(source.wanted(asker))?;
    let row = ordinal % rows;
    if source.data.order == Order::Shuffled {
        let key = stream(Purpose::Data, source_idx, ordinal / rows);
        return Some(permuted(row, rows, |k| random::bits(seed, key, k)));
    }
    Some(row)
}

fn used_up(source: &Source, load: usize) -> String {
    let rows = source.rows;
    let own = source.walk(load).map_or(rows, Walk::own_rows);
    let which = if own == rows {
        format!("all {rows} rows")
    } else {
        format!("this segment's {own} of the {rows} rows")
    };
    let (name, file) = (&source.data.name, source.data.file.display());
    format!("{which} of {name:?} ({file}) have been handed out")
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
