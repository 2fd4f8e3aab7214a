//! One user's pass through a scenario, with every event told as it comes.

use super::trace;
use crate::command::console::Stream;
use crate::command::exit::Failure;
use crate::command::load;
use crate::render::flow::Style;
use anyhow::anyhow;
use config::{Origin, Plan};
use engine::{Control, Event, Outcome, RunSpec, SingleUser};
use signal_hook::iterator::Signals;
use stats::{Aggregator, Model, Summary};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

/// Events under way; a script that makes more at once than the terminal takes loses some.
const EVENTS_MAX: usize = 65_536;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a pass ended.
pub struct Done {
    /// What was counted of it.
    pub summary: Summary,
    /// What ended it before its time.
    pub error: Option<engine::Error>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    told: Told,
}

/// What the events said.
#[derive(Debug, Default)]
struct Told {
    signal: Option<i32>,
    script_errors: u64,
    failed_requests: u64,
}

impl Done {
    /// Whether everything went as it should.
    pub fn is_well(&self) -> bool {
        let iterations = self.summary.totals.counts.iterations;
        let ended = iterations.finished > 0 && iterations.failed + iterations.unfinished == 0;
        let checked = self.summary.checks.iter().all(|check| check.failed == 0);
        let quiet = self.told.script_errors == 0 && self.told.failed_requests == 0;
        ended && checked && quiet && self.error.is_none()
    }
}

/// Runs a plan of one user on `cpu`.
///
/// # Errors
/// The run could not begin.
pub fn once(
    plan: Arc<Plan>,
    origin: &Origin,
    cpu: usize,
    signals: &mut Signals,
    only: Option<SingleUser>,
    style: Style,
) -> Result<Done, Failure> {
    let (recorder, mut source) = stats::link(0, 1);
    let (events, inbox) = sync_channel(EVENTS_MAX);
    let control = Control::new();
    let over = AtomicBool::new(false);
    let job = RunSpec {
        plan,
        segment: engine::Segment::WHOLE,
        origin: origin.clone(),
        cpus: vec![cpu],
        recorders: vec![recorder],
        events,
        traced: true,
        only,
        control: control.clone(),
    };
    let (told, outcome) = thread::scope(|scope| {
        let over = &over;
        let teller = scope.spawn(move || tell(&inbox, over, &control, signals, style));
        let outcome = load::generate(job, |_| ());
        over.store(true, Ordering::Release);
        (teller.join(), outcome)
    });
    let told = told.map_err(|_| Failure::failed(anyhow!("the event thread panicked")))?;
    let (_, Outcome { windows, error, .. }) = outcome?;
    let mut aggregator = Aggregator::new(1, Model::Open);
    while let Some(window) = source.pop() {
        aggregator.add(&window);
    }
    for (_, window) in &windows {
        aggregator.add(window);
    }
    Ok(Done {
        summary: aggregator.summary(),
        error,
        signal: told.signal,
        told,
    })
}

/// Prints events until nothing more comes. A signal ends the run.
fn tell(
    inbox: &Receiver<Event>,
    over: &AtomicBool,
    control: &Control,
    signals: &mut Signals,
    style: Style,
) -> Told {
    let mut told = Told::default();
    loop {
        // asked before looking, so that no event from before the end is missed
        let last = over.load(Ordering::Acquire);
        for signal in signals.pending() {
            told.signal.get_or_insert(signal);
            control.stop();
        }
        let patience = if last { Duration::ZERO } else { LOOK_EVERY };
        match inbox.recv_timeout(patience) {
            Ok(event) => {
                told.count(&event);
                Stream::Out.print(&trace::event(&event, style));
            }
            Err(_) if last => return told,
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

impl Told {
    fn count(&mut self, event: &Event) {
        match event {
            Event::ScriptError { .. } => self.script_errors += 1,
            Event::Exchange(exchange) => {
                self.failed_requests += u64::from(exchange.failure.is_some());
            }
            Event::Log { .. } | Event::Stalled { .. } | Event::Notice { .. } => {}
        }
    }
}
