//! The tables `[[load]]`: model and scenarios.

use std::time::Duration;

use toml::de::DeValue;

use super::external::ExternalSources;
use super::fields::{self, Table, wrong};
use super::model_kind::{ModelKind, USERS_MAX, refuse_misplaced};
use super::phases;
use super::piece::LENGTH_MAX;
use crate::document::{Diagnostics, Value};
use crate::plan::{Arrivals, Load, Model, Weighted};

const KEYS: [&str; 8] = [
    "model",
    "scenarios",
    "start",
    "arrivals",
    "users_max",
    "iterations",
    "pacing",
    "phases",
];
/// Most iterations of one arrival's user.
const ITERATIONS_MAX: u64 = 1_000_000;
const LOADS_MAX: usize = 100;
const SCENARIOS_MAX: usize = 1000;
const WEIGHT_MAX: f64 = 1e9;
const PACING_MAX: Duration = Duration::from_secs(86_400);

/// Reads all `[[load]]`; `None` when something was reported.
pub(super) fn read(
    root: &Table<'_, '_>,
    sources: ExternalSources<'_>,
    errors: &mut Diagnostics,
) -> Option<Vec<Load>> {
    const ALLOWED: &str = "an array of tables: [[load]]";
    let value = root.require("load", "at least one table [[load]]", errors)?;
    match value.get_ref() {
        DeValue::Array(items) if !items.is_empty() && items.len() <= LOADS_MAX => {
            let loads: Vec<Option<Load>> = items
                .iter()
                .map(|item| {
                    let table = Table::from_value(item, "load", "a table", errors)?;
                    read_load(&table, sources, errors)
                })
                .collect();
            loads.into_iter().collect()
        }
        DeValue::Array(items) if !items.is_empty() => {
            errors.found(
                items
                    .get(LOADS_MAX)
                    .map_or(value.span(), |load| load.span()),
                format!(
                    "found {} tables [[load]], at most {LOADS_MAX} are allowed",
                    items.len()
                ),
            );
            None
        }
        DeValue::Table(_) => {
            errors.found(
                value.span(),
                format!("found a table, expected {ALLOWED} (`load`)"),
            );
            // Its content is checked all the same.
            read_load(
                &Table::from_value(value, "load", ALLOWED, errors)?,
                sources,
                errors,
            )?;
            None
        }
        _ => wrong(errors, value, "load", ALLOWED),
    }
}

fn read_load(
    table: &Table<'_, '_>,
    sources: ExternalSources<'_>,
    errors: &mut Diagnostics,
) -> Option<Load> {
    table.refuse_unknown(errors, &KEYS);
    let kind = table
        .require("model", "\"open\" or \"closed\"", errors)
        .and_then(|value| read_kind(value, errors));
    let open_only = ["arrivals", "users_max", "iterations"];
    refuse_misplaced(table, kind, ModelKind::Open, &open_only, errors);
    refuse_misplaced(table, kind, ModelKind::Closed, &["pacing"], errors);
    let weights = "a table of weights such as { browse = 7, buy = 3 }";
    let scenarios = table
        .require("scenarios", weights, errors)
        .and_then(|value| read_scenarios(value, errors));
    let arrivals = match table.get("arrivals") {
        Some(value) => read_arrivals(value, errors),
        None => Some(Arrivals::Poisson),
    };
    let users_max = match table.get("users_max") {
        Some(value) => {
            fields::whole(value, "load.users_max", 1..=USERS_MAX, errors).map(|n| Some(n as u32))
        }
        None => Some(None),
    };
    let pacing = match table.get("pacing") {
        Some(value) => {
            let allowed = Duration::from_nanos(1)..=PACING_MAX;
            let limits = "a duration above zero and at most \"1d\"";
            fields::duration(value, "load.pacing", allowed, limits, errors).map(Some)
        }
        None => Some(None),
    };
    let iterations = match table.get("iterations") {
        Some(value) => fields::whole(value, "load.iterations", 1..=ITERATIONS_MAX, errors),
        None => Some(1),
    };
    let start = match table.get("start") {
        Some(value) => {
            let allowed = Duration::ZERO..=LENGTH_MAX;
            let limits = "a duration of at most \"30d\"";
            fields::duration(value, "load.start", allowed, limits, errors)
        }
        None => Some(Duration::ZERO),
    };
    let curve = table
        .require("phases", "an array of phases", errors)
        .and_then(|value| phases::read(value, kind, sources, errors));
    let (arrivals, users_max, iterations, pacing) = (arrivals?, users_max?, iterations?, pacing?);
    let (curve, phase_ends) = curve?;
    let model = match kind? {
        ModelKind::Open => Model::Open {
            arrivals,
            rate: curve,
            users_max,
            iterations: iterations as u32,
        },
        ModelKind::Closed => Model::Closed {
            users: curve,
            pacing,
        },
    };
    Some(Load {
        scenarios: scenarios?,
        model,
        start: start?,
        phase_ends,
    })
}

fn read_kind(value: &Value<'_>, errors: &mut Diagnostics) -> Option<ModelKind> {
    match value.get_ref() {
        DeValue::String(text) if text == "open" => Some(ModelKind::Open),
        DeValue::String(text) if text == "closed" => Some(ModelKind::Closed),
        _ => wrong(errors, value, "load.model", "\"open\" or \"closed\""),
    }
}

fn read_arrivals(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Arrivals> {
    match value.get_ref() {
        DeValue::String(text) if text == "poisson" => Some(Arrivals::Poisson),
        DeValue::String(text) if text == "even" => Some(Arrivals::Even),
        DeValue::String(text) if text == "jittered" => Some(Arrivals::Jittered),
        _ => {
            let allowed = "\"poisson\", \"even\" or \"jittered\"";
            wrong(errors, value, "load.arrivals", allowed)
        }
    }
}

fn read_scenarios(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Vec<Weighted>> {
    const PATH: &str = "load.scenarios";
    if matches!(value.get_ref(), DeValue::String(_)) {
        let name = fields::name(value, PATH, errors)?.to_owned();
        return Some(vec![Weighted { name, weight: 1.0 }]);
    }
    let allowed = "a name or a table of weights such as { browse = 7, buy = 3 }";
    let entries = Table::from_value(value, PATH, allowed, errors)?.in_order();
    if entries.is_empty() || entries.len() > SCENARIOS_MAX {
        errors.found(
            value.span(),
            format!(
                "found {} scenarios, expected 1 to {SCENARIOS_MAX} (`{PATH}`)",
                entries.len()
            ),
        );
        return None;
    }
    let scenarios: Vec<Option<Weighted>> = entries
        .into_iter()
        .map(|(name, span, value)| {
            let fault = fields::name_fault(name);
            if let Some(fault) = &fault {
                errors.found(span, format!("{fault} (`{PATH}`)"));
            }
            match fields::number(value, errors)
                .filter(|weight| *weight > 0.0 && *weight <= WEIGHT_MAX)
            {
                Some(_) if fault.is_some() => None,
                Some(weight) => Some(Weighted {
                    name: name.to_owned(),
                    weight,
                }),
                None => wrong(
                    errors,
                    value,
                    PATH,
                    format!("a weight above 0, at most {WEIGHT_MAX:e}"),
                ),
            }
        })
        .collect();
    scenarios.into_iter().collect()
}
