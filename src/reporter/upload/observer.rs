//! The reporter's end of the channel: never waits, never drops a second.

use super::UploadItem;
use super::merge::absorb;
use crate::render::live::Stage;
use crate::reporter::Observer;
use stats::{Aggregator, Detail, Second};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};
use wire::{MISSED_EVENT, SecondRow};

/// Passes everything on; while the channel is full, seconds are merged here.
pub struct UploadObserver {
    items: SyncSender<UploadItem>,
    held: Option<Box<SecondRow>>,
    stage: Stage,
    /// The missed thresholds that were sent, by index.
    sent_missed: BTreeSet<usize>,
}

impl UploadObserver {
    pub(super) fn new(items: SyncSender<UploadItem>) -> UploadObserver {
        UploadObserver {
            items,
            held: None,
            stage: Stage::Starting,
            sent_missed: BTreeSet::new(),
        }
    }

    /// Returns the item when the channel is full; fails when the thread has ended.
    fn offer(&self, item: UploadItem) -> io::Result<Option<UploadItem>> {
        match self.items.try_send(item) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(item)) => Ok(Some(item)),
            Err(TrySendError::Disconnected(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn release(&mut self) -> io::Result<()> {
        if let Some(row) = self.held.take()
            && let Some(UploadItem::Row(row)) = self.offer(UploadItem::Row(row))?
        {
            self.held = Some(row);
        }
        Ok(())
    }

    fn event(&self, kind: &'static str, text: String) -> io::Result<()> {
        let at = Instant::now();
        // events that occur while the channel is full only reach the terminal
        self.offer(UploadItem::Event { at, kind, text }).map(drop)
    }
}

impl Observer for UploadObserver {
    fn wants_detail(&self) -> bool {
        true
    }

    fn begin(&mut self, t0: Instant) -> io::Result<()> {
        self.offer(UploadItem::Begin(t0)).map(drop)
    }

    fn second(&mut self, _second: &Second, so_far: &Aggregator) -> io::Result<()> {
        for (index, text) in so_far.missed_thresholds() {
            if self.sent_missed.contains(&index) {
                continue;
            }
            let item = UploadItem::Event {
                at: Instant::now(),
                kind: MISSED_EVENT,
                text: text.to_owned(),
            };
            // while the channel is full, the next second tries again
            if self.offer(item)?.is_none() {
                self.sent_missed.insert(index);
            }
        }
        Ok(())
    }

    fn detail(&mut self, second: &Second, detail: &Arc<Detail>) -> io::Result<()> {
        self.release()?;
        if let Some(held) = &mut self.held {
            absorb(held, detail.to_row(second));
            return Ok(());
        }
        let item = UploadItem::Second(Box::new(second.clone()), Arc::clone(detail));
        if self.offer(item)?.is_some() {
            self.held = Some(Box::new(detail.to_row(second)));
        }
        Ok(())
    }

    fn tick(&mut self, stage: Stage, _elapsed: Duration) -> io::Result<()> {
        if std::mem::replace(&mut self.stage, stage) != stage {
            self.event("stage", stage.as_str().to_owned())?;
        }
        self.release()
    }

    fn message(&mut self, text: &str) -> io::Result<()> {
        self.event("message", text.to_owned())
    }

    fn end(&mut self) -> io::Result<()> {
        // nothing waits for this thread any more, so blocking is fine
        if let Some(row) = self.held.take() {
            let _ = self.items.send(UploadItem::Row(row));
        }
        Ok(())
    }
}
