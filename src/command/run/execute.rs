//! Connects engine, reporter and supervisor for the duration of a run.

use super::join::{Joined, RunClock};
use super::supervisor::{ControlInputs, Notices, Progress, Supervisor};
use crate::command::exit::Failure;
use crate::command::load;
use crate::command::prepare::Cpus;
use crate::render::outline;
use crate::reporter::{Observer, Reporter};
use anyhow::anyhow;
use config::{Origin, Plan, Redactor};
use engine::{Control, Outcome, RunSpec, Segment};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stats::{Aggregator, Summary};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How many seconds the reporter may lag behind before windows grow.
const WINDOWS_IN_FLIGHT: usize = 8;
/// Capacity of the event queue; the engine counts what does not fit.
const EVENTS_MAX: usize = 4_096;

/// A finished run.
pub struct FinishedRun {
    /// The statistics.
    pub summary: Summary,
    /// The notices collected during the run.
    pub notices: Notices,
    /// Start of the load in wall-clock time.
    pub start: SystemTime,
    /// Duration from then to the end, including the drain.
    pub took: Duration,
    /// The error that ended it early.
    pub error: Option<engine::Error>,
}

/// Start and duration of a load.
struct Times {
    start: SystemTime,
    took: Duration,
}

/// Runs the plan, with observers that show and upload it.
///
/// # Errors
/// The run could not start; then there is nothing to report.
pub fn execute(
    id: &str,
    plan: &Arc<Plan>,
    cpus: &Cpus,
    origin: &Origin,
    segment: Segment,
    observers: Vec<Box<dyn Observer>>,
    inputs: ControlInputs,
) -> Result<FinishedRun, Failure> {
    let (recorders, sources) = load::recorders(plan, cpus.load.len(), WINDOWS_IN_FLIGHT);
    let signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::failed)?;
    let aggregator = Aggregator::new(sources.len(), outline::model(plan))
        .with_thresholds(plan.criteria(), plan.duration().as_secs())
        .with_warmup(plan.warmup.as_secs());
    let reporter = Reporter::start(sources, aggregator, cpus.load.clone(), observers)
        .map_err(Failure::failed)?;
    let control = Control::new();
    let progress = Progress::default();
    let (events, inbox) = sync_channel(EVENTS_MAX);
    let job = RunSpec {
        id: id.to_owned(),
        plan: Arc::clone(plan),
        segment,
        origin: origin.clone(),
        cpus: cpus.load.clone(),
        recorders,
        events,
        traced: inputs.traced(),
        only: None,
        control: control.clone(),
    };
    let joined = inputs.joined.clone();
    let supervisor = Supervisor::new(&reporter, &progress, control, plan, cpus.load.len(), inputs);
    let (notices, finished) = thread::scope(|scope| {
        let supervisor = scope.spawn(move || supervisor.work(signals, &inbox));
        let finished = generate(job, joined.as_deref(), &reporter, &progress);
        progress.end();
        (supervisor.join(), finished)
    });
    let notices = notices.map_err(|_| Failure::failed(anyhow!("the event thread panicked")))?;
    let (times, mut outcome) = match finished {
        Ok(finished) => finished,
        Err(error) => {
            // removes the live view
            let _ = reporter.finish(Vec::new(), None);
            return Err(error);
        }
    };
    let redactor = plan.variables.redactor();
    let summary = finish(reporter, &mut outcome, times.took, &redactor)?;
    Ok(FinishedRun {
        notices,
        start: times.start,
        took: times.took,
        error: outcome.error,
        summary,
    })
}

/// Passes the last windows and lost cores to the reporter; returns the summary of the run.
fn finish(
    reporter: Reporter,
    outcome: &mut Outcome,
    took: Duration,
    redactor: &Redactor,
) -> Result<Summary, Failure> {
    let windows = std::mem::take(&mut outcome.windows).into_iter();
    let last = windows.map(|(_, window)| window).collect();
    for core in std::mem::take(&mut outcome.lost) {
        reporter.core_lost(core);
    }
    let mut summary = reporter.finish(last, Some(took)).map_err(Failure::failed)?;
    if let Some(error) = &outcome.error {
        let mut error = error.to_string();
        redactor.hide(&mut error);
        let first_line = error.lines().next().unwrap_or_default();
        summary.verdict = summary.verdict.after_error(first_line);
    }
    Ok(summary)
}

/// Generates the load, and tells when it begins.
fn generate(
    job: RunSpec,
    joined: Option<&Joined>,
    reporter: &Reporter,
    progress: &Progress,
) -> Result<(Times, Outcome), Failure> {
    let clock = RunClock::of(joined);
    let mut start = SystemTime::now();
    let on_start = |t0: Instant| {
        start = clock.time_of(t0);
        reporter.begin(t0);
        progress.begin(t0);
    };
    let (t0, outcome) = match joined {
        Some(joined) => load::generate_with_others(job, joined, on_start)?,
        None => load::generate(job, on_start)?,
    };
    let took = outcome.end.saturating_duration_since(t0);
    Ok((Times { start, took }, outcome))
}
