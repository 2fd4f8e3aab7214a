//! Scales the loads of a plan as a whole: to a peak, to a length.

use std::time::Duration;

use crate::curve::Curve;
use crate::plan::{Load, Model, Plan};

impl Plan {
    /// Scales the rates of all open loads so that together they peak at `rate` per second.
    ///
    /// # Errors
    /// There is no open load; says what there is.
    pub fn with_rate(mut self, rate: f64) -> Result<Self, String> {
        let is_open = |load: &Load| matches!(load.model, Model::Open { .. });
        let Some(factor) = factor(&self.loads, is_open, rate) else {
            return Err("the profile has no open load; --users scales closed ones".to_owned());
        };
        for load in self.loads.iter_mut().filter(|load| is_open(load)) {
            load.model.map(|value| value * factor)?;
        }
        Ok(self)
    }

    /// Scales the numbers of users of all closed loads so that together they peak at `users`.
    /// Numbers above 0 stay at least 1.
    ///
    /// # Errors
    /// There is no closed load; says what there is.
    pub fn with_users(mut self, users: u64) -> Result<Self, String> {
        let is_closed = |load: &Load| matches!(load.model, Model::Closed { .. });
        let Some(factor) = factor(&self.loads, is_closed, users as f64) else {
            return Err("the profile has no closed load; --rate scales open ones".to_owned());
        };
        let scaled = |value: f64| match value {
            0.0 => 0.0,
            value => (value * factor).round().max(1.0),
        };
        for load in self.loads.iter_mut().filter(|load| is_closed(load)) {
            load.model.map(scaled)?;
        }
        Ok(self)
    }

    /// Scales starts and phases of all loads so that the longest ends after `length`.
    ///
    /// # Errors
    /// The warm-up is not shorter, or a load is left without phases.
    pub fn with_duration(mut self, length: Duration) -> Result<Self, String> {
        let ends = self.loads.iter();
        let ends = ends.map(|load| load.start + load.model.curve().duration());
        let planned = ends.max().unwrap_or_default().as_nanos().max(1);
        let scaled = |time: Duration| {
            let ns = time.as_nanos().saturating_mul(length.as_nanos()) / planned;
            Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
        };
        for load in &mut self.loads {
            let (old, new) = (load.start, scaled(load.start));
            // From the start of the run, so that the last end is exactly the length.
            let moved = |time: Duration| scaled(old + time) - new;
            load.model.stretch(moved)?;
            for end in &mut load.phase_ends {
                *end = moved(*end);
            }
            load.start = new;
        }
        if !self.warmup.is_zero() && self.warmup >= self.duration() {
            return Err(format!(
                "the run would not be longer than its warm-up of {} s (`run.warmup`)",
                self.warmup.as_secs()
            ));
        }
        Ok(self)
    }
}

impl Model {
    fn curve_mut(&mut self) -> &mut Curve {
        match self {
            Self::Open { rate, .. } => rate,
            Self::Closed { users, .. } => users,
        }
    }

    /// Changes the values of the curve.
    fn map(&mut self, change: impl Fn(f64) -> f64) -> Result<(), String> {
        let segments = self.curve().phases().iter();
        let phases = segments.map(|one| (one.length, change(one.from), change(one.to)));
        self.replace(&phases.collect::<Vec<_>>())
    }

    /// Changes the times of the curve; `moved` never decreases.
    fn stretch(&mut self, moved: impl Fn(Duration) -> Duration) -> Result<(), String> {
        let segments = self.curve().phases().iter();
        let phases = segments.map(|one| (moved(one.end()) - moved(one.start), one.from, one.to));
        self.replace(
            &phases
                .filter(|phase| !phase.0.is_zero())
                .collect::<Vec<_>>(),
        )
    }

    fn replace(&mut self, phases: &[(Duration, f64, f64)]) -> Result<(), String> {
        let none = || "a load would be left without phases".to_owned();
        *self.curve_mut() = Curve::new(phases).ok_or_else(none)?;
        Ok(())
    }
}

/// By how much the loads of one kind are scaled for their sum to peak at `wanted`; `None` without
/// such loads.
fn factor(loads: &[Load], is_kind: impl Fn(&Load) -> bool, wanted: f64) -> Option<f64> {
    let loads: Vec<&Load> = loads.iter().filter(|load| is_kind(load)).collect();
    let peak = match loads[..] {
        [] => return None,
        [load] => load.model.curve().max(),
        _ => peak(&loads),
    };
    (peak > 0.0).then(|| wanted / peak)
}

