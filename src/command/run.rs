//! `mistress run`: runs a profile and reports the result.

mod control_socket;
mod execute;
mod files;
mod identity;
mod join;
mod keys;
mod load_controller;
mod port_forecast;
mod quiet;
mod request_log;
mod run_start;
mod stats_session;
mod supervisor;

use super::console::{self, Stream};
use super::exit::{Exit, Failure};
use super::input;
use super::memory;
use super::prepare::{Cpus, Loaded};
use super::redact;
use super::threshold_names;
use crate::cgroup::Groups;
use crate::cli::{AutoSegment, RunArguments, SegmentArgument, SegmentChoice};
use crate::render::columns::Columns;
use crate::render::flow::Style;
use crate::render::format;
use crate::render::outline::{LoadOutline, Outline};
use crate::render::text;
use crate::reporter::{LinePrinter, LiveView, Observer, Terminal};
use config::{Plan, StatsSink};
use control_socket::ControlSocket;
use execute::FinishedRun;
use files::OutputFile;
pub use join::Joined;
use join::{JoinSettings, RunClock};
use keys::Keys;
use request_log::RequestLog;
use stats::RunReport;
use stats::Verdict;
use stats::report::{Ending, RunFacts};
use stats::verdict::{ReasonKind, VerdictState};
use stats_session::{RunContext, StatsSession};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use supervisor::ControlInputs;
use supervisor::Notices;

/// Runs a profile and reports the result.
///
/// # Errors
/// Anything that keeps the run from starting, or its result from being written.
pub fn execute(arguments: &RunArguments) -> Result<Exit, Failure> {
    let plan = plan_of(arguments)?;
    let segment = segment_of(arguments)?;
    let segment = segment.as_ref();
    let groups = Groups::of_this_process();
    let allowed = engine::allowed_cpus();
    let cpus = Cpus::choose(&plan.cores, &plan.target, &allowed, groups.quota())?;
    engine::preflight(cpus.rings(&plan.target))?;
    let outputs = Outputs::open(arguments)?;
    let mut inputs = control_inputs(arguments)?;
    let sink = stats_session::sink(arguments, &plan)?;
    let script_sha256 = identity::sha256_of_script(plan.script())?;
    let mut notices = warn_of_limits(&plan, &cpus, &groups);
    notices.extend(warn_of_threshold_names(&plan));
    let node = JoinSettings::of(arguments, segment, &plan)?;
    cpus.pin_away_from_load();
    let loaded = Loaded::start(&plan, &cpus)?;
    let plan = Arc::new(plan);
    notices.extend(warn_of_proxy(&loaded));
    let outline = Outline::of(&plan, &loaded.title());
    let stream = outputs.report;
    inputs.keys = live_keys(arguments, stream);
    let part = segment.map_or(engine::Segment::WHOLE, |segment| segment.part);
    // a name that does not resolve is reported at the start
    let servers = engine::resolve(&loaded.origin, &plan).unwrap_or_default();
    let is_shared = loaded.is_on_this_machine(&servers);
    notices.extend(warn_of_port_shortage(&plan, &servers, part));
    let id = run_id(arguments)?;
    let joined = join(node, &mut notices)?;
    inputs.joined.clone_from(&joined);
    let context = RunContext {
        plan: &plan,
        cpus: &cpus,
        loaded: &loaded,
        id: &id,
        segment: segment.map_or("", |segment| &segment.text),
        clock: RunClock::of(joined.as_deref()),
    };
    let mut session = publish(&sink, &context, stream);
    let shown = observer(arguments, stream, &outline, inputs.keys.is_some());
    let upload = session.as_ref().map(StatsSession::observer);
    let observers = [shown].into_iter().chain(upload).collect();
    let finished = execute::execute(&id, &plan, &cpus, &loaded.origin, part, observers, inputs);
    if finished.is_err() {
        session.take().map(|session| session.end(None));
    }
    let finished = finished?;
    let mut run = facts(&plan, &cpus, &loaded, &finished, id);
    run.script_sha256 = script_sha256;
    run.segment = segment.map(|segment| segment.text.clone());
    run.nodes = joined.as_ref().map_or_else(Vec::new, |one| one.nodes());
    run.loads = outline.loads.iter().map(LoadOutline::facts).collect();
    let redactor = plan.variables.redactor();
    redact::facts(&redactor, &mut run);
    let FinishedRun {
        mut summary,
        notices: mut events,
        error,
        ..
    } = finished;
    notices.extend_from_slice(events.noticed());
    summary.verdict = remarked(summary.verdict, joined.as_deref(), is_shared);
    notices.iter_mut().for_each(|text| redactor.hide(text));
    let report = RunReport::new(run, notices, summary);
    let style = stream.style(arguments.no_color);
    let delivered = outputs.deliver(&report, &mut events, session, style);
    let delivered = delivered.and_then(|()| custom_summary(&plan, &report));
    let exit = verdict(error, &events, &report, arguments.strict);
    delivered.map(|()| exit)
}

