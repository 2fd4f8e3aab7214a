//! The life of a core: set up, wait for the start, carry the load, drain, tear down.

use super::Driver;
use crate::clock::Moment;
use crate::control::Wish;
use crate::ring::WAIT_MAX;
use rustix::time::{ClockId, clock_gettime};
use scripting::Entry;
use serde_json::Value;
use stats::Window;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

/// The interval the reporter works in.
const WINDOW: Duration = Duration::from_secs(1);
/// Users started in one turn at most, so that input and output are served in between.
const STARTS_PER_TURN: usize = 256;
/// How long the connections that are left may take to close at the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a core and the launcher say to each other.
pub(crate) struct Line {
    pub(crate) core: u32,
    pub(crate) to_launcher: Sender<Report>,
    pub(crate) from_launcher: Receiver<Begin>,
    /// Cores that still carry load.
    pub(crate) loaded: Arc<AtomicUsize>,
}

/// A core to the launcher.
pub(crate) enum Report {
    /// The core is warm and waits for the start; core 0 brings what `setup` returned.
    Ready {
        scenarios: Vec<String>,
        data: Option<Value>,
    },
    /// The core cannot be used.
    Failed(crate::Error),
    /// The core has carried its load; its last window, and when that was.
    Carried {
        core: u32,
        window: Box<Window>,
        at: Moment,
        /// When it ceased to start anything, from the start of the load.
        load_end: Duration,
    },
    /// The core has ended.
    Ended,
}

/// The launcher to a core: the load starts.
pub(crate) struct Begin {
    pub(crate) start: Moment,
    pub(crate) data: Arc<Value>,
}

impl Driver {
    /// Lives through a run.
    ///
    /// # Errors
    ///
    /// The run cannot begin or go on.
    pub(crate) fn live(mut self, line: Line) -> Result<(), crate::Error> {
        let mut data = None;
        if line.core == 0 && self.script().hooks().setup {
            self.hook(Entry::Setup)?;
            data = Some(self.script().setup_result());
        }
        let scenarios = self.script().scenarios().to_vec();
        let ready = Report::Ready { scenarios, data };
        let Some(begin) = self.await_start(&line, ready)? else {
            return Ok(());
        };
        self.script()
            .set_data(&begin.data)
            .map_err(crate::Error::Script)?;
        self.begin(begin.start);
        let carried = self.carry().map_err(|e| core_error(line.core, &e));
        self.report_load(&line);
        carried?;
        if line.core == 0 && self.script().hooks().teardown {
            self.await_others(&line)?;
            self.hook(Entry::Teardown)?;
        }
        self.farewell().map_err(|e| core_error(line.core, &e))
    }

    /// Hands over the last window: from here on nothing is recorded.
    fn report_load(&mut self, line: &Line) {
        line.loaded.fetch_sub(1, Ordering::AcqRel);
        self.shared.recording.set(false);
        let spare = stats::link(line.core, 1).0;
        let load_end = self.load_end;
        let last = self.shared.recorder.replace(spare).finish_after(load_end);
        let carried = Report::Carried {
            core: line.core,
            window: Box::new(last),
            at: self.now,
            load_end,
        };
        // The launcher may have given up; then nobody needs the window.
        let _ = line.to_launcher.send(carried);
    }

    /// Runs `setup` or `teardown` to its end.
    fn hook(&mut self, entry: Entry) -> Result<(), crate::Error> {
        self.shared.draining.set(false);
        self.start_hook(entry);
        let limit = self
            .clock
            .now()
            .after(self.plan.drain.max(self.plan.timeout));
        while self.hook_end.is_none() {
            let late = entry == Entry::Teardown && self.now > limit;
            if self.wish() == Wish::Stop || late {
                self.abandon_users();
                return Ok(());
            }
            self.turn(WAIT_MAX).map_err(|e| core_error(0, &e))?;
        }
        // The hook's connections go with it, whoever they belong to.
        self.close_pool();
        match self.hook_end.take() {
            Some(Err(error)) => Err(crate::Error::Hook {
                name: hook_name(entry),
                error,
            }),
            _ => Ok(()),
        }
    }

