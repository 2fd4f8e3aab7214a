//! The writer thread: commits batches in groups, moves minutes into chunks, ends runs.

mod admission;
mod retention;
mod run;
mod worker;

use self::run::Run;
use self::worker::{BuiltChunks, Worker, guarded};
use super::figures::StoreCounters;
use super::memtable::Memory;
use super::meta::Meta;
use super::reserve::Reserve;
use super::run_reader::RunReader;
use super::{Delivery, Filter, RunObserver, RunRecord, State, run_file};
use crate::Error;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of deliveries per commit.
const GROUP_MAX: usize = 256;
/// How often runs are maintained while no batches arrive.
const TICK: Duration = Duration::from_millis(500);
/// A run is lost when its nodes were silent for this long.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// How often retention is applied.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Maximum number of figures of earlier versions that are refreshed per tick.
const REFRESHED_MAX: u32 = 8;
/// Maximum number of live runs.
const LIVE_MAX: usize = 256;

/// A job for the thread.
pub(crate) enum WriterJob {
    /// Store a batch.
    Deliver(Box<Delivery>),
    /// Write chunks to a run's file.
    Built(Box<BuiltChunks>),
    /// Delete a run, and tell whether it was there.
    Remove(String, SyncSender<Result<bool, Error>>),
    /// Stop the thread.
    Stop,
}

/// What the thread needs to watch the disk.
pub(crate) struct DiskContext {
    /// Space that is given up when the disk is full.
    pub(super) reserve: Arc<Reserve>,
    /// What was written, and how long it took.
    pub(super) counters: Arc<StoreCounters>,
    /// Most space of all runs, in bytes.
    pub(super) keep_bytes: Option<u64>,
}

/// The state of the thread.
pub(crate) struct Writer {
    data_dir: PathBuf,
    meta: Arc<Meta>,
    memory: Memory,
    watch: Arc<dyn RunObserver>,
    runs: HashMap<String, Run>,
    /// Number of runs opened so far.
    generations: u64,
    worker: Worker,
    retained: Option<Instant>,
    disk: DiskContext,
    /// Whether all readable figures in the list are of this version.
    figures_are_current: bool,
    stops: bool,
}

impl Writer {
    pub(crate) fn new(
        data_dir: &Path,
        meta: Arc<Meta>,
        memory: Memory,
        watch: Arc<dyn RunObserver>,
        jobs: SyncSender<WriterJob>,
        disk: DiskContext,
    ) -> Result<Self, Error> {
        let mut writer = Writer {
            data_dir: data_dir.to_owned(),
            meta,
            memory,
            watch,
            runs: HashMap::new(),
            generations: 0,
            worker: Worker::start(data_dir, jobs)?,
            retained: None,
            disk,
            figures_are_current: false,
            stops: false,
        };
        writer.resume_live_runs()?;
        writer.disk.reserve.hold();
        Ok(writer)
    }

