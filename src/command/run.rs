//! `mistress run`: carries out a profile and reports it.

mod carry;
mod desk;
mod files;
mod foreseen;
mod identity;
mod keys;
mod opening;
mod publish;
mod quiet;
mod socket;
mod steer;

use super::console::{self, Stream};
use super::exit::{Exit, Failure};
use super::prepare::{self, Cpus, Loaded};
use crate::cgroup::Groups;
use crate::cli::RunArguments;
use crate::render::flow::Style;
use crate::render::outline::{LoadOutline, Outline};
use crate::render::text;
use crate::reporter::{LinePrinter, LiveView, Observer, Terminal};
use carry::Ran;
use config::{Plan, StatsSink};
use desk::{Hands, Notices};
use files::OutputFile;
use keys::Keys;
use publish::{Occasion, Publication};
use socket::ControlSocket;
use stats::RunReport;
use stats::report::{Ending, RunFacts};
use stats::verdict::VerdictState;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Carries out a profile and reports it.
///
/// # Errors
/// Whatever keeps the run from beginning, or its result from being written.
pub fn execute(arguments: &RunArguments) -> Result<Exit, Failure> {
    let mut plan = prepare::plan(&arguments.profile, &arguments.changes)?;
    if let Some(cores) = &arguments.cores {
        plan.cores = cores.clone();
    }
    let outputs = Outputs::open(arguments)?;
    let socket = arguments
        .control
        .as_deref()
        .map(ControlSocket::listen)
        .transpose()?;
    let sink = publish::sink(arguments, &plan)?;
    let script_sha256 = identity::sha256_of_file(&plan.script)?;
    let quota = Groups::of_this_process().quota();
    let cpus = Cpus::choose(&plan.cores, &plan.target, &engine::allowed_cpus(), quota)?;
    let mut notices: Vec<String> = prepare_open_files(&plan, &cpus).into_iter().collect();
    cpus.step_aside();
    let loaded = Loaded::start(&plan, &cpus)?;
    let plan = Arc::new(plan);
    let outline = Outline::of(&plan, &loaded.label);
    let stream = outputs.report;
    let hands = Hands {
        keys: live_keys(arguments, stream),
        socket,
    };
    let segment = arguments.segment.as_ref();
    let part = segment.map_or(engine::Segment::WHOLE, |segment| segment.part);
    notices.extend(foresee(&plan, &loaded.origin, part));
    let id = match &arguments.run_id {
        Some(id) => id.clone(),
        None => identity::run_id(SystemTime::now())?,
    };
    let occasion = Occasion {
        plan: &plan,
        cpus: &cpus,
        loaded: &loaded,
        id: &id,
        segment: segment.map_or("", |segment| &segment.text),
    };
    let publication = publish(&sink, &occasion, stream);
    let shown = observer(arguments, stream, &outline, hands.keys.is_some());
    let told = publication.as_ref().map(Publication::observer);
    let observers = [shown].into_iter().chain(told).collect();
    let ran = match carry::carry(&plan, &cpus, &loaded.origin, part, observers, hands) {
        Ok(ran) => ran,
        Err(failure) => {
            publication.map(|publication| publication.end(None));
            return Err(failure);
        }
    };
    let mut run = facts(&plan, &cpus, &loaded, &ran, id);
    run.script_sha256 = script_sha256;
    run.segment = segment.map(|segment| segment.text.clone());
    run.loads = outline.loads.iter().map(LoadOutline::facts).collect();
    let Ran {
        summary,
        notices: told,
        error,
        ..
    } = ran;
    notices.extend_from_slice(told.noticed());
    let report = RunReport::new(run, notices, summary);
    let style = stream.style(arguments.no_color);
    outputs.tell(&report, &told, publication, style)?;
    Ok(verdict(error, &told, &report, arguments.strict))
}

/// Raises the limit of open files, and says when the plan may need more.
fn prepare_open_files(plan: &Plan, cpus: &Cpus) -> Option<String> {
    engine::raise_open_files();
    let notice = engine::open_files_notice(plan, cpus.load.len())?;
    Stream::Err.print(&format!("notice: {notice}\n"));
    Some(notice)
}

/// Says what the plan will lack. A name without addresses is met again, and told, at the start.
fn foresee(plan: &Plan, target: &config::Origin, part: engine::Segment) -> Option<String> {
    let system = engine::LocalPorts::of_system(plan.connections.ports);
    let servers = engine::resolve(target, plan).unwrap_or_default();
    let text = foreseen::want_of_ports(plan, part.part(), &system, &servers)?;
    Stream::Err.print(&format!("{text}\n"));
    Some(text)
}

/// Begins to tell a stats server of the run, and the user of the page.
fn publish(sink: &StatsSink, occasion: &Occasion<'_>, stream: Stream) -> Option<Publication> {
    let (publication, notes) = Publication::start(sink, occasion);
    for note in notes {
        Stream::Err.print(&format!("{note}\n"));
    }
    if let Some(publication) = &publication {
        stream.print(&format!("live: {}\n", publication.page()));
    }
    publication
}

