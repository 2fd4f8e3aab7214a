//! Validates a batch; all of it is checked before any of it is stored.

use crate::store::{cut, is_id};
use stats::{Histogram, Recorder};
use wire::{Batch, HistogramRow, Kind, NameRow, SecondRow, VERSION};

/// Maximum number of nodes of a run.
const NODES_MAX: u32 = 4_096;
/// Maximum number of second rows in one batch.
pub(super) const SECONDS_MAX: usize = 3_600;
/// The last second of a run: 31 days.
const TIME_MAX_S: u64 = 31 * 24 * 3_600;
/// Maximum number of seconds one row covers.
const ROW_MAX_S: u64 = 24 * 3_600;
/// Maximum number of events in one batch.
pub(super) const EVENTS_MAX: usize = 10_000;
/// Maximum number of cores of a node.
const CORES_MAX: usize = 1_024;
/// Maximum number of statuses, failure kinds and counters of one row.
pub(super) const COUNTS_MAX: usize = 1_000;
/// Requests and transactions, which are limited together, may have one `(other)` each.
const NAMES_MAX_PER_ROW: usize = Recorder::NAMES_MAX + 2;

/// Maximum number of stored markers of a run.
const MARKERS_MAX: usize = 1_000;
/// Maximum length of a marker's stored label, in bytes.
const LABEL_MAX: usize = 255;

/// Leaves out what a batch has too much of, where the rest can be used: markers, and the ends of
/// their labels.
pub(super) fn bound(batch: &mut Batch) {
    let Some(start) = &mut batch.start else {
        return;
    };
    start.markers.truncate(MARKERS_MAX);
    for marker in &mut start.markers {
        let kept = cut(&marker.label, LABEL_MAX).len();
        marker.label.truncate(kept);
    }
}

/// Checks that the batch can be stored.
///
/// # Errors
/// What is wrong, location first.
pub(super) fn check(batch: &Batch) -> Result<(), String> {
    if batch.version != VERSION {
        return Err(format!(
            "version: {} is not supported, this server expects {VERSION}; \
             use the same version of mistress on both sides",
            batch.version
        ));
    }
    if !is_id(&batch.run_id) {
        return Err("run_id: must be 1 to 64 letters, digits and dashes".to_owned());
    }
    at_most("node", batch.node as usize, NODES_MAX as usize)?;
    if batch.sequence == 0 {
        return Err("sequence: must start at 1".to_owned());
    }
    if batch.epoch >> 63 != 0 || batch.sequence >> 63 != 0 {
        return Err("epoch, sequence: must fit in 63 bits".to_owned());
    }
    at_most("seconds", batch.seconds.len(), SECONDS_MAX)?;
    at_most("events", batch.events.len(), EVENTS_MAX)?;
    batch.seconds.iter().try_for_each(second)
}

fn second(row: &SecondRow) -> Result<(), String> {
    let located = |what: &str| format!("second {}: {what}", row.time_s);
    if row.time_s > TIME_MAX_S || row.seconds > ROW_MAX_S {
        return Err(located("beyond 31 days, or more than a day in one row"));
    }
    let is_tag = |name: &&NameRow| name.kind == i32::from(Kind::Tag);
    let tags = row.names.iter().filter(is_tag).count();
    for (what, len, max) in [
        ("names", row.names.len() - tags, NAMES_MAX_PER_ROW),
        ("tags", tags, NAMES_MAX_PER_ROW),
        ("checks", row.checks.len(), NAMES_MAX_PER_ROW),
        ("customs", row.customs.len(), NAMES_MAX_PER_ROW),
        ("cores", row.cores.len(), CORES_MAX),
        ("gaps", row.gaps.len(), CORES_MAX),
        ("late", row.late.len(), CORES_MAX),
        ("counters", row.counters.len(), COUNTS_MAX),
    ] {
        at_most(&located(what), len, max)?;
    }
    row.names
        .iter()
        .try_for_each(|n| name(n).map_err(|e| located(&e)))?;
    let values = row
        .customs
        .iter()
        .filter_map(|custom| custom.values.as_ref());
    values
        .into_iter()
        .try_for_each(|values| histogram(values).map_err(|e| located(&e)))
}

fn name(row: &NameRow) -> Result<(), String> {
    at_most("statuses", row.statuses.len(), COUNTS_MAX)?;
    at_most("failures", row.failures.len(), COUNTS_MAX)?;
    at_most("histograms", row.histograms.len(), COUNTS_MAX)?;
    if Kind::try_from(row.kind).is_err() {
        return Err(format!(
            "kind: {} is none of request, transaction and tag",
            row.kind
        ));
    }
    row.histograms.iter().try_for_each(histogram)
}

fn histogram(row: &HistogramRow) -> Result<(), String> {
    Histogram::check_row(row).map_err(|error| format!("histogram: {error}"))
}

fn at_most(what: &str, len: usize, max: usize) -> Result<(), String> {
    if len <= max {
        return Ok(());
    }
    Err(format!("{what}: {len}, at most {max} allowed"))
}
