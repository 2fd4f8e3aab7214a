//! The store in SQLite: opening it, reading it, and the queue to the writer thread.

use super::figures::{StoreCounters, StoreFigures};
use super::memtable::Memory;
use super::meta::Meta;
use super::problem::{CheckedView, FileProblem, Problems};
use super::reserve::Reserve;
use super::run_reader::RunReader;
use super::writer::{DiskContext, Writer, WriterJob};
use super::{
    CommentVersion, Delivery, Edit, Filter, Project, RunObserver, RunRecord, RunView, Store, Usage,
    run_file,
};
use crate::Error;
use stats::report::Annotation;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Maximum number of pending deliveries; further ones are refused.
const QUEUE: usize = 512;

/// The store in files of SQLite.
pub struct Sqlite {
    data_dir: PathBuf,
    meta: Arc<Meta>,
    memory: Memory,
    /// Held by the one process that writes.
    lock: Option<File>,
    /// Of the process that writes.
    reserve: Option<Arc<Reserve>>,
    counters: Arc<StoreCounters>,
    problems: Arc<Problems>,
    /// Most space of all runs, in bytes.
    keep_bytes: Option<u64>,
    jobs: Option<SyncSender<WriterJob>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens the store for reading and editing annotations; batches are refused. Another process
    /// may accept them at the same time.
    ///
    /// # Errors
    /// When the folder cannot be used, or a file comes from a newer version.
    pub fn open(data_dir: &Path) -> Result<Self, Error> {
        let runs = run_file::folder(data_dir);
        run_file::make_folder(&runs).map_err(|source| Error::Data { path: runs, source })?;
        Ok(Sqlite {
            data_dir: data_dir.to_owned(),
            meta: Arc::new(Meta::open(data_dir)?),
            memory: Memory::default(),
            lock: None,
            reserve: None,
            counters: Arc::default(),
            problems: Arc::default(),
            keep_bytes: None,
            jobs: None,
            writer: Mutex::new(None),
        })
    }

    /// Opens the store, claims its folder and starts the writer thread.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    #[cfg(test)]
    pub(crate) fn start(data_dir: &Path, watch: Arc<dyn RunObserver>) -> Result<Self, Error> {
        Sqlite::start_locked(data_dir, LockedFolder::open(data_dir)?, watch, None)
    }

    /// Opens the store in a folder that this process has claimed and starts the writer thread, which
    /// first resumes the runs that an earlier process left live. When runs take more than
    /// `keep_bytes`, those that arrived first are deleted, but no pinned, baseline or live ones.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub(crate) fn start_locked(
        data_dir: &Path,
        folder: LockedFolder,
        watch: Arc<dyn RunObserver>,
        keep_bytes: Option<u64>,
    ) -> Result<Self, Error> {
        let mut store = Sqlite::open(data_dir)?;
        store.lock = Some(folder.lock);
        store.keep_bytes = keep_bytes;
        let reserve = Arc::new(folder.reserve);
        store.reserve = Some(Arc::clone(&reserve));
        let disk = DiskContext {
            reserve,
            counters: Arc::clone(&store.counters),
            keep_bytes,
        };
        let (jobs, queue) = sync_channel(QUEUE);
        let writer = Writer::new(
            data_dir,
            Arc::clone(&store.meta),
            Arc::clone(&store.memory),
            watch,
            jobs.clone(),
            disk,
        )?;
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.work(&queue))
            .map_err(|source| Error::Data {
                path: data_dir.to_owned(),
                source,
            })?;
        store.jobs = Some(jobs);
        store.writer = Mutex::new(Some(thread));
        Ok(store)
    }

    /// Stops the writer thread once its queue is empty, and lets others write.
    pub fn stop(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(jobs), Some(thread)) = (&self.jobs, writer.take()) {
            // both only fail if the thread has already ended
            let _ = jobs.send(WriterJob::Stop);
            let _ = thread.join();
        }
        if let Some(lock) = &self.lock {
            // the system releases it in any case when the process ends
            let _ = lock.unlock();
        }
    }
}

/// A data folder that this process has locked; the space reserved for a full disk is free until the
/// store has been opened.
pub(crate) struct LockedFolder {
    lock: File,
    reserve: Reserve,
}

impl LockedFolder {
    /// Locks a folder; created if absent.
    ///
    /// # Errors
    /// When another server uses it, or it cannot be used.
    pub(crate) fn open(data_dir: &Path) -> Result<LockedFolder, Error> {
        Ok(LockedFolder {
            lock: locked(data_dir)?,
            reserve: Reserve::open(data_dir),
        })
    }
}