/// The highest sum of several loads. It is reached where a segment begins or just before it ends.
fn peak(loads: &[&Load]) -> f64 {
    let just_before = Duration::from_nanos(1);
    let sum = |time: Duration| -> f64 {
        let at = |load: &&Load| match time.checked_sub(load.start) {
            Some(time) => load.model.curve().at(time),
            None => 0.0,
        };
        loads.iter().map(at).sum()
    };
    let times = loads.iter().flat_map(|load| {
        let segments = load.model.curve().phases().iter();
        segments.flat_map(|one| {
            let (start, end) = (load.start + one.start, load.start + one.end());
            [start, end.saturating_sub(just_before)]
        })
    });
    times.map(sum).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n";

    fn plan(loads: &str) -> Plan {
        crate::parse(&format!("{RUN}{loads}"), std::path::Path::new("p.toml")).unwrap()
    }

    fn load(model: &str, start: &str, phases: &str) -> String {
        format!(
            "[[load]]\nmodel = \"{model}\"\nscenarios = \"a\"\nstart = \"{start}\"\n\
             phases = [{phases}]\n"
        )
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn rates_are_scaled_to_the_peak_of_their_sum() {
        let ramp =
            "{ rate = [\"0/s\", \"100/s\"], for = \"10s\" }, { rate = \"50/s\", for = \"10s\" }";
        let one = plan(&load("open", "0s", ramp)).with_rate(20.0).unwrap();
        let curve = one.loads[0].model.curve();
        assert_eq!((curve.at(s(5)), curve.at(s(15))), (10.0, 10.0));
        // 100 just before 10 s, and 50 + 350 from then on
        let second = load("open", "10s", "{ rate = \"350/s\", for = \"5s\" }");
        let closed = load("closed", "0s", "{ users = 7, for = \"1s\" }");
        let three = plan(&(load("open", "0s", ramp) + &second + &closed));
        let three = three.with_rate(40.0).unwrap();
        let at = |load: usize, time| three.loads[load].model.curve().at(time);
        assert!((at(0, s(15)) - 5.0).abs() < 1e-9 && (at(1, s(0)) - 35.0).abs() < 1e-9);
        assert_eq!(at(2, s(0)), 7.0);
        let none = plan(&load("closed", "0s", "{ users = 7, for = \"1s\" }"));
        assert!(none.with_rate(1.0).unwrap_err().contains("no open load"));
    }

    #[test]
    fn users_are_whole_and_at_least_one() {
        let phases = "{ users = [0, 100], for = \"1s\" }, { users = 1, for = \"1s\" }";
        let scaled = plan(&load("closed", "0s", phases)).with_users(10).unwrap();
        let values: Vec<(f64, f64)> = scaled.loads[0]
            .model
            .curve()
            .phases()
            .iter()
            .map(|one| (one.from, one.to))
            .collect();
        assert_eq!(values, [(0.0, 10.0), (1.0, 1.0)]);
        let none = plan(&load("open", "0s", "{ rate = \"7/s\", for = \"1s\" }"));
        assert!(none.with_users(1).unwrap_err().contains("no closed load"));
    }

    #[test]
    fn the_longest_load_has_the_length_to_the_nanosecond() {
        let phases = "{ rate = \"3/s\", for = \"7s\" }, { rate = \"9/s\", for = \"4s\" }";
        let loads = load("open", "0s", phases) + &load("open", "2s", phases);
        let plan = plan(&loads).with_duration(s(3)).unwrap();
        assert_eq!(plan.duration(), s(3));
        let second = &plan.loads[1];
        assert_eq!(second.start, Duration::from_nanos(461_538_461));
        let curve = second.model.curve();
        assert_eq!(second.phase_ends.last(), Some(&curve.duration()));
        assert_eq!(second.phase_ends[0], curve.phases()[0].end());
    }

    #[test]
    fn a_run_stays_longer_than_its_warmup() {
        let text = format!(
            "{RUN}warmup = \"5s\"\n{}",
            load("open", "0s", "{ rate = \"3/s\", for = \"9s\" }")
        );
        let plan = crate::parse(&text, std::path::Path::new("p.toml")).unwrap();
        let error = plan.with_duration(s(5)).unwrap_err();
        assert!(error.contains("its warm-up of 5 s"), "{error}");
    }
}