/// A verdict with what its figures do not tell.
fn remarked(mut verdict: Verdict, joined: Option<&Joined>, is_shared: bool) -> Verdict {
    if let Some(text) = joined.and_then(Joined::loss) {
        verdict = verdict.after_node_loss(text);
    }
    match is_shared {
        true => verdict.with_shared_target(),
        false => verdict,
    }
}

/// The plan with what the arguments override.
fn plan_of(arguments: &RunArguments) -> Result<Plan, Failure> {
    let mut plan = input::plan(&arguments.input)?;
    if let Some(cores) = &arguments.cores {
        plan.cores = cores.clone();
    }
    if let Some(rules) = &arguments.fail_on {
        plan.fail_on.clone_from(&rules.0);
    }
    Ok(plan)
}

/// Joins the other nodes of the run, if it has any.
fn join(
    settings: Option<JoinSettings>,
    notices: &mut Vec<String>,
) -> Result<Option<Arc<Joined>>, Failure> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let (joined, found) = Joined::join(settings)?;
    for notice in found {
        Stream::Err.print(&format!("notice: {notice}\n"));
        notices.push(notice);
    }
    Ok(Some(Arc::new(joined)))
}

/// The part of the run that is this process's; none: all of it. Nodes that join others have one.
fn segment_of(arguments: &RunArguments) -> Result<Option<SegmentArgument>, Failure> {
    let auto = SegmentChoice::Auto(AutoSegment::default());
    let of_node = arguments.join.as_ref().map(|_| &auto);
    match arguments.segment.as_ref().or(of_node) {
        None => Ok(None),
        Some(SegmentChoice::Part(part)) => Ok(Some(part.clone())),
        Some(SegmentChoice::Auto(auto)) => {
            let found = auto.find(|name| std::env::var(name).ok());
            let found = found.map_err(|error| anyhow::anyhow!("--segment {error}"));
            found.map(Some).map_err(Failure::usage)
        }
    }
}

/// The id of the arguments, or a new one.
fn run_id(arguments: &RunArguments) -> Result<String, Failure> {
    match &arguments.run_id {
        Some(id) => Ok(id.clone()),
        None => identity::run_id(SystemTime::now()),
    }
}

/// Warns if the plan may need more open files or memory than this process may have.
fn warn_of_limits(plan: &Plan, cpus: &Cpus, groups: &Groups) -> Vec<String> {
    let cores = cpus.load.len();
    let files = engine::Limits::raise().open_files_notice(plan, cores);
    let memory = memory::notice(plan, cores, groups.memory());
    let notices: Vec<String> = files.into_iter().chain(memory).collect();
    for notice in &notices {
        Stream::Err.print(&format!("notice: {notice}\n"));
    }
    notices
}

/// Tells of a proxy of the environment, which is easily forgotten.
fn warn_of_proxy(loaded: &Loaded) -> Option<String> {
    let notice = loaded.notice()?;
    Stream::Err.print(&format!("notice: {}\n", format::escape(&notice)));
    Some(notice)
}

