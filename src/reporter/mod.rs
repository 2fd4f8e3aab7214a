//! The reporter thread: takes the cores' windows, merges them, tells an observer, keeps the result.
//!
//! It is the only reader of the rings. Cores never wait for it: if it is held up, their windows
//! grow and the rows of the series become coarser. It inherits the cpus of the thread that starts
//! it, so that one should not be pinned to a core that generates load.

pub mod send;
mod steal;
mod terminal;

#[cfg(test)]
mod tests;

use steal::StealMeter;
pub use terminal::{LinePrinter, LiveView, Terminal};

use crate::render::live::Stage;
use stats::second::Counts;
use stats::{Aggregator, Detail, Second, Summary, Window, WindowSource};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often windows are looked for: 20 times a second.
const POLL: Duration = Duration::from_millis(50);
/// A second is closed without the cores that are missing in it this long after its end.
const LATE_S: u64 = 3;
/// Messages under way to the terminal; what does not fit is counted and left out.
const MESSAGES_MAX: usize = 1_024;

/// Is told what happens, on the reporter's thread. An error ends the telling, not the run: a
/// terminal that is gone is no reason to stop loading.
pub trait Observer: Send {
    /// Whether [`Observer::detail`] is wanted; it has a price.
    fn wants_detail(&self) -> bool {
        false
    }

    /// The load began.
    ///
    /// # Errors
    /// Of the output.
    fn begin(&mut self, _t0: Instant) -> std::io::Result<()> {
        Ok(())
    }

    /// What a second is made of, after [`Observer::second`].
    ///
    /// # Errors
    /// Of the output.
    fn detail(&mut self, _second: &Second, _detail: &Arc<Detail>) -> std::io::Result<()> {
        Ok(())
    }

    /// A second is complete; `so_far` is the run with it.
    ///
    /// # Errors
    /// Of the output.
    fn second(&mut self, second: &Second, so_far: &Counts) -> std::io::Result<()>;

    /// Called at every look for windows, `elapsed` after the start of the load.
    ///
    /// # Errors
    /// Of the output.
    fn tick(&mut self, stage: Stage, elapsed: Duration) -> std::io::Result<()>;

    /// Something to show above everything else: a script's log, an error.
    ///
    /// # Errors
    /// Of the output.
    fn message(&mut self, text: &str) -> std::io::Result<()>;

    /// The last call.
    ///
    /// # Errors
    /// Of the output.
    fn end(&mut self) -> std::io::Result<()>;
}

enum Command {
    Begin(Instant),
    Stage(Stage),
    Message(String),
    Finish(Vec<Window>, Option<Duration>),
}

/// A running reporter thread.
pub struct Reporter {
    commands: SyncSender<Command>,
    thread: JoinHandle<Summary>,
    aborts: Aborts,
}

/// Missed thresholds that want the run to end, until somebody takes them.
type Aborts = Arc<Mutex<Vec<String>>>;

impl Reporter {
    /// Starts the thread; `cpus` are the processors of the cores, `sources` are the other ends of
    /// all recorders of the run, which the aggregator is made for. Rows are kept by name when an
    /// observer wants that.
    ///
    /// # Errors
    /// When no thread can be made.
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
        let work = Work {
            aborts: Arc::clone(&aborts),
            steal: StealMeter::new(cpus),
            steal_s: 0,
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
        // a reporter that is gone says so in `finish`
        let _ = self.commands.send(Command::Begin(t0));
    }

    /// The run has got this far.
    pub fn stage(&self, stage: Stage) {
        let _ = self.commands.send(Command::Stage(stage));
    }

    /// Shows a text of one or more lines; false when there are so many under way that this one
    /// was left out. Never waits.
    pub fn message(&self, text: String) -> bool {
        self.commands.try_send(Command::Message(text)).is_ok()
    }

    /// The texts of thresholds that were missed and want the run to end; each is told once.
    pub fn take_aborts(&self) -> Vec<String> {
        // a list of texts is whole whenever its lock was given up
        std::mem::take(&mut *self.aborts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the cores' last windows and ends the thread. `took` is the length of the run, when
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

/// The reporter thread ended by a panic; its message is on stderr.
#[derive(Debug)]
pub struct ReporterGone;

impl std::fmt::Display for ReporterGone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reporter thread panicked: there is no result")
    }
}

impl std::error::Error for ReporterGone {}

/// What the thread owns.
struct Work {
    sources: Vec<WindowSource>,
    aggregator: Aggregator,
    /// Each is gone after its first error.
    observers: Vec<Box<dyn Observer>>,
    stage: Stage,
    began: Option<Instant>,
    aborts: Aborts,
    steal: StealMeter,
    /// The last whole second of the run that `steal` was asked about.
    steal_s: u64,
}

impl Work {
    fn run(mut self, inbox: &Receiver<Command>) -> Summary {
        let mut due = Instant::now() + POLL;
        loop {
            match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Command::Begin(t0)) => {
                    self.began = Some(t0);
                    self.stage = Stage::Running;
                    self.tell(|observer| observer.begin(t0));
                }
                Ok(Command::Stage(stage)) => self.stage = stage,
                Ok(Command::Message(text)) => self.tell(|observer| observer.message(&text)),
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
        self.look_for_steal(elapsed.as_secs());
        let late = elapsed.as_secs().saturating_sub(LATE_S);
        while let Some(second) = self.aggregator.take_late(late) {
            self.show(&second);
        }
        while let Some(text) = self.aggregator.take_abort() {
            let mut aborts = self.aborts.lock().unwrap_or_else(PoisonError::into_inner);
            aborts.push(text);
        }
        let stage = self.stage;
        self.tell(|observer| observer.tick(stage, elapsed));
    }

    /// Once a second of the run: what the hypervisor took in the one before.
    fn look_for_steal(&mut self, second: u64) {
        if second <= self.steal_s {
            return;
        }
        for (core, part) in (0..).zip(self.steal.look()) {
            self.aggregator.stolen(core, second - 1, part);
        }
        self.steal_s = second;
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
        self.drain();
        if let Some(took) = took {
            self.aggregator.set_length(took.as_secs_f64());
        }
        for window in last {
            self.aggregator.add(window);
        }
        while let Some(second) = self.aggregator.take_rest() {
            self.show(&second);
        }
        self.tell(|observer| observer.end());
        self.aggregator.summary()
    }

    fn show(&mut self, second: &Second) {
        let detail = self.aggregator.take_detail().map(Arc::new);
        let so_far = self.aggregator.counts();
        self.observers.retain_mut(|observer| {
            let shown = observer.second(second, so_far);
            let detailed = detail
                .as_ref()
                .map(|detail| observer.detail(second, detail));
            shown.and(detailed.unwrap_or(Ok(()))).is_ok()
        });
    }

    fn tell(&mut self, what: impl Fn(&mut dyn Observer) -> std::io::Result<()>) {
        let told = |observer: &mut Box<dyn Observer>| what(observer.as_mut()).is_ok();
        self.observers.retain_mut(told);
    }
}
