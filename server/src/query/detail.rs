//! A run as a whole: its card in a list, and everything but its series.

use super::columns::{Axis, ColumnWidths, checks};
use super::figures::{percentiles, phase, totals_of};
use super::load::{lasted_s, throughput, warmup_s};
use super::window::{measured, measured_totals, metrics};
use crate::Error;
use crate::store::{Node, RunRecord, RunView, State};
use serde::Deserialize;
use serde_json::{Value, json};
use stats::report::{Ending, RunFacts};
use stats::verdict::{Reason, ReasonKind, VerdictState};
use stats::{FailureKind, Of, Phase, Verdict};
use std::collections::BTreeMap;
use wire::rendezvous::NodeFacts;
use wire::{ReasonRow, RunEnd};

/// Missed thresholds that a card names.
const MISSED_MAX: usize = 100;
/// Points of the small plot of a card.
const SPARK_POINTS: u64 = 60;

/// What a list shows of a run's data: totals, latency, a small plot of the rate.
///
/// # Errors
/// When the store fails.
pub fn figures(view: &dyn RunView) -> Result<Value, Error> {
    let totals = measured_totals(view)?;
    let window = (warmup_s(view)?, u64::MAX);
    let latency = phase(view, 0, window, (Phase::Latency, Of::Ok))?;
    let axis = Axis::new(view, 0, u64::MAX, SPARK_POINTS);
    let rows = super::figures::totals_by_time(view, axis.from, axis.end(), axis.level())?;
    let covered = rows.iter().map(|(time_s, row)| (*time_s, row.seconds));
    let widths = ColumnWidths::of(axis, lasted_s(view)?, covered);
    let mut spark = vec![0_u64; axis.len()];
    for (time_s, row) in rows {
        let requests = row.requests.unwrap_or_default();
        if let Some(column) = axis.column(time_s) {
            spark[column] += requests.ok + requests.failed;
        }
    }
    let rates = spark.into_iter().enumerate();
    let rates = rates.map(|(column, n)| widths.rate(column, n as f64));
    let mut spark: Vec<Option<u64>> = rates.map(|rate| rate.map(|rate| rate as u64)).collect();
    // nothing is told of an end that was too short for a rate
    spark.pop_if(|last| last.is_none());
    let nodes = view.nodes()?;
    Ok(json!({
        "totals": totals_of(&totals), "throughput": throughput(view)?,
        "latency": percentiles(&latency), "sparkline": spark,
        "result": result(&nodes), "thresholds": thresholds_told(&nodes),
    }))
}

/// How many thresholds held, and the words of those that did not.
fn thresholds_told(nodes: &[Node]) -> Value {
    let ends = nodes.iter().filter_map(|node| node.end.as_ref());
    let rows: Vec<_> = ends.flat_map(|end| &end.thresholds).collect();
    let missed = rows.iter().filter(|row| !row.met).map(|row| &row.text);
    json!({
        "met": rows.iter().filter(|row| row.met).count(),
        "missed": missed.take(MISSED_MAX).collect::<Vec<_>>(),
    })
}

/// All that [`result`] answers.
pub(crate) const RESULTS: [&str; 4] = ["passed", "missed", "failed", "stopped"];

/// How a run came out, which says nothing of the generator: `failed`, `missed` (a threshold, or a
/// rule of `fail_on`), `stopped` (before its time) or `passed`; none while it goes on.
fn result(nodes: &[Node]) -> Option<&'static str> {
    let ends: Vec<&RunEnd> = nodes.iter().filter_map(|node| node.end.as_ref()).collect();
    if ends.is_empty() || ends.len() < nodes.len() {
        return None;
    }
    let ended = |how: Ending| {
        ends.iter()
            .any(|end| Ending::named(&end.ended) == Some(how))
    };
    let is_missed = ends
        .iter()
        .flat_map(|end| &end.thresholds)
        .any(|one| !one.met);
    Some(match () {
        () if ended(Ending::Failed) => "failed",
        () if is_missed => "missed",
        () if ended(Ending::Stopped) || ended(Ending::Interrupted) => "stopped",
        () => "passed",
    })
}

