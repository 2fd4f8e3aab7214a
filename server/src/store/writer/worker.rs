//! The thread that makes chunks, so that commits do not wait for it.

use super::super::build;
use super::super::chunk::Chunk;
use super::super::hot::Due;
use super::super::run_file;
use super::Job;
use crate::Error;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Tasks that wait; more stay where they are.
const QUEUE: usize = 16;

/// Something to be made into chunks.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) run: String,
    /// Which opening of the run asked for it.
    pub(crate) opening: u64,
    pub(crate) work: Work,
}

/// What of a run.
#[derive(Debug)]
pub(crate) enum Work {
    /// A minute in memory.
    Minute(Due),
    /// A block of a rolled level.
    Roll(u64, u64),
}

/// What came of a task.
pub(crate) struct Made {
    pub(crate) task: Task,
    /// The chunks by level, and of a rolled level from how many finer chunks.
    pub(crate) chunks: Result<(Vec<(u64, Chunk)>, u32), Error>,
}

/// The thread and the way to it.
pub(crate) struct Worker {
    tasks: Option<SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(data_dir: &Path, jobs: SyncSender<Job>) -> Result<Self, Error> {
        let (tasks, queue) = sync_channel::<Task>(QUEUE);
        let folder = data_dir.to_owned();
        let work = move || {
            for task in queue {
                // a bug met by one minute keeps that minute in memory, and no other
                let chunks = guarded(|| make(&folder, &task)).and_then(|chunks| chunks);
                let made = Job::Made(Box::new(Made { task, chunks }));
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

    /// Hands out a task, or gives it back when there are enough.
    pub(crate) fn give(&self, task: Task) -> Result<(), Task> {
        let Some(tasks) = &self.tasks else {
            return Err(task);
        };
        tasks.try_send(task).map_err(|error| match error {
            TrySendError::Full(task) | TrySendError::Disconnected(task) => task,
        })
    }

    /// Ends the thread after its tasks; `put` takes what came of them. Deliveries that wait are
    /// dropped unanswered: their senders will send them again.
    pub(crate) fn stop(&mut self, jobs: &Receiver<Job>, mut put: impl FnMut(Made)) {
        self.tasks = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        while !thread.is_finished() {
            let wait = std::time::Duration::from_millis(5);
            if let Ok(Job::Made(made)) = jobs.recv_timeout(wait) {
                put(*made);
            }
        }
        for job in jobs.try_iter() {
            if let Job::Made(made) = job {
                put(*made);
            }
        }
        let _ = thread.join();
    }
}

/// Runs `work`; a panic in it is an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    let done = std::panic::catch_unwind(AssertUnwindSafe(work));
    done.map_err(|_| Error::Format("the server met a bug; its output tells where".to_owned()))
}

/// Makes the chunks of a task.
pub(crate) fn make(data_dir: &Path, task: &Task) -> Result<(Vec<(u64, Chunk)>, u32), Error> {
    match &task.work {
        Work::Minute(due) => Ok((build::minute(due.minute, &due.rows)?, 0)),
        Work::Roll(level, block) => {
            let path = run_file::path(data_dir, &task.run);
            let db = run_file::open_to_read(&path)?
                .ok_or_else(|| Error::Format("the run was deleted".to_owned()))?;
            let (chunk, parts) = build::roll(&db, *level, *block)?;
            Ok((vec![(*level, chunk)], parts))
        }
    }
}
