//! The time of load of a run, and what ended within it: from the end of the warm-up to the end of
//! what the plan asks for, without the drain.

use super::figures::totals;
use crate::Error;
use crate::store::{COARSEST_S, Node, RunView};
use stats::EndedInLoad;
use stats::summary::Throughput;

/// When the load of a run begins to count, and when it ends, in seconds from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LoadSpan {
    /// The end of the warm-up.
    pub(crate) from_s: u64,
    /// The end of the load, or of what there is of it.
    pub(crate) to_s: f64,
}

impl LoadSpan {
    /// The first second that holds nothing of the load.
    pub(crate) fn end(self) -> u64 {
        // a cast saturates
        self.to_s.ceil() as u64
    }

    /// How long it is within `[from, to)`, in seconds.
    pub(crate) fn within(self, from: u64, to: u64) -> f64 {
        (self.to_s.min(to as f64) - from as f64).max(0.0)
    }
}

/// The time of load: as its nodes measured it, and where they did not, as the plan has it.
///
/// # Errors
/// When the store fails.
pub(crate) fn load(view: &dyn RunView) -> Result<LoadSpan, Error> {
    let nodes = view.nodes()?;
    Ok(load_of(view, warmup_s(view)?, &nodes, &measured(&nodes)))
}

fn load_of(view: &dyn RunView, from_s: u64, nodes: &[Node], measured: &[Throughput]) -> LoadSpan {
    let is_measured = !nodes.is_empty() && measured.len() == nodes.len();
    let longest = measured.iter().map(|one| one.load_s).fold(0.0, f64::max);
    if is_measured {
        let to_s = from_s as f64 + longest;
        return LoadSpan { from_s, to_s };
    }
    let starts = nodes.iter().filter_map(|node| node.start.as_ref());
    let planned_s = starts.map(|start| start.planned_s).fold(0.0, f64::max);
    let ends = nodes.iter().filter_map(|node| node.end.as_ref());
    let lasted_s = ends.map(|end| end.duration_s).fold(0.0, f64::max);
    let length_s = view.length_s() as f64;
    let lasted_s = match lasted_s > 0.0 {
        true => lasted_s.min(length_s),
        false => length_s,
    };
    let to_s = match planned_s > 0.0 {
        true => lasted_s.min(planned_s),
        false => lasted_s,
    };
    LoadSpan { from_s, to_s }
}

/// How long a run lasted, drain included, or how much there is of one that goes on, in seconds.
pub(super) fn lasted_s(view: &dyn RunView) -> Result<f64, Error> {
    let nodes = view.nodes()?;
    let ends: Vec<f64> = (nodes.iter())
        .filter_map(|node| node.end.as_ref().map(|end| end.duration_s))
        .collect();
    let longest = ends.iter().copied().fold(0.0, f64::max);
    let is_over = ends.len() == nodes.len() && longest > 0.0;
    let length_s = view.length_s() as f64;
    // rows may be of more time than a node that ended early told of
    Ok(match is_over && longest > length_s - 1.0 {
        true => longest.min(length_s),
        false => length_s,
    })
}

/// How long the warm-up was, by what the nodes said when they began.
pub(crate) fn warmup_s(view: &dyn RunView) -> Result<u64, Error> {
    let nodes = view.nodes()?;
    let starts = nodes.iter().filter_map(|node| node.start.as_ref());
    Ok(starts.map(|start| start.warmup_s).max().unwrap_or(0))
}

/// What the nodes measured of their times of load, of those that have ended and told so.
fn measured(nodes: &[Node]) -> Vec<Throughput> {
    #[derive(serde::Deserialize)]
    struct Told {
        throughput: Throughput,
    }
    let ends = nodes.iter().filter_map(|node| node.end.as_ref());
    let told = ends.filter_map(|end| serde_json::from_str(&end.summary_json).ok());
    told.map(|told: Told| told.throughput).collect()
}

/// What a run did in its time of load.
///
/// # Errors
/// When the store fails.
pub(super) fn throughput(view: &dyn RunView) -> Result<Throughput, Error> {
    let nodes = view.nodes()?;
    let measured = measured(&nodes);
    let load = load_of(view, warmup_s(view)?, &nodes, &measured);
    if measured.len() < nodes.len() || nodes.is_empty() {
        return throughput_in(view, load, (load.from_s, u64::MAX));
    }
    let bytes = |rate: fn(&Throughput) -> f64| -> u64 {
        let sums = measured.iter().map(|one| rate(one) * one.load_s);
        sums.sum::<f64>().round() as u64
    };
    let ended = EndedInLoad {
        ok: measured.iter().map(|one| one.ok).sum(),
        failed: measured.iter().map(|one| one.failed).sum(),
        bytes_in: bytes(|one| one.bytes_in_per_s),
        bytes_out: bytes(|one| one.bytes_out_per_s),
    };
    Ok(Throughput::of(ended, load.to_s - load.from_s as f64))
}

/// What ended in the part of the load within a window, by the rows of its seconds.
///
/// # Errors
/// When the store fails.
pub(super) fn throughput_in(
    view: &dyn RunView,
    load: LoadSpan,
    (from, to): (u64, u64),
) -> Result<Throughput, Error> {
    let to = to.min(load.end()).max(from);
    let sum = totals(view, from, to, COARSEST_S)?;
    let requests = sum.requests.unwrap_or_default();
    let ended = EndedInLoad {
        ok: requests.ok,
        failed: requests.failed,
        bytes_in: requests.bytes_in,
        bytes_out: requests.bytes_out,
    };
    Ok(Throughput::of(ended, load.within(from, to)))
}

/// A rate to 3 decimals; 0 where there is no time.
pub(super) fn per_s(n: f64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        (n / seconds * 1e3).round() / 1e3
    } else {
        0.0
    }
}
