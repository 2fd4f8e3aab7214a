//! The supervisor: handles the engine's events and the user's signals and commands during a run,
//! and keeps what is repeated at its end.

use super::control_socket::{ControlSocket, SocketRequest};
use super::join::Joined;
use super::keys::Keys;
use super::load_controller::{AHEAD, ControlCommand, LoadController};
use super::request_log::RequestLog;
use crate::command::exit::Exit;
use crate::command::redact;
use crate::render::flow::{Paint, Style};
use crate::render::format;
use crate::render::live::Stage;
use crate::reporter::Reporter;
use config::{Plan, Redactor};
use engine::{Control, Event, FirstFigures, Traced};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use stats::report::LoadChange;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use wire::rendezvous::TimedCommand;

/// How often signals are checked.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// A drain is announced when it takes longer than this; users are usually done within it.
const DRAIN_SHORT: Duration = Duration::from_millis(300);
/// Maximum number of script errors kept for the end; all are shown when they happen.
const ERRORS_KEPT: usize = 100;
/// Maximum number of script errors repeated at the end.
const ERRORS_REPEATED: usize = 10;

/// The progress of the run.
#[derive(Debug, Default)]
pub struct Progress {
    start: OnceLock<Instant>,
    over: AtomicBool,
}

impl Progress {
    /// The load starts at `t0`.
    pub fn begin(&self, t0: Instant) {
        let _ = self.start.set(t0);
    }

    /// No more events will come.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
}

/// The notices collected during a run.
#[derive(Debug, Default)]
pub struct Notices {
    /// First signal received.
    signal: Option<i32>,
    /// The user stopped the run without waiting for the drain.
    stopped: bool,
    /// A missed threshold ended the load.
    aborted: bool,
    /// The user ended the load by a key or the control socket.
    drained: bool,
    /// Distinct script errors: location and text.
    errors: Vec<(String, String)>,
    /// Distinct notices, in the order of their coming.
    noticed: Vec<String>,
    /// Number of distinct script errors beyond those kept.
    errors_more: u64,
    /// Number of messages that were dropped.
    unshown: u64,
    /// Requested changes of the load.
    changes: Vec<LoadChange>,
    /// The log of requests, all written.
    request_log: Option<RequestLog>,
}

/// What controls a run besides signals.
#[derive(Default)]
pub struct ControlInputs {
    /// Keys of the terminal.
    pub keys: Option<Keys>,
    /// Commands from other programs.
    pub socket: Option<ControlSocket>,
    /// Where requests are logged.
    pub request_log: Option<RequestLog>,
    /// The other nodes of the run.
    pub joined: Option<Arc<Joined>>,
}

impl ControlInputs {
    /// Which requests the engine has to tell.
    pub fn traced(&self) -> Traced {
        let log = self.request_log.as_ref();
        log.map_or(Traced::Nothing, RequestLog::traced)
    }
}

impl Notices {
    /// The exit code, if the user ended the run.
    pub fn interrupted(&self) -> Option<Exit> {
        self.signal.map(|signal| match signal {
            SIGTERM => Exit::Terminated,
            _ => Exit::Interrupted,
        })
    }

    /// What was noticed about files and servers, in order, each text once.
    pub fn noticed(&self) -> &[String] {
        &self.noticed
    }

    /// Changes of the load, in order.
    pub fn changes(&self) -> &[LoadChange] {
        &self.changes
    }

    /// Whether the run was stopped at once.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the user ended the load by a key or the control socket.
    pub fn drained(&self) -> bool {
        self.drained
    }

    /// Whether a missed threshold ended the load.
    pub fn aborted(&self) -> bool {
        self.aborted
    }

    /// The log of requests.
    pub fn take_request_log(&mut self) -> Option<RequestLog> {
        self.request_log.take()
    }

