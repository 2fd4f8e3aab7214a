//! The reporter thread: collects the cores' windows, merges them, notifies observers, and keeps the
//! result.
//!
//! It is the only reader of the rings. Cores never wait for it: if it is delayed, their windows
//! grow and the rows of the series become coarser. It inherits the cpus of the thread that starts
//! it, so that one should not be pinned to a core that generates load.

mod steal;
mod terminal;
pub mod upload;

#[cfg(test)]
mod tests;

use crate::cgroup::{Groups, ThrottleMeter};
use engine::{FirstFigures, LostCore};
use steal::StealMeter;
pub use terminal::{LinePrinter, LiveView, Terminal};

use crate::render::live::Stage;
use stats::{Aggregator, Detail, Second, Summary, Window, WindowSource};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often windows are collected: 20 times a second.
const POLL: Duration = Duration::from_millis(50);
/// A second is closed without missing cores this long after its end.
const LATE_S: u64 = 3;
/// Capacity of the message queue to the terminal; messages that do not fit are counted and dropped.
const MESSAGES_MAX: usize = 1_024;

/// Notified of events, on the reporter's thread. An error ends the notifications, not the run: a
/// closed terminal is no reason to stop the load.
pub trait Observer: Send {
    /// Whether [`Observer::detail`] is needed; it has a cost.
    fn wants_detail(&self) -> bool {
        false
    }

    /// The load began.
    ///
    /// # Errors
    /// Those of the output.
    fn begin(&mut self, _t0: Instant) -> std::io::Result<()> {
        Ok(())
    }

    /// The first figures, before the first second is complete; missing in very short runs.
    ///
    /// # Errors
    /// Those of the output.
    fn first(&mut self, _figures: FirstFigures) -> std::io::Result<()> {
        Ok(())
    }

    /// The details of a second, after [`Observer::second`].
    ///
    /// # Errors
    /// Those of the output.
    fn detail(&mut self, _second: &Second, _detail: &Arc<Detail>) -> std::io::Result<()> {
        Ok(())
    }

    /// A second is complete; `so_far` is the run including it.
    ///
    /// # Errors
    /// Those of the output.
    fn second(&mut self, second: &Second, so_far: &Aggregator) -> std::io::Result<()>;

    /// Called whenever windows are collected, `elapsed` after the start of the load.
    ///
    /// # Errors
    /// Those of the output.
    fn tick(&mut self, stage: Stage, elapsed: Duration) -> std::io::Result<()>;

    /// A message to show above everything else: a script's log, an error.
    ///
    /// # Errors
    /// Those of the output.
    fn message(&mut self, text: &str) -> std::io::Result<()>;

    /// The last call.
    ///
    /// # Errors
    /// Those of the output.
    fn end(&mut self) -> std::io::Result<()>;
}

enum Command {
    Begin(Instant),
    Stage(Stage),
    First(FirstFigures),
    Message(String),
    Lost(LostCore),
    Finish(Vec<Window>, Option<Duration>),
}

/// A running reporter thread.
pub struct Reporter {
    commands: SyncSender<Command>,
    thread: JoinHandle<Summary>,
    aborts: Aborts,
}

/// Missed thresholds that must end the run, until they are fetched.
type Aborts = Arc<Mutex<Vec<String>>>;

impl Reporter {
    /// Starts the thread; `cpus` are those of the cores, `sources` are the other ends of all
    /// recorders of the run, which the aggregator is made for. Details by name are kept if an
    /// observer wants them.
    ///
    /// # Errors
    /// When the thread cannot be created.
    pub fn start(
        sources: Vec<WindowSource>,
        aggregator: Aggregator,
        cpus: Vec<usize>,
        observers: Vec<Box<dyn Observer>>,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = sync_channel(MESSAGES_MAX);
        let aborts = Aborts::default();
        let detailed = observers.iter().any(|observer| observer.wants_detail());
        let aggregator = match detailed {
            true => aggregator.with_detail(),
            false => aggregator,
        };
        let work = ReporterThread {
            aborts: Arc::clone(&aborts),
            steal: StealMeter::new(cpus),
            throttle: ThrottleMeter::new(Groups::of_this_process()),
            sampled_s: 0,
            lost: Vec::new(),
            sources,
            aggregator,
            observers,
            stage: Stage::Starting,
            began: None,
        };
        let thread = std::thread::Builder::new()
            .name("reporter".into())
            .spawn(move || work.run(&inbox))?;
        Ok(Reporter {
            commands,
            thread,
            aborts,
        })
    }

    /// The load began at `t0`: second 0 of all windows.
    pub fn begin(&self, t0: Instant) {
        // a reporter that has ended reports that in `finish`
        let _ = self.commands.send(Command::Begin(t0));
    }

    /// The run has reached this stage.
    pub fn stage(&self, stage: Stage) {
        let _ = self.commands.send(Command::Stage(stage));
    }

    /// The first figures of all cores.
    pub fn first(&self, figures: FirstFigures) {
        let _ = self.commands.send(Command::First(figures));
    }

    /// Shows a message of one or more lines; returns false when the queue is full and the message
    /// was dropped. Never waits.
    pub fn message(&self, text: String) -> bool {
        self.commands.try_send(Command::Message(text)).is_ok()
    }