    /// Turns until the launcher says when the load starts: the executor is warm by then.
    fn await_start(&mut self, line: &Line, ready: Report) -> Result<Option<Begin>, crate::Error> {
        if line.to_launcher.send(ready).is_err() {
            return Ok(None);
        }
        loop {
            match line.from_launcher.try_recv() {
                Ok(begin) => return Ok(Some(begin)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {}
            }
            self.turn(WAIT_MAX).map_err(|e| core_error(line.core, &e))?;
        }
    }

    fn await_others(&mut self, line: &Line) -> Result<(), crate::Error> {
        while line.loaded.load(Ordering::Acquire) > 0 && self.wish() != Wish::Stop {
            self.turn(WAIT_MAX).map_err(|e| core_error(line.core, &e))?;
        }
        Ok(())
    }

    fn begin(&mut self, start: Moment) {
        self.shared.start.set(start);
        self.schedule.begin(start);
        self.window = 0;
        self.window_end = start.after(WINDOW);
        self.script.tune_gc();
    }

    /// Carries the load from start to the end of the drain.
    fn carry(&mut self) -> io::Result<()> {
        let start = self.shared.start.get();
        while self.now < start && self.wish() == Wish::Run {
            self.turn(WAIT_MAX)?;
        }
        self.shared.recording.set(true);
        self.spun_ns = 0;
        self.cpu_ns = thread_cpu_ns();
        let _ = self.queue.waited_ns();
        self.accounted = self.clock.now();
        let mut end = start.after(self.schedule.end());
        let mut limit = end.after(self.plan.drain);
        loop {
            self.turn(WAIT_MAX)?;
            if self.follow_changes() | self.close_loads() {
                end = start.after(self.schedule.end());
                limit = end.after(self.plan.drain);
            }
            self.roll_windows(end);
            self.start_due();
            let alone = self.is_single && self.schedule.is_over() && !self.is_populated();
            let over =
                alone || self.now >= end || self.wish() >= Wish::Drain || self.budget.is_spent();
            if over && !self.shared.draining.get() {
                let load_ns = self.now.min(end).since(start);
                self.shared.record(|recorder| recorder.load_ended(load_ns));
                self.drain();
                self.load_end = Duration::from_nanos(end.min(self.now).since(start));
                limit = limit.min(self.now.after(self.plan.drain));
            }
            let drained = self.shared.draining.get() && !self.is_populated();
            if drained || self.now >= limit || self.wish() == Wish::Stop {
                break;
            }
        }
        self.schedule.cancel();
        self.abandon_users();
        self.account_processor();
        Ok(())
    }

    /// Starts the users that are due.
    fn start_due(&mut self) {
        for _ in 0..STARTS_PER_TURN {
            match self.schedule.pop_due(self.now) {
                Some(start) => self.start_user(start),
                None => return,
            }
        }
    }

    /// Nothing new from here on. Arrivals that were due by now are started all the same.
    fn drain(&mut self) {
        while let Some(start) = self.schedule.pop_due(self.now) {
            self.start_user(start);
        }
        self.shared.draining.set(true);
        self.schedule.cancel();
        self.release_waiting();
        if self.budget.is_out_of_requests() {
            self.hold_sleepers();
        }
    }

    /// Ends the loads that have run out of rows since the last time; whether there were any.
    fn close_loads(&mut self) -> bool {
        let ended = self.budget.loads_ended();
        if ended == self.loads_ended {
            return false;
        }
        self.loads_ended = ended;
        let at = Duration::from_nanos(self.now.since(self.shared.start.get()));
        let budget = &self.budget;
        self.schedule.end_loads(at, |load| budget.has_ended(load));
        true
    }

    /// Hands over the window when its second is over. The load ends at `end`: what comes after it
    /// in less than a second is no window of its own.
    fn roll_windows(&mut self, end: Moment) {
        if self.now < self.window_end {
            return;
        }
        let since = self.now.since(self.shared.start.get());
        let next = since / WINDOW.as_nanos() as u64;
        self.account_processor();
        let is_last = self.now >= end || self.shared.draining.get();
        self.shared.record(|recorder| match is_last {
            true => recorder.roll_ending(next),
            false => recorder.roll(next),
        });
        self.script.tune_gc();
        self.leftovers.look(self.users.present());
        self.window = next;
        self.window_end = self.shared.start.get().after(WINDOW * (next as u32 + 1));
    }

    /// Records how much of the time since it was last called this core's thread worked, and for
    /// how long it was kept from its processor.
    fn account_processor(&mut self) {
        let cpu_ns = thread_cpu_ns();
        let waited = self.queue.waited_ns();
        // Read last, so that what was measured lies within the time it is divided by.
        let now = self.clock.now();
        let wall_ns = now.since(self.accounted);
        self.accounted = now;
        let spun = std::mem::take(&mut self.spun_ns);
        let used = (cpu_ns - self.cpu_ns).saturating_sub(spun);
        self.cpu_ns = cpu_ns;
        self.shared.record(|recorder| {
            recorder.processor(used, wall_ns);
            recorder.waited(waited.unwrap_or(0));
        });
    }

    /// Lets the last connections close.
    fn farewell(&mut self) -> io::Result<()> {
        let limit = self.clock.now().after(FAREWELL);
        while self.ring.pending() > 0 && self.now < limit {
            self.turn(WAIT_MAX)?;
        }
        Ok(())
    }
}

fn hook_name(entry: Entry) -> &'static str {
    if entry == Entry::Setup {
        "setup"
    } else {
        "teardown"
    }
}

fn core_error(core: u32, error: &io::Error) -> crate::Error {
    crate::Error::Core {
        core,
        message: format!("the ring failed: {error}"),
    }
}

/// Processor time of this thread, user and system, in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
