//! The thread that spools and posts.

use super::post::Answer;
use super::{Errand, Item, Origin, Poster, Spool};
use stats::wire::{Batch, EventRow, RunStart, SecondRow};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The first wait after a failed post; doubles up to [`WAIT_MAX`].
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait between posts while the run goes on ...
const WAIT_MAX: Duration = Duration::from_secs(5);
/// ... and at its end, when somebody waits.
const WAIT_END_MAX: Duration = Duration::from_millis(500);
/// At the end of a run posting goes on for so long without success ...
const PATIENCE: Duration = Duration::from_secs(5);
/// ... and for so long in all.
const PATIENCE_MAX: Duration = Duration::from_secs(30);
/// Events that wait for the next batch.
const EVENTS_MAX: usize = 1_000;

/// What became of the batches of a run.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Batches that were stored.
    pub delivered: u64,
    /// Batches that wait in `dir`.
    pub left: usize,
    /// Batches that could not even be kept there.
    pub lost: usize,
    /// Batches that the server refused; they are in `dir`.
    pub refused: u64,
    /// The run was deleted on the server: no more of it was sent.
    pub gone: bool,
    /// The folder of the spool.
    pub dir: PathBuf,
    /// What last went wrong.
    pub error: Option<String>,
}

/// What the thread owns.
pub(super) struct Worker {
    post: Post,
    origin: Origin,
    start: Option<RunStart>,
    began: Option<Instant>,
    sequence: u64,
    events: Vec<EventRow>,
}

impl Worker {
    pub(super) fn new(errand: Errand) -> Worker {
        let spool = Spool::create(&errand.spool, errand.limits, errand.poster.server());
        Worker {
            post: Post::new(errand.poster, spool),
            origin: errand.origin,
            start: Some(errand.start),
            began: None,
            sequence: 0,
            events: Vec::new(),
        }
    }

    pub(super) fn run(mut self, inbox: &Receiver<Item>) -> Delivery {
        loop {
            match inbox.recv_timeout(self.post.pause()) {
                Ok(item) => self.take(item),
                Err(RecvTimeoutError::Timeout) => self.post.once(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.post.drain(Instant::now() + PATIENCE_MAX);
        self.post.finish()
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Begin(t0) => self.begin(t0),
            Item::Second(second, detail) => self.second(SecondRow::of(&second, &detail)),
            Item::Row(row) => self.second(*row),
            Item::Event { at, kind, text } => self.event(at, kind, text),
            Item::End(end) => self.put(|batch| batch.end = Some(end)),
        }
    }

    fn begin(&mut self, t0: Instant) {
        self.began = Some(t0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let ago = Instant::now().saturating_duration_since(t0);
        let ahead = t0.saturating_duration_since(Instant::now());
        let start = now.unwrap_or_default().saturating_sub(ago) + ahead;
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

    /// The next batch, with the events since the last one, into the spool.
    fn put(&mut self, fill: impl FnOnce(&mut Batch)) {
        if self.post.gone {
            return;
        }
        self.sequence += 1;
        let mut batch = self.origin.batch(self.sequence);
        batch.events = std::mem::take(&mut self.events);
        fill(&mut batch);
        self.post.spool.put(&batch);
    }
}

/// Delivers what an earlier process left in a spool.
pub fn deliver(poster: Poster, spool: Spool) -> Delivery {
    let mut post = Post::new(poster, spool);
    post.drain(Instant::now() + Duration::from_secs(86_400));
    post.finish()
}

/// Posts from a spool, with waits after failures.
struct Post {
    poster: Poster,
    spool: Spool,
    wait: Duration,
    due: Instant,
    delivered: u64,
    /// The server says that the run was deleted.
    gone: bool,
    error: Option<String>,
}

impl Post {
    fn new(poster: Poster, spool: Spool) -> Post {
        Post {
            poster,
            spool,
            wait: WAIT_MIN,
            due: Instant::now(),
            delivered: 0,
            gone: false,
            error: None,
        }
    }

    /// How long there is nothing to do.
    fn pause(&self) -> Duration {
        match self.spool.len() {
            0 => WAIT_MAX,
            _ => self.due.saturating_duration_since(Instant::now()),
        }
    }

    /// Posts one batch, if there is one.
    fn once(&mut self) {
        let Some(body) = self.spool.front() else {
            return;
        };
        let before = self.spool.len();
        match self.poster.post(&body) {
            Answer::Accepted(sequence) => {
                self.spool.settle(sequence);
                let settled = before - self.spool.len();
                self.delivered += settled as u64;
                if settled > 0 {
                    self.wait = WAIT_MIN;
                    self.error = None;
                } else {
                    self.later("the server does not say that it stored the batch".to_owned());
                }
            }
            Answer::Refused(reason) => {
                self.spool.refuse_front();
                self.error = Some(reason);
            }
            Answer::Gone(reason) => {
                self.spool.discard();
                self.gone = true;
                self.error = Some(reason);
            }
            Answer::Later(reason) => self.later(reason),
        }
    }

    fn later(&mut self, reason: String) {
        self.error = Some(reason);
        self.due = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(WAIT_MAX);
    }

    /// Posts until the spool is empty or patience ends.
    fn drain(&mut self, until: Instant) {
        self.due = Instant::now();
        let mut last_success = Instant::now();
        while self.spool.len() > 0 {
            let left = self.spool.len();
            self.once();
            if self.spool.len() < left {
                last_success = Instant::now();
                continue;
            }
            let now = Instant::now();
            if now >= until || now.duration_since(last_success) >= PATIENCE {
                return;
            }
            self.wait = self.wait.min(WAIT_END_MAX);
            thread::sleep(self.wait);
        }
    }

    fn finish(mut self) -> Delivery {
        let lost = self.spool.persist();
        let delivery = Delivery {
            delivered: self.delivered,
            left: self.spool.len() - lost,
            lost,
            refused: self.spool.refused(),
            gone: self.gone,
            dir: self.spool.dir().to_owned(),
            error: self.error.or(self.spool.trouble().map(str::to_owned)),
        };
        self.spool.close();
        delivery
    }
}
