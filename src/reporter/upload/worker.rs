//! The thread that spools and posts.

use super::client::BatchReply;
use super::{BatchSource, Spool, StatsClient, UploadItem, UploadJob};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::{Batch, EventRow, RunStart, SecondRow};

/// The first wait after a failed post; doubles up to [`WAIT_MAX`].
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait between posts during the run ...
const WAIT_MAX: Duration = Duration::from_secs(5);
/// ... and at its end, when the user waits.
const WAIT_END_MAX: Duration = Duration::from_millis(500);
/// At the end of a run, posting continues for this long without success ...
const STALL_MAX: Duration = Duration::from_secs(5);
/// ... and for this long in total.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// Maximum number of events waiting for the next batch.
const EVENTS_MAX: usize = 1_000;

/// The outcome of an upload.
#[derive(Debug, Default)]
pub struct UploadOutcome {
    /// Batches stored by the server.
    pub delivered: u64,
    /// Batches left in `dir`.
    pub left: usize,
    /// Batches that could not be written to `dir` either.
    pub lost: usize,
    /// Batches that the server rejected; they are in `dir`.
    pub rejected: u64,
    /// The run was deleted on the server: no more of it was sent.
    pub gone: bool,
    /// The folder of the spool.
    pub dir: PathBuf,
    /// The last error.
    pub error: Option<String>,
}

/// The state of the thread.
pub(super) struct Worker {
    uploader: Uploader,
    source: BatchSource,
    start: Option<RunStart>,
    began: Option<Instant>,
    sequence: u64,
    events: Vec<EventRow>,
    clock: (Instant, SystemTime),
}

impl Worker {
    pub(super) fn new(job: UploadJob) -> Worker {
        let spool = Spool::create(&job.spool, job.limits, job.client.server());
        Worker {
            uploader: Uploader::new(job.client, spool),
            source: job.source,
            start: Some(job.start),
            began: None,
            sequence: 0,
            events: Vec::new(),
            clock: job.clock,
        }
    }

    pub(super) fn run(mut self, inbox: &Receiver<UploadItem>) -> UploadOutcome {
        loop {
            match inbox.recv_timeout(self.uploader.pause()) {
                Ok(item) => self.handle(item),
                Err(RecvTimeoutError::Timeout) => self.uploader.post_next(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.uploader.drain(Instant::now() + DRAIN_MAX);
        self.uploader.finish()
    }

    fn handle(&mut self, item: UploadItem) {
        match item {
            UploadItem::Begin(t0) => self.begin(t0),
            UploadItem::Second(second, detail) => self.second(detail.to_row(&second)),
            UploadItem::Row(row) => self.second(*row),
            UploadItem::Event { at, kind, text } => self.event(at, kind, text),
            UploadItem::End(end) => self.put(|batch| batch.end = Some(end)),
        }
    }

    fn begin(&mut self, t0: Instant) {
        self.began = Some(t0);
        let (moment, time) = self.clock;
        let start = time + t0.saturating_duration_since(moment);
        let start = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(mut run) = self.start.take() {
            run.started_us = start.as_micros() as u64;
            self.put(|batch| batch.start = Some(Box::new(run)));
        }
    }

    fn second(&mut self, row: SecondRow) {
        self.put(|batch| batch.seconds.push(row));
    }

    fn event(&mut self, at: Instant, kind: &'static str, text: String) {
        if self.events.len() == EVENTS_MAX {
            return;
        }
        let time_us = match self.began {
            Some(t0) if at >= t0 => (at - t0).as_micros() as i64,
            Some(t0) => -((t0 - at).as_micros() as i64),
            None => 0,
        };
        let kind = kind.to_owned();
        self.events.push(EventRow {
            time_us,
            kind,
            text,
        });
    }

    /// Puts the next batch, with the events since the last one, into the spool.
    fn put(&mut self, fill: impl FnOnce(&mut Batch)) {
        if self.uploader.gone {
            return;
        }
        self.sequence += 1;
        let mut batch = self.source.batch(self.sequence);
        batch.events = std::mem::take(&mut self.events);
        fill(&mut batch);
        self.uploader.spool.put(&batch);
    }
}

/// Uploads what an earlier process left in a spool.
pub fn deliver(client: StatsClient, spool: Spool) -> UploadOutcome {
    let mut uploader = Uploader::new(client, spool);
    uploader.drain(Instant::now() + Duration::from_secs(86_400));
    uploader.finish()
}

/// Posts batches from a spool, waiting after failures.
struct Uploader {
    client: StatsClient,
    spool: Spool,
    wait: Duration,
    due: Instant,
    delivered: u64,
    /// The run was deleted on the server.
    gone: bool,
    error: Option<String>,
}

impl Uploader {
    fn new(client: StatsClient, spool: Spool) -> Uploader {
        Uploader {
            client,
            spool,
            wait: WAIT_MIN,
            due: Instant::now(),
            delivered: 0,
            gone: false,
            error: None,
        }
    }

    /// How long until the next post is due.
    fn pause(&self) -> Duration {
        match self.spool.len() {
            0 => WAIT_MAX,
            _ => self.due.saturating_duration_since(Instant::now()),
        }
    }

    /// Posts one batch, if there is one.
    fn post_next(&mut self) {
        let Some(body) = self.spool.front() else {
            return;
        };
        let before = self.spool.len();
        match self.client.post(&body) {
            BatchReply::Accepted(sequence) => {
                self.spool.settle(sequence);
                let settled = before - self.spool.len();
                self.delivered += settled as u64;
                if settled > 0 {
                    self.wait = WAIT_MIN;
                    self.error = None;
                } else {
                    self.retry_later(
                        "the server did not confirm that it stored the batch".to_owned(),
                    );
                }
            }
            BatchReply::Rejected(reason) => {
                self.spool.reject_front();
                self.error = Some(reason);
            }
            BatchReply::RunDeleted(reason) => {
                self.spool.discard();
                self.gone = true;
                self.error = Some(reason);
            }
            BatchReply::Later(reason) => self.retry_later(reason),
        }
    }

    fn retry_later(&mut self, reason: String) {
        self.error = Some(reason);
        self.due = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(WAIT_MAX);
    }

    /// Posts until the spool is empty or the time limits pass.
    fn drain(&mut self, until: Instant) {
        self.due = Instant::now();
        let mut last_success = Instant::now();
        while self.spool.len() > 0 {
            let left = self.spool.len();
            self.post_next();
            if self.spool.len() < left {
                last_success = Instant::now();
                continue;
            }
            let now = Instant::now();
            if now >= until || now.duration_since(last_success) >= STALL_MAX {
                return;
            }
            self.wait = self.wait.min(WAIT_END_MAX);
            thread::sleep(self.wait);
        }
    }

    fn finish(mut self) -> UploadOutcome {
        let lost = self.spool.persist();
        let delivery = UploadOutcome {
            delivered: self.delivered,
            left: self.spool.len() - lost,
            lost,
            rejected: self.spool.rejected(),
            gone: self.gone,
            dir: self.spool.dir().to_owned(),
            error: self.error.or(self.spool.trouble().map(str::to_owned)),
        };
        self.spool.close();
        delivery
    }
}
