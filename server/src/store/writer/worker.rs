//! The thread that builds chunks, so that commits do not wait for it.

use super::super::chunk::Chunk;
use super::super::chunk_writer;
use super::super::memtable::Due;
use super::super::run_file;
use super::WriterJob;
use crate::Error;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Maximum number of queued tasks; further ones stay with their run.
const QUEUE: usize = 16;

/// Data to be built into chunks.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) run: String,
    /// The generation of the run that submitted it.
    pub(crate) generation: u64,
    pub(crate) work: Work,
}

/// The data to build chunks from.
#[derive(Debug)]
pub(crate) enum Work {
    /// A minute in memory.
    Minute(Due),
    /// A block of a rolled level.
    Roll(u64, u64),
}

/// The result of a task.
pub(crate) struct BuiltChunks {
    pub(crate) task: Task,
    /// The chunks by level; for a rolled-up level also the number of finer chunks.
    pub(crate) chunks: Result<(Vec<(u64, Chunk)>, u32), Error>,
}

/// A handle to the thread.
pub(crate) struct Worker {
    tasks: Option<SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(data_dir: &Path, jobs: SyncSender<WriterJob>) -> Result<Self, Error> {
        let (tasks, queue) = sync_channel::<Task>(QUEUE);
        let folder = data_dir.to_owned();
        let work = move || {
            for task in queue {
                // a bug triggered by one minute keeps that minute in memory, and no other
                let chunks = guarded(|| make(&folder, &task)).and_then(|chunks| chunks);
                let made = WriterJob::Built(Box::new(BuiltChunks { task, chunks }));
                if jobs.send(made).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("store-chunks".to_owned())
            .spawn(work)
            .map_err(|source| Error::Data {
                path: PathBuf::from(data_dir),
                source,
            })?;
        Ok(Worker {
            tasks: Some(tasks),
            thread: Some(thread),
        })
    }

    /// Submits a task, or returns it when the queue is full.
    pub(crate) fn submit(&self, task: Task) -> Result<(), Task> {
        let Some(tasks) = &self.tasks else {
            return Err(task);
        };
        tasks.try_send(task).map_err(|error| match error {
            TrySendError::Full(task) | TrySendError::Disconnected(task) => task,
        })
    }

    /// Stops the thread after its tasks; `put` receives their results. Waiting deliveries are
    /// dropped unanswered: their senders will send them again.
    pub(crate) fn stop(&mut self, jobs: &Receiver<WriterJob>, mut put: impl FnMut(BuiltChunks)) {
        self.tasks = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !thread.is_finished() {
            let wait = std::time::Duration::from_millis(5);
            if let Ok(WriterJob::Built(made)) = jobs.recv_timeout(wait) {
                put(*made);
            }
        }
        for job in jobs.try_iter() {
            if let WriterJob::Built(made) = job {
                put(*made);
            }
        }
        let _ = thread.join();
    }
}

/// Runs `work`, turning a panic into an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    let done = std::panic::catch_unwind(AssertUnwindSafe(work));
    done.map_err(|_| Error::Format("internal error; see the server's output".to_owned()))
}

/// Builds the chunks of a task.
pub(crate) fn make(data_dir: &Path, task: &Task) -> Result<(Vec<(u64, Chunk)>, u32), Error> {
    match &task.work {
        Work::Minute(due) => Ok((chunk_writer::minute(due.minute, &due.rows)?, 0)),
        Work::Roll(level, block) => {
            let path = run_file::path(data_dir, &task.run);
            let db = run_file::open_to_read(&path)?
                .ok_or_else(|| Error::Format("the run was deleted".to_owned()))?;
            let (chunk, parts) = chunk_writer::roll(&db, *level, *block)?;
            Ok((vec![(*level, chunk)], parts))
        }
    }
}
