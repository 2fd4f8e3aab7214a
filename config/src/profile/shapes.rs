//! Shapes of a phase other than constant and ramp: pauses, steps, spikes, sine curves, and external
//! curves.
//!
//! Each becomes a few segments (length, value at the start, value at the end) of the load's curve.

use std::f64::consts::TAU;
use std::time::Duration;

use toml::de::{DeArray, DeValue};

use super::external::{self, ExternalSources};
use super::fields::{self, Table, wrong};
use super::model_kind::{ModelKind, USERS_MAX, refuse_misplaced};
use super::piece::{LENGTH_MAX, Piece};
use crate::document::{Diagnostics, Value};

/// Keys that select the shape of a phase; exactly one of them is present.
pub(super) const SHAPES: [&str; 6] = ["pause", "steps", "spike", "sine", "file", "lua"];
const STEPS_MAX: usize = 1000;
/// Linear segments per period of a sine: a chord deviates from the curve by at most `1 - cos(pi /
/// 48)`, 0.2 % of the amplitude.
const PIECES_PER_PERIOD: u32 = 48;
/// Periods of one phase at most.
const PERIODS_MAX: f64 = 1000.0;
const PERIOD_MIN: Duration = Duration::from_millis(100);

/// Reads a phase that has one of [`SHAPES`]; `None` when something was reported.
pub(super) fn read(
    table: &Table<'_, '_>,
    shape: &str,
    kind: Option<ModelKind>,
    sources: ExternalSources<'_>,
    errors: &mut Diagnostics,
) -> Option<Vec<Piece>> {
    let keys: &[&str] = match shape {
        "pause" => &["pause"],
        "steps" => &["steps", "each"],
        "spike" => &["spike", "for"],
        "file" => &["file"],
        "lua" => &["lua", "for"],
        _ => &["sine", "for"],
    };
    table.refuse_unknown(errors, keys);
    let value = table.get(shape)?;
    match shape {
        "pause" => Some(vec![(length(value, "pause", errors)?, 0.0, 0.0)]),
        "steps" => steps(table, value, kind?, errors),
        "spike" => spike(table, value, kind?, errors),
        "file" => external::file(value, kind?, sources, errors),
        "lua" => {
            let most = external::FUNCTION_MAX;
            let limits = "a duration above zero and at most 100000 seconds";
            let length = table
                .require("for", "a duration such as \"10m\"", errors)
                .and_then(|value| {
                    let allowed = Duration::from_nanos(1)..=most;
                    fields::duration(value, "load.phases.for", allowed, limits, errors)
                });
            external::function(value, kind?, length?, sources, errors)
        }
        _ => {
            refuse_misplaced(table, kind, ModelKind::Open, &["sine"], errors);
            sine(table, value, errors).filter(|_| kind == Some(ModelKind::Open))
        }
    }
}

/// Successive levels of equal length.
fn steps(
    table: &Table<'_, '_>,
    value: &Value<'_>,
    kind: ModelKind,
    errors: &mut Diagnostics,
) -> Option<Vec<Piece>> {
    let levels = match value.get_ref() {
        DeValue::Array(items) if !items.is_empty() && items.len() <= STEPS_MAX => {
            levels(items, "load.phases.steps", kind, errors)
        }
        _ => wrong(
            errors,
            value,
            "load.phases.steps",
            format!("an array of 1 to {STEPS_MAX} levels such as [\"100/s\", \"200/s\"]"),
        ),
    };
    let each = table
        .require("each", "the length of one step such as \"30s\"", errors)
        .and_then(|value| length(value, "each", errors));
    let (levels, each) = (levels?, each?);
    Some(
        levels
            .into_iter()
            .map(|level| (each, level, level))
            .collect(),
    )
}

/// One third at the base, one at the peak, and one at the base again.
fn spike(
    table: &Table<'_, '_>,
    value: &Value<'_>,
    kind: ModelKind,
    errors: &mut Diagnostics,
) -> Option<Vec<Piece>> {
    let levels = match value.get_ref() {
        DeValue::Array(items) if items.len() == 2 => {
            levels(items, "load.phases.spike", kind, errors)
        }
        _ => wrong(
            errors,
            value,
            "load.phases.spike",
            "the base and the peak, as in [\"100/s\", \"2k/s\"]",
        ),
    };
    let whole = table
        .require("for", "a duration such as \"30s\"", errors)
        .and_then(|value| length(value, "for", errors));
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

/// A rate that rises above its mean, falls below it and returns, like daily traffic.
fn sine(table: &Table<'_, '_>, value: &Value<'_>, errors: &mut Diagnostics) -> Option<Vec<Piece>> {
    const ALLOWED: &str =
        "{ mean = \"100/s\", amplitude = \"50/s\", period = \"10m\" }, with a duration `for`";
    let curve = Table::from_value(value, "load.phases.sine", ALLOWED, errors)?;
    curve.refuse_unknown(errors, &["mean", "amplitude", "period"]);
    let rate = |key: &str, errors: &mut Diagnostics| {
        let path = format!("load.phases.sine.{key}");
        fields::rate(
            curve.require(key, "a rate such as \"100/s\"", errors)?,
            &path,
            errors,
        )
    };
    let (mean, amplitude) = (rate("mean", errors), rate("amplitude", errors));
    let period = curve
        .require("period", "a duration such as \"10m\"", errors)
        .and_then(|value| {
            let limits = "a duration from \"100ms\" to \"30d\"";
            let path = "load.phases.sine.period";
            fields::duration(value, path, PERIOD_MIN..=LENGTH_MAX, limits, errors)
        });
    let whole = table
        .require("for", "a duration such as \"1h\"", errors)
        .and_then(|value| length(value, "for", errors));
    let (mean, amplitude, period, whole) = (mean?, amplitude?, period?, whole?);
    if amplitude > mean {
        errors.found(
            value.span(),
            "found an amplitude above the mean, expected at most the mean (`load.phases.sine`)"
                .to_owned(),
        );
        return None;
    }
    if whole.as_secs_f64() > PERIODS_MAX * period.as_secs_f64() {
        errors.found(
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
fn levels(
    items: &DeArray<'_>,
    path: &str,
    kind: ModelKind,
    errors: &mut Diagnostics,
) -> Option<Vec<f64>> {
    let mut read = |item: &Value<'_>| match kind {
        ModelKind::Open => fields::rate(item, path, errors),
        ModelKind::Closed => fields::whole(item, path, 0..=USERS_MAX, errors).map(|n| n as f64),
    };
    let levels: Vec<Option<f64>> = items.iter().map(&mut read).collect();
    levels.into_iter().collect()
}

fn length(value: &Value<'_>, key: &str, errors: &mut Diagnostics) -> Option<Duration> {
    let path = format!("load.phases.{key}");
    let allowed = Duration::from_nanos(1)..=LENGTH_MAX;
    fields::duration(
        value,
        &path,
        allowed,
        "a duration above zero and at most \"30d\"",
        errors,
    )
}