/// A run in a list; `view` is needed until the record is settled.
///
/// # Errors
/// When the store fails.
pub fn card(record: &RunRecord, view: Option<&dyn RunView>) -> Result<Value, Error> {
    let data = match view {
        Some(view) => figures(view)?,
        None => serde_json::from_str(&record.figures).unwrap_or_default(),
    };
    let duration_s = match view {
        Some(view) if record.state == State::Live => view.length_s() as f64,
        _ => record.duration_s,
    };
    let verdict = Some(&record.verdict).filter(|verdict| !verdict.is_empty());
    Ok(json!({
        "id": record.id, "project": record.project, "name": record.name,
        "started_us": record.started_us, "arrived_us": record.arrived_us,
        "duration_s": duration_s,
        "state": record.state.as_str(), "verdict": verdict, "model": record.model,
        "target": record.target, "tags": record.tags, "comment": record.comment,
        "pinned": record.pinned, "baseline": record.baseline,
        "totals": data["totals"], "throughput": data["throughput"], "latency": data["latency"],
        "sparkline": data["sparkline"], "result": data["result"],
        "thresholds": data["thresholds"],
    }))
}

/// Everything about a run but its series; the `latency` of its summary is of the requests `of`
/// names, that of its card of those that ended ok.
///
/// # Errors
/// When the store fails.
pub fn detail(record: &RunRecord, view: &dyn RunView, of: Of) -> Result<Value, Error> {
    let nodes = view.nodes()?;
    let start = nodes.iter().find_map(|node| node.start.as_ref());
    let markers = start.map(|start| &start.markers[..]).unwrap_or_default();
    let markers = markers
        .iter()
        .map(|m| json!({ "time_s": m.time_s, "label": m.label }));
    let files = start.map(|start| &start.files[..]).unwrap_or_default();
    let files = files
        .iter()
        .map(|f| json!({ "name": f.name, "text": f.text }));
    let mut summary = measured(view)?.to_json(of);
    summary["checks"] = json!(checks(view, warmup_s(view)?, u64::MAX)?);
    summary["metrics"] = json!(metrics(view)?);
    Ok(json!({
        "card": card(record, (!record.is_current()).then_some(view))?,
        "length_s": view.length_s(),
        "warmup_s": warmup_s(view)?,
        "planned_s": start.map(|start| start.planned_s),
        "seed": start.map(|start| start.seed),
        "program": start.map(|start| &start.program),
        "markers": markers.collect::<Vec<Value>>(),
        "annotations": record.annotations,
        "thresholds": thresholds_of(&nodes),
        "verdict": verdict(record, &nodes),
        "nodes": nodes_of(&nodes),
        "files": files.collect::<Vec<Value>>(),
        "profile": start.map(|start| &start.profile),
        "summary": summary,
        "phases": Phase::ALL.iter().map(phase_row).collect::<Vec<Value>>(),
        "failure_kinds": FailureKind::ALL.iter()
            .map(|kind| (kind.as_str(), kind.meaning()))
            .collect::<BTreeMap<_, _>>(),
    }))
}

/// Takes profile and scripts out of a [`detail`].
pub(crate) fn hide_script(detail: &mut Value) {
    detail["files"] = json!([]);
    detail["profile"] = Value::Null;
}

/// What is measured of requests, for whoever shows it.
fn phase_row(phase: &Phase) -> Value {
    json!({ "name": phase.as_str(), "is_part": phase.is_part(), "meaning": phase.meaning() })
}

/// The thresholds of a run as its nodes told them; while it goes on, without what they came to.
///
/// # Errors
/// When the store fails.
pub fn thresholds(view: &dyn RunView) -> Result<Vec<Value>, Error> {
    Ok(thresholds_of(&view.nodes()?))
}

