//! The reporter's end of the channel: never waits, never drops a second.

use super::Item;
use crate::render::live::Stage;
use crate::reporter::Observer;
use stats::second::Counts;
use stats::wire::SecondRow;
use stats::{Detail, Second};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

/// Hands everything on; while the channel is full, seconds are merged here.
pub struct Outlet {
    items: SyncSender<Item>,
    held: Option<Box<SecondRow>>,
    stage: Stage,
}

impl Outlet {
    pub(super) fn new(items: SyncSender<Item>) -> Outlet {
        Outlet {
            items,
            held: None,
            stage: Stage::Starting,
        }
    }

    /// An error when nobody takes anything any more.
    fn offer(&self, item: Item) -> io::Result<Option<Item>> {
        match self.items.try_send(item) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(item)) => Ok(Some(item)),
            Err(TrySendError::Disconnected(_)) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn release(&mut self) -> io::Result<()> {
        if let Some(row) = self.held.take()
            && let Some(Item::Row(row)) = self.offer(Item::Row(row))?
        {
            self.held = Some(row);
        }
        Ok(())
    }

    fn event(&self, kind: &'static str, text: String) -> io::Result<()> {
        let at = Instant::now();
        // what is told while the channel is full is on the terminal only
        self.offer(Item::Event { at, kind, text }).map(drop)
    }
}

impl Observer for Outlet {
    fn wants_detail(&self) -> bool {
        true
    }

    fn begin(&mut self, t0: Instant) -> io::Result<()> {
        self.offer(Item::Begin(t0)).map(drop)
    }

    fn second(&mut self, _second: &Second, _so_far: &Counts) -> io::Result<()> {
        Ok(())
    }

    fn detail(&mut self, second: &Second, detail: &Arc<Detail>) -> io::Result<()> {
        self.release()?;
        if let Some(held) = &mut self.held {
            held.absorb(SecondRow::of(second, detail));
            return Ok(());
        }
        let item = Item::Second(Box::new(second.clone()), Arc::clone(detail));
        if self.offer(item)?.is_some() {
            self.held = Some(Box::new(SecondRow::of(second, detail)));
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
        // nothing waits for this thread any more
        if let Some(row) = self.held.take() {
            let _ = self.items.send(Item::Row(row));
        }
        Ok(())
    }
}
