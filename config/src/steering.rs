//! Changes of a load while it runs: scaled, paused, a phase ended early.

use std::time::Duration;

use crate::curve::Curve;
use crate::plan::{Load, Model};

/// A change of all loads of a run from some moment on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Rates and numbers of users are this many times those of the plan, from 0 (a pause) to
    /// [`FACTOR_MAX`].
    Factor(f64),
    /// The present phase of each load is over, the next begins.
    EndPhase,
}

/// The largest factor of a change.
pub const FACTOR_MAX: f64 = 1000.0;

/// One load's curve as it was planned and as changes have made it.
///
/// Every core that makes the same changes at the same times comes to the same curve.
#[derive(Clone, Debug)]
pub struct Steered {
    offset: Duration,
    is_open: bool,
    /// As planned, without the phases that were ended early.
    planned: Curve,
    /// When the phases that are left end.
    phase_ends: Vec<Duration>,
    current: Curve,
    factor: f64,
}

impl Steered {
    /// A load as the plan has it.
    pub fn new(load: &Load) -> Steered {
        let curve = load.model.curve();
        Steered {
            offset: load.start,
            is_open: matches!(load.model, Model::Open { .. }),
            planned: curve.clone(),
            phase_ends: load.phase_ends.clone(),
            current: curve.clone(),
            factor: 1.0,
        }
    }

    /// The curve from the start of the load on; what lies before the last change is as it was.
    pub fn curve(&self) -> &Curve {
        &self.current
    }

    /// When the load ends, from the start of the run.
    pub fn end(&self) -> Duration {
        self.offset + self.current.duration()
    }

    /// Makes a change at `at` from the start of the run; changes come in the order of time.
    pub fn change(&mut self, at: Duration, change: Change) {
        // Before the load has begun all of it is still to come.
        let at = at.saturating_sub(self.offset);
        match change {
            Change::Factor(factor) => {
                self.factor = factor;
                self.remake(at, at);
            }
            Change::EndPhase => self.end_phase(at),
        }
    }

    fn end_phase(&mut self, at: Duration) {
        let Some(place) = self.phase_ends.iter().position(|end| *end > at) else {
            return;
        };
        let end = self.phase_ends[place];
        self.remake(at, end);
        if let Some(planned) = self.planned.spliced(at, &self.planned, end, |value| value) {
            self.planned = planned;
        }
        self.phase_ends[place] = at;
        for later in &mut self.phase_ends[place + 1..] {
            *later -= end - at;
        }
    }

    /// From `at` on the current curve is the planned one from `from` on, scaled.
    fn remake(&mut self, at: Duration, from: Duration) {
        let (factor, is_open) = (self.factor, self.is_open);
        // Users are whole.
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

    fn steered(phases: &str) -> Steered {
        let text = format!(
            "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n\
             [[load]]\nmodel = \"open\"\nscenarios = \"a\"\nstart = \"10s\"\nphases = [{phases}]\n"
        );
        let plan = crate::parse(&text, std::path::Path::new("p.toml")).unwrap();
        Steered::new(&plan.loads[0])
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
