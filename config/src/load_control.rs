//! Changes of a load while it runs: scaling, pausing, ending a phase early.

use std::time::Duration;

use crate::curve::Curve;
use crate::plan::{Load, Model};

/// A change of all loads of a run from some moment on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Scales rates and numbers of users relative to the plan, from 0 (a pause) to
    /// [`Change::FACTOR_MAX`].
    Factor(f64),
    /// Ends the current phase of each load; the next one begins.
    EndPhase,
}

impl Change {
    /// The largest factor.
    pub const FACTOR_MAX: f64 = 1000.0;
}

/// One load's curve as planned, and as changes have made it.
///
/// Every core that applies the same changes at the same times arrives at the same curve.
#[derive(Clone, Debug)]
pub struct ControlledLoad {
    offset: Duration,
    is_open: bool,
    /// The planned curve without the phases that were ended early.
    planned: Curve,
    /// Ends of the remaining phases.
    phase_ends: Vec<Duration>,
    current: Curve,
    factor: f64,
}

impl ControlledLoad {
    /// A load as planned.
    pub fn new(load: &Load) -> ControlledLoad {
        let curve = load.model.curve();
        ControlledLoad {
            offset: load.start,
            is_open: matches!(load.model, Model::Open { .. }),
            planned: curve.clone(),
            phase_ends: load.phase_ends.clone(),
            current: curve.clone(),
            factor: 1.0,
        }
    }

    /// The curve from the start of the load; the part before the last change is final.
    pub fn curve(&self) -> &Curve {
        &self.current
    }

    /// When the load ends, from the start of the run.
    pub fn end(&self) -> Duration {
        self.offset + self.current.duration()
    }

    /// Applies a change at `at`, measured from the start of the run; changes come in chronological
    /// order.
    pub fn change(&mut self, at: Duration, change: Change) {
        // Before the load has begun, all of it is still to come.
        let at = at.saturating_sub(self.offset);
        match change {
            Change::Factor(factor) => {
                self.factor = factor;
                self.rebuild(at, at);
            }
            Change::EndPhase => self.end_phase(at),
        }
    }

    fn end_phase(&mut self, at: Duration) {
        let Some(index) = self.phase_ends.iter().position(|end| *end > at) else {
            return;
        };
        let end = self.phase_ends[index];
        self.rebuild(at, end);
        if let Some(planned) = self.planned.spliced(at, &self.planned, end, |value| value) {
            self.planned = planned;
        }
        self.phase_ends[index] = at;
        for later in &mut self.phase_ends[index + 1..] {
            *later -= end - at;
        }
    }

    /// Makes the current curve follow the planned one, scaled: from `at` on the current curve, from
    /// `from` on the planned one.
    fn rebuild(&mut self, at: Duration, from: Duration) {
        let (factor, is_open) = (self.factor, self.is_open);
        // Numbers of users are whole.
        let scale = |value: f64| match is_open {
            true => value * factor,
            false => (value * factor).round(),
        };
        if let Some(curve) = self.current.spliced(at, &self.planned, from, scale) {
            self.current = curve;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steered(phases: &str) -> ControlledLoad {
        let text = format!(
            "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n\
             [[load]]\nmodel = \"open\"\nscenarios = \"a\"\nstart = \"10s\"\nphases = [{phases}]\n"
        );
        let plan = crate::parse(&text, std::path::Path::new("p.toml")).unwrap();
        ControlledLoad::new(&plan.loads[0])
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn factors_hold_from_their_moment_on() {
        let mut load = steered("{ rate = \"100/s\", for = \"10s\" }");
        load.change(s(12), Change::Factor(0.0));
        load.change(s(15), Change::Factor(2.0));
        load.change(s(16), Change::Factor(1.0));
        assert_eq!(load.end(), s(20));
        // 2 s of 100, a pause of 3 s, 1 s of 200, 4 s of 100.
        assert_eq!(load.curve().total(), 200.0 + 200.0 + 400.0);
        assert_eq!(load.curve().at(s(3)), 0.0);
        assert_eq!(load.curve().at(s(5)), 200.0);
        assert_eq!(load.curve().at(s(7)), 100.0);
        // Arrival 250 is in the second of 200/s: 0.25 s after its beginning.
        assert_eq!(
            load.curve().inverse(250.0),
            Some(Duration::from_millis(5250))
        );
    }

    #[test]
    fn an_ended_phase_makes_room_for_the_next() {
        let phases = "{ steps = [\"10/s\", \"20/s\"], each = \"5s\" }, { rate = \"50/s\", for = \"3s\" }, \
                      { rate = \"60/s\", for = \"3s\" }";
        let mut load = steered(phases);
        // Both steps are one phase.
        load.change(s(12), Change::EndPhase);
        assert_eq!((load.curve().at(s(1)), load.curve().at(s(2))), (10.0, 50.0));
        assert_eq!(load.end(), s(18));
        load.change(s(13), Change::Factor(2.0));
        load.change(s(14), Change::EndPhase);
        assert_eq!(
            (load.curve().at(s(3)), load.curve().at(s(4))),
            (100.0, 120.0)
        );
        assert_eq!(load.end(), s(17));
        load.change(s(15), Change::EndPhase);
        assert_eq!(load.end(), s(15));
        assert_eq!(load.curve().total(), 20.0 + 50.0 + 100.0 + 120.0);
        // After the last phase there is nothing to end or scale.
        load.change(s(16), Change::EndPhase);
        load.change(s(16), Change::Factor(5.0));
        assert_eq!(load.end(), s(15));
    }

    #[test]
    fn a_load_that_has_not_begun_is_changed_from_its_start() {
        let mut load =
            steered("{ rate = \"100/s\", for = \"1s\" }, { rate = \"7/s\", for = \"1s\" }");
        load.change(s(1), Change::Factor(0.5));
        assert_eq!(load.curve().total(), 53.5);
        load.change(s(2), Change::EndPhase);
        assert_eq!(load.curve().total(), 3.5);
    }
}
