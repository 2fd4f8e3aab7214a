//! The plan in words: what reports and the live view say about the load asked for.

use crate::render::format;
use config::{Arrivals, Load, Model, Plan, Segment};
use stats::report::LoadFacts;
use std::time::Duration;

/// Phases that a report lists one by one.
const PHASES_TOLD: usize = 12;

/// What a plan asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// Name of the run, escaped.
    pub name: String,
    /// The target's address, escaped.
    pub target: String,
    /// How the plan asks for load.
    pub model: stats::Model,
    /// From the start to the end of the last phase.
    pub duration: Duration,
    /// In the order of the profile; at least one.
    pub loads: Vec<LoadOutline>,
}

/// One load of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadOutline {
    /// Model and its settings: `open, poisson, at most 100 users`.
    pub kind: String,
    /// Scenarios with their shares: `browse 70 %, buy 30 %`.
    pub scenarios: String,
    /// In order, without gaps.
    pub phases: Vec<PhaseOutline>,
}

/// One phase of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseOutline {
    /// When it ends, from the start of the run.
    pub end: Duration,
    /// `100/s → 2,000/s for 30s`.
    pub text: String,
}

impl Outline {
    /// The outline of a plan; `target` is the address in use, which a plan with a built-in target
    /// does not know.
    pub fn of(plan: &Plan, target: &str) -> Self {
        Outline {
            name: format::escape(&plan.name),
            target: format::escape(target),
            model: model(plan),
            duration: plan.duration(),
            loads: plan.loads.iter().map(LoadOutline::of).collect(),
        }
    }
}

/// How a plan asks for load, in the words of the statistics.
pub fn model(plan: &Plan) -> stats::Model {
    match plan.model_label() {
        "open" => stats::Model::Open,
        "closed" => stats::Model::Closed,
        _ => stats::Model::Mixed,
    }
}

/// How reports name the model of a run.
pub fn model_label(model: stats::Model) -> &'static str {
    match model {
        stats::Model::Open => "OPEN MODEL",
        stats::Model::Closed => "CLOSED MODEL",
        stats::Model::Mixed => "MIXED MODEL",
    }
}

impl LoadOutline {
    fn of(load: &Load) -> Self {
        let (mut kind, unit) = match &load.model {
            Model::Open {
                arrivals,
                users_max,
                iterations,
                ..
            } => {
                let spread = match arrivals {
                    Arrivals::Even => "even",
                    Arrivals::Poisson => "poisson",
                    Arrivals::Jittered => "jittered",
                };
                let mut kind = format!("open, {spread}");
                if let Some(n) = users_max {
                    kind += &format!(", at most {} users", format::count((*n).into()));
                }
                if *iterations > 1 {
                    kind += &format!(", {} passes each", format::count((*iterations).into()));
                }
                (kind, "/s")
            }
            Model::Closed { pacing, .. } => {
                let pacing = pacing.map(|p| format!(", one iteration per {}", format::length(p)));
                (format!("closed{}", pacing.unwrap_or_default()), " users")
            }
        };
        if !load.start.is_zero() {
            kind += &format!(", from {}", format::length(load.start));
        }
        let phases = load.model.curve().phases().iter();
        LoadOutline {
            kind,
            scenarios: scenarios(load),
            phases: phases
                .map(|phase| PhaseOutline::of(phase, load.start, unit))
                .collect(),
        }
    }

    /// The load for a report.
    pub fn facts(&self) -> LoadFacts {
        LoadFacts {
            kind: self.kind.clone(),
            scenarios: self.scenarios.clone(),
            phases: self.phases_told(),
        }
    }

    /// The phases for a report; of many, as shapes have, the first and their number.
    fn phases_told(&self) -> Vec<String> {
        let told = |phases: &[PhaseOutline]| -> Vec<String> {
            phases.iter().map(|phase| phase.text.clone()).collect()
        };
        if self.phases.len() <= PHASES_TOLD {
            return told(&self.phases);
        }
        let mut texts = told(&self.phases[..PHASES_TOLD - 1]);
        texts.push(format!(
            "and {} more pieces",
            self.phases.len() + 1 - PHASES_TOLD
        ));
        texts
    }

    /// The phase at `elapsed` with its number, `2/3: 100/s for 10s`; none when all are over.
    pub fn phase_at(&self, elapsed: Duration) -> Option<String> {
        let current = self.phases.iter().position(|phase| elapsed < phase.end)?;
        Some(format!(
            "{}/{}: {}",
            current + 1,
            self.phases.len(),
            self.phases[current].text
        ))
    }
}

impl PhaseOutline {
    fn of(phase: &Segment, offset: Duration, unit: &str) -> Self {
        let from = format::number(phase.from);
        let level = if phase.from == phase.to {
            format!("{from}{unit}")
        } else {
            let from_unit = if unit == "/s" { unit } else { "" };
            format!("{from}{from_unit} → {}{unit}", format::number(phase.to))
        };
        let text = format!("{level} for {}", format::length(phase.length));
        PhaseOutline {
            end: offset + phase.start + phase.length,
            text,
        }
    }
}

fn scenarios(load: &Load) -> String {
    if let [only] = &load.scenarios[..] {
        return format::escape(&only.name);
    }
    let total: f64 = load.scenarios.iter().map(|s| s.weight).sum();
    let shares = load.scenarios.iter().map(|s| {
        format!(
            "{} {} %",
            format::escape(&s.name),
            format::number(shown_share(s.weight / total))
        )
    });
    shares.collect::<Vec<_>>().join(", ")
}

/// A share in percent to one decimal.
fn shown_share(share: f64) -> f64 {
    (share * 1_000.0).round() / 10.0
}
