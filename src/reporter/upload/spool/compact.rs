//! Compacts a full spool: merges neighbouring batches, shortest first, so that old and new times
//! keep about the same resolution.

use super::super::merge;
use super::{Spool, SpoolEntry, Storage, pack, unpack};
use std::io;
use wire::Batch;

/// Maximum number of events in a merged batch.
const EVENTS_MAX: usize = 1_000;

impl Spool {
    /// Merges until the limits hold, or nothing more can be merged.
    pub(super) fn compact(&mut self) {
        while self.is_full() {
            let Some(index) = self.shortest_pair() else {
                return;
            };
            if let Err(error) = self.merge(index) {
                self.trouble = Some(format!("{}: {error}", self.dir.display()));
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        let (mut disk, mut memory) = (0, 0);
        for entry in &self.entries {
            match entry.storage {
                Storage::Disk => disk += entry.len,
                Storage::Memory(_) => memory += entry.len,
            }
        }
        disk > self.limits.disk || memory > self.limits.memory
    }

    /// The index of the first of the two neighbours that cover the least, neither of them posted.
    fn shortest_pair(&self) -> Option<usize> {
        let free =
            |index: &usize| !self.entries[*index].attempted && !self.entries[*index + 1].attempted;
        let covers =
            |index: &usize| self.entries[*index].seconds + self.entries[*index + 1].seconds;
        let last = self.entries.len().saturating_sub(1);
        (0..last).filter(free).min_by_key(covers)
    }

    fn merge(&mut self, index: usize) -> io::Result<()> {
        let mut batch = unpack(&self.read(&self.entries[index])?)?;
        absorb(&mut batch, unpack(&self.read(&self.entries[index + 1])?)?);
        let body = pack(&batch);
        let merged = SpoolEntry {
            first: self.entries[index].first,
            last: self.entries[index + 1].last,
            seconds: batch.seconds.iter().map(|row| row.seconds).sum(),
            len: body.len() as u64,
            attempted: false,
            rejected: false,
            storage: Storage::Memory(body),
        };
        let old = self.entries.remove(index + 1);
        let older = std::mem::replace(&mut self.entries[index], merged);
        // the merged file exists before the old ones are removed; void ones are recognised by their
        // range
        self.write_out(index);
        if matches!(self.entries[index].storage, Storage::Disk) {
            old.iter()
                .chain([&older])
                .for_each(|entry| self.remove(entry));
        }
        Ok(())
    }
}

/// Merges a later batch into `batch`.
fn absorb(batch: &mut Batch, later: Batch) {
    batch.sequence = later.sequence;
    batch.start = batch.start.take().or(later.start);
    batch.end = later.end.or(batch.end.take());
    let mut rows = batch.seconds.drain(..).chain(later.seconds);
    let merged = rows.next().map(|mut first| {
        rows.for_each(|row| merge::absorb(&mut first, row));
        first
    });
    batch.seconds = merged.into_iter().collect();
    batch.events.extend(later.events);
    batch.events.truncate(EVENTS_MAX);
}
