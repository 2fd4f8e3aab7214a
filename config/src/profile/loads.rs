//! The tables `[[load]]`: model and scenarios.

use std::time::Duration;

use toml::de::DeValue;

use super::fields::{self, Table, wrong};
use super::outside::Outside;
use super::phases;
use crate::document::{Report, Value};
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
/// Most passes of one arrival's user.
const ITERATIONS_MAX: u64 = 1_000_000;
const LOADS_MAX: usize = 100;
const SCENARIOS_MAX: usize = 1000;
/// Most users of a load, at once.
pub(super) const USERS_MAX: u64 = 10_000_000;
const WEIGHT_MAX: f64 = 1e9;
const PACING_MAX: Duration = Duration::from_secs(86_400);

/// Reads all `[[load]]`; `None` when something was reported.
pub(super) fn read(
    root: &Table<'_, '_>,
    outside: Outside<'_>,
    report: &mut Report,
) -> Option<Vec<Load>> {
    const ALLOWED: &str = "an array of tables: [[load]]";
    let value = root.require("load", "at least one table [[load]]", report)?;
    match value.get_ref() {
        DeValue::Array(items) if !items.is_empty() && items.len() <= LOADS_MAX => {
            let loads: Vec<Option<Load>> = items
                .iter()
                .map(|item| {
                    let table = Table::of(item, "load", "a table", report)?;
                    read_load(&table, outside, report)
                })
                .collect();
            loads.into_iter().collect()
        }
        DeValue::Array(items) if !items.is_empty() => {
            report.found(
                items
                    .get(LOADS_MAX)
                    .map_or(value.span(), |load| load.span()),
                format!(
                    "found {} tables [[load]], allowed are {LOADS_MAX}",
                    items.len()
                ),
            );
            None
        }
        DeValue::Table(_) => {
            report.found(
                value.span(),
                format!("found a table, allowed is {ALLOWED} (`load`)"),
            );
            // Its content is judged all the same.
            read_load(&Table::of(value, "load", ALLOWED, report)?, outside, report)?;
            None
        }
        _ => wrong(report, value, "load", ALLOWED),
    }
}

/// Which model a load has; also which of a phase's keys is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Closed,
}

impl Kind {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// Key of a phase that holds the height of the load.
    pub(super) fn phase_key(self) -> &'static str {
        match self {
            Self::Open => "rate",
            Self::Closed => "users",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Open => Self::Closed,
            Self::Closed => Self::Open,
        }
    }
}

fn read_load(table: &Table<'_, '_>, outside: Outside<'_>, report: &mut Report) -> Option<Load> {
    table.refuse_unknown(report, &KEYS);
    let kind = table
        .require("model", "\"open\" or \"closed\"", report)
        .and_then(|value| read_kind(value, report));
    let open_only = ["arrivals", "users_max", "iterations"];
    refuse_misplaced(table, kind, Kind::Open, &open_only, report);
    refuse_misplaced(table, kind, Kind::Closed, &["pacing"], report);
    let scenarios = table
        .require(
            "scenarios",
            "a table of weights such as { browse = 7, buy = 3 }",
            report,
        )
        .and_then(|value| read_scenarios(value, report));
    let arrivals = match table.get("arrivals") {
        Some(value) => read_arrivals(value, report),
        None => Some(Arrivals::Poisson),
    };
    let users_max = match table.get("users_max") {
        Some(value) => {
            fields::whole(value, "load.users_max", 1..=USERS_MAX, report).map(|n| Some(n as u32))
        }
        None => Some(None),
    };
    let pacing = match table.get("pacing") {
        Some(value) => {
            let allowed = Duration::from_nanos(1)..=PACING_MAX;
            let limits = "above zero, at most \"1d\"";
            fields::duration(value, "load.pacing", allowed, limits, report).map(Some)
        }
        None => Some(None),
    };
    let iterations = match table.get("iterations") {
        Some(value) => fields::whole(value, "load.iterations", 1..=ITERATIONS_MAX, report),
        None => Some(1),
    };
    let start = match table.get("start") {
        Some(value) => {
            let allowed = Duration::ZERO..=phases::LENGTH_MAX;
            fields::duration(value, "load.start", allowed, "at most \"30d\"", report)
        }
        None => Some(Duration::ZERO),
    };
    let curve = table
        .require("phases", "an array of phases", report)
        .and_then(|value| phases::read(value, kind, outside, report));
    let (arrivals, users_max, pacing, curve) = (arrivals?, users_max?, pacing?, curve?);
    let (iterations, start) = (iterations? as u32, start?);
    let (curve, phase_ends) = curve;
    let model = match kind? {
        Kind::Open => Model::Open {
            arrivals,
            rate: curve,
            users_max,
            iterations,
        },
        Kind::Closed => Model::Closed {
            users: curve,
            pacing,
        },
    };
    Some(Load {
        scenarios: scenarios?,
        model,
        start,
        phase_ends,
    })
}