/// The terminal's keys, where there is a view to show what they do.
fn live_keys(arguments: &RunArguments, stream: Stream) -> Option<Keys> {
    let has_view = !arguments.quiet && stream.is_live();
    has_view.then(Keys::take).flatten()
}

/// What shows the run while it goes on.
fn observer(
    arguments: &RunArguments,
    stream: Stream,
    outline: &Outline,
    has_keys: bool,
) -> Box<dyn Observer> {
    let output = stream.writer();
    if arguments.quiet {
        return Box::new(quiet::Quiet(LinePrinter::new(output)));
    }
    if !stream.is_live() {
        return Box::new(LinePrinter::new(output));
    }
    let style = stream.style(arguments.no_color);
    let terminal = Terminal {
        output,
        size: Box::new(move || stream.size()),
        style,
        keys: if has_keys { keys::HELP } else { "" },
    };
    Box::new(LiveView::new(terminal, outline.clone()))
}

/// Where results go.
struct Outputs {
    json: Option<OutputFile>,
    csv: Option<OutputFile>,
    junit: Option<OutputFile>,
    /// View and summary: stdout, unless a result is written there.
    report: Stream,
}

impl Outputs {
    /// Fails early when something cannot be written: a run can take hours.
    fn open(arguments: &RunArguments) -> Result<Outputs, Failure> {
        let open = |path: &Option<_>| {
            path.as_deref()
                .map(|path: &Path| OutputFile::open(path))
                .transpose()
        };
        let (json, csv) = (open(&arguments.json)?, open(&arguments.csv)?);
        let junit = open(&arguments.junit)?;
        let is_stdout = |file: &&Option<OutputFile>| matches!(file, Some(OutputFile::Stdout));
        let on_stdout = [&json, &csv, &junit]
            .iter()
            .filter(|f| is_stdout(f))
            .count();
        if on_stdout > 1 {
            return Err(Failure::usage(anyhow::anyhow!(
                "--json, --csv and --junit: only one can be -"
            )));
        }
        let report = if on_stdout > 0 {
            Stream::Err
        } else {
            Stream::Out
        };
        Ok(Outputs {
            json,
            csv,
            junit,
            report,
        })
    }

    /// Shows the report, writes the files and ends the delivery to a stats server.
    fn tell(
        &self,
        report: &RunReport,
        told: &Notices,
        publication: Option<Publication>,
        style: Style,
    ) -> Result<(), Failure> {
        let stream = self.report;
        stream.print(&text::render(report, stream.width(), style));
        stream.print(&told.closing(style, stream.width()));
        let written = self.write(report);
        if let Some(publication) = publication {
            stream.print(&publication.reference());
            let left = publication.end(Some(report.to_run_end()));
            Stream::Err.print(&left.unwrap_or_default());
        }
        written
    }

    fn write(&self, report: &RunReport) -> Result<(), Failure> {
        if let Some(file) = &self.json {
            file.write(&report.to_json())?;
        }
        if let Some(file) = &self.csv {
            file.write(&report.to_csv())?;
        }
        if let Some(file) = &self.junit {
            file.write(&report.to_junit())?;
        }
        Ok(())
    }
}

fn facts(plan: &Plan, cpus: &Cpus, loaded: &Loaded, ran: &Ran, id: String) -> RunFacts {
    RunFacts {
        name: plan.name.clone(),
        id,
        start: identity::utc(ran.start),
        duration_s: (ran.took.as_secs_f64() * 1e6).round() / 1e6,
        planned_s: plan.duration().as_secs_f64(),
        warmup_s: plan.warmup.as_secs(),
        ended: Some(ended(ran)),
        seed: plan.seed,
        target: loaded.origin.to_string(),
        insecure: plan.tls.insecure,
        script: plan.script.display().to_string(),
        script_sha256: String::new(),
        profile: plan.profile_path.display().to_string(),
        profile_sha256: identity::sha256(plan.profile_text.as_bytes()),
        cores: cpus.load.clone(),
        segment: None,
        loads: Vec::new(),
        changes: ran.notices.changes().to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn ended(ran: &Ran) -> Ending {
    match (&ran.error, ran.notices.interrupted(), ran.notices.stopped()) {
        (Some(_), ..) => Ending::Failed,
        (None, _, true) => Ending::Stopped,
        (None, Some(_), false) => Ending::Interrupted,
        (None, None, false) if ran.notices.aborted() => Ending::Aborted,
        (None, None, false) if ran.notices.drained() => Ending::Interrupted,
        (None, None, false) => Ending::Completed,
    }
}

/// How to exit after the report.
fn verdict(error: Option<engine::Error>, told: &Notices, report: &RunReport, strict: bool) -> Exit {
    if let Some(error) = error {
        console::complain(&Failure::failed(error));
        return Exit::Failed;
    }
    let missed = report.summary.thresholds.iter().any(|one| !one.met);
    let dirty = report.summary.verdict.state != VerdictState::Clean;
    match told.interrupted() {
        Some(exit) => exit,
        None if missed => Exit::ThresholdMissed,
        None if strict && dirty => Exit::GeneratorLimited,
        None => Exit::Done,
    }
}
