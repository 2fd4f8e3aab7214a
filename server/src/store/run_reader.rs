//! A snapshot of a run: chunks of its file and rows in memory, read as one.

use super::chunk::{ALL_ROWS, Section, Unpacker, sections};
use super::digest::{self, Digest};
use super::levels::{MINUTE_S, Piece, pieces};
use super::memtable::{Memory, Memtable};
use super::rows::{DIGEST, Key, SLOTS, is_histogram};
use super::run_file::{self, Node};
use super::second_merge::ClosedSecond;
use super::{Content, RunView, StoredRow, Wanted};
use crate::Error;
use rusqlite::Connection;
use rusqlite::blob::Blob;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use wire::{Batch, EventRow};

/// Up to this many keys are read one by one; for more, the whole chunk is read.
const FEW: usize = 12;

/// A run in SQLite.
pub(crate) struct RunReader {
    db: Connection,
    memtable: BTreeMap<u64, Vec<Arc<ClosedSecond>>>,
    rolled: BTreeSet<(u64, u64)>,
    /// The minutes that hold rows.
    minutes: BTreeSet<u64>,
    names: HashMap<u32, (i32, String)>,
    length_s: u64,
}

impl RunReader {
    /// A snapshot of the run `id`; `None` when it has no file.
    pub(crate) fn open(data_dir: &Path, memory: &Memory, id: &str) -> Result<Option<Self>, Error> {
        if !run_file::is_id(id) {
            return Ok(None);
        }
        let Some(db) = run_file::open_to_read(&run_file::path(data_dir, id))? else {
            return Ok(None);
        };
        let runs = memory.read().unwrap_or_else(PoisonError::into_inner);
        let memtable = runs.get(id).cloned();
        drop(runs);
        // while it is locked, no rows move from memory to the file
        let memtable = memtable
            .as_ref()
            .map(|memtable| memtable.read().unwrap_or_else(PoisonError::into_inner));
        Ok(Some(Self::new(db, memtable.as_deref())?))
    }

    /// A snapshot of the file and, if the run is in this process's memory, of `memtable`. A caller
    /// that holds the file in memory must hold its lock meanwhile; `db` sees the current file.
    pub(crate) fn new(db: Connection, memtable: Option<&Memtable>) -> Result<Self, Error> {
        db.execute_batch("BEGIN")?;
        // the first read fixes the transaction's snapshot
        let names = run_file::names(&db)?;
        let recovered;
        let memtable = match memtable {
            Some(memtable) => memtable,
            None => {
                recovered = recover(&db, &names)?;
                &recovered
            }
        };
        let rows = memtable.rows();
        let newest = memtable.newest_s;
        let rolled = run_file::rolled(&db)?;
        let mut minutes = run_file::chunked_minutes(&db)?;
        minutes.extend(rows.keys());
        let mut view = RunReader {
            db,
            memtable: rows,
            rolled,
            minutes,
            names: names.into_iter().map(|(id, k, n)| (id, (k, n))).collect(),
            // until it is measured, no window reaches the end of the run
            length_s: u64::MAX,
        };
        view.length_s = view.measure(newest)?;
        Ok(view)
    }

    /// The second after the last row.
    fn measure(&self, newest: u64) -> Result<u64, Error> {
        let chunked_to = run_file::chunked_to(&self.db)?;
        if newest >= chunked_to {
            return Ok(newest);
        }
        let mut last = newest;
        let totals = Wanted::Keys(vec![0]);
        self.read_exactly(chunked_to - MINUTE_S, chunked_to, 1, &totals, &mut |row| {
            let totals: super::Totals = super::merge::read(row.content)?;
            last = last.max(row.time_s + totals.seconds.max(1));
            Ok(())
        })?;
        Ok(last)
    }

