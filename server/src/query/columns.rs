//! A run as columns over time.

use super::figures::add_totals;
use super::load::lasted_s;
use super::of::{Rest, keys};
use crate::Error;
use crate::store::{
    CHECKS, CORES, COUNTERS, Checks, Cores, Digest, Figures, NameCounts, QUANTILES, RestOf,
    RunView, SLOTS, Totals, Wanted, add_histogram, level_for, read, rest_of,
};
use serde_json::{Map, Value, json};
use stats::summary::Check;
use stats::{Counter, Histogram, Of, Phase};
use std::collections::BTreeMap;
use std::ops::Range;

/// ColumnWidths that columns may have, in seconds. What is kept of a run has digests of all but the last.
const STEPS_S: [u64; 14] = [
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 3_000, 6_000, 12_000,
];
/// The most columns that are given.
const POINTS_MAX: u64 = 2_000;

/// Columns of equal width over a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// The first second, a multiple of the width.
    pub from: u64,
    /// The second after the last.
    pub to: u64,
    /// The width of a column in seconds.
    pub step_s: u64,
}

impl Axis {
    /// At most about `points` columns over the part of `[from, to)` that the run has.
    pub fn new(view: &dyn RunView, from: u64, to: u64, points: u64) -> Self {
        let to = to.min(view.length_s());
        let from = from.min(to);
        let least = (to - from).div_ceil(points.clamp(1, POINTS_MAX));
        let fitting = STEPS_S.iter().find(|step| **step >= least);
        let step_s = fitting
            .copied()
            .unwrap_or_else(|| least.next_multiple_of(6_000));
        Axis {
            from: from - from % step_s,
            to,
            step_s,
        }
    }

    /// How many columns there are.
    pub fn len(self) -> usize {
        (self.to - self.from).div_ceil(self.step_s) as usize
    }

    /// The column of a second.
    pub fn column(self, time_s: u64) -> Option<usize> {
        let column = time_s.checked_sub(self.from)? / self.step_s;
        usize::try_from(column).ok().filter(|c| *c < self.len())
    }

    /// The first seconds of the columns.
    pub fn times(self) -> Vec<u64> {
        (0..self.len() as u64)
            .map(|c| self.from + c * self.step_s)
            .collect()
    }

    /// Seconds to be read.
    pub fn end(self) -> u64 {
        self.from + self.len() as u64 * self.step_s
    }

    /// The level to read.
    pub fn level(self) -> u64 {
        level_for(self.step_s)
    }
}

/// Numbers by name and column.
#[derive(Default)]
struct Table(BTreeMap<String, Vec<f64>>);

impl Table {
    fn add(&mut self, name: &str, place: (usize, usize), value: f64) {
        if value == 0.0 {
            return;
        }
        let (column, len) = place;
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), vec![0.0; len]);
        }
        if let Some(values) = self.0.get_mut(name) {
            values[column] += value;
        }
    }

    fn rates(&self, name: &str, widths: &ColumnWidths) -> Value {
        match self.0.get(name) {
            Some(values) => widths.rates(values),
            None => widths.rates(&vec![0.0; widths.0.len()]),
        }
    }

    fn all_rates(&self, widths: &ColumnWidths) -> Value {
        let rows = self.0.iter();
        Value::Object(
            rows.map(|(name, v)| (name.clone(), widths.rates(v)))
                .collect(),
        )
    }
}

/// Of a column that ends after the run, at least this share must be in the run to have a rate.
const SHARE_MIN: f64 = 0.1;

/// By column, how many of its seconds are in the run; none where nobody reported anything, and
/// where the run ended too soon for a rate.
pub(super) struct ColumnWidths(Vec<Option<f64>>);

