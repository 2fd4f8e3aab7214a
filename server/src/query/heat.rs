//! Where values lie: over time as a heat map, and in a window as a spectrum.

use super::columns::Axis;
use super::figures::phase;
use super::of::{Rest, keys};
use crate::Error;
use crate::store::{RunView, Wanted};
use serde_json::{Value, json};
use stats::{Histogram, Of, Phase};

/// Rows of a heat map per power of two.
const ROWS_PER_OCTAVE: f64 = 4.0;
/// The most buckets a distribution shows; neighbours are joined beyond it.
const BUCKETS_MAX: usize = 400;

/// Latency over time of the requests `of` names: how many values in each cell.
///
/// # Errors
/// When the store fails.
pub fn heatmap(view: &dyn RunView, axis: Axis, name: u32, of: Of) -> Result<Value, Error> {
    let keys = keys(of, name, Phase::Latency);
    let wanted = Wanted::Keys(Rest::wanted(keys));
    let mut columns: Vec<Rest> = Vec::new();
    columns.resize_with(axis.len(), Rest::default);
    view.read(
        axis.from,
        axis.end(),
        axis.level(),
        &wanted,
        &mut |row| match axis.column(row.time_s) {
            Some(column) => columns[column].add(row.key != keys.0, row.content),
            None => Ok(()),
        },
    )?;
    let columns: Vec<Option<Histogram>> = columns.into_iter().map(Rest::finish).collect();
    let filled = || columns.iter().flatten();
    let low = filled().map(|h| h.min_us()).min().unwrap_or(1);
    let high = filled().map(|h| h.max_us()).max().unwrap_or(1);
    let edges = edges(low.max(1), high.max(1));
    let counts = columns.iter().map(|column| {
        let mut counts = vec![0_u64; edges.len() - 1];
        let buckets = column.iter().flat_map(|h| h.buckets());
        for (low, high, n) in buckets {
            let middle = low + (high - low) / 2;
            let above = edges.partition_point(|edge| *edge <= middle);
            let row = above.saturating_sub(1).min(counts.len() - 1);
            counts[row] += n;
        }
        counts
    });
    let counts: Vec<Vec<u64>> = counts.collect();
    Ok(json!({
        "of": of.as_str(), "time_s": axis.times(), "step_s": axis.step_s, "edges_us": edges,
        "counts": counts,
    }))
}

/// Rising edges from at or below `low` to above `high`, at equal ratios.
fn edges(low: u64, high: u64) -> Vec<u64> {
    let first = ((low as f64).log2() * ROWS_PER_OCTAVE).floor() as i32;
    let last = ((high as f64 + 1.0).log2() * ROWS_PER_OCTAVE).ceil() as i32;
    let steps = first..=last.max(first + 1);
    let mut edges: Vec<u64> = steps
        .map(|step| (f64::from(step) / ROWS_PER_OCTAVE).exp2().round() as u64)
        .collect();
    edges.dedup();
    if edges.len() == 1 {
        edges.push(edges[0] + 1);
    }
    edges
}

/// The values of one phase in a window: its percentile spectrum, and its histogram. A latency is
/// of the requests that are named.
///
/// # Errors
/// When the store fails.
pub fn distribution(
    view: &dyn RunView,
    from: u64,
    to: u64,
    name: u32,
    of: (Phase, Of),
) -> Result<Value, Error> {
    let sum = phase(view, name, (from, to), of)?;
    let buckets: Vec<(u64, u64, u64)> = sum.buckets().collect();
    let joined = buckets.len().div_ceil(BUCKETS_MAX).max(1);
    let shown = buckets.chunks(joined).map(|group| {
        let low = group.first().map_or(0, |b| b.0);
        let high = group.last().map_or(0, |b| b.1);
        let n: u64 = group.iter().map(|b| b.2).sum();
        json!([low, high.min(sum.max_us()), n])
    });
    let shown: Vec<Value> = shown.collect();
    Ok(json!({
        "phase": of.0.as_str(), "of": of.1.as_str(), "count": sum.count(),
        "figures": super::figures::percentiles(&sum),
        "spectrum": spectrum(&sum), "buckets": shown,
        "histogram": sum.to_base64(),
    }))
}

/// Quantiles that come closer to 1 by halves, 8 to each half, down to single values.
fn spectrum(sum: &Histogram) -> Vec<Value> {
    const PER_HALF: u32 = 8;
    const HALVES: u32 = 20;
    if sum.count() == 0 {
        return Vec::new();
    }
    let mut points = Vec::new();
    'all: for half in 0..HALVES {
        let rest = 0.5_f64.powi(half as i32);
        for step in 0..PER_HALF {
            let quantile = 1.0 - rest * (1.0 - f64::from(step) / f64::from(2 * PER_HALF));
            if (1.0 - quantile) * (sum.count() as f64) < 1.0 && quantile > 0.0 {
                break 'all;
            }
            points.push(json!([quantile, sum.value_at(quantile)]));
        }
    }
    points.push(json!([1.0, sum.max_us()]));
    points
}
