//! Rows summed over a window, and numbers put into JSON.

use super::of::{Rest, keys};
use crate::Error;
use crate::store::{
    COARSEST_S, COUNTERS, NameCounts, RunView, Totals, Wanted, add_histogram, phase_key, read,
};
use serde_json::{Map, Value, json};
use stats::second::{Counts, Iterations};
use stats::summary::{self, Counted, Percentiles, Phases};
use stats::{Counter, Histogram, Of, Phase};
use std::collections::BTreeMap;
use wire::Count;

/// A histogram in ten numbers; `null` where there is nothing.
pub(super) fn percentiles(histogram: &Histogram) -> Value {
    json!(Percentiles::of(histogram))
}

/// The rows of all requests by the second they begin in.
pub(super) fn totals_by_time(
    view: &dyn RunView,
    from: u64,
    to: u64,
    level: u64,
) -> Result<BTreeMap<u64, Totals>, Error> {
    let mut by_time: BTreeMap<u64, Totals> = BTreeMap::new();
    let wanted = Wanted::Keys(vec![COUNTERS]);
    view.read(from, to, level, &wanted, &mut |row| {
        add_totals(&mut by_time, row.time_s, read(row.content)?);
        Ok(())
    })?;
    Ok(by_time)
}

/// Adds a row of all requests beside those of the same second.
pub(super) fn add_totals(by_time: &mut BTreeMap<u64, Totals>, time_s: u64, totals: Totals) {
    match by_time.get_mut(&time_s) {
        Some(sum) => sum.add_beside(&totals),
        None => {
            by_time.insert(time_s, totals);
        }
    }
}

/// All requests and the load in a window.
pub(super) fn totals(view: &dyn RunView, from: u64, to: u64, level: u64) -> Result<Totals, Error> {
    let by_time = totals_by_time(view, from, to, level)?;
    let sum = by_time.into_values().reduce(|mut sum, later| {
        sum.add_after(&later);
        sum
    });
    Ok(sum.unwrap_or_default())
}

/// A phase of a name in a window; 0 for all requests. A latency is of the requests `of` names.
pub(super) fn phase(
    view: &dyn RunView,
    name: u32,
    window: (u64, u64),
    of: (Phase, Of),
) -> Result<Histogram, Error> {
    let keys = keys(of.1, name, of.0);
    let mut rest = Rest::default();
    let wanted = Wanted::Keys(Rest::wanted(keys));
    view.read(window.0, window.1, COARSEST_S, &wanted, &mut |row| {
        rest.add(row.key != keys.0, row.content)
    })?;
    Ok(rest.finish().unwrap_or_default())
}

/// All phases of all requests in a window.
pub(super) fn phases(view: &dyn RunView, window: (u64, u64)) -> Result<Phases, Error> {
    let mut sums: BTreeMap<u32, Histogram> = BTreeMap::new();
    let keys = Phase::ALL.iter().map(|phase| phase_key(0, *phase));
    let wanted = Wanted::Keys(keys.collect());
    view.read(window.0, window.1, COARSEST_S, &wanted, &mut |row| {
        add_histogram(sums.entry(row.key).or_default(), row.content)
    })?;
    Ok(Phases::of(|phase| sums.get(&phase_key(0, phase))))
}

/// Puts the latency of the requests `of` names, and those of the failed and of all beside it.
pub(super) fn put_latencies(
    map: &mut Map<String, Value>,
    all: &Histogram,
    failed: &Histogram,
    of: Of,
) {
    let [of_all, of_failed] = [percentiles(all), percentiles(failed)];
    let chosen = match of {
        Of::All => of_all.clone(),
        Of::Failed => of_failed.clone(),
        Of::Ok if failed.count() == 0 => of_all.clone(),
        Of::Ok => {
            let mut ok = all.clone();
            ok.subtract(failed);
            percentiles(&ok)
        }
    };
    map.insert("of".to_owned(), of.as_str().into());
    map.insert("latency".to_owned(), chosen);
    map.insert("latency_failed".to_owned(), of_failed);
    map.insert("latency_all".to_owned(), of_all);
}

/// Counters of requests as members of a map.
pub(super) fn put_counts(map: &mut Map<String, Value>, counts: &NameCounts) {
    for (name, n) in [
        ("sent", counts.sent),
        ("ok", counts.ok),
        ("failed", counts.failed),
        ("unfinished", counts.unfinished),
        ("bytes_in", counts.bytes_in),
        ("bytes_out", counts.bytes_out),
    ] {
        map.insert(name.to_owned(), n.into());
    }
}

/// Replies by status.
pub(crate) fn statuses(counts: &NameCounts) -> BTreeMap<u16, u64> {
    let rows = counts.statuses.iter();
    // 0 are those beyond the limit of the store
    rows.map(|s| (u16::try_from(s.status).unwrap_or(0), s.count))
        .collect()
}

/// Counts by their names.
pub(crate) fn counted(counts: &[Count]) -> Counted {
    let mut named: Vec<_> = counts
        .iter()
        .map(|c| (c.name.clone().into(), c.count))
        .collect();
    named.sort();
    Counted(named)
}

/// Counters in the words of results.
pub(crate) fn totals_of(totals: &Totals) -> summary::Totals {
    let requests = totals.requests.clone().unwrap_or_default();
    let opened = Counter::ConnectionOpened.as_str();
    let opened = totals.counters.iter().find(|one| one.name == opened);
    summary::Totals {
        counts: Counts {
            planned: totals.planned,
            started: totals.started,
            dropped: totals.dropped,
            iterations: Iterations {
                finished: totals.iterations_finished,
                failed: totals.iterations_failed,
                unfinished: totals.iterations_unfinished,
            },
            sent: requests.sent,
            ok: requests.ok,
            failed: requests.failed,
            unfinished: requests.unfinished,
            bytes_in: requests.bytes_in,
            bytes_out: requests.bytes_out,
            ..Counts::default()
        },
        users_max: totals.users_max,
        connections: opened.map_or(0, |one| one.count),
        connections_max: totals.connections_max,
    }
}
