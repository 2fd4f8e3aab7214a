//! Shapes of a phase besides the constant and the ramp: pauses, steps, spikes, day curves, and
//! curves from outside the profile.
//!
//! Each becomes a few pieces (length, value at the start, value at the end) of the load's curve.

use std::f64::consts::TAU;
use std::time::Duration;

use toml::de::{DeArray, DeValue};

use super::fields::{self, Table, wrong};
use super::loads::{Kind, USERS_MAX, refuse_misplaced};
use super::outside::{self, Outside};
use super::phases::{LENGTH_MAX, Piece};
use crate::document::{Report, Value};

/// Keys of which exactly one says what shape a phase has.
pub(super) const SHAPES: [&str; 6] = ["pause", "steps", "spike", "sine", "file", "lua"];
const STEPS_MAX: usize = 1000;
/// Straight pieces of one period of a sine: a chord is off the curve by at most
/// `1 - cos(pi / 48)`, 0.2 % of the amplitude.
const PIECES_PER_PERIOD: u32 = 48;
/// Periods of one phase at most.
const PERIODS_MAX: f64 = 1000.0;
const PERIOD_MIN: Duration = Duration::from_millis(100);

/// Reads a phase that has one of [`SHAPES`]; `None` when something was reported.
pub(super) fn read(
    table: &Table<'_, '_>,
    shape: &str,
    kind: Option<Kind>,
    outside: Outside<'_>,
    report: &mut Report,
) -> Option<Vec<Piece>> {
    let keys: &[&str] = match shape {
        "pause" => &["pause"],
        "steps" => &["steps", "each"],
        "spike" => &["spike", "for"],
        "file" => &["file"],
        "lua" => &["lua", "for"],
        _ => &["sine", "for"],
    };
    table.refuse_unknown(report, keys);
    let value = table.get(shape)?;
    match shape {
        "pause" => Some(vec![(length(value, "pause", report)?, 0.0, 0.0)]),
        "steps" => steps(table, value, kind?, report),
        "spike" => spike(table, value, kind?, report),
        "file" => outside::file(value, kind?, outside, report),
        "lua" => {
            let most = outside::FUNCTION_MAX;
            let limits = "above zero, at most 100000 seconds";
            let length = table
                .require("for", "a length of time such as \"10m\"", report)
                .and_then(|value| {
                    let allowed = Duration::from_nanos(1)..=most;
                    fields::duration(value, "load.phases.for", allowed, limits, report)
                });
            outside::function(value, kind?, length?, outside, report)
        }
        _ => {
            refuse_misplaced(table, kind, Kind::Open, &["sine"], report);
            sine(table, value, report).filter(|_| kind == Some(Kind::Open))
        }
    }
}

/// Levels one after the other, each as long.
fn steps(
    table: &Table<'_, '_>,
    value: &Value<'_>,
    kind: Kind,
    report: &mut Report,
) -> Option<Vec<Piece>> {
    let levels = match value.get_ref() {
        DeValue::Array(items) if !items.is_empty() && items.len() <= STEPS_MAX => {
            levels(items, "load.phases.steps", kind, report)
        }
        _ => wrong(
            report,
            value,
            "load.phases.steps",
            format!("an array of 1 to {STEPS_MAX} levels such as [\"100/s\", \"200/s\"]"),
        ),
    };
    let each = table
        .require("each", "the length of one step such as \"30s\"", report)
        .and_then(|value| length(value, "each", report));
    let (levels, each) = (levels?, each?);
    Some(
        levels
            .into_iter()
            .map(|level| (each, level, level))
            .collect(),
    )
}

/// The first third at the base, the second at the peak, the third at the base again.
fn spike(
    table: &Table<'_, '_>,
    value: &Value<'_>,
    kind: Kind,
    report: &mut Report,
) -> Option<Vec<Piece>> {
    let levels = match value.get_ref() {
        DeValue::Array(items) if items.len() == 2 => {
            levels(items, "load.phases.spike", kind, report)
        }
        _ => wrong(
            report,
            value,
            "load.phases.spike",
            "the base and the peak, as in [\"100/s\", \"2k/s\"]",
        ),
    };
    let whole = table
        .require("for", "a length of time such as \"30s\"", report)
        .and_then(|value| length(value, "for", report));
    let (levels, whole) = (levels?, whole?);
    let (base, peak, third) = (levels[0], levels[1], whole / 3);
    let pieces = [
        (third, base, base),
        (third, peak, peak),
        (whole - 2 * third, base, base),
    ];
    let shortest = |piece: &Piece| !piece.0.is_zero();
    Some(pieces.into_iter().filter(shortest).collect())
}

/// A rate that rises from its mean, falls below it and comes back, as days do.
fn sine(table: &Table<'_, '_>, value: &Value<'_>, report: &mut Report) -> Option<Vec<Piece>> {
    const ALLOWED: &str =
        "{ mean = \"100/s\", amplitude = \"50/s\", period = \"10m\" }, with a length `for`";
    let curve = Table::of(value, "load.phases.sine", ALLOWED, report)?;
    curve.refuse_unknown(report, &["mean", "amplitude", "period"]);
    let rate = |key: &str, report: &mut Report| {
        let path = format!("load.phases.sine.{key}");
        fields::rate(
            curve.require(key, "a rate such as \"100/s\"", report)?,
            &path,
            report,
        )
    };
    let (mean, amplitude) = (rate("mean", report), rate("amplitude", report));
    let period = curve
        .require("period", "a length of time such as \"10m\"", report)
        .and_then(|value| {
            let limits = "from \"100ms\" to \"30d\"";
            let path = "load.phases.sine.period";
            fields::duration(value, path, PERIOD_MIN..=LENGTH_MAX, limits, report)
        });
    let whole = table
        .require("for", "a length of time such as \"1h\"", report)
        .and_then(|value| length(value, "for", report));
    let (mean, amplitude, period, whole) = (mean?, amplitude?, period?, whole?);
    if amplitude > mean {
        report.found(
            value.span(),
            "found an amplitude above the mean, allowed is at most the mean (`load.phases.sine`)"
                .to_owned(),
        );
        return None;
    }
    if whole.as_secs_f64() > PERIODS_MAX * period.as_secs_f64() {
        report.found(
            value.span(),
            format!("found more than {PERIODS_MAX} periods in a phase (`load.phases.sine`)"),
        );
        return None;
    }
    let at = |t: Duration| {
        let turns = t.as_secs_f64() / period.as_secs_f64();
        (mean + amplitude * (TAU * turns).sin()).max(0.0)
    };
    let piece = period / PIECES_PER_PERIOD;
    let mut pieces = Vec::new();
    let mut start = Duration::ZERO;
    while start < whole {
        let end = (start + piece).min(whole);
        pieces.push((end - start, at(start), at(end)));
        start = end;
    }
    Some(pieces)
}

/// Rates of an open load, users of a closed one.
fn levels(items: &DeArray<'_>, path: &str, kind: Kind, report: &mut Report) -> Option<Vec<f64>> {
    let mut read = |item: &Value<'_>| match kind {
        Kind::Open => fields::rate(item, path, report),
        Kind::Closed => fields::whole(item, path, 0..=USERS_MAX, report).map(|n| n as f64),
    };
    let levels: Vec<Option<f64>> = items.iter().map(&mut read).collect();
    levels.into_iter().collect()
}

fn length(value: &Value<'_>, key: &str, report: &mut Report) -> Option<Duration> {
    let path = format!("load.phases.{key}");
    let allowed = Duration::from_nanos(1)..=LENGTH_MAX;
    fields::duration(value, &path, allowed, "above zero, at most \"30d\"", report)
}
