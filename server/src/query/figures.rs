//! Rows summed over a window, and numbers put into JSON.

use crate::Error;
use crate::store::{
    COUNTERS, NameCounts, QUANTILES, RunView, Totals, Wanted, add_histogram, phase_key, quantiles,
    read,
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

/// The phases of a name in a window; 0 for all requests.
pub(super) fn phases(
    view: &dyn RunView,
    name: u32,
    window: (u64, u64),
    level: u64,
    of: &[Phase],
) -> Result<Vec<Histogram>, Error> {
    let keys: Vec<u32> = of.iter().map(|phase| phase_key(name, *phase)).collect();
    let mut sums: Vec<Histogram> = of.iter().map(|_| Histogram::new()).collect();
    let wanted = Wanted::Keys(keys.clone());
    view.read(window.0, window.1, level, &wanted, &mut |row| match keys
        .iter()
        .position(|key| *key == row.key)
    {
        Some(place) => add_histogram(&mut sums[place], row.content),
        None => Ok(()),
    })?;
    Ok(sums)
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
        .tallies
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
