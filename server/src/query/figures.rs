//! Rows summed over a window, and numbers put into JSON.

use super::of::{Of, Rest};
use crate::Error;
use crate::store::{
    COARSEST_S, COUNTERS, NameCounts, QUANTILES, RunView, Totals, Wanted, add_histogram, phase_key,
    quantiles, read,
};
use serde_json::{Map, Value, json};
use stats::wire::Count;
use stats::{Histogram, Phase};
use std::collections::BTreeMap;

/// A histogram in ten numbers; `null` where there is nothing.
pub(super) fn percentiles(histogram: &Histogram) -> Value {
    let mut map = Map::new();
    let filled = histogram.count() > 0;
    let mut put = |name: String, value: Value| {
        map.insert(name, if filled { value } else { Value::Null });
    };
    put("min_us".into(), histogram.min_us().into());
    let mean = (histogram.mean_us() * 1_000.0).round() / 1_000.0;
    put("mean_us".into(), mean.into());
    let values = histogram.values_at(quantiles());
    for ((name, _), value) in QUANTILES.iter().zip(values) {
        put(format!("{name}_us"), value.into());
    }
    put("max_us".into(), histogram.max_us().into());
    map.insert("count".to_owned(), histogram.count().into());
    Value::Object(map)
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
    let keys = of.1.keys(name, of.0);
    let mut rest = Rest::default();
    let wanted = Wanted::Keys(Rest::wanted(keys));
    view.read(window.0, window.1, COARSEST_S, &wanted, &mut |row| {
        rest.add(row.key != keys.0, row.content)
    })?;
    Ok(rest.finish().unwrap_or_default())
}

/// Puts all phases of all requests in a window: `latency` is of the requests `of` names, and
/// `latency_failed` and `latency_all` stand beside it.
pub(super) fn put_phases(
    map: &mut Map<String, Value>,
    view: &dyn RunView,
    window: (u64, u64),
    of: Of,
) -> Result<(), Error> {
    let mut sums: BTreeMap<u32, Histogram> = BTreeMap::new();
    let keys = Phase::ALL.iter().map(|phase| phase_key(0, *phase));
    let wanted = Wanted::Keys(keys.collect());
    view.read(window.0, window.1, COARSEST_S, &wanted, &mut |row| {
        add_histogram(sums.entry(row.key).or_default(), row.content)
    })?;
    let mut sum = |phase| sums.remove(&phase_key(0, phase)).unwrap_or_default();
    let (all, failed) = (sum(Phase::Latency), sum(Phase::LatencyFailed));
    put_latencies(map, &all, &failed, of);
    for phase in Phase::ALL {
        if !matches!(phase, Phase::Latency | Phase::LatencyFailed) {
            map.insert(phase.as_str().to_owned(), percentiles(&sum(*phase)));
        }
    }
    Ok(())
}

/// Puts the phases of a name but its latencies, of the whole run from a second on.
pub(crate) fn put_other_phases(
    map: &mut Map<String, Value>,
    view: &dyn RunView,
    name: u32,
    from: u64,
) -> Result<(), Error> {
    for phase in Phase::ALL {
        if !matches!(phase, Phase::Latency | Phase::LatencyFailed) {
            let sum = self::phase(view, name, (from, u64::MAX), (*phase, Of::All))?;
            map.insert(phase.as_str().to_owned(), percentiles(&sum));
        }
    }
    Ok(())
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
pub(super) fn statuses(counts: &NameCounts) -> Value {
    let sorted: BTreeMap<u32, u64> = counts
        .statuses
        .iter()
        .map(|s| (s.status, s.count))
        .collect();
    let named = sorted
        .into_iter()
        .map(|(status, n)| (status.to_string(), n.into()));
    Value::Object(named.collect())
}

/// Counts by their names.
pub(super) fn counted(counts: &[Count]) -> Value {
    let sorted: BTreeMap<&str, u64> = counts.iter().map(|c| (c.name.as_str(), c.count)).collect();
    json!(sorted)
}

/// Totals as members of a JSON object.
pub(super) fn totals_json(totals: &Totals) -> Value {
    let mut map = Map::new();
    for (name, n) in [
        ("planned", totals.planned),
        ("started", totals.started),
        ("dropped", totals.dropped),
    ] {
        map.insert(name.to_owned(), n.into());
    }
    map.insert(
        "iterations".to_owned(),
        json!({
            "finished": totals.iterations_finished,
            "failed": totals.iterations_failed,
            "unfinished": totals.iterations_unfinished,
        }),
    );
    put_counts(&mut map, &totals.requests.clone().unwrap_or_default());
    let opened = totals
        .counters
        .iter()
        .find(|t| t.name == "connection_opened");
    map.insert("users_max".to_owned(), totals.users_max.into());
    map.insert(
        "connections".to_owned(),
        opened.map_or(0, |t| t.count).into(),
    );
    map.insert("connections_max".to_owned(), totals.connections_max.into());
    Value::Object(map)
}
