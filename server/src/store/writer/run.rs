//! One live run in the writer thread: its file, its names, its memory.

use super::super::figures::StoreCounters;
use super::super::levels::{MINUTE_S, ROLLED};
use super::super::memtable::{Due, Memory, Memtable};
use super::super::meta::Meta;
use super::super::names::Names;
use super::super::run_file::Node;
use super::super::run_reader::{RunReader, of_minute, recover};
use super::super::{Delivery, RunObserver, RunRecord, RunView, State, run_file};
use super::admission::Admission;
use super::worker::{BuiltChunks, Task, Work, make};
use crate::Error;
use prost::Message;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;
use wire::{Batch, EventRow, RunStart};

/// A run that nodes send batches for.
pub(crate) struct Run {
    id: String,
    /// Distinguishes reopened runs: chunks built for another generation are discarded.
    pub(super) generation: u64,
    db: Connection,
    names: Names,
    /// The highest stored sequence, by node and epoch.
    epochs: HashMap<(u32, u64), u64>,
    nodes: HashSet<u32>,
    /// How many parts the run has, as its nodes say; there may be a node for each.
    parts: usize,
    pub(super) memtable: Arc<RwLock<Memtable>>,
    /// Minutes that are in chunks.
    flushed: BTreeSet<u64>,
    rolled: BTreeSet<(u64, u64)>,
    /// The block the worker is rolling up.
    rolling: Option<(u64, u64)>,
    /// The nodes were silent for too long.
    pub(super) is_lost: bool,
    /// The state in the list, if known.
    recorded: Option<State>,
    admission: Admission,
}

/// A batch committed in a transaction.
struct CommittedBatch {
    /// Minute, number of the batch in the file, and name ids of each of its seconds in that minute.
    minutes: Vec<(u64, i64, Vec<Vec<u32>>)>,
    is_new: bool,
    through: u64,
    /// What is told of it where it came after the end of the run.
    late: Option<EventRow>,
}

/// A batch that was committed, or why it is refused.
type CommitResult = Result<CommittedBatch, Error>;

impl Run {
    /// Opens the file of a run, creating it if absent.
    pub(super) fn open(data_dir: &Path, id: &str, generation: u64) -> Result<Self, Error> {
        let db = run_file::open(&run_file::path(data_dir, id))?;
        let names = run_file::names(&db)?;
        let mut memtable = recover(&db, &names)?;
        memtable.closed_to = memtable.closed_to.max(run_file::chunked_to(&db)?);
        let nodes = run_file::nodes(&db)?;
        let starts = nodes.iter().filter_map(|node| node.start.as_ref());
        Ok(Run {
            id: id.to_owned(),
            generation,
            names: Names::load(&db)?,
            epochs: run_file::epochs(&db)?,
            parts: starts.map(parts_of).max().unwrap_or(1),
            nodes: nodes.iter().map(|node| node.node).collect(),
            flushed: run_file::blocks(&db, 1)?.into_keys().collect(),
            rolled: run_file::rolled(&db)?,
            rolling: None,
            memtable: Arc::new(RwLock::new(memtable)),
            is_lost: false,
            recorded: None,
            admission: Admission::default(),
            db,
        })
    }

    /// Updates the list from the file.
    pub(super) fn list(&mut self, meta: &Meta) -> Result<(), Error> {
        let nodes = run_file::nodes(&self.db)?;
        let start = nodes.iter().find_map(|node| node.start.as_ref());
        meta.put_run(&record(&self.id, start))?;
        self.admission = Admission::of(meta.times(&self.id)?);
        // one that was lost is live again with its next batch
        self.recorded = self.admission.lost();
        match self.recorded {
            Some(_) => Ok(()),
            None => self.record_state(meta, None),
        }
    }

    /// Records in the list whether the run is live, if it does not know. The figures of a finished
    /// run follow once all its data is in chunks.
    fn record_state(&mut self, meta: &Meta, watch: Option<&dyn RunObserver>) -> Result<(), Error> {
        let state = self.state();
        if self.recorded == Some(state) {
            return Ok(());
        }
        if state == State::Live {
            meta.reopen_run(&self.id)?;
        } else {
            let (verdict, longest) = outcome(&run_file::nodes(&self.db)?);
            let length_s = self.memtable().newest_s as f64;
            let duration_s = if longest > 0.0 { longest } else { length_s };
            meta.close_run(&self.id, state, &verdict, duration_s, "")?;
        }
        self.recorded = Some(state);
        if let (true, Some(watch)) = (state != State::Live, watch) {
            watch.end(&self.id, state);
        }
        Ok(())
    }