impl ColumnWidths {
    /// Of a run that lasts `end_s` seconds, with rows of all requests that begin at and cover so
    /// many seconds.
    pub(super) fn of(
        axis: Axis,
        end_s: f64,
        rows: impl Iterator<Item = (u64, u64)>,
    ) -> ColumnWidths {
        let mut widths = vec![None; axis.len()];
        for (time_s, seconds) in rows {
            for (column, _) in covered(axis, time_s, seconds) {
                let from = axis.from as f64 + column as f64 * axis.step_s as f64;
                let width = (end_s - from).min(axis.step_s as f64);
                widths[column] =
                    Some(width).filter(|width| *width >= axis.step_s as f64 * SHARE_MIN);
            }
        }
        ColumnWidths(widths)
    }

    /// The numbers of a column per second.
    pub(super) fn rate(&self, column: usize, value: f64) -> Option<f64> {
        self.0[column].map(|width| (value / width * 1_000.0).round() / 1_000.0)
    }

    /// Numbers per second, to 3 decimals; whole ones stay whole.
    fn rates(&self, values: &[f64]) -> Value {
        let shown = values.iter().enumerate();
        let shown = shown.map(|(column, value)| match self.rate(column, *value) {
            Some(rate) if rate.fract() == 0.0 => json!(rate as u64),
            rate => json!(rate),
        });
        Value::Array(shown.collect())
    }
}

/// Everything the plots of a run show, of all requests (`name` 0) or of one name. Its `latency` is
/// of the requests `of` names; `latency_failed` stands beside it.
///
/// # Errors
/// When the store fails.
pub fn series(view: &dyn RunView, axis: Axis, name: u32, of: Of) -> Result<Value, Error> {
    let mut map = Map::new();
    map.insert("time_s".to_owned(), json!(axis.times()));
    map.insert("step_s".to_owned(), axis.step_s.into());
    map.insert("of".to_owned(), of.as_str().into());
    let (rows, checks, cores) = counts_of_all(view, axis)?;
    let covered = rows.iter().map(|(time_s, row)| (*time_s, row.seconds));
    let widths = ColumnWidths::of(axis, lasted_s(view)?, covered);
    put_load(&mut map, axis, &widths, &rows);
    let counts: BTreeMap<u64, (u64, NameCounts)> = if name == 0 {
        let rows = rows.iter();
        rows.map(|(t, row)| (*t, (row.seconds, row.requests.clone().unwrap_or_default())))
            .collect()
    } else {
        counts_of(view, axis, name)?
    };
    put_requests(&mut map, axis, &widths, &counts);
    put_phases(&mut map, view, axis, (name, of))?;
    let [passed, failed] = ["passed", "failed"].map(|name| checks.rates(name, &widths));
    map.insert(
        "checks".to_owned(),
        json!({ "passed": passed, "failed": failed }),
    );
    put_cores(&mut map, axis, &cores);
    Ok(Value::Object(map))
}

/// The latency of requests `of` names by column, as [`series`] has it.
///
/// # Errors
/// When the store fails.
pub fn latency_columns(view: &dyn RunView, axis: Axis, of: Of) -> Result<Value, Error> {
    let digests = view.digests(axis.from, axis.end(), axis.step_s)?;
    let columns = figures_of(view, axis, keys(of, 0, Phase::Latency), &digests)?;
    Ok(percentile_columns(&columns))
}

/// What counters of all requests say: the load by second, checks and cores by column.
type OfAll = (BTreeMap<u64, Totals>, Table, Vec<Cores>);

fn counts_of_all(view: &dyn RunView, axis: Axis) -> Result<OfAll, Error> {
    let mut totals = BTreeMap::new();
    let mut checks = Table::default();
    let mut cores: Vec<Cores> = vec![Cores::default(); axis.len()];
    let wanted = Wanted::Keys(vec![COUNTERS, CHECKS, CORES]);
    view.read(axis.from, axis.end(), axis.level(), &wanted, &mut |row| {
        let column = axis.column(row.time_s);
        match (row.key, column) {
            (COUNTERS, _) => add_totals(&mut totals, row.time_s, read(row.content)?),
            (CHECKS, Some(column)) => {
                for check in read::<Checks>(row.content)?.checks {
                    let place = (column, axis.len());
                    checks.add("passed", place, check.passed as f64);
                    checks.add("failed", place, check.failed as f64);
                }
            }
            (CORES, Some(column)) => cores[column].add(&read::<Cores>(row.content)?.cores),
            _ => {}
        }
        Ok(())
    })?;
    Ok((totals, checks, cores))
}

