//! What a core tells the outside: numbers to its recorder, events to the launcher.

use crate::event::Event;
use stats::{Counter, Recorder};
use std::cell::{Cell, RefCell};
use std::sync::mpsc::SyncSender;

/// Distinct texts of errors and notices that one core tells; the rest is dropped.
const TEXTS_MAX: usize = 64;

/// Shared by the parts of one core. No borrow is held while anything else runs.
pub(crate) struct Telemetry {
    pub(crate) recorder: RefCell<Recorder>,
    /// False during setup and teardown: their traffic is no part of the result.
    pub(crate) recording: Cell<bool>,
    events: SyncSender<Event>,
    /// What was sent once and is not sent again.
    sent: RefCell<Vec<String>>,
}

impl Telemetry {
    pub(crate) fn new(recorder: Recorder, events: SyncSender<Event>) -> Telemetry {
        Telemetry {
            recorder: RefCell::new(recorder),
            recording: Cell::new(false),
            events,
            sent: RefCell::default(),
        }
    }

    /// Records something, unless this is setup or teardown.
    #[inline]
    pub(crate) fn record(&self, write: impl FnOnce(&mut Recorder)) {
        if self.recording.get() {
            write(&mut self.recorder.borrow_mut());
        }
    }

    /// Adds to a counter, unless this is setup or teardown.
    #[inline]
    pub(crate) fn count(&self, tally: Counter, by: u64) {
        self.record(|recorder| recorder.count(tally, by));
    }

    /// Sends an event, or counts its loss.
    pub(crate) fn send(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.recorder.borrow_mut().count(Counter::LogsDropped, 1);
        }
    }

    /// Sends an event the first time that its `matter` comes up.
    #[cold]
    pub(crate) fn send_once(&self, matter: String, event: impl FnOnce() -> Event) {
        let mut sent = self.sent.borrow_mut();
        if sent.len() < TEXTS_MAX && !sent.contains(&matter) {
            sent.push(matter);
            drop(sent);
            self.send(event());
        }
    }
}
