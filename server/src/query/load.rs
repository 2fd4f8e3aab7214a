//! The time of load of a run, and what ended within it: from the end of the warm-up to the end of
//! what the plan asks for, without the drain.

use super::figures::totals;
use super::window::warmup_s;
use crate::Error;
use crate::store::{COARSEST_S, Node, RunView};
use serde_json::{Value, json};

/// When the load of a run begins to count, and when it ends, in seconds from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// The end of the warm-up.
    pub(crate) from_s: u64,
    /// The end of the load, or of what there is of it.
    pub(crate) to_s: f64,
}

impl Load {
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
pub(crate) fn load(view: &dyn RunView) -> Result<Load, Error> {
    let nodes = view.nodes()?;
    Ok(load_of(view, warmup_s(view)?, &nodes, &measured(&nodes)))
}

fn load_of(view: &dyn RunView, from_s: u64, nodes: &[Node], measured: &[Measured]) -> Load {
    let is_measured = !nodes.is_empty() && measured.len() == nodes.len();
    let longest = measured.iter().map(|one| one.load_s).fold(0.0, f64::max);
    if is_measured {
        let to_s = from_s as f64 + longest;
        return Load { from_s, to_s };
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
    Load { from_s, to_s }
}

/// What a node measured of its time of load.
struct Measured {
    load_s: f64,
    ok: u64,
    failed: u64,
    bytes_in: f64,
    bytes_out: f64,
}

/// By node, of those that have ended and told so.
fn measured(nodes: &[Node]) -> Vec<Measured> {
    let ends = nodes.iter().filter_map(|node| node.end.as_ref());
    let told = ends.filter_map(|end| {
        let result: Value = serde_json::from_str(&end.summary_json).ok()?;
        let throughput = &result["throughput"];
        let load_s = throughput["load_s"].as_f64()?;
        let bytes = |key: &str| throughput[key].as_f64().unwrap_or(0.0) * load_s;
        Some(Measured {
            load_s,
            ok: throughput["ok"].as_u64()?,
            failed: throughput["failed"].as_u64()?,
            bytes_in: bytes("bytes_in_per_s"),
            bytes_out: bytes("bytes_out_per_s"),
        })
    });
    told.collect()
}

/// What a run did in its time of load, in the words of the JSON result.
///
/// # Errors
/// When the store fails.
pub(super) fn throughput(view: &dyn RunView) -> Result<Value, Error> {
    let nodes = view.nodes()?;
    let measured = measured(&nodes);
    let load = load_of(view, warmup_s(view)?, &nodes, &measured);
    if measured.len() < nodes.len() || nodes.is_empty() {
        return throughput_in(view, load, (load.from_s, u64::MAX));
    }
    let sum = |of: fn(&Measured) -> f64| measured.iter().map(of).sum::<f64>();
    let (ok, failed) = measured.iter().fold((0, 0), |(ok, failed), one| {
        (ok + one.ok, failed + one.failed)
    });
    let bytes = (sum(|one| one.bytes_in), sum(|one| one.bytes_out));
    let load_s = load.to_s - load.from_s as f64;
    Ok(rates(load_s, (ok, failed), bytes))
}

/// What ended in the part of the load within a window, by the rows of its seconds.
///
/// # Errors
/// When the store fails.
pub(super) fn throughput_in(
    view: &dyn RunView,
    load: Load,
    (from, to): (u64, u64),
) -> Result<Value, Error> {
    let to = to.min(load.end()).max(from);
    let sum = totals(view, from, to, COARSEST_S)?;
    let ended = sum.requests.unwrap_or_default();
    let bytes = (ended.bytes_in as f64, ended.bytes_out as f64);
    Ok(rates(
        load.within(from, to),
        (ended.ok, ended.failed),
        bytes,
    ))
}

fn rates(load_s: f64, (ok, failed): (u64, u64), (bytes_in, bytes_out): (f64, f64)) -> Value {
    json!({
        "load_s": load_s, "ok": ok, "failed": failed,
        "requests_per_s": per_s((ok + failed) as f64, load_s),
        "ok_per_s": per_s(ok as f64, load_s),
        "bytes_in_per_s": per_s(bytes_in, load_s),
        "bytes_out_per_s": per_s(bytes_out, load_s),
    })
}

/// A rate to 3 decimals; 0 where there is no time.
pub(super) fn per_s(n: f64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        (n / seconds * 1e3).round() / 1e3
    } else {
        0.0
    }
}
