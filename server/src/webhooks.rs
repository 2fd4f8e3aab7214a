//! Webhooks: tells other systems when a run starts, misses a threshold and ends.
//!
//! The store's thread only puts a short note into a bounded queue and never waits. One thread makes
//! messages of the notes, and a few others post them, so a dead or slow receiver costs nothing but
//! its own deliveries. docs/server.md documents the messages.

mod address;
mod api;
mod message;
mod page;
mod queue;
mod records;
mod sender;
mod signature;
#[cfg(test)]
mod tests;

pub use address::Network;
pub(crate) use address::{AllowedAddresses, AllowedResolver};
pub(crate) use page::webhooks_path;

use crate::access::Accounts;
use crate::store::{RunObserver, State, Store};
use crate::{App, Error};
use axum::Router;
use stats::wire::{EventRow, MISSED_EVENT};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Maximum number of notes that wait for messages to be made of them; more are dropped and counted.
const NOTES_MAX: usize = 1_024;

/// How messages are delivered.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// Addresses that are refused by default, but allowed here.
    pub allow: Vec<Network>,
    /// The waits before each further attempt.
    pub retries: Vec<Duration>,
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Default for WebhookOptions {
    /// Six attempts within about three quarters of an hour, of 10 s each.
    fn default() -> Self {
        WebhookOptions {
            allow: Vec::new(),
            retries: [5, 30, 120, 600, 1_800].map(Duration::from_secs).to_vec(),
            timeout: Duration::from_secs(10),
        }
    }
}

/// What a webhook can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The first batch of a run arrived.
    Started,
    /// A run missed a threshold for the first time.
    Missed,
    /// A run ended, or was lost.
    Ended,
    /// Somebody asked for a test.
    Test,
}

impl Occasion {
    /// Those that can be chosen.
    const CHOICES: [Occasion; 3] = [Occasion::Started, Occasion::Missed, Occasion::Ended];

    /// Its name in messages, in the API and in the store.
    fn name(self) -> &'static str {
        match self {
            Occasion::Started => "run.started",
            Occasion::Missed => "run.threshold_missed",
            Occasion::Ended => "run.ended",
            Occasion::Test => "test",
        }
    }

    /// What it means, for people.
    fn meaning(self) -> &'static str {
        match self {
            Occasion::Started => "a run starts",
            Occasion::Missed => "a run misses a threshold, once per threshold",
            Occasion::Ended => "a run ends",
            Occasion::Test => "a test",
        }
    }

    fn named(name: &str) -> Option<Occasion> {
        let mut choices = Self::CHOICES.into_iter();
        choices.find(|occasion| occasion.name() == name)
    }
}

/// Something to tell webhooks of.
#[derive(Debug)]
enum Note {
    Started {
        run: String,
    },
    Missed {
        run: String,
        threshold: String,
        time_us: i64,
    },
    Ended {
        run: String,
        state: State,
    },
    Test {
        webhook: i64,
        by: String,
    },
    Stop,
}

/// Accepts notes; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    notes: SyncSender<Note>,
    dropped: Arc<AtomicU64>,
    /// The addresses that messages may be posted to.
    allowed: Arc<AllowedAddresses>,
}

/// The other end of the queue of notes.
pub(crate) struct Inbox(Receiver<Note>);

impl Webhooks {
    /// A queue of notes and its other end.
    pub(crate) fn new(options: &WebhookOptions, accounts: Arc<Accounts>) -> (Webhooks, Inbox) {
        let (notes, inbox) = sync_channel(NOTES_MAX);
        let allowed = AllowedAddresses::new(&options.allow).with_accounts(accounts);
        let webhooks = Webhooks {
            notes,
            dropped: Arc::default(),
            allowed: Arc::new(allowed),
        };
        (webhooks, Inbox(inbox))
    }

    /// Never waits; a note too many is dropped and counted.
    fn note(&self, note: Note) -> bool {
        let is_taken = self.notes.try_send(note).is_ok();
        if !is_taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        is_taken
    }

    /// How many notes were dropped because too many were waiting.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl RunObserver for Webhooks {
    fn start(&self, run: &str) {
        let run = run.to_owned();
        self.note(Note::Started { run });
    }

    fn second(&self, _run: &str, _time_s: u64) {}

    fn event(&self, run: &str, event: &EventRow) {
        if event.kind == MISSED_EVENT {
            self.note(Note::Missed {
                run: run.to_owned(),
                threshold: event.text.clone(),
                time_us: event.time_us,
            });
        }
    }

    fn end(&self, run: &str, state: State) {
        let run = run.to_owned();
        self.note(Note::Ended { run, state });
    }
}

/// What the threads need.
pub(crate) struct Context {
    /// A connection of its own: requests do not wait for deliveries to be noted.
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: WebhookOptions,
    /// The server's URL for people, without a path.
    pub(crate) url: String,
}

/// The running threads.
pub(crate) struct Deliveries {
    webhooks: Webhooks,
    threads: sender::Threads,
}

impl Deliveries {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the store or the certificates of the system cannot be read, or a thread cannot be
    /// created.
    pub(crate) fn start(
        webhooks: Webhooks,
        inbox: Inbox,
        context: Context,
    ) -> Result<Deliveries, Error> {
        let threads = sender::Threads::start(inbox.0, context)?;
        Ok(Deliveries { webhooks, threads })
    }

    /// Stops the threads: what is due now is tried once, for at most `patience`.
    pub(crate) fn stop(self, patience: Duration) {
        // fails when the thread has ended; waits while the queue is full
        let _ = self.webhooks.notes.send(Note::Stop);
        self.threads.stop(patience);
    }
}

/// The routes of the API and of the page.
pub(crate) fn routes() -> Router<App> {
    api::routes().merge(page::routes())
}
