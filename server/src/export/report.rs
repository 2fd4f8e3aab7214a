//! A kept run as the report that its own process made of it.
//!
//! A node tells its report, without the series, when it ends; of a run of one node that is what is
//! given. Of runs of several nodes, of earlier versions and of runs that go on the report is put
//! together from the store.

use crate::Error;
use crate::query::{self, LoadSpan, counted, kind_of, statuses};
use crate::store::{
    COARSEST_S, NameCounts, Node, RunRecord, RunView, SLOTS, Wanted, add_histogram, phase_key, read,
};
use serde::Deserialize;
use stats::report::{RunFacts, format};
use stats::summary::{Generator, GeneratorCore, NameSummary, Phases, Summary, Throughput};
use stats::threshold::ThresholdResult;
use stats::{EndedInLoad, Histogram, Model, OTHER, Phase, RunReport};
use std::collections::BTreeMap;

/// The report of a run, without the series.
///
/// # Errors
/// When the store fails.
pub(super) fn of(run: &RunRecord, view: &dyn RunView) -> Result<RunReport, Error> {
    let nodes = view.nodes()?;
    let told = match &nodes[..] {
        [only] => only
            .end
            .as_ref()
            .map(|end| RunReport::from_json(&end.summary_json)),
        _ => None,
    };
    match told {
        Some(Ok(told)) => Ok(told),
        _ => composed(run, view, &nodes),
    }
}

/// What a node told of its part when it ended, as far as it is of use for a report of all nodes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeReport {
    run: RunFacts,
    notices: Vec<String>,
    thresholds: Vec<ThresholdResult>,
    generator: Generator,
}

fn composed(run: &RunRecord, view: &dyn RunView, nodes: &[Node]) -> Result<RunReport, Error> {
    let part = |node: &Node| -> Option<NodeReport> {
        let mut part: NodeReport = serde_json::from_str(&node.end.as_ref()?.summary_json).ok()?;
        let of_node = |core: &mut GeneratorCore| core.node = Some(node.node);
        if nodes.len() > 1 {
            part.generator.cores.iter_mut().for_each(of_node);
        }
        Some(part)
    };
    let parts: Vec<NodeReport> = nodes.iter().filter_map(part).collect();
    let run_facts = facts(run, nodes, &parts);
    let mut notices: Vec<String> = Vec::new();
    let (mut thresholds, mut cores) = (Vec::new(), Vec::new());
    for part in parts {
        let new = part
            .notices
            .into_iter()
            .filter(|one| !notices.contains(one));
        notices.extend(new.collect::<Vec<_>>());
        thresholds.extend(part.thresholds);
        cores.extend(part.generator.cores);
    }
    let load = query::load(view)?;
    let from = load.from_s;
    let measured = query::measured(view)?;
    let names = names(view, load)?;
    let all = histograms(view, from)?;
    let summary = Summary {
        model: Model::named(&run.model).unwrap_or(Model::Mixed),
        verdict: query::verdict(run, nodes),
        totals: measured.totals,
        throughput: measured.throughput,
        phases: measured.phases,
        status: measured.status,
        failures: measured.failures,
        events: measured.events,
        histogram: encoded(&all, Phase::Latency),
        histogram_failed: encoded(&all, Phase::LatencyFailed),
        checks: query::checks(view, from, u64::MAX)?,
        metrics: query::metrics(view)?,
        thresholds,
        names_folded: names.iter().any(|name| name.name == OTHER),
        names,
        generator: Generator { cores },
        series: Vec::new(),
    };
    Ok(RunReport::new(run_facts, notices, summary))
}

/// Who, when, where, with what: as the first node told it, or as far as its start told.
fn facts(run: &RunRecord, nodes: &[Node], parts: &[NodeReport]) -> RunFacts {
    let start = nodes.iter().find_map(|node| node.start.as_ref());
    let mut facts = match (parts.first(), start) {
        (Some(part), _) => part.run.clone(),
        (None, Some(start)) => RunFacts {
            planned_s: start.planned_s,
            warmup_s: start.warmup_s,
            seed: start.seed,
            cores: start.cores.iter().map(|cpu| *cpu as usize).collect(),
            version: start.program.clone(),
            ..RunFacts::default()
        },
        (None, None) => RunFacts::default(),
    };
    if facts.id.is_empty() {
        facts.name.clone_from(&run.name);
        facts.id.clone_from(&run.id);
        facts.target.clone_from(&run.target);
        facts.start = format::utc(run.started_us / 1_000_000);
    }
    if nodes.len() > 1 {
        // it is of a part
        facts.segment = None;
    }
    if run.duration_s > 0.0 {
        facts.duration_s = run.duration_s;
    }
    facts
}