    fn memtable(&self) -> RwLockWriteGuard<'_, Memtable> {
        self.memtable
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores batches in one commit; returns the highest stored sequence of each one's node and
    /// epoch, or why it is refused.
    pub(super) fn deliver(
        &mut self,
        deliveries: &[Delivery],
        meta: &Meta,
        watch: &dyn RunObserver,
        counters: &StoreCounters,
    ) -> Result<Vec<Result<u64, Error>>, Error> {
        let is_first = self.nodes.is_empty();
        let committed = self.keep(deliveries, meta)?;
        let stored = committed.iter().flatten();
        stored.for_each(|batch| counters.batch(batch.is_new));
        if is_first && !self.nodes.is_empty() {
            watch.start(&self.id);
        }
        let stored = deliveries.iter().zip(&committed);
        let stored = stored.filter_map(|(delivery, committed)| {
            let committed = committed.as_ref().ok()?;
            committed.is_new.then_some((&delivery.batch, committed))
        });
        for (batch, committed) in stored {
            self.is_lost = false;
            self.remember(batch, committed);
            let events = batch.events.iter().chain(&committed.late);
            events.for_each(|event| watch.event(&self.id, event));
        }
        // whoever is told that a batch is stored can read it, and see that the run has ended
        self.close_seconds(watch);
        if committed.iter().any(Result::is_ok) {
            // if this fails and the batch is sent again, it is recognised as a duplicate
            self.record_state(meta, Some(watch))?;
        }
        let through = committed.into_iter();
        let through = through.map(|committed| committed.map(|committed| committed.through));
        Ok(through.collect())
    }

    /// Writes batches to the file, after adding the run to the list: what is in the file is not
    /// undone.
    fn keep(&mut self, deliveries: &[Delivery], meta: &Meta) -> Result<Vec<CommitResult>, Error> {
        if self.all_ended() || self.recorded == Some(State::Lost) {
            // somebody may have reopened it meanwhile
            self.admission = Admission::of(meta.times(&self.id)?);
        }
        let is_over = self.is_complete();
        let mut starts = deliveries.iter().filter_map(|d| d.batch.start.as_deref());
        if let Some(start) = starts.next().filter(|_| !is_over) {
            meta.put_run(&record(&self.id, Some(start)))?;
            self.admission.started(start.started_us);
            self.parts = self.parts.max(parts_of(start));
        }
        let before = self.epochs.clone();
        let nodes = self.nodes.clone();
        let committed = self.commit(deliveries);
        match committed {
            Ok(_) => self.names.keep(),
            Err(_) => {
                self.epochs = before;
                self.nodes = nodes;
                self.names.undo();
            }
        }
        committed
    }

    fn commit(&mut self, deliveries: &[Delivery]) -> Result<Vec<CommitResult>, Error> {
        let is_complete = self.is_complete();
        let change = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut committed = Vec::new();
        for delivery in deliveries {
            let batch = &delivery.batch;
            let sender = (batch.node, batch.epoch);
            let known = self.epochs.get(&sender).copied();
            let is_new = batch.sequence > known.unwrap_or(0);
            let admitted = match is_new {
                true => self.admission.check(batch, known.is_some(), is_complete),
                false => Ok(None),
            };
            let late = match admitted {
                Ok(late) => late,
                Err(refusal) => {
                    committed.push(Err(refusal));
                    continue;
                }
            };
            let through = self.epochs.entry(sender).or_default();
            let mut minutes = Vec::new();
            if is_new {
                *through = batch.sequence;
                run_file::put_epoch(&change, batch.node, batch.epoch, batch.sequence)?;
                let (start, end) = (batch.start.as_deref(), batch.end.as_deref());
                if start.is_some() || end.is_some() || !self.nodes.contains(&batch.node) {
                    let name = run_file::cut(&batch.node_name, 255);
                    run_file::put_node(&change, batch.node, name, start, end)?;
                    self.nodes.insert(batch.node);
                }
                run_file::put_events(&change, batch.node, &batch.events)?;
                run_file::put_events(&change, batch.node, late.as_slice())?;
                minutes = put_seconds(&change, &mut self.names, delivery)?;
            }
            committed.push(Ok(CommittedBatch {
                minutes,
                is_new,
                through: *through,
                late,
            }));
        }
        change.commit()?;
        Ok(committed)
    }

    /// Adds a stored batch to the memory.
    fn remember(&self, batch: &Batch, committed: &CommittedBatch) {
        let mut memtable = self.memtable();
        memtable.node(batch.node, batch.end.is_some());
        for (minute, number, ids) in &committed.minutes {
            for (row, ids) in of_minute(batch, *minute).zip(ids) {
                memtable.add(batch.node, *number, row, ids);
            }
        }
    }

