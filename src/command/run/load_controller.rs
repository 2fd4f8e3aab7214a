//! Steering a run: what may be said to it, and what became of it.

use crate::render::facts::ChangeMade;
use crate::render::format;
use config::{Change, ControlledLoad, FACTOR_MAX, Plan};
use engine::Control;
use std::time::Duration;

/// From a change until it holds: time for all cores to hear of it, so that all make it at the
/// same moment.
const AHEAD: Duration = Duration::from_millis(20);

/// What a user may ask of a run that goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wish {
    /// No load, until resumed.
    Pause,
    /// The load as it was before the pause.
    Resume,
    /// Rates and numbers of users so many times those of the plan.
    Scale(f64),
    /// The same, a little more or less than now.
    ScaleBy(f64),
    /// Ends the present phase of each load.
    Next,
    /// No new arrivals; what is under way is finished.
    Drain,
    /// Ends at once.
    Stop,
}

impl Wish {
    /// Reads a command of the control socket.
    ///
    /// # Errors
    /// What was found and what is allowed.
    pub fn parse(text: &str) -> Result<Wish, String> {
        let mut words = text.split_whitespace();
        let wish = match (words.next(), words.next()) {
            (Some("pause"), None) => Some(Wish::Pause),
            (Some("resume"), None) => Some(Wish::Resume),
            (Some("next"), None) => Some(Wish::Next),
            (Some("drain"), None) => Some(Wish::Drain),
            (Some("stop"), None) => Some(Wish::Stop),
            (Some("scale"), Some(factor)) => factor.parse().ok().and_then(scale),
            _ => None,
        };
        wish.filter(|_| words.next().is_none()).ok_or_else(|| {
            format!(
                "found {:?}, allowed are status, pause, resume, scale FACTOR (0 to {FACTOR_MAX}), \
                 next, drain, stop",
                text.chars().take(60).collect::<String>()
            )
        })
    }
}

fn scale(factor: f64) -> Option<Wish> {
    (0.0..=FACTOR_MAX)
        .contains(&factor)
        .then_some(Wish::Scale(factor))
}

/// Makes changes and remembers them.
pub struct Helm {
    control: Control,
    loads: Vec<ControlledLoad>,
    factor: f64,
    is_paused: bool,
    time_max: Duration,
    /// What was changed, in order.
    pub made: Vec<ChangeMade>,
}

impl Helm {
    /// For a run of `plan` that `control` switches.
    pub fn new(control: Control, plan: &Plan) -> Helm {
        Helm {
            control,
            loads: plan.loads.iter().map(ControlledLoad::new).collect(),
            factor: 1.0,
            is_paused: false,
            time_max: plan.limits.time.unwrap_or(Duration::MAX),
            made: Vec::new(),
        }
    }

    /// When the last load ends, from the start of the run.
    pub fn end(&self) -> Duration {
        let end = self.loads.iter().map(ControlledLoad::end).max();
        end.unwrap_or_default().min(self.time_max)
    }

    /// How many times the plan's load there is, while it is not paused.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Whether the load is paused.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Changes the load at `elapsed` since its start; what to say of it. Draining and stopping are
    /// not for the helm.
    pub fn change(&mut self, elapsed: Duration, wish: Wish) -> String {
        let at = elapsed + AHEAD;
        if at >= self.end() {
            return "the load is over: nothing to change".to_owned();
        }
        let (change, text) = match wish {
            Wish::Pause if self.is_paused => return "paused already".to_owned(),
            Wish::Pause => {
                self.is_paused = true;
                (Change::Factor(0.0), "paused".to_owned())
            }
            Wish::Resume if !self.is_paused => return "not paused".to_owned(),
            Wish::Resume => {
                self.is_paused = false;
                (Change::Factor(self.factor), "resumed".to_owned())
            }
            Wish::Next => (Change::EndPhase, "phase ended".to_owned()),
            Wish::Scale(factor) => return self.scale(at, factor),
            Wish::ScaleBy(step) => {
                // To whole hundredths, so that steps there and back cancel.
                let factor = ((self.factor + step) * 100.0).round() / 100.0;
                return self.scale(at, factor.clamp(0.0, FACTOR_MAX));
            }
            Wish::Drain | Wish::Stop => return String::new(),
        };
        self.make(at, change, text)
    }

    fn scale(&mut self, at: Duration, factor: f64) -> String {
        self.factor = factor;
        let shown = format::number((factor * 1e4).round() / 1e2);
        if self.is_paused {
            return format!("scaled to {shown} % of the plan, from the end of the pause on");
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
        self.made.push(ChangeMade {
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

    #[test]
    fn commands_are_words() {
        let rows = [
            ("pause", Some(Wish::Pause)),
            (" resume ", Some(Wish::Resume)),
            ("scale 1.5", Some(Wish::Scale(1.5))),
            ("scale 0", Some(Wish::Scale(0.0))),
            ("next", Some(Wish::Next)),
            ("drain", Some(Wish::Drain)),
            ("stop", Some(Wish::Stop)),
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
            assert_eq!(Wish::parse(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn changes_are_made_and_remembered() {
        let text = "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n[[load]]\nmodel = \"open\"\n\
                    scenarios = \"a\"\nphases = [{ rate = \"9/s\", for = \"9s\" }, \
                    { rate = \"9/s\", for = \"9s\" }]\n";
        let plan = config::parse(text, std::path::Path::new("p.toml")).unwrap();
        let mut helm = Helm::new(Control::new(), &plan);
        let second = Duration::from_secs;
        assert_eq!(helm.change(second(1), Wish::Pause), "paused");
        assert_eq!(helm.change(second(2), Wish::Pause), "paused already");
        let text = helm.change(second(2), Wish::ScaleBy(0.1));
        assert_eq!(
            text,
            "scaled to 110 % of the plan, from the end of the pause on"
        );
        assert_eq!(helm.change(second(3), Wish::Resume), "resumed");
        assert_eq!(helm.change(second(4), Wish::Next), "phase ended");
        assert_eq!(helm.end(), Duration::from_millis(13_020));
        assert_eq!(
            helm.change(second(13), Wish::Scale(2.0)),
            "the load is over: nothing to change"
        );
        let made: Vec<(f64, f64)> = helm
            .made
            .iter()
            .map(|one| (one.time_s, one.factor))
            .collect();
        assert_eq!(made, [(1.02, 0.0), (3.02, 1.1), (4.02, 1.1)]);
    }
}