    /// Like [`RunView::read`], ignoring the length of the run.
    fn read_exactly(
        &self,
        from: u64,
        to: u64,
        level: u64,
        wanted: &Wanted,
        visit: &mut dyn FnMut(StoredRow<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut reading = ReadState {
            wanted,
            unpacker: Unpacker::new()?,
            bytes: Vec::new(),
            sums: Default::default(),
            range: (0, u64::MAX),
            visit,
        };
        for piece in pieces(from, to, level, &self.rolled) {
            match piece {
                Piece::Block(MINUTE_S, minute) | Piece::Seconds { minute, .. }
                    if !self.minutes.contains(&minute) => {}
                Piece::Block(level, block) => {
                    reading.range = (0, u64::MAX);
                    self.read_block(level, block, &mut reading)?;
                }
                Piece::Seconds { minute, from, to } => {
                    self.read_seconds(level, minute, (from, to), &mut reading)?;
                }
            }
        }
        Ok(())
    }

    fn read_block(&self, level: u64, block: u64, to: &mut ReadState<'_>) -> Result<(), Error> {
        let start = block * level;
        for part in self.parts(level, block, to.wanted.last())? {
            part.each(&self.db, to, &[], |_| true, (start, level))?;
        }
        self.read_memtable(start, start + level, to)
    }

    fn read_seconds(
        &self,
        level: u64,
        minute: u64,
        range: (u64, u64),
        to: &mut ReadState<'_>,
    ) -> Result<(), Error> {
        let (from, until) = range;
        let start = minute * MINUTE_S;
        let last = to.wanted.last();
        // tens of seconds omit rows of names, and sums only exist for histograms
        let (is_of_all, has_histograms) = (last < SLOTS, to.wanted.has_histograms());
        let parts = |level, is_needed| match is_needed {
            true => self.parts(level, minute, last),
            false => Ok(Vec::new()),
        };
        let fine = parts(1, level != 10 || !is_of_all)?;
        let coarse = parts(10, level == 10 || !is_of_all || has_histograms)?;
        let whole = parts(MINUTE_S, has_histograms)?;
        for index in 0..fine.len().max(coarse.len()) {
            let (fine, coarse) = (fine.get(index), coarse.get(index));
            let above = [whole.get(index), coarse];
            let above: Vec<&ChunkPart> = above.into_iter().flatten().collect();
            let has = |part: Option<&ChunkPart>, key| part.is_some_and(|part| part.has(key));
            // the finest, unless tens were requested or only they were stored
            let is_coarse = |key| has(coarse, key) && (level == 10 || !has(fine, key));
            if let Some(coarse) = coarse {
                let sums = &above[..above.len() - 1];
                to.range = (from.saturating_sub(9), until);
                coarse.each(&self.db, to, sums, is_coarse, (start, 10))?;
            }
            if let Some(fine) = fine {
                to.range = (from, until);
                fine.each(&self.db, to, &above, |key| !is_coarse(key), (start, 1))?;
            }
        }
        self.read_memtable(from, until, to)
    }

    fn read_memtable(&self, from: u64, until: u64, to: &mut ReadState<'_>) -> Result<(), Error> {
        let minutes = from / MINUTE_S..until.div_ceil(MINUTE_S);
        let seconds = self.memtable.range(minutes).flat_map(|(_, rows)| rows);
        for closed in seconds.filter(|closed| (from..until).contains(&closed.time_s)) {
            for (key, bytes) in closed.rows().filter(|(key, _)| to.wanted.has(*key)) {
                (to.visit)(StoredRow {
                    time_s: closed.time_s,
                    span_s: 1,
                    key,
                    content: Content::Bytes(bytes),
                })?;
            }
        }
        Ok(())
    }

    /// The chunks of a block, with their keys up to `last`.
    fn parts(&self, level: u64, block: u64, last: Key) -> Result<Vec<ChunkPart>, Error> {
        let sql = "SELECT rowid, directory FROM chunk WHERE level = ?1 AND block = ?2 \
                   ORDER BY part";
        let mut query = self.db.prepare_cached(sql)?;
        let mut rows = query.query([level as i64, block as i64])?;
        let mut parts = Vec::new();
        while let Some(row) = rows.next()? {
            let directory = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            parts.push(ChunkPart {
                rowid: row.get(0)?,
                sections: sections(directory, last)?,
            });
        }
        Ok(parts)
    }
}

impl RunReader {
    /// Adds the digests of a block to `found`, unless they are incomplete.
    fn read_digests(
        &self,
        level: u64,
        width_index: u64,
        block: u64,
        width_s: u64,
        unpacker: &mut Unpacker,
        found: &mut BTreeMap<u64, Digest>,
    ) -> Result<(), Error> {
        let span = digest::span_of(level);
        let (start, end) = (block * span, (block + 1) * span);
        let mut memtable = self.memtable.range(start / MINUTE_S..end / MINUTE_S);
        let is_stale = level > MINUTE_S && !self.rolled.contains(&(level, block));
        if is_stale || memtable.any(|(_, rows)| !rows.is_empty()) {
            return Ok(());
        }
        let parts = self.parts(level, block, DIGEST)?;
        let [part] = parts.as_slice() else {
            return Ok(());
        };
        let Some(section) = part.section(DIGEST) else {
            return Ok(());
        };
        for time_s in (start..end).step_by(width_s as usize) {
            found.insert(time_s, Digest::new());
        }
        let mut bytes = Vec::new();
        let mut source = Source::open(&self.db, part, &[section], &mut bytes)?;
        unpacker.each(
            section,
            source.get(section)?,
            &ALL_ROWS,
            |number, content| {
                if number / digest::COLUMNS_MAX == width_index {
                    let time_s = start + number % digest::COLUMNS_MAX * width_s;
                    let Content::Bytes(content) = content else {
                        return Err(Error::Format("a digest: a histogram".to_owned()));
                    };
                    found.insert(time_s, digest::read(content)?);
                }
                Ok(())
            },
        )
    }
}

impl RunView for RunReader {
    fn length_s(&self) -> u64 {
        self.length_s
    }

