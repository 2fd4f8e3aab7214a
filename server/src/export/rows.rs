//! A run second by second, as `series` of the JSON result and of `mistress run --csv`.

use crate::Error;
use crate::query::{Of, Rest};
use crate::store::{
    CORES, COUNTERS, Cores, NameCounts, RunView, Totals, Wanted, add_histogram, phase_key, read,
};
use serde_json::{Map, Value, json};
use stats::{Histogram, Phase};
use std::collections::BTreeMap;

/// Seconds that are read at once: each takes some histograms meanwhile.
const READ_S: u64 = 600;

/// What there is of one second.
#[derive(Default)]
struct Parts {
    totals: Option<Totals>,
    cores: Cores,
    latency: Histogram,
    failed: Histogram,
    lag: Histogram,
}

/// All rows of the series, in order, as JSON objects.
///
/// # Errors
/// When the store fails.
pub(super) fn all(view: &dyn RunView) -> Result<Vec<Value>, Error> {
    let length = view.length_s();
    let has_nodes = view.nodes()?.len() > 1;
    let [latency, failed, lag] =
        [Phase::Latency, Phase::LatencyFailed, Phase::Lag].map(|phase| phase_key(0, phase));
    let wanted = Wanted::Keys(vec![COUNTERS, CORES, latency, failed, lag]);
    let mut rows = Vec::new();
    for from in (0..length).step_by(READ_S as usize) {
        let to = (from + READ_S).min(length);
        let mut seconds: BTreeMap<u64, Parts> = BTreeMap::new();
        view.read(from, to, 1, &wanted, &mut |row| {
            let parts = seconds.entry(row.time_s).or_default();
            match row.key {
                COUNTERS => {
                    let totals: Totals = read(row.content)?;
                    match &mut parts.totals {
                        Some(sum) => sum.add_beside(&totals),
                        None => parts.totals = Some(totals),
                    }
                    Ok(())
                }
                CORES => {
                    parts.cores.add(&read::<Cores>(row.content)?.cores);
                    Ok(())
                }
                key if key == latency => add_histogram(&mut parts.latency, row.content),
                key if key == failed => add_histogram(&mut parts.failed, row.content),
                _ => add_histogram(&mut parts.lag, row.content),
            }
        })?;
        // what a run that ended reads beyond its window belongs to the next
        let within = seconds.into_iter().filter(|(time_s, _)| *time_s < to);
        rows.extend(within.map(|(time_s, parts)| row(time_s, parts, has_nodes)));
    }
    Ok(rows)
}

fn row(time_s: u64, parts: Parts, has_nodes: bool) -> Value {
    let totals = parts.totals.unwrap_or_default();
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    put("time_s", time_s.into());
    put("seconds", totals.seconds.max(1).into());
    let extent = |min: u64, max: u64| json!({ "min": min, "max": max });
    put("users", extent(totals.users_min, totals.users_max));
    let connections = extent(totals.connections_min, totals.connections_max);
    put("connections", connections);
    put("planned", totals.planned.into());
    put("started", totals.started.into());
    put("dropped", totals.dropped.into());
    let iterations = json!({
        "finished": totals.iterations_finished, "failed": totals.iterations_failed,
        "unfinished": totals.iterations_unfinished,
    });
    put("iterations", iterations);
    let NameCounts {
        sent,
        ok,
        failed,
        unfinished,
        bytes_in,
        bytes_out,
        ..
    } = totals.requests.clone().unwrap_or_default();
    for (key, n) in [
        ("sent", sent),
        ("ok", ok),
        ("failed", failed),
        ("unfinished", unfinished),
        ("bytes_in", bytes_in),
        ("bytes_out", bytes_out),
    ] {
        put(key, n.into());
    }
    put("latency_all", snapshot(&parts.latency));
    put("latency_failed", snapshot(&parts.failed));
    let mut latency_ok = parts.latency;
    latency_ok.subtract(&parts.failed);
    put("latency", snapshot(&latency_ok));
    put("lag", snapshot(&parts.lag));
    put("cores", cores(&parts.cores, has_nodes));
    put("generator_limited", totals.limited.into());
    if totals.warmup {
        put("warmup", true.into());
    }
    Value::Object(map)
}

/// A histogram in short; null where nothing was measured.
fn snapshot(histogram: &Histogram) -> Value {
    let [p50, p90, p99, p999] = histogram.values_at([0.5, 0.9, 0.99, 0.999]);
    let known = |us: u64| (histogram.count() > 0).then_some(us);
    json!({
        "count": histogram.count(), "p50_us": known(p50), "p90_us": known(p90),
        "p99_us": known(p99), "p999_us": known(p999), "max_us": known(histogram.max_us()),
    })
}

fn cores(cores: &Cores, has_nodes: bool) -> Value {
    let mut list = cores.cores.clone();
    list.sort_by_key(|core| (core.node, core.core));
    let rows = list.iter().map(|core| {
        let share = |sum: f32| {
            let mean = f64::from(sum) / f64::from(core.rows.max(1));
            (mean * 1e4).round() / 1e4
        };
        let mut row = json!({
            "core": core.core, "busy_share": share(core.busy), "waited_share": share(core.waited),
            "turn_max_us": core.turn_max_us, "generator_limited": core.limited,
        });
        if has_nodes {
            row["node"] = core.node.into();
        }
        row
    });
    Value::Array(rows.collect())
}

/// The histograms of latency in the words of the JSON result: `histogram` of what ended ok, and
/// `histogram_failed`.
///
/// # Errors
/// When the store fails.
pub(super) fn put_histograms(
    map: &mut Map<String, Value>,
    view: &dyn RunView,
    name: u32,
    from: u64,
) -> Result<(), Error> {
    for (key, of) in [("histogram", Of::Ok), ("histogram_failed", Of::Failed)] {
        let keys = of.keys(name, Phase::Latency);
        let mut rest = Rest::default();
        let wanted = Wanted::Keys(Rest::wanted(keys));
        view.read(
            from,
            u64::MAX,
            crate::store::COARSEST_S,
            &wanted,
            &mut |row| rest.add(row.key != keys.0, row.content),
        )?;
        let histogram = rest.finish().unwrap_or_default();
        map.insert(key.to_owned(), histogram.to_base64().into());
    }
    Ok(())
}
