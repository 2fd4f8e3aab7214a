//! The phases of a load: rates or numbers of users over time.

use std::time::Duration;

use toml::de::{DeArray, DeValue};

use super::external::ExternalSources;
use super::fields::{self, Table, wrong};
use super::model_kind::{ModelKind, USERS_MAX, refuse_misplaced};
use super::piece::{LENGTH_MAX, PIECES_MAX, Piece};
use super::shapes;
use crate::curve::Curve;
use crate::document::{Diagnostics, Value};

/// All keys of phases, for messages; each shape allows some of them.
const KEYS: [&str; 10] = [
    "rate", "users", "for", "pause", "steps", "each", "spike", "sine", "file", "lua",
];
const PHASES_MAX: usize = 1000;

/// Reads the phases of a load: their curve, and when each ends; `None` when something was reported.
pub(super) fn read(
    value: &Value<'_>,
    kind: Option<ModelKind>,
    sources: ExternalSources<'_>,
    errors: &mut Diagnostics,
) -> Option<(Curve, Vec<Duration>)> {
    const PATH: &str = "load.phases";
    let DeValue::Array(items) = value.get_ref() else {
        return wrong(errors, value, PATH, "an array of phases");
    };
    if items.is_empty() || items.len() > PHASES_MAX {
        errors.found(
            value.span(),
            format!(
                "found {} phases, expected 1 to {PHASES_MAX} (`{PATH}`)",
                items.len()
            ),
        );
        return None;
    }
    let phases: Vec<Option<Vec<Piece>>> = items
        .iter()
        .map(|item| {
            let allowed = "a phase such as { rate = \"100/s\", for = \"10s\" }";
            let table = Table::from_value(item, PATH, allowed, errors)?;
            read_phase(&table, kind, sources, errors)
        })
        .collect();
    let phases: Vec<Vec<Piece>> = phases.into_iter().collect::<Option<_>>()?;
    let mut end = Duration::ZERO;
    let phase_end = |pieces: &Vec<Piece>| {
        end = end.saturating_add(pieces.iter().map(|piece| piece.0).sum());
        end
    };
    let ends: Vec<Duration> = phases.iter().map(phase_end).collect();
    let phases: Vec<Piece> = phases.into_iter().flatten().collect();
    if phases.len() > PIECES_MAX {
        let message =
            format!("found phases with more than {PIECES_MAX} segments in total (`{PATH}`)");
        errors.found(value.span(), message);
        return None;
    }
    let length: Duration = phases.iter().map(|phase| phase.0).sum();
    if length > LENGTH_MAX {
        let days = length.as_secs_f64() / 86_400.0;
        let message =
            format!("found phases of {days:.1} days in total, at most 30 are allowed (`{PATH}`)");
        errors.found(value.span(), message);
        return None;
    }
    // Every phase has a length and finite values, as a curve requires.
    let curve = Curve::new(&phases)?;
    if curve.total() > 0.0 {
        return Some((curve, ends));
    }
    errors.found(
        value.span(),
        format!("found phases that generate no load (`{PATH}`)"),
    );
    None
}

fn read_phase(
    table: &Table<'_, '_>,
    kind: Option<ModelKind>,
    sources: ExternalSources<'_>,
    errors: &mut Diagnostics,
) -> Option<Vec<Piece>> {
    let shape = shapes::SHAPES
        .into_iter()
        .find(|key| table.get(key).is_some());
    if let Some(shape) = shape {
        return shapes::read(table, shape, kind, sources, errors);
    }
    table.refuse_unknown(errors, &KEYS);
    let kind = kind.or_else(|| {
        // The model is missing or invalid, which was reported; the phase is checked by the keys it
        // has.
        [ModelKind::Open, ModelKind::Closed]
            .into_iter()
            .find(|kind| table.get(kind.phase_key()).is_some())
    });
    let height = kind.and_then(|kind| {
        refuse_misplaced(
            table,
            Some(kind),
            kind.other(),
            &[kind.other().phase_key()],
            errors,
        );
        match kind {
            ModelKind::Open => {
                let value = table.require("rate", "a rate such as \"100/s\"", errors)?;
                read_rates(value, errors)
            }
            ModelKind::Closed => {
                let value = table.require("users", "a number of users", errors)?;
                read_users(value, errors)
            }
        }
    });
    let length = table
        .require("for", "a duration such as \"10s\"", errors)
        .and_then(|value| {
            let allowed = Duration::from_nanos(1)..=LENGTH_MAX;
            fields::duration(
                value,
                "load.phases.for",
                allowed,
                "a duration above zero and at most \"30d\"",
                errors,
            )
        });
    let (from, to) = height?;
    Some(vec![(length?, from, to)])
}

/// A rate, or the start and end of a ramp.
fn read_rates(value: &Value<'_>, errors: &mut Diagnostics) -> Option<(f64, f64)> {
    const PATH: &str = "load.phases.rate";
    match value.get_ref() {
        DeValue::Array(items) => {
            let [from, to] = pair(items, value, PATH, "[\"100/s\", \"2k/s\"]", errors)?;
            let (from, to) = (
                fields::rate(from, PATH, errors),
                fields::rate(to, PATH, errors),
            );
            from.zip(to)
        }
        _ => fields::rate(value, PATH, errors).map(|rate| (rate, rate)),
    }
}

/// A number of users, or the start and end of a ramp.
fn read_users(value: &Value<'_>, errors: &mut Diagnostics) -> Option<(f64, f64)> {
    const PATH: &str = "load.phases.users";
    let DeValue::Array(items) = value.get_ref() else {
        let users = fields::whole(value, PATH, 1..=USERS_MAX, errors)? as f64;
        return Some((users, users));
    };
    let [from, to] = pair(items, value, PATH, "[0, 64]", errors)?;
    let from = fields::whole(from, PATH, 0..=USERS_MAX, errors);
    let to = fields::whole(to, PATH, 0..=USERS_MAX, errors);
    match from.zip(to)? {
        (0, 0) => {
            let message =
                format!("found a ramp from 0 to 0 users, one end must be above 0 (`{PATH}`)");
            errors.found(value.span(), message);
            None
        }
        (from, to) => Some((from as f64, to as f64)),
    }
}

fn pair<'d, 't>(
    items: &'d DeArray<'t>,
    value: &Value<'t>,
    path: &str,
    example: &str,
    errors: &mut Diagnostics,
) -> Option<[&'d Value<'t>; 2]> {
    let mut values = items.iter();
    match (values.next(), values.next(), values.next()) {
        (Some(from), Some(to), None) => Some([from, to]),
        _ => {
            let found = items.len();
            errors.found(
                value.span(),
                format!("found {found} values, expected two, as in {example} (`{path}`)"),
            );
            None
        }
    }
}
