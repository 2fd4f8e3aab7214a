//! The desk: takes the engine's events and the user's signals while a run goes on, and keeps what
//! has to be said again at its end.

use super::keys::Keys;
use super::socket::{Asked, ControlSocket};
use super::steer::{Helm, Wish};
use crate::command::exit::Exit;
use crate::render::facts::ChangeMade;
use crate::render::flow::{Paint, Style};
use crate::render::format;
use crate::render::live::Stage;
use crate::reporter::Reporter;
use config::Plan;
use engine::{Control, Event};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often signals are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A drain is told of when it takes longer than this: users are usually done within it.
const DRAIN_SHORT: Duration = Duration::from_millis(300);
/// Script errors that are kept to be said again at the end; all are shown when they happen.
const ERRORS_KEPT: usize = 100;
/// Script errors that are said again at the end.
const ERRORS_SAID: usize = 10;

/// How far the run is, for the desk.
#[derive(Debug, Default)]
pub struct Progress {
    start: OnceLock<Instant>,
    over: AtomicBool,
}

impl Progress {
    /// The load begins at `t0`.
    pub fn begin(&self, t0: Instant) {
        let _ = self.start.set(t0);
    }

    /// Nothing more comes.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
}

/// What was told during a run.
#[derive(Debug, Default)]
pub struct Notices {
    /// First signal received.
    signal: Option<i32>,
    /// The user did not want to wait for the drain.
    stopped: bool,
    /// A missed threshold ended the load.
    aborted: bool,
    /// The user ended the load by a key or the control socket.
    drained: bool,
    /// Distinct script errors: where, and the text.
    errors: Vec<(String, String)>,
    /// What was noticed about servers, each once.
    servers: Vec<String>,
    /// Distinct script errors beyond those kept.
    errors_more: u64,
    /// Messages that found too many before them.
    unshown: u64,
    /// Changes of the load that were asked for.
    changes: Vec<ChangeMade>,
}

/// What steers a run besides signals.
#[derive(Default)]
pub struct Hands {
    /// Keys of the terminal.
    pub keys: Option<Keys>,
    /// Commands of other programs.
    pub socket: Option<ControlSocket>,
}

impl Notices {
    /// How to exit, when the user ended the run.
    pub fn interrupted(&self) -> Option<Exit> {
        self.signal.map(|signal| match signal {
            SIGTERM => Exit::Terminated,
            _ => Exit::Interrupted,
        })
    }

    /// Changes of the load, in order.
    pub fn changes(&self) -> &[ChangeMade] {
        &self.changes
    }

    /// Whether the run was stopped at once.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the user ended the load otherwise than by a signal.
    pub fn drained(&self) -> bool {
        self.drained
    }

    /// Whether a missed threshold ended the load.
    pub fn aborted(&self) -> bool {
        self.aborted
    }