fn counts_of(
    view: &dyn RunView,
    axis: Axis,
    name: u32,
) -> Result<BTreeMap<u64, (u64, NameCounts)>, Error> {
    let mut counts: BTreeMap<u64, (u64, NameCounts)> = BTreeMap::new();
    let wanted = Wanted::Keys(vec![name * SLOTS]);
    view.read(axis.from, axis.end(), axis.level(), &wanted, &mut |row| {
        let (_, sum) = counts.entry(row.time_s).or_default();
        sum.add(&read(row.content)?);
        Ok(())
    })?;
    Ok(counts)
}

/// The columns a row covers, each with its share: a row of several seconds is spread over them.
fn covered(axis: Axis, time_s: u64, seconds: u64) -> impl Iterator<Item = (usize, f64)> {
    let seconds = seconds.clamp(1, 86_400);
    let share = 1.0 / seconds as f64;
    let is_one = axis.step_s >= seconds;
    let count = if is_one { 1 } else { seconds };
    let columns = (0..count).filter_map(move |s| axis.column(time_s + s));
    columns.map(move |column| (column, if is_one { 1.0 } else { share }))
}

fn put_load(
    map: &mut Map<String, Value>,
    axis: Axis,
    widths: &ColumnWidths,
    rows: &BTreeMap<u64, Totals>,
) {
    let connection_opened = Counter::ConnectionOpened.as_str();
    let len = axis.len();
    let mut table = Table::default();
    let mut extents: [Vec<Option<u64>>; 4] = std::array::from_fn(|_| vec![None; len]);
    let mut limited = vec![false; len];
    for (time_s, row) in rows {
        for (column, share) in covered(axis, *time_s, row.seconds) {
            let place = (column, len);
            table.add("planned", place, row.planned as f64 * share);
            table.add("started", place, row.started as f64 * share);
            table.add("dropped", place, row.dropped as f64 * share);
            let ended = row.iterations_finished + row.iterations_failed;
            table.add("iterations", place, ended as f64 * share);
            let opened = row
                .counters
                .iter()
                .find(|one| one.name == connection_opened);
            let opened = opened.map_or(0, |t| t.count) as f64;
            table.add("connections_opened", place, opened * share);
            limited[column] |= row.limited;
            let values = [
                row.users_min,
                row.users_max,
                row.connections_min,
                row.connections_max,
            ];
            for (place, (extent, value)) in extents.iter_mut().zip(values).enumerate() {
                let is_min = place % 2 == 0;
                let known = extent[column].unwrap_or(value);
                extent[column] = Some(if is_min {
                    known.min(value)
                } else {
                    known.max(value)
                });
            }
        }
    }
    for name in [
        "planned",
        "started",
        "dropped",
        "iterations",
        "connections_opened",
    ] {
        map.insert(name.to_owned(), table.rates(name, widths));
    }
    map.insert("sessions".to_owned(), table.rates("started", widths));
    let names = [
        "users_min",
        "users_max",
        "connections_min",
        "connections_max",
    ];
    for (name, extent) in names.iter().zip(extents) {
        map.insert((*name).to_owned(), json!(extent));
    }
    map.insert("limited".to_owned(), json!(limited));
}