fn thresholds_of(nodes: &[Node]) -> Vec<Value> {
    let mut rows = Vec::new();
    let texts = nodes.iter().filter_map(|node| node.start.as_ref());
    let ends = || nodes.iter().filter_map(|node| node.end.as_ref());
    for row in ends().flat_map(|end| &end.thresholds) {
        rows.push(json!({
            "text": row.text, "met": row.met, "value": row.value, "limit": row.limit,
            "first_missed_s": row.first_missed_s,
            "finding": Some(&row.finding).filter(|finding| !finding.is_empty()),
        }));
    }
    if rows.is_empty() {
        let texts = texts.take(1).flat_map(|start| &start.thresholds);
        rows.extend(texts.map(|text| json!({ "text": text, "met": null, "value": null })));
    }
    rows
}

/// What the nodes say of the generator, and the worst of their verdicts.
pub(crate) fn verdict(record: &RunRecord, nodes: &[Node]) -> Verdict {
    let mut verdict = Verdict {
        state: VerdictState::named(&record.verdict),
        ..Verdict::default()
    };
    let ended = |node: &'_ Node| Some((node.node, node.end.clone()?));
    for (node, end) in nodes.iter().filter_map(ended) {
        let node = (nodes.len() > 1).then_some(node);
        let reason = |row: &ReasonRow| Reason {
            // a kind of a later version is known by its text only
            kind: ReasonKind::named(&row.kind).unwrap_or(ReasonKind::RunFailed),
            text: row.text.clone(),
            windows: (row.windows.iter())
                .map(|s| (s.first_s, s.last_s))
                .collect(),
            cores: row.cores.clone(),
            node,
        };
        verdict.reasons.extend(end.reasons.iter().map(reason));
        verdict.notes.extend(end.notes.iter().map(reason));
    }
    verdict
}

fn nodes_of(nodes: &[Node]) -> Vec<Value> {
    let facts = joined(nodes);
    nodes
        .iter()
        .map(|one| node(one, facts.get(&one.node)))
        .collect()
}

/// What nodes of a run with a rendezvous reported of each other: each of itself, if it did.
fn joined(nodes: &[Node]) -> BTreeMap<u32, NodeFacts> {
    #[derive(Deserialize)]
    struct Told {
        run: RunFacts,
    }
    let mut known = BTreeMap::new();
    for node in nodes {
        let told = node.end.as_ref().map(|end| &end.summary_json);
        let told = told.and_then(|text| serde_json::from_str::<Told>(text).ok());
        for facts in told.into_iter().flat_map(|told| told.run.nodes) {
            if facts.node == node.node {
                known.insert(facts.node, facts);
            } else {
                known.entry(facts.node).or_insert(facts);
            }
        }
    }
    known
}

fn node(node: &Node, joined: Option<&NodeFacts>) -> Value {
    let start = node.start.as_ref();
    let end = node.end.as_ref();
    json!({
        "node": node.node, "name": node.name,
        "cores": start.map(|start| &start.cores), "segment": start.map(|start| &start.segment),
        "program": start.map(|start| &start.program),
        "ended": end.map(|end| &end.ended), "duration_s": end.map(|end| end.duration_s),
        "verdict": end.map(|end| &end.verdict),
        "clock_offset_us": joined.map(|one| one.clock_offset_us),
        "clock_uncertainty_us": joined.map(|one| one.clock_uncertainty_us),
        "clock_drift_us": joined.map(|one| one.clock_drift_us),
        "start_lag_us": joined.map(|one| one.start_lag_us),
        "lost_s": joined.and_then(|one| one.lost_s),
    })
}

/// What happened, by time.
///
/// # Errors
/// When the store fails.
pub fn events(view: &dyn RunView) -> Result<Value, Error> {
    let rows = view.events()?.into_iter().map(|(node, event)| {
        json!({ "time_us": event.time_us, "node": node, "kind": event.kind, "text": event.text })
    });
    Ok(json!({ "events": rows.collect::<Vec<Value>>() }))
}
