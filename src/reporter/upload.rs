//! Uploads a run to a stats server without affecting the load.
//!
//! The reporter's thread passes each second to an ordinary thread through a bounded channel and
//! never waits. That thread writes every batch to a spool on disk first, posts from the spool, and
//! deletes what the server has stored. A server that is down, slow or full costs spool space, and a
//! full spool costs resolution: seconds are merged, none is dropped.

mod client;
mod merge;
mod observer;
mod spool;
mod worker;

#[cfg(test)]
mod tests;

pub use client::{ServerCheck, StatsClient, agent, error_of, reason};
pub use spool::{Limits, Spool};
pub use worker::{UploadOutcome, deliver};

use observer::UploadObserver;
use rustix::process::setpriority_process;
use stats::{Detail, Second};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};
use wire::{Batch, RunEnd, RunStart, VERSION};

/// Capacity of the channel to the thread, in seconds and events: more than arrive during one post.
const ITEMS_MAX: usize = 64;
/// The nice value of the thread, which lowers its priority where it shares a cpu with the load.
pub const NICE: i32 = 10;

/// What the upload of a run needs.
pub struct UploadJob {
    /// The client of the server.
    pub client: StatsClient,
    /// The spool folder, used by this run alone.
    pub spool: PathBuf,
    /// The limits of the spool.
    pub limits: Limits,
    /// The start of the run without its time.
    pub start: RunStart,
    /// Identifies the run and this node.
    pub source: BatchSource,
    /// A moment, and its time by the clock of the run.
    pub clock: (Instant, SystemTime),
}

/// The fields that all batches of a sender share.
#[derive(Clone, Debug)]
pub struct BatchSource {
    /// The run's id.
    pub run_id: String,
    /// The node's index in the run, from 0.
    pub node: u32,
    /// The node's host name.
    pub node_name: String,
    /// Random for this sender, below 2^63.
    pub epoch: u64,
}

impl BatchSource {
    /// An empty batch.
    fn batch(&self, sequence: u64) -> Batch {
        Batch {
            version: VERSION,
            run_id: self.run_id.clone(),
            node: self.node,
            node_name: self.node_name.clone(),
            epoch: self.epoch,
            sequence,
            ..Batch::default()
        }
    }
}

/// An item for the thread.
enum UploadItem {
    Begin(Instant),
    Second(Box<Second>, Arc<Detail>),
    /// A row merged while the channel was full.
    Row(Box<wire::SecondRow>),
    Event {
        at: Instant,
        kind: &'static str,
        text: String,
    },
    End(Box<RunEnd>),
}

/// A running upload.
pub struct Upload {
    items: SyncSender<UploadItem>,
    thread: JoinHandle<UploadOutcome>,
}

impl Upload {
    /// Starts the thread; it inherits this thread's cpus, at a lower priority.
    ///
    /// # Errors
    /// When the thread cannot be created. An unwritable spool is not an error: batches are then
    /// kept in memory, within limits.
    pub fn start(job: UploadJob) -> io::Result<Upload> {
        let (items, inbox) = sync_channel(ITEMS_MAX);
        let thread = std::thread::Builder::new()
            .name("sender".into())
            .spawn(move || {
                // if it is not permitted, the thread has normal priority
                let _ = setpriority_process(None, NICE);
                worker::Worker::new(job).run(&inbox)
            })?;
        Ok(Upload { items, thread })
    }

    /// The observer that passes seconds and messages to the thread.
    pub fn observer(&self) -> UploadObserver {
        UploadObserver::new(self.items.clone())
    }

    /// Sends the last batch, then uploads the spool for a few seconds. `None`: the run never began,
    /// or ended without a report.
    pub fn end(self, end: Option<RunEnd>) -> UploadOutcome {
        if let Some(end) = end {
            // a thread that has ended is detected below
            let _ = self.items.send(UploadItem::End(Box::new(end)));
        }
        drop(self.items);
        self.thread.join().unwrap_or_default()
    }
}