fn put_requests(
    map: &mut Map<String, Value>,
    axis: Axis,
    widths: &ColumnWidths,
    counts: &BTreeMap<u64, (u64, NameCounts)>,
) {
    let len = axis.len();
    let (mut table, mut status, mut failures) = <(Table, Table, Table)>::default();
    for (time_s, (seconds, row)) in counts {
        for (column, share) in covered(axis, *time_s, *seconds) {
            let place = (column, len);
            table.add("sent", place, row.sent as f64 * share);
            table.add(
                "done",
                place,
                (row.ok.saturating_add(row.failed)) as f64 * share,
            );
            table.add("ok", place, row.ok as f64 * share);
            table.add("failed", place, row.failed as f64 * share);
            table.add("bytes_in", place, row.bytes_in as f64 * share);
            table.add("bytes_out", place, row.bytes_out as f64 * share);
            for count in &row.statuses {
                status.add(&count.status.to_string(), place, count.count as f64 * share);
            }
            for count in &row.failures {
                failures.add(&count.name, place, count.count as f64 * share);
            }
        }
    }
    for name in ["sent", "done", "ok", "failed", "bytes_in", "bytes_out"] {
        map.insert(name.to_owned(), table.rates(name, widths));
    }
    map.insert("status".to_owned(), status.all_rates(widths));
    map.insert("failures".to_owned(), failures.all_rates(widths));
}

fn put_phases(
    map: &mut Map<String, Value>,
    view: &dyn RunView,
    axis: Axis,
    (name, of): (u32, Of),
) -> Result<(), Error> {
    let digests = match name {
        0 => view.digests(axis.from, axis.end(), axis.step_s)?,
        _ => BTreeMap::new(),
    };
    let mut phases = Map::new();
    for phase in Phase::ALL {
        let keys = keys(of, name, *phase);
        let columns = figures_of(view, axis, keys, &digests)?;
        let shown = percentile_columns(&columns);
        match phase {
            Phase::Latency | Phase::LatencyFailed | Phase::ServiceTime | Phase::Lag => {
                map.insert(phase.as_str().to_owned(), shown);
            }
            _ => {
                phases.insert(phase.as_str().to_owned(), shown);
            }
        }
    }
    map.insert("phases".to_owned(), Value::Object(phases));
    Ok(())
}

/// The figures of every column: from digests where they tell them, else from histograms.
fn figures_of(
    view: &dyn RunView,
    axis: Axis,
    keys: (u32, Option<u32>),
    digests: &BTreeMap<u64, Digest>,
) -> Result<Vec<Option<Figures>>, Error> {
    let mut columns: Vec<Option<Figures>> = vec![None; axis.len()];
    let mut is_known = vec![false; axis.len()];
    for (time_s, digest) in digests {
        let Some(column) = axis.column(*time_s) else {
            continue;
        };
        let told = match keys.1 {
            None => Some(digest.get(&keys.0).copied()),
            Some(_) => match rest_of(digest) {
                RestOf::Figures(figures) => Some(Some(figures)),
                RestOf::Nothing => Some(None),
                RestOf::Unknown => None,
            },
        };
        if let Some(figures) = told {
            columns[column] = figures;
            is_known[column] = true;
        }
    }
    for gap in gaps(&is_known) {
        put_figures(view, axis, keys, gap, &mut columns)?;
    }
    Ok(columns)
}

/// The columns that are not known, as runs of neighbours.
fn gaps(is_known: &[bool]) -> Vec<Range<usize>> {
    let mut gaps: Vec<Range<usize>> = Vec::new();
    for (column, _) in is_known.iter().enumerate().filter(|(_, known)| !**known) {
        match gaps.last_mut().filter(|gap| gap.end == column) {
            Some(gap) => gap.end += 1,
            None => gaps.push(column..column + 1),
        }
    }
    gaps
}

