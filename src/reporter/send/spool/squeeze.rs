//! Makes a full spool smaller: neighbours become one batch, the shortest first, so that old times
//! and new ones keep about the same resolution.

use super::{Entry, Place, Spool, pack, unpack};
use stats::wire::Batch;
use std::io;

/// Events kept in a merged batch.
const EVENTS_MAX: usize = 1_000;

impl Spool {
    /// Merges until the limits hold, or nothing can be merged any more.
    pub(super) fn squeeze(&mut self) {
        while self.is_full() {
            let Some(place) = self.shortest_pair() else {
                return;
            };
            if let Err(error) = self.merge(place) {
                self.trouble = Some(format!("{}: {error}", self.dir.display()));
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        let (mut disk, mut memory) = (0, 0);
        for entry in &self.entries {
            match entry.place {
                Place::Disk => disk += entry.len,
                Place::Memory(_) => memory += entry.len,
            }
        }
        disk > self.limits.disk || memory > self.limits.memory
    }

    /// The place of the first of two neighbours that cover the least, neither of them posted.
    fn shortest_pair(&self) -> Option<usize> {
        let free =
            |place: &usize| !self.entries[*place].attempted && !self.entries[*place + 1].attempted;
        let covers =
            |place: &usize| self.entries[*place].seconds + self.entries[*place + 1].seconds;
        let last = self.entries.len().saturating_sub(1);
        (0..last).filter(free).min_by_key(covers)
    }

    fn merge(&mut self, place: usize) -> io::Result<()> {
        let mut batch = unpack(&self.read(&self.entries[place])?)?;
        absorb(&mut batch, unpack(&self.read(&self.entries[place + 1])?)?);
        let body = pack(&batch);
        let merged = Entry {
            first: self.entries[place].first,
            last: self.entries[place + 1].last,
            seconds: batch.seconds.iter().map(|row| row.seconds).sum(),
            len: body.len() as u64,
            attempted: false,
            refused: false,
            place: Place::Memory(body),
        };
        let old = self.entries.remove(place + 1);
        let older = std::mem::replace(&mut self.entries[place], merged);
        // the merged file is there before the old ones go; void ones are known by their range
        self.write_out(place);
        if matches!(self.entries[place].place, Place::Disk) {
            old.iter()
                .chain([&older])
                .for_each(|entry| self.remove(entry));
        }
        Ok(())
    }
}

/// One batch in the place of two.
fn absorb(batch: &mut Batch, later: Batch) {
    batch.sequence = later.sequence;
    batch.start = batch.start.take().or(later.start);
    batch.end = later.end.or(batch.end.take());
    let mut rows = batch.seconds.drain(..).chain(later.seconds);
    let merged = rows.next().map(|mut first| {
        rows.for_each(|row| first.absorb(row));
        first
    });
    batch.seconds = merged.into_iter().collect();
    batch.events.extend(later.events);
    batch.events.truncate(EVENTS_MAX);
}