/// Warns of thresholds on names that the script does not seem to have.
fn warn_of_threshold_names(plan: &Plan) -> Vec<String> {
    let lines = threshold_names::unmentioned(plan);
    for line in &lines {
        Stream::Err.print(&format!("notice: {}\n", format::escape(line)));
    }
    lines
}

/// Warns if the plan needs more ports than there are toward these addresses.
fn warn_of_port_shortage(
    plan: &Plan,
    servers: &[SocketAddr],
    part: engine::Segment,
) -> Option<String> {
    let system = engine::LocalPorts::of_system(plan.connections.ports);
    let text = port_forecast::shortage(plan, part.part(), &system, servers)?;
    Stream::Err.print(&format!("{text}\n"));
    Some(text)
}

/// Starts the upload to a stats server, and prints the address of the run's page.
fn publish(sink: &StatsSink, context: &RunContext<'_>, stream: Stream) -> Option<StatsSession> {
    let (session, notes) = StatsSession::start(sink, context);
    for note in notes {
        Stream::Err.print(&format!("{note}\n"));
    }
    if let Some(session) = &session {
        stream.print(&format!("live: {}\n", session.page()));
    }
    session
}

/// What controls the run, and where it logs requests; the keys come when there is a view.
fn control_inputs(arguments: &RunArguments) -> Result<ControlInputs, Failure> {
    let socket = arguments.control.as_deref();
    Ok(ControlInputs {
        keys: None,
        socket: socket.map(ControlSocket::listen).transpose()?,
        request_log: RequestLog::open(arguments)?,
        joined: None,
    })
}

/// The terminal's keys, if there is a view to show what they do.
fn live_keys(arguments: &RunArguments, stream: Stream) -> Option<Keys> {
    let has_view = !arguments.quiet && stream.is_live();
    has_view.then(Keys::take).flatten()
}

/// The observer that shows the run.
fn observer(
    arguments: &RunArguments,
    stream: Stream,
    outline: &Outline,
    has_keys: bool,
) -> Box<dyn Observer> {
    let output = stream.writer();
    if arguments.quiet {
        return Box::new(quiet::Quiet(LinePrinter::new(output, outline.duration)));
    }
    if !stream.is_live() {
        return Box::new(LinePrinter::new(output, outline.duration));
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

/// The destinations of results.
struct Outputs {
    json: Option<OutputFile>,
    csv: Option<OutputFile>,
    junit: Option<OutputFile>,
    /// View and summary: stdout, unless a result is written there.
    report: Stream,
    /// The columns of the tables of names.
    columns: Columns,
}

impl Outputs {
    /// Fails early if something cannot be written, since a run can take hours.
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
            columns: arguments.columns.clone().unwrap_or_default(),
        })
    }

    /// Shows the report, writes the files and ends the delivery to a stats server.
    fn deliver(
        &self,
        report: &RunReport,
        notices: &mut Notices,
        session: Option<StatsSession>,
        style: Style,
    ) -> Result<(), Failure> {
        let stream = self.report;
        let width = stream.width();
        stream.print(&text::render(report, width, style, &self.columns));
        stream.print(&notices.closing(style, stream.width()));
        let written = self.write(report);
        if let Some(session) = session {
            stream.print(&session.reference());
            let left = session.end(Some(report.to_run_end()));
            Stream::Err.print(&left.unwrap_or_default());
        }
        written?;
        if let Some(log) = notices.take_request_log() {
            stream.print(&log.finish()?);
        }
        Ok(())
    }

    fn write(&self, report: &RunReport) -> Result<(), Failure> {
        type Rendering = fn(&RunReport) -> String;
        let texts: [(&Option<OutputFile>, Rendering); 3] = [
            (&self.json, RunReport::to_json),
            (&self.csv, RunReport::to_csv),
            (&self.junit, RunReport::to_junit),
        ];
        let files = texts
            .iter()
            .filter_map(|(file, text)| Some((file.as_ref()?, text)));
        let written = files.map(|(file, text)| file.write(&text(report)));
        // one that fails leaves the others their chance
        let failures = written.filter_map(Result::err).map(|one| one.to_string());
        let failures: Vec<String> = failures.collect();
        match failures.is_empty() {
            true => Ok(()),
            false => Err(Failure::failed(anyhow::anyhow!(failures.join("\n")))),
        }
    }
}