/// Fills neighbouring columns with figures from the histograms under a key, without those under
/// the other.
fn put_figures(
    view: &dyn RunView,
    axis: Axis,
    keys: (u32, Option<u32>),
    gap: Range<usize>,
    columns: &mut [Option<Figures>],
) -> Result<(), Error> {
    let mut sums: Vec<Rest> = Vec::new();
    sums.resize_with(gap.len(), Rest::default);
    // what is to be taken out of several columns together, by the first of them
    let mut joint: BTreeMap<usize, (usize, Histogram)> = BTreeMap::new();
    let time_of = |column: usize| axis.from + column as u64 * axis.step_s;
    let (from, to) = (time_of(gap.start), time_of(gap.end));
    let wanted = Wanted::Keys(Rest::wanted(keys));
    view.read(from, to, axis.level(), &wanted, &mut |row| {
        let is_part = row.key != keys.0;
        let places = covered(axis, row.time_s, row.span_s).map(|(column, _)| column);
        let places = places.filter_map(|column| column.checked_sub(gap.start));
        let places: Vec<usize> = places.filter(|place| *place < sums.len()).collect();
        if let (true, [first, .., last]) = (is_part, &places[..]) {
            let (end, part) = joint.entry(*first).or_default();
            *end = (*end).max(last + 1);
            return add_histogram(part, row.content);
        }
        // tens of seconds where only they were kept: each second shows its ten
        places
            .iter()
            .try_for_each(|place| sums[*place].add(is_part, row.content))
    })?;
    for (first, (end, part)) in joint {
        join(&mut sums[first..end], &part);
    }
    for (column, sum) in columns[gap].iter_mut().zip(sums) {
        *column = sum.finish().as_ref().map(Figures::of);
    }
    Ok(())
}

/// Makes columns all show what they have together without a part.
fn join(columns: &mut [Rest], part: &Histogram) {
    let mut all = Rest::default();
    for column in columns.iter_mut() {
        all.absorb(std::mem::take(column));
    }
    let rest = all.without(part);
    columns.fill_with(|| rest.clone());
}

fn percentile_columns(columns: &[Option<Figures>]) -> Value {
    let mut lists: [Vec<Option<u64>>; QUANTILES.len()] = Default::default();
    let (mut max, mut mean) = (Vec::new(), Vec::new());
    for column in columns {
        for (place, list) in lists.iter_mut().enumerate() {
            list.push(column.map(|figures| figures.quantiles[place]));
        }
        max.push(column.map(|figures| figures.max_us));
        mean.push(column.map(|figures| figures.mean_us));
    }
    let mut map = Map::new();
    for ((name, _), list) in QUANTILES.iter().zip(lists) {
        map.insert((*name).to_owned(), json!(list));
    }
    map.insert("max".to_owned(), json!(max));
    map.insert("mean".to_owned(), json!(mean));
    Value::Object(map)
}

/// Checks by name in a window.
///
/// # Errors
/// When the store fails.
pub fn checks(view: &dyn RunView, from: u64, to: u64) -> Result<Vec<Check>, Error> {
    let mut sum = Checks::default();
    let wanted = Wanted::Keys(vec![CHECKS]);
    view.read(from, to, crate::store::COARSEST_S, &wanted, &mut |row| {
        sum.add(&read::<Checks>(row.content)?.checks);
        Ok(())
    })?;
    sum.checks.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = sum.checks.into_iter().map(|row| Check {
        name: row.name,
        passed: row.passed,
        failed: row.failed,
    });
    Ok(rows.collect())
}

fn put_cores(map: &mut Map<String, Value>, axis: Axis, columns: &[Cores]) {
    let mut cores: BTreeMap<(u32, u32), [Vec<Value>; 5]> = BTreeMap::new();
    for (column, row) in columns.iter().enumerate() {
        for core in &row.cores {
            let lists = cores
                .entry((core.node, core.core))
                .or_insert_with(|| std::array::from_fn(|_| vec![Value::Null; axis.len()]));
            let share = |sum: f32| {
                let mean = f64::from(sum) / f64::from(core.rows.max(1));
                json!((mean * 1e4).round() / 1e4)
            };
            lists[0][column] = share(core.busy);
            lists[1][column] = share(core.waited);
            lists[2][column] = core.lag_max_us.into();
            lists[3][column] = core.turn_max_us.into();
            lists[4][column] = core.limited.into();
        }
    }
    let cores = cores.into_iter().map(|((node, core), lists)| {
        let [busy, waited, lag, turn, limited] = lists;
        json!({
            "node": node, "core": core, "busy": busy, "waited": waited,
            "lag_max_us": lag, "turn_max_us": turn, "limited": limited,
        })
    });
    map.insert("cores".to_owned(), Value::Array(cores.collect()));
}
