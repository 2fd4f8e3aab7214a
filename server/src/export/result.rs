//! A kept run as the JSON result that `mistress run --json` wrote of it: the same keys and units.
//!
//! A node tells its result, without the series, when it ends; of a run of one node that is what is
//! given. Of runs of several nodes, of earlier versions and of runs that go on the same is put
//! together from the store.

use super::rows;
use crate::Error;
use crate::query::{self, Of};
use crate::store::{Node, RunRecord, RunView};
use serde_json::{Map, Value, json};
use stats::OTHER;

/// The version of the JSON result that this follows.
const SCHEMA: u64 = 2;

/// The document.
///
/// # Errors
/// When the store fails.
pub(super) fn of(run: &RunRecord, view: &dyn RunView) -> Result<Value, Error> {
    let nodes = view.nodes()?;
    let told = told(&nodes);
    let mut map = match (&told[..], &nodes[..]) {
        ([only], [_]) if only["schema"] == SCHEMA => only.as_object().cloned().unwrap_or_default(),
        _ => composed(run, view, &nodes, &told)?,
    };
    map.insert("series".to_owned(), Value::Array(rows::all(view)?));
    Ok(Value::Object(map))
}

/// What nodes told of their part when they ended.
pub(super) fn told(nodes: &[Node]) -> Vec<Value> {
    let ends = nodes.iter().filter_map(|node| node.end.as_ref());
    let results = ends.filter_map(|end| serde_json::from_str(&end.summary_json).ok());
    results.filter(Value::is_object).collect()
}

fn composed(
    run: &RunRecord,
    view: &dyn RunView,
    nodes: &[Node],
    told: &[Value],
) -> Result<Map<String, Value>, Error> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    let mut detail = query::detail(run, view, Of::Ok)?;
    put("schema", SCHEMA.into());
    put("run", facts(run, nodes, told));
    put("model", run.model.as_str().into());
    put("verdict", detail["verdict"].take());
    put("thresholds", thresholds(&detail["thresholds"], told));
    let load_s = detail["summary"]["throughput"]["load_s"].as_f64();
    let mut metrics = detail["summary"]["metrics"].take();
    for metric in metrics.as_array_mut().into_iter().flatten() {
        *metric = custom(metric, load_s.unwrap_or(0.0));
    }
    detail["summary"]["metrics"] = metrics;
    let cores = told.iter().enumerate().flat_map(|(node, result)| {
        let cores = result["generator"]["cores"].as_array();
        let cores = cores.cloned().unwrap_or_default().into_iter();
        cores.map(move |mut core| {
            if let (Some(core), true) = (core.as_object_mut(), told.len() > 1) {
                core.insert("node".to_owned(), node.into());
            }
            core
        })
    });
    let cores: Vec<Value> = cores.collect();
    put("generator", json!({ "cores": cores }));
    let names = names(view, query::load(view)?.from_s)?;
    let is_folded = names.iter().any(|name| name["name"] == OTHER);
    put("names", Value::Array(names));
    put("names_folded", is_folded.into());
    if let Value::Object(summary) = detail["summary"].take() {
        map.extend(summary.into_iter().filter(|(key, _)| key != "of"));
    }
    rows::put_histograms(&mut map, view, 0, query::load(view)?.from_s)?;
    Ok(map)
}

/// Who, when, where, with what: as the first node told it, or as far as its start told.
fn facts(run: &RunRecord, nodes: &[Node], told: &[Value]) -> Value {
    let first = told.first().and_then(|result| result["run"].as_object());
    let mut facts = first.cloned().unwrap_or_default();
    let start = nodes.iter().find_map(|node| node.start.as_ref());
    if let (true, Some(start)) = (facts.is_empty(), start) {
        for (key, value) in [
            ("planned_s", json!(start.planned_s)),
            ("warmup_s", start.warmup_s.into()),
            ("seed", start.seed.into()),
            ("cores", json!(start.cores)),
            ("version", start.program.as_str().into()),
            ("ended", Value::Null),
        ] {
            facts.insert(key.to_owned(), value);
        }
    }
    if nodes.len() > 1 {
        // it is of a part
        facts.remove("segment");
    }
    for (key, value) in [
        ("name", json!(run.name)),
        ("id", json!(run.id)),
        ("target", json!(run.target)),
        ("start", json!(utc(run.started_us))),
        ("duration_s", json!(run.duration_s)),
    ] {
        facts.entry(key).or_insert(value);
    }
    if run.duration_s > 0.0 {
        facts.insert("duration_s".to_owned(), json!(run.duration_s));
    }
    Value::Object(facts)
}

/// Microseconds since 1970 as `2026-11-22T22:45:06Z`; those that are no date as the first.
pub(super) fn utc(us: u64) -> String {
    let seconds = i64::try_from(us / 1_000_000).unwrap_or_default();
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// How thresholds came out, with what the result of the only node says besides.
fn thresholds(rows: &Value, told: &[Value]) -> Value {
    let mut rows = rows.as_array().cloned().unwrap_or_default();
    if let [only] = told {
        for (row, more) in rows
            .iter_mut()
            .zip(only["thresholds"].as_array().into_iter().flatten())
        {
            if let (Some(row), Some(more)) = (row.as_object_mut(), more.as_object()) {
                for (key, value) in more {
                    row.entry(key).or_insert_with(|| value.clone());
                }
            }
        }
    }
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        row.remove("finding");
    }
    Value::Array(rows)
}

/// A metric of the scripts' own with the figures its kind has.
fn custom(metric: &Value, load_s: f64) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value: &Value| {
        map.insert(key.to_owned(), value.clone());
    };
    for key in ["name", "kind", "count"] {
        put(key, &metric[key]);
    }
    match metric["kind"].as_str() {
        Some("counter") => {
            put("sum", &metric["sum"]);
            let sum = metric["sum"].as_f64().unwrap_or(0.0);
            if load_s > 0.0 {
                put("per_s", &json!(sum / load_s));
            }
        }
        Some("rate") => put("share", &metric["mean"]),
        kind => {
            if kind == Some("gauge") {
                put("last", &metric["last"]);
            }
            for key in ["min", "mean", "max"] {
                put(key, &metric[key]);
            }
            for (key, value) in metric["percentiles"].as_object().into_iter().flatten() {
                put(key, value);
            }
        }
    }
    Value::Object(map)
}

/// Requests and transactions from the end of the warm-up on, with all their times.
fn names(view: &dyn RunView, from: u64) -> Result<Vec<Value>, Error> {
    let mut found = query::names(view, from, u64::MAX, Of::Ok)?;
    let mut rows = found["names"]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default();
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        let word = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let id = query::name_id(view, word("kind"), Some(word("name")))?;
        row.remove("requests_per_s");
        row.remove("of");
        if let Some(id) = id {
            query::put_other_phases(row, view, id, from)?;
            rows::put_histograms(row, view, id, from)?;
        }
    }
    Ok(rows)
}
