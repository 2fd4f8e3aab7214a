//! A kept run as the report that its own process made of it.
//!
//! A node tells its report, without the series, when it ends; of a run of one node that is what is
//! given. Of runs of several nodes, of earlier versions and of runs that go on the report is put
//! together from the store.

use super::series::SeriesReader;
use crate::Error;
use crate::query::{self, LoadSpan, counted, kind_of, statuses};
use crate::store::{
    COARSEST_S, NameCounts, Node, RunRecord, RunView, SLOTS, Wanted, add_histogram, phase_key, read,
};
use serde::Deserialize;
use stats::report::{RunFacts, format};
use stats::summary::{Generator, GeneratorCore, NameSummary, Phases, Summary, Throughput};
use stats::threshold::ThresholdResult;
use stats::{EndedInLoad, Histogram, Model, Phase, Recorder, RunReport};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// The report of a run, without the series.
///
/// # Errors
/// When the store fails.
pub(super) fn of(run: &RunRecord, view: &dyn RunView) -> Result<RunReport, Error> {
    let nodes = view.nodes()?;
    let mut report = match of_only_node(&nodes) {
        Some(report) => report,
        None => {
            let parts = Parts::of(run, &nodes);
            let mut summary = parts.outcome(run, view, &nodes)?;
            add_times(&mut summary, view)?;
            RunReport::new(parts.facts, parts.notices, summary)
        }
    };
    add_remarks(&mut report, run);
    Ok(report)
}

/// Adds the comment and annotations of a run to its report.
fn add_remarks(report: &mut RunReport, run: &RunRecord) {
    report.comment.clone_from(&run.comment);
    report.annotations.clone_from(&run.annotations);
}

/// The report of a run with thresholds and checks, without latencies and the series.
///
/// # Errors
/// When the store fails.
pub(super) fn without_latencies(run: &RunRecord, view: &dyn RunView) -> Result<RunReport, Error> {
    let nodes = view.nodes()?;
    if let Some(report) = of_only_node(&nodes) {
        return Ok(report);
    }
    let parts = Parts::of(run, &nodes);
    let summary = parts.outcome(run, view, &nodes)?;
    Ok(RunReport::new(parts.facts, parts.notices, summary))
}

/// Writes the JSON result; it begins before the figures are put together.
///
/// # Errors
/// When the store fails; [`Error::Write`] when `out` does.
pub(super) fn write_json(
    run: &RunRecord,
    view: &dyn RunView,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let nodes = view.nodes()?;
    if let Some(mut report) = of_only_node(&nodes) {
        add_remarks(&mut report, run);
        return report.write_json(out, SeriesReader::of(view)?);
    }
    let parts = Parts::of(run, &nodes);
    RunReport::begin_json(
        out,
        &parts.facts,
        &parts.notices,
        &run.comment,
        &run.annotations,
    )?;
    out.flush()?;
    let mut summary = parts.outcome(run, view, &nodes)?;
    add_times(&mut summary, view)?;
    RunReport::end_json(out, &summary, SeriesReader::of(view)?)
}

/// What the only node of a run reported when it ended.
fn of_only_node(nodes: &[Node]) -> Option<RunReport> {
    let [only] = nodes else {
        return None;
    };
    RunReport::from_json(&only.end.as_ref()?.summary_json).ok()
}

/// What a node reported of its part when it ended, as far as it is of use for a report of all nodes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeReport {
    run: RunFacts,
    notices: Vec<String>,
    thresholds: Vec<ThresholdResult>,
    generator: Generator,
}

/// What nodes reported of their parts, put together.
struct Parts {
    facts: RunFacts,
    notices: Vec<String>,
    thresholds: Vec<ThresholdResult>,
    cores: Vec<GeneratorCore>,
}

impl Parts {
    fn of(run: &RunRecord, nodes: &[Node]) -> Self {
        let part = |node: &Node| -> Option<NodeReport> {
            let text = &node.end.as_ref()?.summary_json;
            let mut part: NodeReport = serde_json::from_str(text).ok()?;
            let of_node = |core: &mut GeneratorCore| core.node = Some(node.node);
            if nodes.len() > 1 {
                part.generator.cores.iter_mut().for_each(of_node);
            }
            Some(part)
        };
        let parts: Vec<NodeReport> = nodes.iter().filter_map(part).collect();
        let mut all = Parts {
            facts: facts(run, nodes, &parts),
            notices: Vec::new(),
            thresholds: Vec::new(),
            cores: Vec::new(),
        };
        for part in parts {
            for notice in part.notices {
                if !all.notices.contains(&notice) {
                    all.notices.push(notice);
                }
            }
            all.thresholds.extend(part.thresholds);
            all.cores.extend(part.generator.cores);
        }
        all
    }

