//! Two rows in one: what a sender does rather than drop one of them.

use stats::Histogram;
use wire::{CheckRow, CoreRow, Count, CustomRow, HistogramRow, NameRow, SecondRow, StatusCount};

/// Takes in a later row of the same node: counts are summed, histograms merged, ranges
/// widened. It then covers both and what is between them.
pub(super) fn absorb(row: &mut SecondRow, later: SecondRow) {
    let end = (later.time_s + later.seconds).max(row.time_s + row.seconds);
    let mine_s = row.seconds;
    row.seconds = end - row.time_s;
    row.warmup &= later.warmup;
    row.planned += later.planned;
    row.started += later.started;
    row.dropped += later.dropped;
    row.iterations_finished += later.iterations_finished;
    row.iterations_failed += later.iterations_failed;
    row.iterations_unfinished += later.iterations_unfinished;
    row.users_min = row.users_min.min(later.users_min);
    row.users_max = row.users_max.max(later.users_max);
    row.connections_min = row.connections_min.min(later.connections_min);
    row.connections_max = row.connections_max.max(later.connections_max);
    row.generator_limited |= later.generator_limited;
    add_cores(&mut row.gaps, &later.gaps);
    add_cores(&mut row.late, &later.late);
    add_counts(&mut row.counters, later.counters);
    for core in later.cores {
        match row.cores.iter_mut().find(|mine| mine.core == core.core) {
            Some(mine) => absorb_core(mine, &core, mine_s, later.seconds),
            None => row.cores.push(core),
        }
    }
    for name in later.names {
        let same = |mine: &&mut NameRow| mine.kind == name.kind && mine.name == name.name;
        match row.names.iter_mut().find(same) {
            Some(mine) => absorb_name(mine, name),
            None => row.names.push(name),
        }
    }
    for check in later.checks {
        let same = |mine: &&mut CheckRow| mine.name == check.name;
        match row.checks.iter_mut().find(same) {
            Some(mine) => {
                mine.passed += check.passed;
                mine.failed += check.failed;
            }
            None => row.checks.push(check),
        }
    }
    for custom in later.customs {
        let same = |mine: &&mut CustomRow| mine.kind == custom.kind && mine.name == custom.name;
        match row.customs.iter_mut().find(same) {
            Some(mine) => absorb_custom(mine, custom),
            None => row.customs.push(custom),
        }
    }
}

fn absorb_core(row: &mut CoreRow, later: &CoreRow, mine_s: u64, later_s: u64) {
    let all = (mine_s + later_s).max(1) as f32;
    let mean = |a: f32, b: f32| (a * mine_s as f32 + b * later_s as f32) / all;
    row.busy_share = mean(row.busy_share, later.busy_share);
    row.waited_share = mean(row.waited_share, later.waited_share);
    row.turn_max_us = row.turn_max_us.max(later.turn_max_us);
    row.lag_max_us = row.lag_max_us.max(later.lag_max_us);
    row.lag_p99_us = row.lag_p99_us.max(later.lag_p99_us);
    row.limited |= later.limited;
}

fn absorb_name(row: &mut NameRow, later: NameRow) {
    row.sent += later.sent;
    row.ok += later.ok;
    row.failed += later.failed;
    row.unfinished += later.unfinished;
    row.bytes_in += later.bytes_in;
    row.bytes_out += later.bytes_out;
    for status in later.statuses {
        let same = |mine: &&mut StatusCount| mine.status == status.status;
        match row.statuses.iter_mut().find(same) {
            Some(mine) => mine.count += status.count,
            None => row.statuses.push(status),
        }
    }
    add_counts(&mut row.failures, later.failures);
    for histogram in later.histograms {
        let same = |mine: &&mut HistogramRow| mine.phase == histogram.phase;
        match row.histograms.iter_mut().find(same) {
            Some(mine) => absorb_histogram(mine, &histogram),
            None => row.histograms.push(histogram),
        }
    }
}

fn absorb_custom(row: &mut CustomRow, later: CustomRow) {
    if later.count == 0 {
        return;
    }
    if row.count == 0 {
        *row = later;
        return;
    }
    row.count += later.count;
    row.sum += later.sum;
    row.min = row.min.min(later.min);
    row.max = row.max.max(later.max);
    row.last = later.last;
    match (&mut row.values, later.values) {
        (Some(mine), Some(values)) => absorb_histogram(mine, &values),
        (mine @ None, values) => *mine = values,
        (Some(_), None) => {}
    }
}

/// Adds the values of another. A payload that is not a histogram counts as empty: rows are
/// merged by the process that wrote them.
fn absorb_histogram(row: &mut HistogramRow, other: &HistogramRow) {
    let mut merged = Histogram::from_row(row).unwrap_or_default();
    merged.add(&Histogram::from_row(other).unwrap_or_default());
    *row = merged.to_row(&row.phase);
}

fn add_cores(mine: &mut Vec<u32>, later: &[u32]) {
    mine.extend(later);
    mine.sort_unstable();
    mine.dedup();
}

fn add_counts(mine: &mut Vec<Count>, later: Vec<Count>) {
    for count in later {
        match mine.iter_mut().find(|known| known.name == count.name) {
            Some(known) => known.count += count.count,
            None => mine.push(count),
        }
    }
}

#[cfg(test)]
mod tests;
