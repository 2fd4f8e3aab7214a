//! Controls a running test: its commands, and their effect on the load.

use crate::render::format;
use config::{Change, ControlledLoad, Plan};
use engine::Control;
use stats::report::LoadChange;
use std::time::Duration;

/// Time between a command and its effect, so that all cores apply it at the same moment.
pub const AHEAD: Duration = Duration::from_millis(20);

/// A command for a running test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ControlCommand {
    /// No load, until resumed.
    Pause,
    /// The load as it was before the pause.
    Resume,
    /// Scales rates and numbers of users to this multiple of the plan.
    Scale(f64),
    /// Changes the current factor by this much.
    ScaleBy(f64),
    /// Ends the current phase of each load.
    Next,
    /// No new arrivals; running work is finished.
    Drain,
    /// Stops at once.
    Stop,
}

impl ControlCommand {
    /// Parses a command of the control socket.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn parse(text: &str) -> Result<ControlCommand, String> {
        let mut words = text.split_whitespace();
        let command = match (words.next(), words.next()) {
            (Some("pause"), None) => Some(ControlCommand::Pause),
            (Some("resume"), None) => Some(ControlCommand::Resume),
            (Some("next"), None) => Some(ControlCommand::Next),
            (Some("drain"), None) => Some(ControlCommand::Drain),
            (Some("stop"), None) => Some(ControlCommand::Stop),
            (Some("scale"), Some(factor)) => factor.parse().ok().and_then(scale),
            _ => None,
        };
        command.filter(|_| words.next().is_none()).ok_or_else(|| {
            format!(
                "found {:?}, expected status, pause, resume, scale FACTOR (0 to {}), \
                 next, drain, stop",
                text.chars().take(60).collect::<String>(),
                Change::FACTOR_MAX
            )
        })
    }
}

fn scale(factor: f64) -> Option<ControlCommand> {
    (0.0..=Change::FACTOR_MAX)
        .contains(&factor)
        .then_some(ControlCommand::Scale(factor))
}

/// Applies changes and records them.
pub struct LoadController {
    control: Control,
    loads: Vec<ControlledLoad>,
    factor: f64,
    is_paused: bool,
    time_max: Duration,
    /// The changes made, in order.
    pub made: Vec<LoadChange>,
}

impl LoadController {
    /// Controls a run of `plan` with this `control`.
    pub fn new(control: Control, plan: &Plan) -> LoadController {
        LoadController {
            control,
            loads: plan.loads.iter().map(ControlledLoad::new).collect(),
            factor: 1.0,
            is_paused: false,
            time_max: plan.limits.time.unwrap_or(Duration::MAX),
            made: Vec::new(),
        }
    }

    /// The end of the last load, from the start of the run.
    pub fn end(&self) -> Duration {
        let end = self.loads.iter().map(ControlledLoad::end).max();
        end.unwrap_or_default().min(self.time_max)
    }

    /// The factor applied to the planned load while it is not paused.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Whether the load is paused.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Changes the load at a moment since its start; returns the answer. Draining and stopping are
    /// handled elsewhere.
    pub fn change_at(&mut self, at: Duration, command: ControlCommand) -> String {
        if at >= self.end() {
            return "the load is over; there is nothing to change".to_owned();
        }
        let (change, text) = match command {
            ControlCommand::Pause if self.is_paused => return "already paused".to_owned(),
            ControlCommand::Pause => {
                self.is_paused = true;
                (Change::Factor(0.0), "paused".to_owned())
            }
            ControlCommand::Resume if !self.is_paused => return "not paused".to_owned(),
            ControlCommand::Resume => {
                self.is_paused = false;
                (Change::Factor(self.factor), "resumed".to_owned())
            }
            ControlCommand::Next => (Change::EndPhase, "phase ended".to_owned()),
            ControlCommand::Scale(factor) => return self.scale(at, factor),
            ControlCommand::ScaleBy(step) => return self.scale(at, self.factor_after(step)),
            ControlCommand::Drain | ControlCommand::Stop => return String::new(),
        };
        self.make(at, change, text)
    }

    /// The factor after a step, rounded to hundredths, so that steps up and down cancel.
    fn factor_after(&self, step: f64) -> f64 {
        let factor = ((self.factor + step) * 100.0).round() / 100.0;
        factor.clamp(0.0, Change::FACTOR_MAX)
    }