    /// What came of the run, without times.
    fn outcome(
        &self,
        run: &RunRecord,
        view: &dyn RunView,
        nodes: &[Node],
    ) -> Result<Summary, Error> {
        let measured = query::measured(view)?;
        Ok(Summary {
            model: Model::named(&run.model).unwrap_or(Model::Mixed),
            verdict: query::verdict(run, nodes),
            totals: measured.totals,
            throughput: measured.throughput,
            phases: measured.phases,
            status: measured.status,
            failures: measured.failures,
            events: measured.events,
            histogram: String::new(),
            histogram_failed: String::new(),
            checks: query::checks(view, query::load(view)?.from_s, u64::MAX)?,
            metrics: query::metrics(view)?,
            thresholds: self.thresholds.clone(),
            names_folded: false,
            names: Vec::new(),
            generator: Generator {
                cores: self.cores.clone(),
            },
            series: Vec::new(),
        })
    }
}

/// The cores that nodes report of, each by its node, if there are several, and its number there.
///
/// # Errors
/// When the store fails.
pub(super) fn cores(
    run: &RunRecord,
    view: &dyn RunView,
) -> Result<BTreeSet<(Option<u32>, u32)>, Error> {
    let cores = Parts::of(run, &view.nodes()?).cores.into_iter();
    Ok(cores.map(|core| (core.node, core.core)).collect())
}

/// Adds the times of the run and of its names.
fn add_times(summary: &mut Summary, view: &dyn RunView) -> Result<(), Error> {
    let load = query::load(view)?;
    let all = histograms(view, load.from_s)?;
    summary.histogram = encoded(&all, Phase::Latency);
    summary.histogram_failed = encoded(&all, Phase::LatencyFailed);
    summary.names = names(view, load)?;
    summary.names_folded = summary
        .names
        .iter()
        .any(|name| name.name == Recorder::OTHER);
    Ok(())
}

/// Who, when, where, with what: as the first node report it, or as far as its start report.
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

/// Requests, transactions and tags from the end of the warm-up on, with all their times.
fn names(view: &dyn RunView, load: LoadSpan) -> Result<Vec<NameSummary>, Error> {
    let from = load.from_s;
    let in_load = ended_in_load(view, load)?;
    let load_s = load.within(from, u64::MAX);
    let sums = name_sums(view, from)?;
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

/// Counters and times by the id of a name.
type NameSums = BTreeMap<u32, (NameCounts, ByPhase)>;

/// What there is of every name from a second on; two threads share the work where they may.
fn name_sums(view: &dyn RunView, from: u64) -> Result<NameSums, Error> {
    let slots: Vec<u32> = std::iter::once(0)
        .chain(Phase::ALL.iter().map(|phase| phase_key(0, *phase)))
        .collect();
    let Some(other) = view.fork()? else {
        return sums_of_slots(view, from, slots);
    };
    // neighbours cost about the same
    let (own, others): (Vec<u32>, Vec<u32>) = slots.iter().partition(|slot| **slot % 2 == 0);
    std::thread::scope(|scope| {
        let others = scope.spawn(move || sums_of_slots(&*other, from, others));
        let mut sums = sums_of_slots(view, from, own)?;
        let others = others
            .join()
            .map_err(|_| Error::Format("the server met a bug".to_owned()))??;
        for (id, (_, phases)) in others {
            sums.entry(id).or_default().1.extend(phases);
        }
        Ok(sums)
    })
}

/// What there is of every name under some slots.
fn sums_of_slots(view: &dyn RunView, from: u64, slots: Vec<u32>) -> Result<NameSums, Error> {
    let mut sums = NameSums::new();
    let wanted = Wanted::Slots(slots);
    view.read(from, u64::MAX, COARSEST_S, &wanted, &mut |row| {
        let (counts, phases) = sums.entry(row.key / SLOTS).or_default();
        match row.key % SLOTS {
            0 => counts.add(&read(row.content)?),
            slot => add_histogram(phases.entry(slot).or_default(), row.content)?,
        }
        Ok(())
    })?;
    Ok(sums)
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
