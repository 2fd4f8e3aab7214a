//! What a window of a run holds: names, failures, and all of it in a summary.

use super::figures::{
    counted, percentiles, phases, put_counts, put_latencies, statuses, totals, totals_of,
};
use super::load::{load, per_s, throughput, warmup_s};
use super::name_of;
use crate::Error;
use crate::store::{
    COARSEST_S, CUSTOMS, Customs, NameCounts, RunView, SLOTS, Totals, Wanted, add_histogram,
    phase_key, read,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use stats::custom::{Custom, CustomFigures, CustomKind};
use stats::summary::{self, Counted, Phases, Throughput};
use stats::{Histogram, NameKind, Of, Phase};
use std::collections::BTreeMap;
use wire::Kind;

/// Every request, transaction and tag with something in the window; `latency` is of the requests `of`
/// names.
///
/// # Errors
/// When the store fails.
pub fn names(view: &dyn RunView, from: u64, to: u64, of: Of) -> Result<Value, Error> {
    let latency = phase_key(0, Phase::Latency);
    let failed = phase_key(0, Phase::LatencyFailed);
    let service = phase_key(0, Phase::ServiceTime);
    // histograms of many names are most of the work: two threads share it where they may
    let (sums, services) = match view.fork()? {
        Some(other) => std::thread::scope(|scope| {
            let services = scope.spawn(move || sums_of(&*other, (from, to), &[service]));
            let sums = sums_of(view, (from, to), &[0, latency, failed])?;
            let services = services
                .join()
                .map_err(|_| Error::Format("the server met a bug".to_owned()))??;
            Ok::<_, Error>((sums, services))
        })?,
        None => (
            sums_of(view, (from, to), &[0, latency, failed])?,
            sums_of(view, (from, to), &[service])?,
        ),
    };
    let none = Histogram::new();
    let rates = rates(view, (from, to), &sums)?;
    let mut rows: Vec<((i32, &str), Value)> = Vec::new();
    for (id, sum) in &sums {
        let counts = &sum.counts;
        let services = services.get(id).map_or(&none, |services| &services.times);
        let Some((kind, name)) = view.names().get(id) else {
            continue;
        };
        let mut map = Map::new();
        map.insert("kind".to_owned(), kind_of(*kind).as_str().into());
        map.insert("name".to_owned(), name.as_str().into());
        put_counts(&mut map, counts);
        map.insert("requests_per_s".to_owned(), json!(rates.get(id)));
        put_latencies(&mut map, &sum.times, &sum.failed, of);
        map.insert("service_time".to_owned(), percentiles(services));
        map.insert("status".to_owned(), json!(statuses(counts)));
        map.insert("failures".to_owned(), json!(counted(&counts.failures)));
        rows.push(((*kind, name), Value::Object(map)));
    }
    rows.sort_by_key(|(place, _)| *place);
    let rows: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(json!({ "from": from, "to": to, "of": of.as_str(), "names": rows }))
}

/// What a name has in a window.
#[derive(Default)]
struct NameSum {
    counts: NameCounts,
    /// The latency of the failed.
    failed: Histogram,
    /// The other phase asked for.
    times: Histogram,
}

/// Every name in a window with what is under the slots: counters, the latency of the failed, and
/// one other phase.
fn sums_of(
    view: &dyn RunView,
    (from, to): (u64, u64),
    slots: &[u32],
) -> Result<BTreeMap<u32, NameSum>, Error> {
    let failed = phase_key(0, Phase::LatencyFailed);
    let mut sums: BTreeMap<u32, NameSum> = BTreeMap::new();
    let wanted = Wanted::Slots(slots.to_vec());
    view.read(from, to, COARSEST_S, &wanted, &mut |row| {
        let sum = sums.entry(name_of(row.key)).or_default();
        match row.key % SLOTS {
            0 => sum.counts.add(&read(row.content)?),
            slot if slot == failed => add_histogram(&mut sum.failed, row.content)?,
            _ => add_histogram(&mut sum.times, row.content)?,
        }
        Ok(())
    })?;
    Ok(sums)
}

/// What of each name ended per second of the load in a window, whose `sums` are known; of the whole
/// run without its warm-up. Empty when nothing of the load is in the window.
fn rates(
    view: &dyn RunView,
    (from, to): (u64, u64),
    sums: &BTreeMap<u32, NameSum>,
) -> Result<BTreeMap<u32, f64>, Error> {
    let load = load(view)?;
    let is_whole = from <= load.from_s && to >= view.length_s();
    let counted_from = if is_whole { load.from_s } else { from };
    let counted_to = to.min(load.end()).max(counted_from);
    let seconds = load.within(counted_from, counted_to);
    if seconds <= 0.0 {
        return Ok(BTreeMap::new());
    }
    let mut ended: BTreeMap<u32, u64> = BTreeMap::new();
    if (counted_from, counted_to) == (from, to) {
        let counts = sums.iter().map(|(id, sum)| (*id, &sum.counts));
        ended.extend(counts.map(|(id, n)| (id, n.ok.saturating_add(n.failed))));
    } else {
        let wanted = Wanted::Slots(vec![0]);
        view.read(counted_from, counted_to, COARSEST_S, &wanted, &mut |row| {
            let counts: NameCounts = read(row.content)?;
            *ended.entry(name_of(row.key)).or_default() += counts.ok.saturating_add(counts.failed);
            Ok(())
        })?;
    }
    let rates = ended.into_iter();
    Ok(rates
        .map(|(id, n)| (id, per_s(n as f64, seconds)))
        .collect())
}

/// The kind of a name in the store.
pub(crate) fn kind_of(kind: i32) -> NameKind {
    Kind::try_from(kind).map_or(NameKind::Request, NameKind::from)
}

/// Failures by kind, in all and by name.
///
/// # Errors
/// When the store fails.
pub fn failures(view: &dyn RunView, from: u64, to: u64) -> Result<Value, Error> {
    let mut sums: BTreeMap<u32, NameCounts> = BTreeMap::new();
    view.read(from, to, COARSEST_S, &Wanted::Slots(vec![0]), &mut |row| {
        let counts: NameCounts = read(row.content)?;
        if counts.failed + counts.unfinished > 0 {
            sums.entry(name_of(row.key)).or_default().add(&counts);
        }
        Ok(())
    })?;
    let all = totals(view, from, to, COARSEST_S)?
        .requests
        .unwrap_or_default();
    let names = sums.iter().filter_map(|(id, counts)| {
        let (kind, name) = view.names().get(id)?;
        let failures = counted(&counts.failures);
        Some(json!({
            "kind": kind_of(*kind), "name": name, "failed": counts.failed,
            "unfinished": counts.unfinished,
            "failures": failures, "status": statuses(counts),
        }))
    });
    let names: Vec<Value> = names.collect();
    let messages: Vec<Value> = messages(view, from, to)?;
    Ok(json!({
        "failed": all.failed, "unfinished": all.unfinished, "failures": counted(&all.failures), "status": statuses(&all),
        "names": names, "messages": messages,
    }))
}

/// What was said in a window, each text once with how often.
fn messages(view: &dyn RunView, from: u64, to: u64) -> Result<Vec<Value>, Error> {
    const SHOWN: usize = 200;
    let mut times: Vec<(String, i64, u64)> = Vec::new();
    for (_, event) in view.events()? {
        let second = event.time_us.div_euclid(1_000_000);
        let within = u64::try_from(second).is_ok_and(|s| (from..to).contains(&s));
        if event.kind != "message" || !within {
            continue;
        }
        let known = times.iter().position(|(text, ..)| *text == event.text);
        match known {
            Some(place) => times[place].2 += 1,
            None if times.len() < SHOWN => times.push((event.text, event.time_us, 1)),
            None => {}
        }
    }
    let rows = times.into_iter();
    Ok(rows
        .map(|(text, at, n)| json!({ "text": text, "time_us": at, "count": n }))
        .collect())
}

/// What was measured in a window, in the words of the JSON result.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) totals: summary::Totals,
    pub(crate) throughput: Throughput,
    #[serde(flatten)]
    pub(crate) phases: Phases,
    pub(crate) status: BTreeMap<u16, u64>,
    pub(crate) failures: Counted,
    pub(crate) events: Counted,
}