/// Writes what the script's `summary` makes of the result, if it has one.
fn custom_summary(plan: &Plan, report: &RunReport) -> Result<(), Failure> {
    let failed = |text: String| Failure::failed(anyhow::anyhow!("the script's summary: {text}"));
    let result = serde_json::from_str(&report.to_json()).map_err(Failure::failed)?;
    let source = scripting::Source {
        path: &plan.script,
        text: plan.script_text.as_deref(),
        variables: plan.variables.iter().collect(),
    };
    let made = scripting::summary(source, &result).map_err(failed)?;
    let redactor = plan.variables.redactor();
    for (name, mut text) in made.unwrap_or_default() {
        redactor.hide(&mut text);
        match &*name {
            "stdout" => Stream::Out.print(&text),
            "stderr" => Stream::Err.print(&text),
            path => OutputFile::open(Path::new(path))
                .map_err(|failure| failed(failure.to_string()))?
                .write(&text)?,
        }
    }
    Ok(())
}

fn facts(
    plan: &Plan,
    cpus: &Cpus,
    loaded: &Loaded,
    finished: &FinishedRun,
    id: String,
) -> RunFacts {
    RunFacts {
        name: plan.name.clone(),
        id,
        start: identity::utc(finished.start),
        duration_s: (finished.took.as_secs_f64() * 1e6).round() / 1e6,
        planned_s: plan.duration().as_secs_f64(),
        warmup_s: plan.warmup.as_secs(),
        ended: Some(ended(finished)),
        seed: plan.seed,
        target: loaded.origin.to_string(),
        proxy: loaded.proxy(),
        insecure: plan.tls.insecure,
        script: match plan.script_text {
            Some(_) => String::new(),
            None => plan.script.display().to_string(),
        },
        script_sha256: String::new(),
        profile: plan.profile_path.display().to_string(),
        profile_sha256: identity::sha256(plan.profile_text.as_bytes()),
        cores: cpus.load.clone(),
        segment: None,
        nodes: Vec::new(),
        loads: Vec::new(),
        overrides: plan.overrides.clone(),
        changes: finished.notices.changes().to_vec(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn ended(finished: &FinishedRun) -> Ending {
    let notices = &finished.notices;
    match (&finished.error, notices.interrupted(), notices.stopped()) {
        (Some(_), ..) => Ending::Failed,
        (None, _, true) => Ending::Stopped,
        (None, Some(_), false) => Ending::Interrupted,
        (None, None, false) if notices.aborted() => Ending::Aborted,
        (None, None, false) if notices.drained() => Ending::Interrupted,
        (None, None, false) => Ending::Completed,
    }
}

/// The exit code after the report.
fn verdict(
    error: Option<engine::Error>,
    notices: &Notices,
    report: &RunReport,
    strict: bool,
) -> Exit {
    if let Some(error) = error {
        console::print_error(&Failure::failed(error));
        return Exit::Failed;
    }
    let missed = report.summary.thresholds.iter().any(|one| !one.met);
    let dirty = report.summary.verdict.state != VerdictState::Clean;
    let mut reasons = report.summary.verdict.reasons.iter();
    let has_lost_nodes = reasons.any(|one| one.kind == ReasonKind::NodesLost);
    match notices.interrupted() {
        Some(exit) => exit,
        None if has_lost_nodes => Exit::Failed,
        None if missed => Exit::ThresholdMissed,
        None if strict && dirty => Exit::GeneratorLimited,
        None => Exit::Done,
    }
}
