//! Sends a run to a stats server without the load ever noticing.
//!
//! The reporter's thread hands each second to an ordinary thread through a bounded channel and
//! never waits. That thread writes every batch to a spool on the disk first, posts from the spool,
//! and deletes what the server has stored. A server that is dead, slow or full costs spool, and a
//! spool that is full costs resolution: seconds are merged, none is dropped.

mod outlet;
mod post;
mod spool;
mod worker;

#[cfg(test)]
mod tests;

pub use post::{Hello, Poster};
pub use spool::{Limits, Spool};
pub use worker::{Delivery, deliver};

use outlet::Outlet;
use rustix::process::setpriority_process;
use stats::wire::{Batch, RunEnd, RunStart, VERSION};
use stats::{Detail, Second};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// Seconds and events under way to the thread: more than it ever spends on one post.
const ITEMS_MAX: usize = 64;
/// How far the thread's priority is below that of the load, where they share a processor.
pub const NICE: i32 = 10;

/// What a sender needs to know.
pub struct Errand {
    /// Where to.
    pub poster: Poster,
    /// Where batches are kept until they are stored there; a folder of this run alone.
    pub spool: PathBuf,
    /// How much is kept.
    pub limits: Limits,
    /// The start of the run, all but when it was.
    pub start: RunStart,
    /// The run, and which of its nodes this is.
    pub origin: Origin,
}

/// What every batch says of itself.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The run's id.
    pub run_id: String,
    /// The node's place in the run, from 0.
    pub node: u32,
    /// The node's host name.
    pub node_name: String,
    /// Random for this sender, below 2^63.
    pub epoch: u64,
}

impl Origin {
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

/// What goes to the thread.
enum Item {
    Begin(Instant),
    Second(Box<Second>, Arc<Detail>),
    /// A row that was merged while the channel was full.
    Row(Box<stats::wire::SecondRow>),
    Event {
        at: Instant,
        kind: &'static str,
        text: String,
    },
    End(Box<RunEnd>),
}

/// A sender at work.
pub struct Sending {
    items: SyncSender<Item>,
    thread: JoinHandle<Delivery>,
}

impl Sending {
    /// Starts the thread; it inherits the processors of this one, at a lower priority.
    ///
    /// # Errors
    /// When no thread can be made. A spool that cannot be written is no error: what does not go
    /// to the disk is kept in memory, within bounds.
    pub fn start(errand: Errand) -> io::Result<Sending> {
        let (items, inbox) = sync_channel(ITEMS_MAX);
        let thread = std::thread::Builder::new()
            .name("sender".into())
            .spawn(move || {
                // where it is not permitted the thread is as any other
                let _ = setpriority_process(None, NICE);
                worker::Worker::new(errand).run(&inbox)
            })?;
        Ok(Sending { items, thread })
    }

    /// What the reporter tells seconds and messages to.
    pub fn observer(&self) -> Outlet {
        Outlet::new(self.items.clone())
    }

    /// The last batch; then what is in the spool is sent for a few seconds. `None`: the run never
    /// began, or ended without a report.
    pub fn end(self, end: Option<RunEnd>) -> Delivery {
        if let Some(end) = end {
            // a thread that is gone says so below
            let _ = self.items.send(Item::End(Box::new(end)));
        }
        drop(self.items);
        self.thread.join().unwrap_or_default()
    }
}