    fn nodes(&self) -> Result<Vec<Node>, Error> {
        run_file::nodes(&self.db)
    }

    fn events(&self) -> Result<Vec<(u32, EventRow)>, Error> {
        run_file::events(&self.db)
    }

    fn names(&self) -> &HashMap<u32, (i32, String)> {
        &self.names
    }

    fn minutes(&self) -> &BTreeSet<u64> {
        &self.minutes
    }

    fn read(
        &self,
        from: u64,
        to: u64,
        level: u64,
        wanted: &Wanted,
        visit: &mut dyn FnMut(StoredRow<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // a window that ends with the run may use rows that extend beyond it
        let to = match to >= self.length_s {
            true => self.length_s.next_multiple_of(super::COARSEST_S),
            false => to,
        };
        self.read_exactly(from, to, level, wanted, visit)
    }

    fn fork(&self) -> Result<Option<Box<dyn RunView>>, Error> {
        // rows now in memory may be in the file by the time the other reader reads it
        if self.memtable.values().any(|rows| !rows.is_empty()) {
            return Ok(None);
        }
        let path = self.db.path().map(Path::new);
        let Some(db) = path.map_or(Ok(None), run_file::open_to_read)? else {
            return Ok(None);
        };
        let mut other = RunReader::new(db, Some(&Memtable::default()))?;
        other.length_s = self.length_s;
        Ok(Some(Box::new(other)))
    }

    fn digests(&self, from: u64, to: u64, width_s: u64) -> Result<BTreeMap<u64, Digest>, Error> {
        let mut found = BTreeMap::new();
        let Some((level, width_index)) = digest::location_of(width_s) else {
            return Ok(found);
        };
        let mut unpacker = Unpacker::new()?;
        let span = digest::span_of(level);
        for block in from / span..to.div_ceil(span) {
            self.read_digests(
                level,
                width_index,
                block,
                width_s,
                &mut unpacker,
                &mut found,
            )?;
        }
        found.retain(|time_s, _| (from..to).contains(time_s));
        Ok(found)
    }
}

/// State carried from chunk to chunk.
struct ReadState<'a> {
    wanted: &'a Wanted,
    unpacker: Unpacker,
    /// The stored bytes of a section or of a chunk.
    bytes: Vec<u8>,
    /// The stored bytes of the sums of deltas, by minutes and by tens.
    sums: [Vec<u8>; 2],
    /// Rows that begin outside are skipped.
    range: (u64, u64),
    visit: &'a mut dyn FnMut(StoredRow<'_>) -> Result<(), Error>,
}

/// A chunk whose data has not been read yet.
struct ChunkPart {
    rowid: i64,
    sections: Vec<Section>,
}

impl ChunkPart {
    fn has(&self, key: Key) -> bool {
        self.section(key).is_some()
    }

    fn section(&self, key: Key) -> Option<&Section> {
        let index = self.sections.binary_search_by_key(&key, |s| s.key).ok()?;
        self.sections.get(index)
    }

    /// Visits the wanted rows of keys accepted by `fitting`. The first row is of second `start`, each
    /// spans `span_s`; `above` are coarser chunks with the sums of deltas, coarsest first.
    fn each(
        &self,
        db: &Connection,
        to: &mut ReadState<'_>,
        above: &[&ChunkPart],
        fitting: impl Fn(Key) -> bool,
        (start, span_s): (u64, u64),
    ) -> Result<(), Error> {
        let wanted = self.sections.iter();
        let wanted = wanted.filter(|s| to.wanted.has(s.key) && fitting(s.key));
        let wanted: Vec<&Section> = wanted.collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut sums = Vec::new();
        for (part, bytes) in above.iter().zip(&mut to.sums) {
            let split = wanted.iter().filter(|section| section.is_delta());
            let found: Vec<&Section> = split.filter_map(|s| part.section(s.key)).collect();
            if !found.is_empty() {
                sums.push((*part, Source::open(db, part, &found, bytes)?));
            }
        }
        let mut source = Source::open(db, self, &wanted, &mut to.bytes)?;
        let number_at = |time_s: u64| time_s.saturating_sub(start).div_ceil(span_s);
        let needed = number_at(to.range.0)..number_at(to.range.1);
        for section in wanted {
            to.unpacker.forget_sums();
            let of_sums = sums.iter_mut().filter(|_| section.is_delta());
            for (part, source) in of_sums {
                if let Some(sum) = part.section(section.key) {
                    to.unpacker.take_sums(sum, source.get(sum)?)?;
                }
            }
            let visit = &mut to.visit;
            to.unpacker
                .each(section, source.get(section)?, &needed, |number, content| {
                    visit(StoredRow {
                        time_s: start + number * span_s,
                        span_s,
                        key: section.key,
                        content,
                    })
                })?;
        }
        Ok(())
    }
}

