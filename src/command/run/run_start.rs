//! The description of a run that is sent to a stats server at its start.

use crate::command::{redact, script_files};
use config::{Load, Model, Plan};
use std::time::Duration;
use wire::{Marker, RunStart};

/// Maximum number of phase boundaries sent; shapes have thousands.
const MARKERS_MAX: usize = 200;

/// The start of a run of `plan` against `target`.
pub fn build(plan: &Plan, target: &str, cpus: &[usize], segment: &str) -> RunStart {
    let mut start = RunStart {
        project: plan.name.clone(),
        name: plan.name.clone(),
        started_us: 0,
        target: target.to_owned(),
        model: plan.model_label().to_owned(),
        seed: plan.seed,
        cores: cpus.iter().map(|cpu| *cpu as u32).collect(),
        segment: segment.to_owned(),
        planned_s: plan.duration().as_secs_f64(),
        warmup_s: plan.warmup.as_secs(),
        profile: profile(plan),
        files: script_files::read(plan.script()),
        markers: markers(plan),
        thresholds: plan.thresholds.iter().map(|t| t.text.clone()).collect(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    redact::run_start(&plan.variables.redactor(), &mut start);
    start
}

/// The profile's text, followed by what arguments changed.
fn profile(plan: &Plan) -> String {
    let mut text = plan.profile_text.clone();
    if !plan.overrides.is_empty() {
        let line_end = if text.ends_with('\n') { "" } else { "\n" };
        text += &format!("{line_end}\n# run with: {}\n", plan.overrides.join(" "));
    }
    text
}

/// The starts of the loads' phases, in order of time.
fn markers(plan: &Plan) -> Vec<Marker> {
    let many = plan.loads.len() > 1;
    let mut markers = Vec::new();
    for (number, load) in (1..).zip(&plan.loads) {
        for (time_s, phase) in boundaries(load) {
            let label = match many {
                true => format!("load {number}, phase {phase}"),
                false => format!("phase {phase}"),
            };
            markers.push(Marker { time_s, label });
        }
    }
    let end = Marker {
        time_s: plan.duration().as_secs_f64(),
        label: "end of the load".to_owned(),
    };
    markers.retain(|marker| marker.time_s < end.time_s);
    markers.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    markers.truncate(MARKERS_MAX);
    markers.push(end);
    markers
}

/// The start of each phase of a load, with its level.
fn boundaries(load: &Load) -> Vec<(f64, String)> {
    let curve = load.model.curve();
    let unit = match load.model {
        Model::Open { .. } => "/s",
        Model::Closed { .. } => " users",
    };
    let ends = load.phase_ends.iter();
    let starts = std::iter::once(&Duration::ZERO).chain(ends);
    let before = |t: Duration| curve.at(t.saturating_sub(Duration::from_nanos(1)));
    let number = |value: f64| {
        let text = format!("{value:.1}");
        text.strip_suffix(".0").unwrap_or(&text).to_owned()
    };
    (1..)
        .zip(starts.zip(&load.phase_ends))
        .map(|(phase, (start, end))| {
            let (from, to) = (curve.at(*start), before(*end));
            let wanted = if (from - to).abs() < 0.05 {
                format!("{}{unit}", number(from))
            } else {
                format!("{} to {}{unit}", number(from), number(to))
            };
            let time_s = (load.start + *start).as_secs_f64();
            (time_s, format!("{phase}: {wanted}"))
        })
        .collect()
}