    /// The text after the summary; empty when there is nothing to repeat.
    pub fn closing(&self, style: Style, width: usize) -> String {
        let mut lines = Vec::new();
        if !self.errors.is_empty() {
            let distinct = self.errors.len() as u64 + self.errors_more;
            let texts = if distinct == 1 { "text" } else { "texts" };
            let head = format!("script errors ({distinct} distinct {texts}; details above)");
            lines.push(style.apply(Paint::Bad, &head));
        }
        for (location, text) in self.errors.iter().take(ERRORS_REPEATED) {
            let first = text.lines().next().unwrap_or_default();
            lines.push(format::cut(
                &format!("  {} ({location})", format::escape(first)),
                width,
            ));
        }
        if self.errors.len() > ERRORS_REPEATED {
            lines.push(format!(
                "  and {} more",
                self.errors.len() - ERRORS_REPEATED
            ));
        }
        if self.unshown > 0 {
            lines.push(format!(
                "{} messages were not shown",
                format::count(self.unshown)
            ));
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Mediates between engine, user and reporter during a run.
pub struct Supervisor<'a> {
    reporter: &'a Reporter,
    progress: &'a Progress,
    control: Control,
    controller: LoadController,
    inputs: ControlInputs,
    drain: Duration,
    redactor: Redactor,
    /// Cores whose first figures are still to come, and the sum of the others.
    cores: usize,
    first: FirstFigures,
    stage: Option<Stage>,
    /// The start of the load was noticed.
    begun: bool,
    /// Commands for all nodes whose moment has not come.
    due: Vec<TimedCommand>,
    /// The rendezvous was out of reach for a lease.
    has_lost_contact: bool,
    notices: Notices,
}

impl<'a> Supervisor<'a> {
    /// Supervises a run of a plan on so many cores with this `control`.
    pub fn new(
        reporter: &'a Reporter,
        progress: &'a Progress,
        control: Control,
        plan: &Plan,
        cores: usize,
        inputs: ControlInputs,
    ) -> Supervisor<'a> {
        Supervisor {
            reporter,
            progress,
            controller: LoadController::new(control.clone(), plan),
            inputs,
            control,
            drain: plan.drain,
            redactor: plan.variables.redactor(),
            cores,
            first: FirstFigures::default(),
            stage: None,
            begun: false,
            due: Vec::new(),
            has_lost_contact: false,
            notices: Notices::default(),
        }
    }

    /// Runs until the run is over and all events are handled.
    pub fn work(mut self, mut signals: Signals, inbox: &Receiver<Event>) -> Notices {
        loop {
            // read before draining the events, so that none from before the end is missed
            let over = self.progress.over.load(Ordering::Acquire);
            for signal in signals.pending() {
                self.on_signal(signal);
            }
            self.follow_schedule();
            self.handle_inputs();
            self.follow_script();
            self.follow_run();
            for threshold in self.reporter.take_aborts() {
                self.abort(&threshold);
            }
            let patience = if over { Duration::ZERO } else { POLL_EVERY };
            match inbox.recv_timeout(patience) {
                Ok(event) => {
                    self.report_event(event);
                    inbox
                        .try_iter()
                        .take(1_000)
                        .for_each(|event| self.report_event(event));
                }
                Err(_) if over => {
                    self.notices.changes = self.controller.made;
                    self.notices.request_log = self.inputs.request_log;
                    return self.notices;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(POLL_EVERY),
            }
        }
    }

    /// The first signal drains, the second stops, the third exits immediately.
    fn on_signal(&mut self, signal: i32) {
        let name = if signal == SIGTERM {
            "SIGTERM"
        } else {
            "Ctrl-C"
        };
        match (self.notices.signal, self.notices.stopped) {
            (None, _) => {
                self.notices.signal = Some(signal);
                self.tell_others("drain", name);
                self.control.drain();
                self.enter(Stage::Draining);
                let limit = format::length(self.drain);
                self.show(format!(
                    "{name}: draining for at most {limit}; Ctrl-C again to stop at once"
                ));
            }
            (Some(_), false) => {
                self.notices.stopped = true;
                self.tell_others("stop", name);
                self.control.stop();
                self.enter(Stage::Stopping);
                self.show(format!("{name}: stopping at once"));
            }
            (Some(_), true) => {
                let exit = self.notices.interrupted().unwrap_or(Exit::Interrupted);
                std::process::exit(exit as i32);
            }
        }
    }

    /// The script has ended the run.
    fn follow_script(&mut self) {
        let Some(reason) = self.control.abort_reason() else {
            return;
        };
        if !self.notices.stopped {
            let reason = format::escape(reason);
            self.notices.stopped = true;
            self.enter(Stage::Stopping);
            self.show(format!("the script aborted the run: {reason}"));
        }
    }

    /// A signal or a missed threshold ends the load of all nodes; before the start, the run.
    fn tell_others(&self, command: &str, name: &str) {
        let Some(joined) = &self.inputs.joined else {
            return;
        };
        match self.progress.start.get() {
            Some(_) => {
                joined.send_command(command.to_owned());
                if command == "stop" {
                    joined.stop_waiting();
                }
            }
            None => joined.leave(&format!("{name} before the start")),
        }
    }

    /// Commands for all nodes, each at its moment; and what to do when they are out of reach.
    fn follow_run(&mut self) {
        let (Some(joined), Some(start)) = (self.inputs.joined.clone(), self.progress.start.get())
        else {
            return;
        };
        self.due.extend(joined.take_commands());
        let mut later = Vec::new();
        for one in std::mem::take(&mut self.due) {
            let at = Duration::from_micros(u64::try_from(one.at_us).unwrap_or(0));
            // a command of a later version, if any
            let Ok(command) = ControlCommand::parse(&one.command) else {
                continue;
            };
            let is_end = matches!(command, ControlCommand::Drain | ControlCommand::Stop);
            if is_end && start.elapsed() < at {
                later.push(one);
                continue;
            }
            let is_done = match command {
                ControlCommand::Stop => self.notices.stopped,
                _ => self.stage.is_some(),
            };
            if !is_done {
                let done = self.run_command(at, command);
                self.show(format!("all nodes: {done}"));
            }
        }
        self.due = later;
        if joined.is_lost() && !std::mem::replace(&mut self.has_lost_contact, true) {
            let (url, lease) = (joined.url(), format::length(joined.lease()));
            self.show(format!(
                "lost_contact: {url} has not answered for {lease}: no new load; what is under \
                 way is finished"
            ));
            if self.stage.is_none() {
                self.control.drain();
                self.enter(Stage::Draining);
            }
        }
    }

    /// Handles commands from keys and the socket.
    fn handle_inputs(&mut self) {
        let pressed = match &self.inputs.keys {
            Some(keys) => keys.commands(self.controller.is_paused()),
            None => Vec::new(),
        };
        for command in pressed {
            let done = self.ask(command);
            self.show(done);
        }
        let Some(mut socket) = self.inputs.socket.take() else {
            return;
        };
        socket.serve(|asked| match asked {
            SocketRequest::Status => self.status(),
            SocketRequest::Command(command) => {
                let done = self.ask(command);
                self.show(format!("control: {done}"));
                done
            }
        });
        self.inputs.socket = Some(socket);
    }

    /// A command of the user: of a run of several nodes it is for all. Returns the answer.
    fn ask(&mut self, command: ControlCommand) -> String {
        let Some(start) = self.progress.start.get() else {
            return "the load has not started".to_owned();
        };
        match &self.inputs.joined {
            Some(joined) if self.stage.is_none() && !joined.is_lost() => {
                let words = self.controller.words(command);
                let done = format!("asked all nodes: {words}");
                joined.send_command(words);
                done
            }
            _ => self.run_command(start.elapsed() + AHEAD, command),
        }
    }

    /// Runs a command, a change of the load at a moment of it; returns the answer.
    fn run_command(&mut self, at: Duration, command: ControlCommand) -> String {
        if command == ControlCommand::Stop {
            self.notices.stopped = true;
            self.control.stop();
            self.enter(Stage::Stopping);
            return "stopping at once".to_owned();
        }
        if self.stage.is_some() {
            return "the load is over; there is nothing to change".to_owned();
        }
        if command == ControlCommand::Drain {
            self.notices.drained = true;
            self.control.drain();
            self.enter(Stage::Draining);
            return format!("draining for at most {}", format::length(self.drain));
        }
        self.controller.change_at(at, command)
    }

    /// The state of the run as JSON.
    fn status(&self) -> String {
        let elapsed = self
            .progress
            .start
            .get()
            .map_or(0.0, |start| start.elapsed().as_secs_f64());
        let stage = match (self.progress.start.get(), self.stage) {
            (None, _) => "starting",
            (_, None) if self.controller.is_paused() => "paused",
            (_, None) | (_, Some(Stage::Starting | Stage::Running)) => "running",
            (_, Some(Stage::Draining)) => "draining",
            (_, Some(Stage::Stopping)) => "stopping",
        };
        let (end, factor) = (
            self.controller.end().as_secs_f64(),
            self.controller.factor(),
        );
        format!(
            "{{\"stage\":\"{stage}\",\"elapsed_s\":{elapsed:.3},\"end_s\":{end:.3},\"factor\":{factor}}}"
        )
    }

    /// A missed threshold ends the run.
    fn abort(&mut self, threshold: &str) {
        let text = format::escape(threshold);
        if self.notices.signal.is_some() || self.notices.aborted {
            return self.show(format!("threshold missed: {text}"));
        }
        self.notices.aborted = true;
        self.tell_others("drain", threshold);
        self.control.drain();
        self.enter(Stage::Draining);
        let limit = format::length(self.drain);
        self.show(format!(
            "threshold missed: {text}; draining for at most {limit}"
        ));
    }

    /// Switches to draining after the last phase.
    fn follow_schedule(&mut self) {
        let Some(start) = self.progress.start.get() else {
            return;
        };
        // a signal from before the start still applies
        if !std::mem::replace(&mut self.begun, true)
            && let Some(stage) = self.stage
        {
            self.enter(stage);
        }
        if self.stage.is_none() && start.elapsed() > self.controller.end() + DRAIN_SHORT {
            self.enter(Stage::Draining);
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = Some(stage);
        self.reporter.stage(stage);
    }

    fn report_event(&mut self, mut event: Event) {
        redact::event(&self.redactor, &mut event);
        match event {
            Event::Log { user, text } => self.show(match user {
                Some(user) => format!("log (user {user}): {text}"),
                None => format!("log: {text}"),
            }),
            Event::ScriptError {
                scenario,
                user,
                text,
            } => {
                self.report_script_error(format!("{scenario}, user {user}"), text);
            }
            Event::Stalled { core, stall, since } => self.show(format!(
                "core {core} has been stuck for {}: {stall}",
                format::length(Duration::from_millis(since.as_millis() as u64)),
            )),
            Event::Notice { text } => self.report_notice(text),
            Event::First(figures) => self.report_first(figures),
            Event::Exchange(exchange) => {
                if let Some(log) = &mut self.inputs.request_log {
                    log.write(&exchange, self.progress.start.get().copied());
                }
            }
        }
    }

    /// Shows the first figures once those of all cores are there.
    fn report_first(&mut self, figures: FirstFigures) {
        self.first.add(figures);
        self.cores = self.cores.saturating_sub(1);
        if self.cores == 0 {
            self.reporter.first(self.first);
        }
    }

    /// Shows each distinct text once, since every core reports it.
    fn report_script_error(&mut self, location: String, text: String) {
        if self.notices.errors.iter().any(|(_, known)| *known == text) {
            return;
        }
        if self.notices.errors.len() == ERRORS_KEPT {
            self.notices.errors_more += 1;
            return;
        }
        self.show(format!("script error ({location}): {text}"));
        self.notices.errors.push((location, text));
    }

    /// Shows each distinct notice once.
    fn report_notice(&mut self, text: String) {
        if self.notices.noticed.len() < ERRORS_KEPT && !self.notices.noticed.contains(&text) {
            self.show(format!("notice: {text}"));
            self.notices.noticed.push(text);
        }
    }

    fn show(&mut self, text: String) {
        if !self.reporter.message(text) {
            self.notices.unshown += 1;
        }
    }
}