/// The stored bytes of some sections of a chunk; a few sections are read individually.
struct Source<'a> {
    blob: Blob<'a>,
    bytes: &'a mut Vec<u8>,
    /// The offset of `bytes` in the chunk, when it holds all.
    origin: Option<usize>,
}

impl<'a> Source<'a> {
    fn open(
        db: &'a Connection,
        part: &ChunkPart,
        sections: &[&Section],
        bytes: &'a mut Vec<u8>,
    ) -> Result<Self, Error> {
        let blob = db.blob_open("main", "chunk", "data", part.rowid, true)?;
        let mut origin = None;
        if let (true, [first, .., last]) = (sections.len() > FEW, sections) {
            load(&blob, bytes, first.start, last.start + last.len)?;
            origin = Some(first.start);
        }
        Ok(Source {
            blob,
            bytes,
            origin,
        })
    }

    fn get(&mut self, section: &Section) -> Result<&[u8], Error> {
        let start = match self.origin {
            Some(origin) => section.start - origin,
            None => {
                let end = section.start + section.len;
                load(&self.blob, self.bytes, section.start, end)?;
                0
            }
        };
        let stored = self.bytes.get(start..start + section.len);
        stored.ok_or_else(|| Error::Format("a chunk is cut off".to_owned()))
    }
}

fn load(blob: &Blob<'_>, bytes: &mut Vec<u8>, start: usize, end: usize) -> Result<(), Error> {
    if end > blob.len() || start > end {
        return Err(Error::Format("a chunk is cut off".to_owned()));
    }
    bytes.resize(end - start, 0);
    Ok(blob.read_at_exact(bytes, start)?)
}

impl Wanted {
    /// Whether rows of a key are requested.
    pub(crate) fn has(&self, key: Key) -> bool {
        match self {
            Wanted::Keys(keys) => keys.contains(&key),
            Wanted::Slots(slots) => key >= SLOTS && slots.contains(&(key % SLOTS)),
        }
    }

    fn has_histograms(&self) -> bool {
        match self {
            Wanted::Keys(keys) => keys.iter().any(|key| is_histogram(*key)),
            Wanted::Slots(slots) => slots.iter().any(|slot| is_histogram(*slot)),
        }
    }

    /// The highest key that may be requested.
    fn last(&self) -> Key {
        match self {
            Wanted::Keys(keys) => keys.iter().copied().max().unwrap_or(0),
            Wanted::Slots(_) => Key::MAX,
        }
    }
}

/// Rebuilds the rows in memory from the batches in the file.
pub(crate) fn recover(db: &Connection, names: &[(u32, i32, String)]) -> Result<Memtable, Error> {
    let ids: HashMap<(i32, &str), u32> = names.iter().map(|(id, k, n)| ((*k, &**n), *id)).collect();
    let mut memtable = Memtable::default();
    for node in run_file::nodes(db)? {
        memtable.node(node.node, node.end.is_some());
    }
    run_file::each_pending(db, |number, minute, node, bytes| {
        let batch: Batch = super::unpack(bytes)?;
        for row in of_minute(&batch, minute) {
            let ids: Vec<u32> = row
                .names
                .iter()
                .map(|name| super::names::find(&ids, name.kind, &name.name))
                .collect();
            memtable.add(node, number, row, &ids);
        }
        // rows are merged in the order of arrival, so all but the newest seconds can be closed
        memtable.close();
        Ok(())
    })?;
    memtable.close_to(u64::MAX);
    Ok(memtable)
}

/// The seconds of a batch that begin in a given minute.
pub(crate) fn of_minute(batch: &Batch, minute: u64) -> impl Iterator<Item = &wire::SecondRow> {
    let rows = batch.seconds.iter();
    rows.filter(move |row| row.time_s / MINUTE_S == minute)
}
