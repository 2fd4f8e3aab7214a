//! One run as the writing thread has it: its file, its names, its memory.

use super::super::hot::{Due, Hot};
use super::super::levels::{MINUTE_S, ROLLED};
use super::super::meta::Meta;
use super::super::names::Names;
use super::super::run_file::Node;
use super::super::sqlite::{Memory, view};
use super::super::view::{of_minute, recover};
use super::super::{Delivery, RunRecord, RunView, State, Watch, run_file};
use super::worker::{Made, Task, Work, make};
use crate::Error;
use prost::Message;
use rusqlite::{Connection, TransactionBehavior};
use stats::wire::{Batch, RunStart};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

/// A run that nodes deliver to.
pub(crate) struct Run {
    id: String,
    /// Which opening of a run this is: what was made for another is not for this one.
    pub(super) opening: u64,
    db: Connection,
    names: Names,
    /// The highest sequence kept, by node and epoch.
    epochs: HashMap<(u32, u64), u64>,
    nodes: HashSet<u32>,
    pub(super) hot: Arc<RwLock<Hot>>,
    /// Minutes in chunks.
    flushed: BTreeSet<u64>,
    rolled: BTreeSet<(u64, u64)>,
    /// What the worker is rolling up.
    rolling: Option<(u64, u64)>,
    /// Nodes were silent too long.
    pub(super) is_lost: bool,
    /// What the list says of it, where that is known.
    noted: Option<State>,
}

/// A batch within a transaction.
struct Kept {
    /// Minute, number of the batch in the file, names of each of its seconds in that minute.
    minutes: Vec<(u64, i64, Vec<Vec<u32>>)>,
    is_new: bool,
    through: u64,
}

impl Run {
    /// Opens the file of a run, or makes it.
    pub(super) fn open(data_dir: &Path, id: &str, opening: u64) -> Result<Self, Error> {
        let db = run_file::open(&run_file::path(data_dir, id))?;
        let names = run_file::names(&db)?;
        let mut hot = recover(&db, &names)?;
        hot.sealed_to = hot.sealed_to.max(run_file::chunked_to(&db)?);
        Ok(Run {
            id: id.to_owned(),
            opening,
            names: Names::load(&db)?,
            epochs: run_file::epochs(&db)?,
            nodes: run_file::nodes(&db)?.iter().map(|node| node.node).collect(),
            flushed: run_file::blocks(&db, 1)?.into_keys().collect(),
            rolled: run_file::rolled(&db)?,
            rolling: None,
            hot: Arc::new(RwLock::new(hot)),
            is_lost: false,
            noted: None,
            db,
        })
    }

    /// Puts what the file says of the run into the list.
    pub(super) fn list(&mut self, meta: &Meta) -> Result<(), Error> {
        let nodes = run_file::nodes(&self.db)?;
        let start = nodes.iter().find_map(|node| node.start.as_ref());
        meta.put_run(&record(&self.id, start))?;
        self.note_state(meta, None)
    }

    /// Tells the list whether the run goes on, when it does not know. What a list shows of the
    /// data of a run that is over follows when all of it is in chunks.
    fn note_state(&mut self, meta: &Meta, watch: Option<&dyn Watch>) -> Result<(), Error> {
        let state = self.state();
        if self.noted == Some(state) {
            return Ok(());
        }
        if state == State::Live {
            meta.reopen_run(&self.id)?;
        } else {
            let (verdict, longest) = outcome(&run_file::nodes(&self.db)?);
            let length_s = self.hot().newest_s as f64;
            let duration_s = if longest > 0.0 { longest } else { length_s };
            meta.close_run(&self.id, state, &verdict, duration_s, "")?;
        }
        self.noted = Some(state);
        if let (true, Some(watch)) = (state != State::Live, watch) {
            watch.end(&self.id, state);
        }
        Ok(())
    }

    fn hot(&self) -> RwLockWriteGuard<'_, Hot> {
        self.hot.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps batches in one commit. Returns the highest sequence kept of each one's node and epoch.
    pub(super) fn deliver(
        &mut self,
        deliveries: &[Delivery],
        meta: &Meta,
        watch: &dyn Watch,
    ) -> Result<Vec<u64>, Error> {
        let kept = self.keep(deliveries, meta)?;
        self.is_lost = false;
        for (delivery, kept) in deliveries.iter().zip(&kept).filter(|(_, kept)| kept.is_new) {
            self.remember(&delivery.batch, kept);
            let events = delivery.batch.events.iter();
            events.for_each(|event| watch.event(&self.id, event));
        }
        // whoever hears that it is kept can read it, and that the run is over
        self.close_seconds(watch);
        // when this fails: sent again, it is no second one
        self.note_state(meta, Some(watch))?;
        Ok(kept.iter().map(|kept| kept.through).collect())
    }

    /// Puts batches into the file, and before that the run into the list: what is in the file
    /// is not undone.
    fn keep(&mut self, deliveries: &[Delivery], meta: &Meta) -> Result<Vec<Kept>, Error> {
        let mut starts = deliveries.iter().filter_map(|d| d.batch.start.as_deref());
        if let Some(start) = starts.next() {
            meta.put_run(&record(&self.id, Some(start)))?;
        }
        let before = self.epochs.clone();
        let nodes = self.nodes.clone();
        let kept = self.commit(deliveries);
        match kept {
            Ok(_) => self.names.keep(),
            Err(_) => {
                self.epochs = before;
                self.nodes = nodes;
                self.names.undo();
            }
        }
        kept
    }