    /// The missed thresholds that must end the run; each is returned once.
    pub fn take_aborts(&self) -> Vec<String> {
        // a list of texts is consistent whenever its lock is released
        std::mem::take(&mut *self.aborts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A core will not deliver its last window; called before [`Reporter::finish`].
    pub fn core_lost(&self, core: LostCore) {
        let _ = self.commands.send(Command::Lost(core));
    }

    /// Adds the cores' last windows and ends the thread. `took` is the duration of the run, if
    /// there was one.
    ///
    /// # Errors
    /// When the thread panicked.
    pub fn finish(
        self,
        last: Vec<Window>,
        took: Option<Duration>,
    ) -> Result<Summary, ReporterGone> {
        let _ = self.commands.send(Command::Finish(last, took));
        drop(self.commands);
        self.thread.join().map_err(|_| ReporterGone)
    }
}

/// The reporter thread panicked; its message is on stderr.
#[derive(Debug)]
pub struct ReporterGone;

impl std::fmt::Display for ReporterGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reporter thread panicked: there is no result")
    }
}

impl std::error::Error for ReporterGone {}

/// The state of the thread.
struct ReporterThread {
    sources: Vec<WindowSource>,
    aggregator: Aggregator,
    /// Each is removed after its first error.
    observers: Vec<Box<dyn Observer>>,
    stage: Stage,
    began: Option<Instant>,
    aborts: Aborts,
    steal: StealMeter,
    throttle: ThrottleMeter,
    /// The whole seconds of the run that both meters were sampled for.
    sampled_s: u64,
    /// Cores that will not deliver their last window.
    lost: Vec<LostCore>,
}

impl ReporterThread {
    fn run(mut self, inbox: &Receiver<Command>) -> Summary {
        let mut due = Instant::now() + POLL;
        loop {
            match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Command::Begin(t0)) => {
                    self.began = Some(t0);
                    self.stage = Stage::Running;
                    // what was before is not part of the run
                    self.steal.sample();
                    self.throttle.sample();
                    self.notify(|observer| observer.begin(t0));
                }
                Ok(Command::Stage(stage)) => self.stage = stage,
                Ok(Command::First(figures)) => self.notify(|observer| observer.first(figures)),
                Ok(Command::Message(text)) => self.notify(|observer| observer.message(&text)),
                Ok(Command::Lost(core)) => self.lost.push(core),
                Ok(Command::Finish(last, took)) => return self.finish(&last, took),
                Err(RecvTimeoutError::Timeout) => {
                    due = Instant::now() + POLL;
                    self.poll();
                }
                Err(RecvTimeoutError::Disconnected) => return self.finish(&[], None),
            }
        }
    }

    fn poll(&mut self) {
        self.drain();
        let elapsed = self.began.map(|t0| t0.elapsed()).unwrap_or_default();
        self.sample_taken_time(elapsed.as_secs());
        let late = elapsed.as_secs().saturating_sub(LATE_S);
        while let Some(second) = self.aggregator.take_late(late) {
            self.show(&second);
        }
        while let Some(text) = self.aggregator.take_abort() {
            let mut aborts = self.aborts.lock().unwrap_or_else(PoisonError::into_inner);
            aborts.push(text);
        }
        let stage = self.stage;
        self.notify(|observer| observer.tick(stage, elapsed));
    }

    /// Once per second of the run: samples what the hypervisor and a CPU quota took in the second
    /// before.
    fn sample_taken_time(&mut self, second: u64) {
        if second <= self.sampled_s {
            return;
        }
        for (core, part) in (0..).zip(self.steal.sample()) {
            self.aggregator.stolen(core, second - 1, part);
        }
        if let Some(periods) = self.throttle.sample() {
            let (throttled, all) = (periods.throttled, periods.all);
            self.aggregator.throttled(second - 1, throttled, all);
        }
        self.sampled_s = second;
    }

    fn drain(&mut self) {
        for source in &mut self.sources {
            while let Some(window) = source.pop() {
                self.aggregator.add(&window);
                source.give_back(window);
            }
        }
    }

    fn finish(mut self, last: &[Window], took: Option<Duration>) -> Summary {
        self.sample_taken_time(took.map_or(0, |took| took.as_secs()));
        self.drain();
        if let Some(took) = took {
            self.aggregator.set_length(took.as_secs_f64());
        }
        for window in last {
            self.aggregator.add(window);
        }
        for core in std::mem::take(&mut self.lost) {
            let LostCore {
                core,
                planned,
                planned_measured,
            } = core;
            self.aggregator.lose(core, planned, planned_measured);
        }
        while let Some(second) = self.aggregator.take_rest() {
            self.show(&second);
        }
        self.notify(|observer| observer.end());
        self.aggregator.summary()
    }

    fn show(&mut self, second: &Second) {
        let detail = self.aggregator.take_detail().map(Arc::new);
        let so_far = &self.aggregator;
        self.observers.retain_mut(|observer| {
            let shown = observer.second(second, so_far);
            let detailed = detail
                .as_ref()
                .map(|detail| observer.detail(second, detail));
            shown.and(detailed.unwrap_or(Ok(()))).is_ok()
        });
    }

    fn notify(&mut self, what: impl Fn(&mut dyn Observer) -> std::io::Result<()>) {
        let result = |observer: &mut Box<dyn Observer>| what(observer.as_mut()).is_ok();
        self.observers.retain_mut(result);
    }
}
