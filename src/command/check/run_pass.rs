//! Runs one user through a scenario and prints every event.

use super::trace;
use crate::command::console::Stream;
use crate::command::exit::Failure;
use crate::command::{load, redact};
use crate::render::flow::Style;
use anyhow::anyhow;
use config::{Origin, Plan};
use engine::{Control, Event, Outcome, RunSpec, SingleUser, Traced};
use signal_hook::iterator::Signals;
use stats::{Aggregator, Model, Summary};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

/// Capacity of the event queue; events that a script makes faster than the terminal prints them are
/// lost.
const EVENTS_MAX: usize = 65_536;
const POLL_EVERY: Duration = Duration::from_millis(20);

/// The outcome of a pass.
pub struct PassOutcome {
    /// Its statistics.
    pub summary: Summary,
    /// The error that ended it early.
    pub error: Option<engine::Error>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    counts: EventCounts,
}

/// What the events reported.
#[derive(Debug, Default)]
struct EventCounts {
    signal: Option<i32>,
    script_errors: u64,
    failed_requests: u64,
}

impl PassOutcome {
    /// Whether everything succeeded.
    pub fn succeeded(&self) -> bool {
        let iterations = self.summary.totals.counts.iterations;
        let ended = iterations.finished > 0 && iterations.failed + iterations.unfinished == 0;
        let checked = self.summary.checks.iter().all(|check| check.failed == 0);
        // a reply that the script rejects was none of the failed exchanges
        let rejected = self.summary.totals.counts.failed;
        let quiet = self.counts.script_errors == 0 && self.counts.failed_requests + rejected == 0;
        ended && checked && quiet && self.error.is_none()
    }
}

/// Runs a plan of one user on `cpu`.
///
/// # Errors
/// The run could not start.
pub fn run_pass(
    plan: Arc<Plan>,
    origin: &Origin,
    cpu: usize,
    signals: &mut Signals,
    only: Option<SingleUser>,
    style: Style,
) -> Result<PassOutcome, Failure> {
    let (recorders, sources) = load::recorders(&plan, 1, 1);
    let redactor = plan.variables.redactor();
    let (events, inbox) = sync_channel(EVENTS_MAX);
    let control = Control::new();
    let over = AtomicBool::new(false);
    let job = RunSpec {
        id: "check".to_owned(),
        plan,
        segment: engine::Segment::WHOLE,
        origin: origin.clone(),
        cpus: vec![cpu],
        recorders,
        events,
        traced: Traced::All,
        only,
        control: control.clone(),
    };
    let (counts, outcome) = thread::scope(|scope| {
        let over = &over;
        let teller = scope.spawn(move || {
            print_events(&inbox, over, &control, signals, |mut event| {
                redact::event(&redactor, &mut event);
                Stream::Out.print(&trace::event(&event, style));
            })
        });
        let outcome = load::generate(job, |_| ());
        over.store(true, Ordering::Release);
        (teller.join(), outcome)
    });
    let counts = counts.map_err(|_| Failure::failed(anyhow!("the event thread panicked")))?;
    let (_, Outcome { windows, error, .. }) = outcome?;
    let mut aggregator = Aggregator::new(1, Model::Open);
    for mut source in sources {
        while let Some(window) = source.pop() {
            aggregator.add(&window);
        }
    }
    for (_, window) in &windows {
        aggregator.add(window);
    }
    Ok(PassOutcome {
        summary: aggregator.summary(),
        error,
        signal: counts.signal,
        counts,
    })
}

/// Hands events to `print` until the run has ended. A signal ends the run.
fn print_events(
    inbox: &Receiver<Event>,
    over: &AtomicBool,
    control: &Control,
    signals: &mut Signals,
    print: impl Fn(Event),
) -> EventCounts {
    let mut counts = EventCounts::default();
    loop {
        // read before draining the queue, so that no event from before the end is missed
        let last = over.load(Ordering::Acquire);
        for signal in signals.pending() {
            counts.signal.get_or_insert(signal);
            control.stop();
        }
        let patience = if last { Duration::ZERO } else { POLL_EVERY };
        match inbox.recv_timeout(patience) {
            Ok(event) => {
                counts.count(&event);
                print(event);
            }
            Err(_) if last => return counts,
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

impl EventCounts {
    fn count(&mut self, event: &Event) {
        match event {
            Event::ScriptError { .. } => self.script_errors += 1,
            Event::Exchange(exchange) => {
                self.failed_requests += u64::from(exchange.failure.is_some());
            }
            Event::Log { .. } | Event::Stalled { .. } | Event::First(_) | Event::Notice { .. } => {}
        }
    }
}