impl Measured {
    /// Of a window with these totals and rates.
    pub(super) fn of(
        view: &dyn RunView,
        window: (u64, u64),
        totals: Totals,
        throughput: Throughput,
    ) -> Result<Self, Error> {
        let of_all = totals_of(&totals);
        let requests = totals.requests.unwrap_or_default();
        Ok(Measured {
            totals: of_all,
            throughput,
            phases: phases(view, window)?,
            status: statuses(&requests),
            failures: counted(&requests.failures),
            events: counted(&totals.counters),
        })
    }

    /// As JSON; `latency` is of the requests `of` names.
    pub(super) fn to_json(&self, of: Of) -> Value {
        let mut json = json!(self);
        json["of"] = of.as_str().into();
        match of {
            Of::Ok => {}
            Of::Failed => json["latency"] = json["latency_failed"].clone(),
            Of::All => json["latency"] = json["latency_all"].clone(),
        }
        json
    }
}

/// The whole run without its warm-up.
///
/// # Errors
/// When the store fails.
pub(crate) fn measured(view: &dyn RunView) -> Result<Measured, Error> {
    let window = (warmup_s(view)?, u64::MAX);
    Measured::of(view, window, measured_totals(view)?, throughput(view)?)
}

/// The metrics of the scripts' own over the run without its warm-up.
///
/// # Errors
/// When the store fails.
pub(crate) fn metrics(view: &dyn RunView) -> Result<Vec<Custom>, Error> {
    let wanted = Wanted::Keys(vec![CUSTOMS]);
    let mut rows: BTreeMap<u64, Customs> = BTreeMap::new();
    view.read(warmup_s(view)?, u64::MAX, COARSEST_S, &wanted, &mut |row| {
        rows.entry(row.time_s)
            .or_default()
            .add(read::<Customs>(row.content)?.customs);
        Ok(())
    })?;
    let mut sum = Customs::default();
    rows.into_values().for_each(|row| sum.add(row.customs));
    let load_s = throughput(view)?.load_s;
    let mut list = Vec::new();
    for custom in sum.customs {
        let Some(kind) = CustomKind::named(&custom.kind) else {
            continue;
        };
        let mut values: Option<Box<Histogram>> = None;
        if !custom.values.is_empty() {
            add_histogram(values.get_or_insert_default(), custom.values.as_slice())?;
        }
        let figures = CustomFigures {
            count: custom.count,
            sum: custom.sum,
            min: custom.min,
            max: custom.max,
            last: custom.last,
            values,
        };
        // what came in the drain is not told apart here
        list.push(Custom::new(
            kind,
            &custom.name,
            &figures,
            (custom.sum, load_s),
        ));
    }
    list.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(list)
}

/// The totals of a run: without the warm-up but for the requests that it left under way.
pub(super) fn measured_totals(view: &dyn RunView) -> Result<Totals, Error> {
    let warmup_s = warmup_s(view)?;
    let mut sum = totals(view, warmup_s, u64::MAX, COARSEST_S)?;
    if warmup_s > 0 {
        let before = totals(view, 0, warmup_s, COARSEST_S)?
            .requests
            .unwrap_or_default();
        let ended = before.ok + before.failed + before.unfinished;
        let requests = sum.requests.get_or_insert_default();
        requests.sent = requests
            .sent
            .saturating_add(before.sent)
            .saturating_sub(ended);
    }
    Ok(sum)
}
