//! Puts engine, reporter and desk together for the length of a run.

use super::desk::{Desk, Hands, Notices, Progress};
use super::rules;
use crate::command::exit::Failure;
use crate::command::prepare::Cpus;
use crate::render::outline;
use crate::reporter::{Observer, Reporter};
use anyhow::anyhow;
use config::{Origin, Plan};
use engine::{Control, Job, Outcome, Segment};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stats::{Aggregator, Recorder, Summary, WindowSource};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Seconds that the reporter may be held up before windows grow.
const WINDOWS_IN_FLIGHT: usize = 8;
/// Events under way; the engine counts what does not fit.
const EVENTS_MAX: usize = 4_096;

/// A run that has ended.
pub struct Ran {
    /// What was measured.
    pub summary: Summary,
    /// What was told meanwhile.
    pub notices: Notices,
    /// When the load began, by the wall clock.
    pub start: SystemTime,
    /// From then to the end, drain included.
    pub took: Duration,
    /// What ended it before its time.
    pub error: Option<engine::Error>,
}

/// When a load began, by both clocks, and how long it took.
struct Times {
    start: SystemTime,
    took: Duration,
}

/// Carries out the plan. The observers show and keep it meanwhile.
///
/// # Errors
/// The run could not begin; there is nothing to report then.
pub fn carry(
    plan: &Arc<Plan>,
    cpus: &Cpus,
    origin: &Origin,
    segment: Segment,
    observers: Vec<Box<dyn Observer>>,
    hands: Hands,
) -> Result<Ran, Failure> {
    let (recorders, sources): (Vec<Recorder>, Vec<WindowSource>) = (0..cpus.load.len() as u32)
        .map(|core| stats::link(core, WINDOWS_IN_FLIGHT))
        .unzip();
    let signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::failed)?;
    let aggregator = Aggregator::new(sources.len(), outline::model(plan))
        .with_rules(rules::of(&plan.thresholds), plan.duration().as_secs())
        .with_warmup(plan.warmup.as_secs());
    let reporter = Reporter::start(sources, aggregator, cpus.load.clone(), observers)
        .map_err(Failure::failed)?;
    let control = Control::new();
    let progress = Progress::default();
    let (events, inbox) = sync_channel(EVENTS_MAX);
    let job = Job {
        plan: Arc::clone(plan),
        segment,
        origin: origin.clone(),
        cpus: cpus.load.clone(),
        recorders,
        events,
        traced: false,
        only: None,
        control: control.clone(),
    };
    let desk = Desk::new(&reporter, &progress, control, plan, hands);
    let (notices, ran) = thread::scope(|scope| {
        let desk = scope.spawn(move || desk.work(signals, &inbox));
        let ran = load(job, &reporter, &progress);
        progress.end();
        (desk.join(), ran)
    });
    let notices = notices.map_err(|_| Failure::failed(anyhow!("the event thread panicked")))?;
    let (times, mut outcome) = match ran {
        Ok(ran) => ran,
        Err(error) => {
            // takes the live view away
            let _ = reporter.finish(Vec::new(), None);
            return Err(error.into());
        }
    };
    let summary = finish(reporter, &mut outcome, times.took)?;
    Ok(Ran {
        notices,
        start: times.start,
        took: times.took,
        error: outcome.error,
        summary,
    })
}

/// Hands the last windows and what was lost to the reporter; the summary of all.
fn finish(reporter: Reporter, outcome: &mut Outcome, took: Duration) -> Result<Summary, Failure> {
    let windows = std::mem::take(&mut outcome.windows).into_iter();
    let last = windows.map(|(_, window)| window).collect();
    for core in std::mem::take(&mut outcome.lost) {
        reporter.lose(core);
    }
    let mut summary = reporter.finish(last, Some(took)).map_err(Failure::failed)?;
    if let Some(error) = &outcome.error {
        let error = error.to_string();
        let first_line = error.lines().next().unwrap_or_default();
        summary.verdict = summary.verdict.after_error(first_line);
    }
    Ok(summary)
}

/// Begins the load and waits for its end.
fn load(
    job: Job,
    reporter: &Reporter,
    progress: &Progress,
) -> Result<(Times, Outcome), engine::Error> {
    let running = engine::start(job)?;
    let t0 = running.start();
    let start = SystemTime::now() + t0.saturating_duration_since(Instant::now());
    reporter.begin(t0);
    progress.begin(t0);
    let outcome = running.wait();
    let took = outcome.end.saturating_duration_since(t0);
    Ok((Times { start, took }, outcome))
}