    /// Opens the runs that were live when the last process ended, and adds unknown files to the
    /// list.
    fn resume_live_runs(&mut self) -> Result<(), Error> {
        let folder = run_file::folder(&self.data_dir);
        let data = |source| Error::Data {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(data)? {
            let name = entry.map_err(data)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".sqlite"));
            let Some(id) = id.filter(|id| run_file::is_id(id)) else {
                continue;
            };
            if self.meta.run(id)?.is_none_or(|run| !run.is_settled()) {
                self.open_or_mark_lost(id)?;
            }
        }
        let filter = Filter {
            limit: u32::MAX,
            ..Filter::default()
        };
        let runs = self.meta.runs(&filter)?.into_iter();
        for run in runs.filter(|run| !run.is_settled()) {
            if !self.runs.contains_key(&run.id) {
                self.open_or_mark_lost(&run.id)?;
            }
        }
        Ok(())
    }

    /// A damaged file must not keep the server from the others: its run is marked lost until a
    /// start that can read it.
    fn open_or_mark_lost(&mut self, id: &str) -> Result<(), Error> {
        let opened = guarded(|| self.open(id).map(drop));
        if let Err(error) = opened.and_then(|opened| opened) {
            let error = error.to_string();
            tracing::error!(
                run = id,
                error = error.as_str(),
                "the file of a run cannot be used"
            );
            if self.meta.run(id)?.is_none() {
                self.meta.put_run(&RunRecord {
                    id: id.to_owned(),
                    project: "(unknown)".to_owned(),
                    name: id.to_owned(),
                    ..RunRecord::default()
                })?;
            }
            self.meta.close_run(id, State::Lost, "", 0.0, "")?;
        }
        Ok(())
    }

    fn open(&mut self, id: &str) -> Result<&mut Run, Error> {
        if !self.runs.contains_key(id) {
            self.generations += 1;
            let mut run = Run::open(&self.data_dir, id, self.generations)?;
            run.list(&self.meta)?;
            let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
            memory.insert(id.to_owned(), Arc::clone(&run.memtable));
            drop(memory);
            self.runs.insert(id.to_owned(), run);
        }
        let run = self.runs.get_mut(id);
        run.ok_or_else(|| Error::Format("a run was not opened".to_owned()))
    }

    /// Works until it is told to stop.
    pub(crate) fn work(mut self, queue: &Receiver<WriterJob>) {
        let mut ticked = Instant::now();
        while !self.stops {
            match queue.recv_timeout(TICK) {
                Ok(job) => self.serve(job, queue),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if ticked.elapsed() >= TICK {
                self.tick();
                ticked = Instant::now();
            }
        }
        self.worker.stop(queue, |made| {
            // rows not yet in chunks will be rebuilt from their batches by the next process
            let _ = guarded(|| put(&mut self.runs, made));
        });
        let ids: Vec<String> = self.runs.keys().cloned().collect();
        for id in ids {
            let _ = guarded(|| self.finish_now(&id));
        }
    }

    /// Runs a job and those queued behind it.
    fn serve(&mut self, first: WriterJob, queue: &Receiver<WriterJob>) {
        let mut groups: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        let mut next = Some(first);
        let mut taken = 0;
        let mut made_for = BTreeSet::new();
        while let Some(job) = next {
            match job {
                WriterJob::Deliver(delivery) => {
                    self.disk.counters.taken();
                    let id = delivery.batch.run_id.clone();
                    groups.entry(id).or_default().push(*delivery);
                    taken += 1;
                }
                WriterJob::Built(made) => {
                    let id = made.task.run.clone();
                    // on failure the rows stay in memory and are tried again
                    let _ = self.guard(&id, |writer| put(&mut writer.runs, *made));
                    made_for.insert(id);
                }
                WriterJob::Remove(id, done) => {
                    refuse(groups.remove(&id).unwrap_or_default(), &Error::RunDeleted);
                    let _ = done.send(self.delete(&id));
                }
                WriterJob::Stop => self.stops = true,
            }
            let goes_on = taken < GROUP_MAX && !self.stops;
            next = queue.try_recv().ok().filter(|_| goes_on);
        }
        for (id, deliveries) in groups {
            made_for.remove(&id);
            self.deliver(&id, deliveries);
        }
        made_for.iter().for_each(|id| self.maintain(id));
    }

    fn deliver(&mut self, id: &str, deliveries: Vec<Delivery>) {
        let deliveries = self.drop_deleted(id, deliveries);
        if deliveries.is_empty() {
            return;
        }
        if !self.disk.reserve.hold() {
            let why = "the disk is full; delete runs, or make room otherwise";
            return refuse(deliveries, &Error::DiskFull(why.to_owned()));
        }
        let began = Instant::now();
        match self.guard(id, |writer| writer.keep(id, &deliveries)) {
            Ok(Ok(through)) => {
                self.disk.counters.write(began.elapsed());
                for (delivery, through) in deliveries.into_iter().zip(through) {
                    (delivery.done)(through);
                }
                self.maintain(id);
            }
            Ok(Err(error)) | Err(error) => {
                if error.is_full() {
                    self.disk.reserve.release();
                }
                refuse(deliveries, &error);
            }
        }
    }

    fn keep(
        &mut self,
        id: &str,
        deliveries: &[Delivery],
    ) -> Result<Vec<Result<u64, Error>>, Error> {
        let (meta, watch) = (Arc::clone(&self.meta), Arc::clone(&self.watch));
        let counters = Arc::clone(&self.disk.counters);
        if self.runs.len() >= LIVE_MAX && !self.runs.contains_key(id) {
            return Err(Error::Format("too many runs at the same time".to_owned()));
        }
        let run = self.open(id)?;
        run.deliver(deliveries, &meta, watch.as_ref(), &counters)
    }

    /// A deleted run only comes back with a new start; other batches are dropped.
    fn drop_deleted(&self, id: &str, mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
        if self.runs.contains_key(id) {
            return deliveries;
        }
        let starts = deliveries.iter().position(|d| d.batch.start.is_some());
        let is_welcome = match self.meta.is_deleted(id) {
            Ok(false) => return deliveries,
            Ok(true) => starts.map_or(Ok(()), |_| self.meta.undelete(id)),
            Err(error) => Err(error),
        };
        let at = if is_welcome.is_ok() { starts } else { None };
        let welcome = deliveries.split_off(at.unwrap_or(deliveries.len()));
        refuse(deliveries, &is_welcome.err().unwrap_or(Error::RunDeleted));
        welcome
    }

    /// Runs `work` for a run. After a panic the run is read again from its file when it is next
    /// needed: acknowledged data is there.
    fn guard<T>(&mut self, id: &str, work: impl FnOnce(&mut Self) -> T) -> Result<T, Error> {
        let done = guarded(|| work(self));
        if done.is_err() {
            let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
            memory.remove(id);
            drop(memory);
            self.runs.remove(id);
        }
        done
    }

    /// Closes seconds, submits work, ends the run; a panic reopens it.
    fn maintain(&mut self, id: &str) {
        // the next batch, or the next start of the server, reopens it
        let _ = self.guard(id, |writer| writer.maintain_now(id));
    }

    fn maintain_now(&mut self, id: &str) {
        let Some(run) = self.runs.get_mut(id) else {
            return;
        };
        run.close_seconds(self.watch.as_ref());
        while let Some(task) = run.next_task() {
            if let Err(task) = self.worker.submit(task) {
                run.return_task(task);
                break;
            }
        }
        if run.is_finished() {
            self.close(id);
        }
    }

    fn tick(&mut self) {
        let ids: Vec<String> = self.runs.keys().cloned().collect();
        for id in ids {
            if let Some(run) = self.runs.get_mut(&id) {
                run.is_lost |= run.silent() >= LOST_AFTER && !run.all_ended();
            }
            self.maintain(&id);
        }
        if !self.figures_are_current {
            // the remaining ones are read from their files whenever they are listed
            self.figures_are_current =
                guarded(|| self.refresh_figures()).is_ok_and(|done| done.unwrap_or(true));
        }
        if self
            .retained
            .is_none_or(|at| at.elapsed() >= RETENTION_EVERY)
        {
            self.retained = Some(Instant::now());
            self.apply_retention();
        }
    }

    /// Refreshes some figures of earlier versions; returns whether nothing is left to do, which
    /// includes that none of them could be read.
    fn refresh_figures(&self) -> Result<bool, Error> {
        let mut is_any = false;
        for id in self.meta.outdated(REFRESHED_MAX)? {
            let Ok(Some(view)) = RunReader::open(&self.data_dir, &self.memory, &id) else {
                continue;
            };
            if let Ok(figures) = crate::query::figures(&view) {
                self.meta.put_figures(&id, &figures.to_string())?;
                is_any = true;
            }
        }
        Ok(!is_any)
    }

    /// Records the end of a run and closes it; another batch reopens it.
    fn close(&mut self, id: &str) {
        let Some(run) = self.runs.get_mut(id) else {
            return;
        };
        let (state, is_known) = (run.state(), run.is_end_recorded());
        if run
            .finish(&self.data_dir, &self.memory, &self.meta)
            .is_err()
        {
            return;
        }
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.remove(id);
        drop(memory);
        self.runs.remove(id);
        if !is_known {
            self.watch.end(id, state);
        }
    }

    /// Like [`Writer::close`] for a run whose nodes have ended, without the worker.
    fn finish_now(&mut self, id: &str) {
        let Some(run) = self.runs.get_mut(id) else {
            return;
        };
        if run.all_ended() && run.build_all(&self.data_dir).is_ok() {
            self.close(id);
        }
    }

    /// Deletes a run; false if there is none. Its file goes first, so that a full disk has room
    /// for the change of the list; should that fail all the same, the run can be deleted again.
    fn delete(&mut self, id: &str) -> Result<bool, Error> {
        if self.meta.run(id)?.is_none() {
            return Ok(false);
        }
        self.remove(id);
        match self.meta.remove(id) {
            Err(error) if error.is_full() => {
                self.disk.reserve.release();
                self.meta.remove(id)
            }
            removed => removed,
        }
    }

    fn remove(&mut self, id: &str) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        memory.remove(id);
        drop(memory);
        if self.runs.remove(id).is_some() {
            self.watch.end(id, State::Lost);
        }
        run_file::remove(&self.data_dir, id);
    }
}

/// Writes chunks to the run they were built for, if it is still the same.
fn put(runs: &mut HashMap<String, Run>, made: BuiltChunks) -> Result<(), Error> {
    match runs.get_mut(&made.task.run) {
        Some(run) if run.generation == made.task.generation => run.put(made),
        _ => Ok(()),
    }
}

/// Answers deliveries with the error.
fn refuse(deliveries: Vec<Delivery>, error: &Error) {
    for delivery in deliveries {
        (delivery.done)(Err(match error {
            Error::RunDeleted => Error::RunDeleted,
            Error::Format(why) => Error::Format(why.clone()),
            Error::DiskFull(why) => Error::DiskFull(why.clone()),
            _ if error.is_full() => Error::DiskFull(error.to_string()),
            _ => Error::Format(error.to_string()),
        }));
    }
}
