//! The description of a run that is sent to a stats server at its start.

use crate::command::redact;
use config::{Load, Model, Plan, ScriptText};
use stats::wire::{FileText, Marker, RunStart};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Maximum number of files sent besides the script.
const FILES_MAX: usize = 64;
/// Maximum size of a file that is sent, in bytes.
const FILE_LEN_MAX: u64 = 1 << 20;
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
        files: files(plan.script()),
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

/// The script and the modules in its folder that it names in a `require`. One in the profile is
/// left out, as that is told anyway.
fn files(script: ScriptText<'_>) -> Vec<FileText> {
    let folder = script.path.parent().unwrap_or(Path::new("."));
    let mut wanted = match script.text {
        Some(text) => required(text),
        None => {
            let name = script.path.file_name().unwrap_or_default();
            vec![name.to_string_lossy().into_owned()]
        }
    };
    let mut known = BTreeSet::new();
    let mut files = Vec::new();
    while let Some(name) = wanted.pop() {
        if files.len() == FILES_MAX || !known.insert(name.clone()) {
            continue;
        }
        let Some(text) = read(&folder.join(&name)) else {
            continue;
        };
        wanted.extend(required(&text));
        files.push(FileText { name, text });
    }
    files
}

fn read(path: &Path) -> Option<String> {
    let small = fs::metadata(path).ok()?.len() <= FILE_LEN_MAX;
    let bytes = small.then(|| fs::read(path).ok()).flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files of `require "a.b"` and `require('a.b')`, found by a text search.
fn required(text: &str) -> Vec<String> {
    let after = text.split("require").skip(1);
    let name = |rest: &str| {
        let rest = rest.trim_start().trim_start_matches('(').trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let name = rest[1..].split(quote).next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_module = !name.is_empty() && name.len() <= 200 && name.chars().all(plain);
        let up = name.split('.').any(str::is_empty);
        (is_module && !up).then(|| name.replace('.', "/") + ".lua")
    };
    after.filter_map(name).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_where_they_are_named() {
        let text = "local a = require \"lib.carts\"\nlocal b = require('users')\n\
                    require(name) require \"../secret\" require \"a..b\" -- require";
        assert_eq!(required(text), ["lib/carts.lua", "users.lua"]);
    }

    #[test]
    fn a_script_comes_with_its_modules_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a file in it");
        };
        write("main.lua", "local a = require 'a'");
        write(
            "a.lua",
            "local main = require 'main'\nlocal none = require 'none'",
        );
        let path = folder.path().join("main.lua");
        let files = files(ScriptText {
            path: &path,
            text: None,
        });
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["main.lua", "a.lua"]);
    }
}
