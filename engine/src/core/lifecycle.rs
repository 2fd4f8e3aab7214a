//! The life of a core: set up, wait for the start, generate the load, drain, tear down.

use super::Core;
use crate::clock::Moment;
use crate::control::StopLevel;
use crate::event::{Event, FirstFigures, Traced};
use crate::messages::{Command, LauncherLink, Report};
use crate::ring::WAIT_MAX;
use rustix::time::{ClockId, clock_gettime};
use scripting::Entry;
use serde_json::Value;
use std::io;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

/// The interval the reporter works in.
const WINDOW: Duration = Duration::from_secs(1);
/// When the first figures are told: soon enough to be seen within a second of the program's start.
const FIRST_FIGURES: Duration = Duration::from_millis(300);
/// Users started in one turn at most, so that input and output are served in between.
const STARTS_PER_TURN: usize = 256;
/// How long the connections that are left may take to close at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

impl Core {
    /// Serves the launcher from `prepare` to the end of the run.
    ///
    /// # Errors
    ///
    /// The run cannot begin or go on.
    pub(crate) fn live(mut self, link: LauncherLink) -> Result<(), crate::Error> {
        let hooks = self.script().hooks();
        let ready = Report::Ready {
            scenarios: self.script().scenarios().to_vec(),
            has_setup: hooks.setup,
            has_teardown: hooks.teardown,
        };
        // A launcher that has given up is met as one that commands nothing more.
        let _ = link.to_launcher.send(ready);
        while let Some(command) = self.next_command(&link)? {
            match command {
                Command::Setup => {
                    self.hook(Entry::Setup)?;
                    let data = self.script().setup_result();
                    let _ = link.to_launcher.send(Report::HookDone(data));
                }
                Command::Start { at, data } => {
                    let stored = self.script().set_data(&data);
                    stored.map_err(crate::Error::Script)?;
                    self.begin(at);
                    let generated = self.generate_load().map_err(|e| core_error(link.core, &e));
                    self.report_load(&link);
                    generated?;
                }
                Command::Teardown => {
                    self.hook(Entry::Teardown)?;
                    let _ = link.to_launcher.send(Report::HookDone(Value::Null));
                }
            }
        }
        self.close_connections()
            .map_err(|e| core_error(link.core, &e))
    }

    /// Turns until the launcher commands something, so that the executor is warm when the load
    /// starts; none when nothing more comes.
    fn next_command(&mut self, link: &LauncherLink) -> Result<Option<Command>, crate::Error> {
        loop {
            match link.from_launcher.try_recv() {
                Ok(command) => return Ok(Some(command)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {}
            }
            self.turn(WAIT_MAX).map_err(|e| core_error(link.core, &e))?;
        }
    }

    /// Hands over the last window: from here on nothing is recorded.
    fn report_load(&mut self, link: &LauncherLink) {
        let telemetry = &self.state.telemetry;
        telemetry.recording.set(false);
        let spare = stats::Recorder::link(link.core, 1).0;
        let load_end = self.load_end;
        let last = telemetry.recorder.replace(spare).finish_after(load_end);
        // The launcher may have given up; then nobody needs the window.
        let _ = link.to_launcher.send(Report::Delivered {
            core: link.core,
            window: Box::new(last),
            at: self.now,
            load_end,
        });
        self.heartbeat.deliver();
    }

    /// Runs `setup` or `teardown` to its end.
    fn hook(&mut self, entry: Entry) -> Result<(), crate::Error> {
        self.state.draining.set(false);
        self.start_hook(entry);
        let limit = self
            .clock
            .now()
            .after(self.plan.drain.max(self.plan.timeout));
        while self.hook_end.is_none() {
            let late = entry == Entry::Teardown && self.now > limit;
            if self.stop_level() == StopLevel::Stop || late {
                self.abandon_users();
                return Ok(());
            }
            self.turn(WAIT_MAX).map_err(|e| core_error(0, &e))?;
        }
        // The hook's connections go with it, whoever they belong to.
        self.transport.close_pool();
        match self.hook_end.take() {
            Some(Err(error)) => Err(crate::Error::Hook {
                name: hook_name(entry),
                error,
            }),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, start: Moment) {
        self.state.start.set(start);
        self.schedule.begin(start);
        self.window = 0;
        let first = if self.traced == Traced::All {
            WINDOW
        } else {
            FIRST_FIGURES
        };
        self.window_end = start.after(first);
        self.script.tune_gc();
    }

    /// Carries the load from start to the end of the drain.
    fn generate_load(&mut self) -> io::Result<()> {
        let start = self.state.start.get();
        while self.now < start && self.stop_level() == StopLevel::Run {
            self.turn(WAIT_MAX)?;
        }
        self.state.telemetry.recording.set(true);
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
            let over = alone
                || self.now >= end
                || self.stop_level() >= StopLevel::Drain
                || self.budget.is_spent();
            if over && !self.state.draining.get() {
                let load_ns = self.now.min(end).since(start);
                self.state
                    .telemetry
                    .record(|recorder| recorder.load_ended(load_ns));
                self.drain();
                self.load_end = Duration::from_nanos(end.min(self.now).since(start));
                limit = limit.min(self.now.after(self.plan.drain));
            }
            let drained = self.state.draining.get() && !self.is_populated();
            if drained || self.now >= limit || self.stop_level() == StopLevel::Stop {
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
        self.state.draining.set(true);
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
        let at = Duration::from_nanos(self.now.since(self.state.start.get()));
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
        let since = self.now.since(self.state.start.get());
        let next = since / WINDOW.as_nanos() as u64;
        if next == 0 {
            self.window_end = self.state.start.get().after(WINDOW);
            return self.tell_first_figures(since);
        }
        self.account_processor();
        let is_last = self.now >= end || self.state.draining.get();
        self.state.telemetry.record(|recorder| match is_last {
            true => recorder.roll_ending(next),
            false => recorder.roll(next),
        });
        self.script.tune_gc();
        self.gc_pacer.look(self.users.present());
        self.window = next;
        self.window_end = self.state.start.get().after(WINDOW * (next as u32 + 1));
    }

    fn tell_first_figures(&self, since_ns: u64) {
        let telemetry = &self.state.telemetry;
        let ended = telemetry.recorder.borrow().requests_ended();
        telemetry.send(Event::First(FirstFigures {
            elapsed: Duration::from_nanos(since_ns),
            ended,
            users: self.users.present() as u64,
        }));
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
        self.state.telemetry.record(|recorder| {
            recorder.processor(used, wall_ns);
            recorder.waited(waited.unwrap_or(0));
        });
    }

    /// Lets the last connections close.
    fn close_connections(&mut self) -> io::Result<()> {
        let limit = self.clock.now().after(CLOSE_WITHIN);
        while self.transport.pending() > 0 && self.now < limit {
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