    /// Closes seconds and notifies the observer.
    pub(super) fn close_seconds(&self, watch: &dyn RunObserver) {
        let is_lost = self.is_lost;
        let mut memtable = self.memtable();
        let any = if is_lost {
            memtable.close_to(u64::MAX)
        } else {
            memtable.close()
        };
        let last = memtable.closed_to.saturating_sub(1);
        drop(memtable);
        if any {
            watch.second(&self.id, last);
        }
    }

    fn is_over(&self) -> bool {
        self.is_lost || self.all_ended()
    }

    /// The next task for the worker, if any.
    pub(super) fn next_task(&mut self) -> Option<Task> {
        let is_over = self.is_over();
        let due = self
            .memtable()
            .take_due(is_over, |minute| self.flushed.contains(&minute));
        let work = match due {
            Some(due) => Work::Minute(due),
            None => {
                let (level, block) = self.next_roll(is_over)?;
                self.rolling = Some((level, block));
                Work::Roll(level, block)
            }
        };
        Some(Task {
            run: self.id.clone(),
            generation: self.generation,
            work,
        })
    }

    /// The next block to roll up: all of it is in chunks, or the run has ended.
    fn next_roll(&self, is_over: bool) -> Option<(u64, u64)> {
        if self.rolling.is_some() || (is_over && !self.memtable().is_empty()) {
            return None;
        }
        let first_in_memory = self.memtable().rows().keys().next().copied();
        let first_in_memory = first_in_memory.map_or(u64::MAX, |minute| minute * MINUTE_S);
        let last = self
            .flushed
            .last()
            .map_or(0, |minute| (minute + 1) * MINUTE_S);
        let complete = |level: u64, block: u64| {
            let end = (block + 1) * level;
            end <= first_in_memory && (end <= last || is_over)
        };
        for level in ROLLED {
            let blocks: BTreeSet<u64> = self.flushed.iter().map(|m| m * MINUTE_S / level).collect();
            let open = blocks.into_iter().find(|block| {
                let finer = level / 10;
                let is_ready = level == ROLLED[0]
                    || (block * 10..block * 10 + 10)
                        .all(|b| self.rolled.contains(&(finer, b)) || !self.has_minute(finer, b));
                !self.rolled.contains(&(level, *block)) && complete(level, *block) && is_ready
            });
            if let Some(block) = open {
                return Some((level, block));
            }
        }
        None
    }

    fn has_minute(&self, level: u64, block: u64) -> bool {
        let minutes = block * level / MINUTE_S..(block + 1) * level / MINUTE_S;
        self.flushed.range(minutes).next().is_some()
    }

    /// Takes back a task that was not accepted.
    pub(super) fn return_task(&mut self, task: Task) {
        match task.work {
            Work::Minute(due) => self.memtable().not_flushed(&due),
            Work::Roll(..) => self.rolling = None,
        }
    }

    /// Writes chunks to the file.
    pub(super) fn put(&mut self, made: BuiltChunks) -> Result<(), Error> {
        match made.task.work {
            Work::Minute(due) => {
                let done = made
                    .chunks
                    .and_then(|(chunks, _)| self.put_minute(&due, &chunks));
                if done.is_err() {
                    self.memtable().not_flushed(&due);
                }
                done
            }
            Work::Roll(level, block) => {
                self.rolling = None;
                let (chunks, parts) = made.chunks?;
                let finer = run_file::blocks(&self.db, level / 10)?;
                let now: u32 = finer
                    .range(block * 10..block * 10 + 10)
                    .map(|(_, n)| n)
                    .sum();
                // chunks that arrived meanwhile are missing in it, so it is built again
                if now == parts {
                    let change = self.db.unchecked_transaction()?;
                    for (level, chunk) in &chunks {
                        run_file::put_chunk(&change, *level, block, 0, chunk)?;
                    }
                    change.commit()?;
                    self.rolled.insert((level, block));
                }
                Ok(())
            }
        }
    }

    fn put_minute(
        &mut self,
        due: &Due,
        chunks: &[(u64, super::super::chunk::Chunk)],
    ) -> Result<(), Error> {
        let memtable = Arc::clone(&self.memtable);
        // readers see the rows in memory or in the file, never in both or neither
        let mut memtable = memtable.write().unwrap_or_else(PoisonError::into_inner);
        let change = self.db.unchecked_transaction()?;
        run_file::put_minute(&change, due.minute, due.through, chunks)?;
        change.commit()?;
        memtable.flushed(due);
        self.flushed.insert(due.minute);
        for level in ROLLED {
            self.rolled.remove(&(level, due.minute * MINUTE_S / level));
        }
        Ok(())
    }

    /// Does all pending work synchronously.
    pub(super) fn build_all(&mut self, data_dir: &Path) -> Result<(), Error> {
        self.memtable().close_to(u64::MAX);
        while let Some(task) = self.next_task() {
            let chunks = make(data_dir, &task);
            self.put(BuiltChunks { task, chunks })?;
        }
        Ok(())
    }