    /// A command in the words that [`ControlCommand::parse`] reads.
    pub fn words(&self, command: ControlCommand) -> String {
        let scale = |factor: f64| format!("scale {factor}");
        match command {
            ControlCommand::Pause => "pause".to_owned(),
            ControlCommand::Resume => "resume".to_owned(),
            ControlCommand::Scale(factor) => scale(factor),
            ControlCommand::ScaleBy(step) => scale(self.factor_after(step)),
            ControlCommand::Next => "next".to_owned(),
            ControlCommand::Drain => "drain".to_owned(),
            ControlCommand::Stop => "stop".to_owned(),
        }
    }

    fn scale(&mut self, at: Duration, factor: f64) -> String {
        self.factor = factor;
        let shown = format::number((factor * 1e4).round() / 1e2);
        if self.is_paused {
            return format!("scaled to {shown} % of the plan when it is resumed");
        }
        let text = format!("scaled to {shown} % of the plan");
        self.make(at, Change::Factor(factor), text)
    }

    fn make(&mut self, at: Duration, change: Change, text: String) -> String {
        self.control.change(at, change);
        for load in &mut self.loads {
            load.change(at, change);
        }
        let time_s = (at.as_secs_f64() * 1e3).round() / 1e3;
        self.made.push(LoadChange {
            time_s,
            change: text.clone(),
            factor: if self.is_paused { 0.0 } else { self.factor },
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::rendezvous::{FACTOR_MAX, check_command};

    #[test]
    fn commands_are_words() {
        let rows = [
            ("pause", Some(ControlCommand::Pause)),
            (" resume ", Some(ControlCommand::Resume)),
            ("scale 1.5", Some(ControlCommand::Scale(1.5))),
            ("scale 0", Some(ControlCommand::Scale(0.0))),
            ("next", Some(ControlCommand::Next)),
            ("drain", Some(ControlCommand::Drain)),
            ("stop", Some(ControlCommand::Stop)),
            ("scale", None),
            ("scale -1", None),
            ("scale NaN", None),
            ("scale 1e9", None),
            ("scale 1 2", None),
            ("pause now", None),
            ("", None),
            ("PAUSE", None),
        ];
        for (text, expected) in rows {
            assert_eq!(ControlCommand::parse(text).ok(), expected, "{text:?}");
            // the rendezvous of several nodes takes the same
            assert_eq!(check_command(text).is_ok(), expected.is_some(), "{text:?}");
        }
        assert_eq!(FACTOR_MAX, Change::FACTOR_MAX);
    }

    #[test]
    fn changes_are_made_and_remembered() {
        let text = "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n[[load]]\nmodel = \"open\"\n\
                    scenarios = \"a\"\nphases = [{ rate = \"9/s\", for = \"9s\" }, \
                    { rate = \"9/s\", for = \"9s\" }]\n";
        let plan = config::parse(text, std::path::Path::new("p.toml")).unwrap();
        let mut controller = LoadController::new(Control::new(), &plan);
        let second = Duration::from_secs;
        assert_eq!(
            controller.change_at(second(1) + AHEAD, ControlCommand::Pause),
            "paused"
        );
        assert_eq!(
            controller.change_at(second(2) + AHEAD, ControlCommand::Pause),
            "already paused"
        );
        let text = controller.change_at(second(2) + AHEAD, ControlCommand::ScaleBy(0.1));
        assert_eq!(text, "scaled to 110 % of the plan when it is resumed");
        assert_eq!(
            controller.change_at(second(3) + AHEAD, ControlCommand::Resume),
            "resumed"
        );
        assert_eq!(
            controller.change_at(second(4) + AHEAD, ControlCommand::Next),
            "phase ended"
        );
        assert_eq!(controller.end(), Duration::from_millis(13_020));
        assert_eq!(
            controller.change_at(second(13) + AHEAD, ControlCommand::Scale(2.0)),
            "the load is over; there is nothing to change"
        );
        let made: Vec<(f64, f64)> = controller
            .made
            .iter()
            .map(|one| (one.time_s, one.factor))
            .collect();
        assert_eq!(made, [(1.02, 0.0), (3.02, 1.1), (4.02, 1.1)]);
    }
}
