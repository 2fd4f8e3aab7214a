//! Webhooks: messages to other systems when a run starts, misses a threshold or ends.
//!
//! The store's thread only puts a short job into a bounded queue and never waits. One thread makes
//! messages of the jobs, and a few others post them, so a dead or slow receiver delays only its own
//! deliveries. docs/server.md documents the messages.

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
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use wire::{EventRow, MISSED_EVENT};

/// Maximum number of jobs that wait for the dispatcher; more are dropped and counted.
const JOBS_MAX: usize = 1_024;

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

/// An event that a webhook can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookEvent {
    /// The first batch of a run arrived.
    Started,
    /// A run missed a threshold for the first time.
    Missed,
    /// A run ended, or was lost.
    Ended,
    /// Somebody asked for a test.
    Test,
}

impl WebhookEvent {
    /// Those that can be chosen.
    const CHOICES: [WebhookEvent; 3] = [
        WebhookEvent::Started,
        WebhookEvent::Missed,
        WebhookEvent::Ended,
    ];

    /// Its name in messages, in the API and in the store.
    fn name(self) -> &'static str {
        match self {
            WebhookEvent::Started => "run.started",
            WebhookEvent::Missed => "run.threshold_missed",
            WebhookEvent::Ended => "run.ended",
            WebhookEvent::Test => "test",
        }
    }

    /// When it occurs, as words of a page.
    fn meaning(self) -> &'static str {
        match self {
            WebhookEvent::Started => "a run starts",
            WebhookEvent::Missed => "a run misses a threshold, once per threshold",
            WebhookEvent::Ended => "a run ends",
            WebhookEvent::Test => "a test",
        }
    }

    fn named(name: &str) -> Option<WebhookEvent> {
        let mut choices = Self::CHOICES.into_iter();
        choices.find(|event| event.name() == name)
    }
}

/// A job for the dispatcher thread.
#[derive(Debug)]
enum WebhookJob {
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

/// Accepts jobs; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    jobs: SyncSender<WebhookJob>,
    dropped: Arc<AtomicU64>,
    /// The addresses that messages may be posted to.
    allowed: Arc<AllowedAddresses>,
}

/// The other end of the queue of jobs.
pub(crate) struct Inbox(Receiver<WebhookJob>);

impl Webhooks {
    /// A queue of jobs and its other end.
    pub(crate) fn new(options: &WebhookOptions, accounts: Arc<Accounts>) -> (Webhooks, Inbox) {
        let (jobs, inbox) = sync_channel(JOBS_MAX);
        let allowed = AllowedAddresses::new(&options.allow).with_accounts(accounts);
        let webhooks = Webhooks {
            jobs,
            dropped: Arc::default(),
            allowed: Arc::new(allowed),
        };
        (webhooks, Inbox(inbox))
    }

    /// Never waits; when the queue is full, the job is dropped and counted. False if it was dropped.
    fn enqueue(&self, job: WebhookJob) -> bool {
        let is_taken = self.jobs.try_send(job).is_ok();
        if !is_taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        is_taken
    }

    /// How many jobs were dropped because too many were waiting.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl RunObserver for Webhooks {
    fn start(&self, run: &str) {
        let run = run.to_owned();
        self.enqueue(WebhookJob::Started { run });
    }

    fn second(&self, _run: &str, _time_s: u64) {}

    fn event(&self, run: &str, event: &EventRow) {
        if event.kind == MISSED_EVENT {
            self.enqueue(WebhookJob::Missed {
                run: run.to_owned(),
                threshold: event.text.clone(),
                time_us: event.time_us,
            });
        }
    }

    fn end(&self, run: &str, state: State) {
        let run = run.to_owned();
        self.enqueue(WebhookJob::Ended { run, state });
    }
}

/// What the threads need.
pub(crate) struct Context {
    /// A connection of its own: requests do not wait until deliveries are recorded.
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: WebhookOptions,
    /// The server's public URL, without a path.
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
        let _ = self.webhooks.jobs.send(WebhookJob::Stop);
        self.threads.stop(patience);
    }
}

/// The routes of the API and of the page.
pub(crate) fn routes() -> Router<App> {
    api::routes().merge(page::routes())
}