    /// What to say again after the summary; empty when there is nothing.
    pub fn closing(&self, style: Style, width: usize) -> String {
        let mut lines = Vec::new();
        if !self.errors.is_empty() {
            let distinct = self.errors.len() as u64 + self.errors_more;
            let texts = if distinct == 1 { "text" } else { "texts" };
            let head = format!("script errors ({distinct} distinct {texts}; details above)");
            lines.push(style.apply(Paint::Bad, &head));
        }
        for (place, text) in self.errors.iter().take(ERRORS_SAID) {
            let first = text.lines().next().unwrap_or_default();
            lines.push(format::cut(
                &format!("  {} ({place})", format::escape(first)),
                width,
            ));
        }
        if self.errors.len() > ERRORS_SAID {
            lines.push(format!("  and {} more", self.errors.len() - ERRORS_SAID));
        }
        for text in self.servers.iter().take(ERRORS_SAID) {
            let line = format!("notice: {}", format::escape(text));
            lines.push(style.apply(Paint::Warn, &format::cut(&line, width)));
        }
        if self.servers.len() > ERRORS_SAID {
            lines.push(format!("  and {} more", self.servers.len() - ERRORS_SAID));
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

/// Sits between engine, user and reporter for the length of a run.
pub struct Desk<'a> {
    reporter: &'a Reporter,
    progress: &'a Progress,
    control: Control,
    helm: Helm,
    hands: Hands,
    drain: Duration,
    stage: Option<Stage>,
    /// The load was seen to have begun.
    begun: bool,
    notices: Notices,
}

impl<'a> Desk<'a> {
    /// For a run of `plan` that `control` switches.
    pub fn new(
        reporter: &'a Reporter,
        progress: &'a Progress,
        control: Control,
        plan: &Plan,
        hands: Hands,
    ) -> Desk<'a> {
        Desk {
            reporter,
            progress,
            helm: Helm::new(control.clone(), plan),
            hands,
            control,
            drain: plan.drain,
            stage: None,
            begun: false,
            notices: Notices::default(),
        }
    }

    /// Works until the run is over and all events are told.
    pub fn work(mut self, mut signals: Signals, inbox: &Receiver<Event>) -> Notices {
        loop {
            // asked before looking for events, so that none that came before the end is missed
            let over = self.progress.over.load(Ordering::Acquire);
            for signal in signals.pending() {
                self.obey(signal);
            }
            self.keep_time();
            self.take_wishes();
            for threshold in self.reporter.take_aborts() {
                self.abort(&threshold);
            }
            let patience = if over { Duration::ZERO } else { LOOK_EVERY };
            match inbox.recv_timeout(patience) {
                Ok(event) => {
                    self.tell(event);
                    inbox
                        .try_iter()
                        .take(1_000)
                        .for_each(|event| self.tell(event));
                }
                Err(_) if over => {
                    self.notices.changes = self.helm.made;
                    return self.notices;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// The first signal drains, the second stops, the third is not argued with.
    fn obey(&mut self, signal: i32) {
        let name = if signal == SIGTERM {
            "SIGTERM"
        } else {
            "Ctrl-C"
        };
        match (self.notices.signal, self.notices.stopped) {
            (None, _) => {
                self.notices.signal = Some(signal);
                self.control.drain();
                self.enter(Stage::Draining);
                let limit = format::length(self.drain);
                self.say(format!(
                    "{name}: draining for at most {limit}; Ctrl-C again to stop at once"
                ));
            }
            (Some(_), false) => {
                self.notices.stopped = true;
                self.control.stop();
                self.enter(Stage::Stopping);
                self.say(format!("{name}: stopping at once"));
            }
            (Some(_), true) => {
                let exit = self.notices.interrupted().unwrap_or(Exit::Interrupted);
                std::process::exit(exit as i32);
            }
        }
    }

    /// Does what keys and socket ask for.
    fn take_wishes(&mut self) {
        let pressed = match &self.hands.keys {
            Some(keys) => keys.wishes(self.helm.is_paused()),
            None => Vec::new(),
        };
        for wish in pressed {
            let done = self.grant(wish);
            self.say(done);
        }
        let Some(mut socket) = self.hands.socket.take() else {
            return;
        };
        socket.serve(|asked| match asked {
            Asked::Status => self.status(),
            Asked::Wish(wish) => {
                let done = self.grant(wish);
                self.say(format!("control: {done}"));
                done
            }
        });
        self.hands.socket = Some(socket);
    }

    /// Does what was asked for; what became of it.
    fn grant(&mut self, wish: Wish) -> String {
        let Some(start) = self.progress.start.get() else {
            return "the load has not begun".to_owned();
        };
        if wish == Wish::Stop {
            self.notices.stopped = true;
            self.control.stop();
            self.enter(Stage::Stopping);
            return "stopping at once".to_owned();
        }
        if self.stage.is_some() {
            return "the load is over: nothing to change".to_owned();
        }
        if wish == Wish::Drain {
            self.notices.drained = true;
            self.control.drain();
            self.enter(Stage::Draining);
            return format!("draining for at most {}", format::length(self.drain));
        }
        self.helm.change(start.elapsed(), wish)
    }

    /// How the run stands, as JSON.
    fn status(&self) -> String {
        let elapsed = self
            .progress
            .start
            .get()
            .map_or(0.0, |start| start.elapsed().as_secs_f64());
        let stage = match (self.progress.start.get(), self.stage) {
            (None, _) => "starting",
            (_, None) if self.helm.is_paused() => "paused",
            (_, None) | (_, Some(Stage::Starting | Stage::Running)) => "running",
            (_, Some(Stage::Draining)) => "draining",
            (_, Some(Stage::Stopping)) => "stopping",
        };
        let (end, factor) = (self.helm.end().as_secs_f64(), self.helm.factor());
        format!(
            "{{\"stage\":\"{stage}\",\"elapsed_s\":{elapsed:.3},\"end_s\":{end:.3},\"factor\":{factor}}}"
        )
    }

    /// A threshold was missed that is to end the run.
    fn abort(&mut self, threshold: &str) {
        let text = format::escape(threshold);
        if self.notices.signal.is_some() || self.notices.aborted {
            return self.say(format!("threshold missed: {text}"));
        }
        self.notices.aborted = true;
        self.control.drain();
        self.enter(Stage::Draining);
        let limit = format::length(self.drain);
        self.say(format!(
            "threshold missed: {text}; draining for at most {limit}"
        ));
    }

    /// After the last phase comes the drain.
    fn keep_time(&mut self) {
        let Some(start) = self.progress.start.get() else {
            return;
        };
        // a signal from before the beginning still holds
        if !std::mem::replace(&mut self.begun, true)
            && let Some(stage) = self.stage
        {
            self.enter(stage);
        }
        if self.stage.is_none() && start.elapsed() > self.helm.end() + DRAIN_SHORT {
            self.enter(Stage::Draining);
        }
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = Some(stage);
        self.reporter.stage(stage);
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Log { user, text } => self.say(match user {
                Some(user) => format!("log (user {user}): {text}"),
                None => format!("log: {text}"),
            }),
            Event::ScriptError {
                scenario,
                user,
                text,
            } => {
                self.tell_error(format!("{scenario}, user {user}"), text);
            }
            Event::Stalled { core, stall, since } => self.say(format!(
                "core {core} has not turned for {}: {stall}",
                format::length(Duration::from_millis(since.as_millis() as u64)),
            )),
            Event::Notice { text } => self.tell_notice(text),
            // only when traced, which a run is not
            Event::Exchange(_) => {}
        }
    }

    /// Each distinct text once: every core tells it.
    fn tell_error(&mut self, place: String, text: String) {
        if self.notices.errors.iter().any(|(_, known)| *known == text) {
            return;
        }
        if self.notices.errors.len() == ERRORS_KEPT {
            self.notices.errors_more += 1;
            return;
        }
        self.say(format!("script error ({place}): {text}"));
        self.notices.errors.push((place, text));
    }

    /// The same of what is noticed about servers.
    fn tell_notice(&mut self, text: String) {
        if self.notices.servers.len() < ERRORS_KEPT && !self.notices.servers.contains(&text) {
            self.say(format!("notice: {text}"));
            self.notices.servers.push(text);
        }
    }

    fn say(&mut self, text: String) {
        if !self.reporter.message(text) {
            self.notices.unshown += 1;
        }
    }
}