/// The phases of a name, by their keys of name 0.
type ByPhase = BTreeMap<u32, Histogram>;

/// Requests and transactions from the end of the warm-up on, with all their times.
fn names(view: &dyn RunView, load: LoadSpan) -> Result<Vec<NameSummary>, Error> {
    let from = load.from_s;
    let in_load = ended_in_load(view, load)?;
    let load_s = load.within(from, u64::MAX);
    let mut sums: BTreeMap<u32, (NameCounts, ByPhase)> = BTreeMap::new();
    let phases = Phase::ALL.iter().map(|phase| phase_key(0, *phase));
    let wanted = Wanted::Slots(std::iter::once(0).chain(phases).collect());
    view.read(from, u64::MAX, COARSEST_S, &wanted, &mut |row| {
        let (counts, phases) = sums.entry(row.key / SLOTS).or_default();
        match row.key % SLOTS {
            0 => counts.add(&read(row.content)?),
            slot => add_histogram(phases.entry(slot).or_default(), row.content)?,
        }
        Ok(())
    })?;
    let named = sums.iter().filter_map(|(id, (counts, phases))| {
        let (kind, name) = view.names().get(id)?;
        Some(NameSummary {
            name: name.clone(),
            kind: kind_of(*kind),
            sent: counts.sent,
            ok: counts.ok,
            failed: counts.failed,
            unfinished: counts.unfinished,
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
            per_s: Some(
                Throughput::of(in_load.get(id).copied().unwrap_or_default(), load_s).requests_per_s,
            ),
            phases: Phases::of(|phase| phases.get(&phase_key(0, phase))),
            status: statuses(counts),
            failures: counted(&counts.failures),
            histogram: encoded(phases, Phase::Latency),
            histogram_failed: encoded(phases, Phase::LatencyFailed),
        })
    });
    let mut names: Vec<NameSummary> = named.collect();
    names.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(names)
}

/// What ended of each name within the time of load, by id.
fn ended_in_load(view: &dyn RunView, load: LoadSpan) -> Result<BTreeMap<u32, EndedInLoad>, Error> {
    let mut sums: BTreeMap<u32, EndedInLoad> = BTreeMap::new();
    let wanted = Wanted::Slots(vec![0]);
    let to = load.end().max(load.from_s);
    view.read(load.from_s, to, COARSEST_S, &wanted, &mut |row| {
        let counts: NameCounts = read(row.content)?;
        let sum = sums.entry(row.key / SLOTS).or_default();
        sum.ok += counts.ok;
        sum.failed += counts.failed;
        Ok(())
    })?;
    Ok(sums)
}

/// The latencies of all requests from the end of the warm-up on.
fn histograms(view: &dyn RunView, from: u64) -> Result<ByPhase, Error> {
    let mut sums = ByPhase::new();
    let wanted = [Phase::Latency, Phase::LatencyFailed].map(|phase| phase_key(0, phase));
    view.read(
        from,
        u64::MAX,
        COARSEST_S,
        &Wanted::Keys(wanted.into()),
        &mut |row| add_histogram(sums.entry(row.key).or_default(), row.content),
    )?;
    Ok(sums)
}

/// A latency as results write it: of the requests that ended ok, or of the failed.
fn encoded(phases: &ByPhase, phase: Phase) -> String {
    let sum = |phase| phases.get(&phase_key(0, phase)).cloned();
    let mut histogram = sum(phase).unwrap_or_default();
    if let (Phase::Latency, Some(failed)) = (phase, sum(Phase::LatencyFailed)) {
        histogram.subtract(&failed);
    }
    histogram.to_base64()
}