fn read_kind(value: &Value<'_>, report: &mut Report) -> Option<Kind> {
    match value.get_ref() {
        DeValue::String(text) if text == "open" => Some(Kind::Open),
        DeValue::String(text) if text == "closed" => Some(Kind::Closed),
        _ => wrong(report, value, "load.model", "\"open\" or \"closed\""),
    }
}

/// Reports those of `keys`, which belong to loads of the kind `owner`, in a load of the other.
pub(super) fn refuse_misplaced(
    table: &Table<'_, '_>,
    kind: Option<Kind>,
    owner: Kind,
    keys: &[&str],
    report: &mut Report,
) {
    if kind != Some(owner.other()) {
        return;
    }
    for key in keys {
        if let Some(span) = table.key_span(key) {
            let (found, allowed) = (owner.other().label(), owner.label());
            report.found(
                span,
                format!(
                    "found `{key}` in a load of model \"{found}\", allowed is it in \"{allowed}\""
                ),
            );
        }
    }
}

fn read_arrivals(value: &Value<'_>, report: &mut Report) -> Option<Arrivals> {
    match value.get_ref() {
        DeValue::String(text) if text == "poisson" => Some(Arrivals::Poisson),
        DeValue::String(text) if text == "even" => Some(Arrivals::Even),
        DeValue::String(text) if text == "jittered" => Some(Arrivals::Jittered),
        _ => {
            let allowed = "\"poisson\", \"even\" or \"jittered\"";
            wrong(report, value, "load.arrivals", allowed)
        }
    }
}

fn read_scenarios(value: &Value<'_>, report: &mut Report) -> Option<Vec<Weighted>> {
    const PATH: &str = "load.scenarios";
    if matches!(value.get_ref(), DeValue::String(_)) {
        let name = fields::name(value, PATH, report)?.to_owned();
        return Some(vec![Weighted { name, weight: 1.0 }]);
    }
    let allowed = "a name or a table of weights such as { browse = 7, buy = 3 }";
    let entries = Table::of(value, PATH, allowed, report)?.in_order();
    if entries.is_empty() || entries.len() > SCENARIOS_MAX {
        report.found(
            value.span(),
            format!(
                "found {} scenarios, allowed are 1 to {SCENARIOS_MAX} (`{PATH}`)",
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
                report.found(span, format!("{fault} (`{PATH}`)"));
            }
            match fields::number(value).filter(|weight| *weight > 0.0 && *weight <= WEIGHT_MAX) {
                Some(_) if fault.is_some() => None,
                Some(weight) => Some(Weighted {
                    name: name.to_owned(),
                    weight,
                }),
                None => wrong(
                    report,
                    value,
                    PATH,
                    format!("a weight above 0, at most {WEIGHT_MAX:e}"),
                ),
            }
        })
        .collect();
    scenarios.into_iter().collect()
}