/// Makes this process the only one that writes to the store.
pub(crate) fn locked(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join("lock");
    let data = |source| Error::Data {
        path: path.clone(),
        source,
    };
    run_file::make_folder(data_dir).map_err(data)?;
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(&path).map_err(data)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(data(source)),
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Store for Sqlite {
    fn deliver(&self, delivery: Box<Delivery>) -> Result<(), Box<Delivery>> {
        let Some(jobs) = &self.jobs else {
            return Err(delivery);
        };
        let job = WriterJob::Deliver(delivery);
        self.counters.queued();
        jobs.try_send(job).map_err(|error| {
            self.counters.taken();
            let (TrySendError::Full(job) | TrySendError::Disconnected(job)) = error;
            match job {
                WriterJob::Deliver(delivery) => delivery,
                _ => unreachable!("it was a delivery"),
            }
        })
    }

    fn is_ready(&self) -> Result<bool, Error> {
        self.meta.run("")?;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writer.as_ref().is_some_and(|writer| !writer.is_finished()))
    }

    fn figures(&self) -> StoreFigures {
        self.counters.figures()
    }

    fn folder(&self) -> &Path {
        &self.data_dir
    }

    fn make_room(&self) {
        if let Some(reserve) = &self.reserve {
            reserve.release();
        }
    }

    fn run(&self, id: &str) -> Result<Option<RunRecord>, Error> {
        self.meta.run(id)
    }

    fn runs(&self, filter: &Filter) -> Result<Vec<RunRecord>, Error> {
        self.meta.runs(filter)
    }

    fn projects(&self) -> Result<Vec<Project>, Error> {
        self.meta.projects()
    }

    fn problem(&self, id: &str) -> Option<FileProblem> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        let is_written = memory.contains_key(id);
        drop(memory);
        if is_written {
            return None;
        }
        // an id that is not in the list is no run
        let known = self.meta.run(id).ok().flatten()?;
        self.problems.of(&self.data_dir, &known.id)
    }

    fn view(&self, id: &str) -> Result<Option<Box<dyn RunView>>, Error> {
        if let Some(problem) = self.problem(id) {
            return Err(Error::Unreadable(problem));
        }
        let path = run_file::path(&self.data_dir, id);
        let view = RunReader::open(&self.data_dir, &self.memory, id);
        let view = self.problems.checked(&path, view)?;
        let checked = |view| CheckedView::new(view, path, &self.problems);
        Ok(view.map(|view| Box::new(checked(view)) as Box<dyn RunView>))
    }

    fn edit(&self, id: &str, edit: &Edit) -> Result<bool, Error> {
        self.meta.edit(id, edit)
    }

    fn add_annotation(&self, run: &str, new: &Annotation) -> Result<Option<i64>, Error> {
        self.meta.add_annotation(run, new)
    }

    fn put_annotation(&self, run: &str, changed: &Annotation) -> Result<bool, Error> {
        self.meta.put_annotation(run, changed)
    }

    fn remove_annotation(&self, run: &str, id: i64) -> Result<bool, Error> {
        self.meta.remove_annotation(run, id)
    }

    fn usage(&self) -> Usage {
        Usage {
            bytes: run_file::bytes_of_all(&self.data_dir),
            keep_bytes: self.keep_bytes,
        }
    }

    fn comments(&self, run: &str) -> Result<Vec<CommentVersion>, Error> {
        self.meta.comments(run)
    }

    fn remove(&self, id: &str) -> Result<bool, Error> {
        let Some(jobs) = &self.jobs else {
            let known = self.meta.remove(id)?;
            if known {
                run_file::remove(&self.data_dir, id);
            }
            return Ok(known);
        };
        let (done, removed) = sync_channel(1);
        let gone = || Error::Format("the store is closed".to_owned());
        let job = WriterJob::Remove(id.to_owned(), done);
        jobs.send(job).map_err(|_| gone())?;
        removed.recv().unwrap_or_else(|_| Err(gone()))
    }

    fn is_deleted(&self, id: &str) -> Result<bool, Error> {
        self.meta.is_deleted(id)
    }

    fn set_baseline(&self, project: &str, run: Option<&str>) -> Result<bool, Error> {
        self.meta.set_baseline(project, run)
    }

    fn set_retention(
        &self,
        project: &str,
        days: Option<u32>,
        runs: Option<u32>,
    ) -> Result<bool, Error> {
        self.meta.set_retention(project, days, runs)
    }
}