    fn commit(&mut self, deliveries: &[Delivery]) -> Result<Vec<Kept>, Error> {
        let change = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut kept = Vec::new();
        for delivery in deliveries {
            let batch = &delivery.batch;
            let through = self.epochs.entry((batch.node, batch.epoch)).or_default();
            let is_new = batch.sequence > *through;
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
                minutes = put_seconds(&change, &mut self.names, delivery)?;
            }
            kept.push(Kept {
                minutes,
                is_new,
                through: *through,
            });
        }
        change.commit()?;
        Ok(kept)
    }

    /// Adds a batch that the file has to the memory.
    fn remember(&self, batch: &Batch, kept: &Kept) {
        let mut hot = self.hot();
        hot.node(batch.node, batch.end.is_some());
        for (minute, number, ids) in &kept.minutes {
            for (row, ids) in of_minute(batch, *minute).zip(ids) {
                hot.add(batch.node, *number, row, ids);
            }
        }
    }

    /// Closes seconds and tells those who watch.
    pub(super) fn close_seconds(&self, watch: &dyn Watch) {
        let is_lost = self.is_lost;
        let mut hot = self.hot();
        let any = if is_lost {
            hot.seal_to(u64::MAX)
        } else {
            hot.seal()
        };
        let last = hot.sealed_to.saturating_sub(1);
        drop(hot);
        if any {
            watch.second(&self.id, last);
        }
    }

    fn is_over(&self) -> bool {
        self.is_lost || self.all_ended()
    }

    /// Work for the worker, if there is any.
    pub(super) fn next_task(&mut self) -> Option<Task> {
        let is_over = self.is_over();
        let due = self
            .hot()
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
            opening: self.opening,
            work,
        })
    }

    /// The next block to be rolled up: all of it is in chunks, or the run is over.
    fn next_roll(&self, is_over: bool) -> Option<(u64, u64)> {
        if self.rolling.is_some() || (is_over && !self.hot().is_empty()) {
            return None;
        }
        let first_hot = self.hot().rows().keys().next().copied();
        let first_hot = first_hot.map_or(u64::MAX, |minute| minute * MINUTE_S);
        let last = self
            .flushed
            .last()
            .map_or(0, |minute| (minute + 1) * MINUTE_S);
        let complete = |level: u64, block: u64| {
            let end = (block + 1) * level;
            end <= first_hot && (end <= last || is_over)
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

    /// Takes back a task that nobody does now.
    pub(super) fn give_back(&mut self, task: Task) {
        match task.work {
            Work::Minute(due) => self.hot().not_flushed(&due),
            Work::Roll(..) => self.rolling = None,
        }
    }

    /// Puts chunks into the file.
    pub(super) fn put(&mut self, made: Made) -> Result<(), Error> {
        match made.task.work {
            Work::Minute(due) => {
                let done = made
                    .chunks
                    .and_then(|(chunks, _)| self.put_minute(&due, &chunks));
                if done.is_err() {
                    self.hot().not_flushed(&due);
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
                // a part that came meanwhile is missing in it: it is made again
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
        let hot = Arc::clone(&self.hot);
        // readers see the rows in memory or in the file, never in both or in none
        let mut hot = hot.write().unwrap_or_else(PoisonError::into_inner);
        let change = self.db.unchecked_transaction()?;
        run_file::put_minute(&change, due.minute, due.through, chunks)?;
        change.commit()?;
        hot.flushed(due);
        self.flushed.insert(due.minute);
        for level in ROLLED {
            self.rolled.remove(&(level, due.minute * MINUTE_S / level));
        }
        Ok(())
    }

    /// Does all work at once, here.
    pub(super) fn build_all(&mut self, data_dir: &Path) -> Result<(), Error> {
        self.hot().seal_to(u64::MAX);
        while let Some(task) = self.next_task() {
            let chunks = make(data_dir, &task);
            self.put(Made { task, chunks })?;
        }
        Ok(())
    }

    pub(super) fn all_ended(&self) -> bool {
        self.hot().all_ended()
    }

    pub(super) fn silent(&self) -> Duration {
        self.hot().silent()
    }

    /// Whether it is over and all of it is in chunks.
    pub(super) fn is_finished(&self) -> bool {
        self.is_over()
            && self.hot().is_empty()
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

    /// Whether the list, and those who watch, know that it is over.
    pub(super) fn is_noted_over(&self) -> bool {
        self.noted.is_some_and(|state| state != State::Live)
    }

    /// Notes the end of the run in the list, and gives back what the file does not need.
    pub(super) fn finish(
        &self,
        data_dir: &Path,
        memory: &Memory,
        meta: &Meta,
    ) -> Result<(), Error> {
        let Some(view) = view(data_dir, memory, &self.id)? else {
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
        // neither is needed for what was kept
        let _ = give_back_pages(&self.db);
        Ok(())
    }
}

/// The worst verdict of nodes, and how long the longest took.
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

/// Shortens the file by the pages that batches took before they were chunks.
fn give_back_pages(db: &Connection) -> Result<(), Error> {
    for pragma in [
        "PRAGMA incremental_vacuum",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ] {
        let mut query = db.prepare(pragma)?;
        let mut rows = query.query([])?;
        // each step gives back one page
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// A minute, the number of the pending batch kept for it, and the ids of the series of each of its seconds.
type PutMinute = (u64, i64, Vec<Vec<u32>>);

/// Keeps the seconds of a batch by the minutes they belong to.
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

/// What the list shows of a run that began so.
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