    pub(super) fn all_ended(&self) -> bool {
        self.memtable().all_ended()
    }

    /// Whether every part of it had a node, and all have ended.
    fn is_complete(&self) -> bool {
        self.all_ended() && self.nodes.len() >= self.parts
    }

    pub(super) fn silent(&self) -> Duration {
        self.memtable().silent()
    }

    /// Whether it has ended and all its data is in chunks.
    pub(super) fn is_finished(&self) -> bool {
        self.is_over()
            && self.memtable().is_empty()
            && self.rolling.is_none()
            && self.next_roll(true).is_none()
    }

    pub(super) fn state(&self) -> State {
        if self.all_ended() {
            State::Done
        } else if self.is_lost {
            State::Lost
        } else {
            State::Live
        }
    }

    /// Whether the list and the observer know that it has ended.
    pub(super) fn is_end_recorded(&self) -> bool {
        self.recorded.is_some_and(|state| state != State::Live)
    }

    /// Records the end of the run in the list, and frees unused space of the file.
    pub(super) fn finish(
        &self,
        data_dir: &Path,
        memory: &Memory,
        meta: &Meta,
    ) -> Result<(), Error> {
        let Some(view) = RunReader::open(data_dir, memory, &self.id)? else {
            return Err(Error::Format("the file of a run is gone".to_owned()));
        };
        let (verdict, longest) = outcome(&view.nodes()?);
        let duration_s = if longest > 0.0 {
            longest
        } else {
            view.length_s() as f64
        };
        let figures = crate::query::figures(&view)?.to_string();
        drop(view);
        meta.close_run(&self.id, self.state(), &verdict, duration_s, &figures)?;
        // neither is needed for the stored data
        let _ = vacuum(&self.db);
        Ok(())
    }
}

/// How many parts a run has of which a node carries this one.
fn parts_of(start: &RunStart) -> usize {
    let parts = start.segment.split_once('/').map(|(_, parts)| parts);
    parts.and_then(|parts| parts.parse().ok()).unwrap_or(1)
}

/// The worst verdict of the nodes, and the longest duration.
fn outcome(nodes: &[Node]) -> (String, f64) {
    let ends = || nodes.iter().filter_map(|node| node.end.as_ref());
    let worst = |verdict: &&str| {
        ["clean", "suspect", "invalid"]
            .iter()
            .position(|v| v == verdict)
    };
    let verdict = ends().map(|end| end.verdict.as_str()).max_by_key(worst);
    let longest = ends().map(|end| end.duration_s).fold(0.0, f64::max);
    (verdict.unwrap_or_default().to_owned(), longest)
}

/// Frees the pages that batches used before they became chunks.
fn vacuum(db: &Connection) -> Result<(), Error> {
    for pragma in [
        "PRAGMA incremental_vacuum",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ] {
        let mut query = db.prepare(pragma)?;
        let mut rows = query.query([])?;
        // each step frees one page
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// A minute, the number of its pending batch, and the name ids of each of its seconds.
type PutMinute = (u64, i64, Vec<Vec<u32>>);

/// Stores the seconds of a batch, by minute.
fn put_seconds(
    db: &Connection,
    names: &mut Names,
    delivery: &Delivery,
) -> Result<Vec<PutMinute>, Error> {
    let batch = &delivery.batch;
    let mut minutes: BTreeMap<u64, Vec<Vec<u32>>> = BTreeMap::new();
    for row in &batch.seconds {
        let ids = names.of(db, row)?;
        minutes.entry(row.time_s / MINUTE_S).or_default().push(ids);
    }
    let is_one = minutes.len() == 1;
    let mut put = Vec::new();
    for (minute, ids) in minutes {
        let number = if is_one {
            run_file::put_pending(db, minute, batch.node, &delivery.packed)?
        } else {
            let part = Batch {
                seconds: of_minute(batch, minute).cloned().collect(),
                ..Batch::default()
            };
            let packed = zstd::bulk::compress(&part.encode_to_vec(), 1)
                .map_err(|e| Error::Format(format!("a batch: {e}")))?;
            run_file::put_pending(db, minute, batch.node, &packed)?
        };
        put.push((minute, number, ids));
    }
    Ok(put)
}

/// The list entry of a run that started like this.
fn record(id: &str, start: Option<&RunStart>) -> RunRecord {
    let text = |text: &str| run_file::cut(text, 1_024).to_owned();
    let start = start.cloned().unwrap_or_default();
    let project = match start.project.as_str() {
        "" => "(unknown)",
        project => project,
    };
    RunRecord {
        id: id.to_owned(),
        project: text(project),
        name: text(&start.name),
        started_us: start.started_us.min(i64::MAX as u64),
        target: text(&start.target),
        model: text(&start.model),
        ..RunRecord::default()
    }
}
