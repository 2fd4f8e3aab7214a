//! Runs as files of other formats, and /metrics.

mod hlog;
pub(crate) mod metrics;
mod pool;
mod report;
mod series;

pub(crate) use pool::ExportPool;

use crate::access::{EVERY_PROJECT, Guarded, Role, Visitor};
use crate::api::params::{UNKNOWN_OUTCOME, with_warmup};
use crate::pages::offline::{self, Saved};
use crate::query::{Axis, Rest, keys};
use crate::store::{Filter, MINUTE_S, RunRecord, RunView, State as RunState, Store, Wanted};
use crate::{ApiError, App, Error, compare, query};
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use series::SeriesReader;
use stats::{Of, Phase, RunReport};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// Runs compared at once.
const RUNS_MAX: usize = 6;
/// Lines of an interval log; a longer run has longer intervals.
const LINES_MAX: u64 = 36_000;

/// Steps of time in a page that needs no server: whole seconds of the first hour.
const PAGE_POINTS: u64 = 3_600;
/// Columns of its heat map.
const PAGE_COLUMNS: u64 = 200;
/// Live runs of which metrics are told.
const LIVE_MAX: u32 = 1_000;

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/api/v1/runs/{id}/export/{format}", export)
        .guarded(Method::GET, "/api/v1/compare", compared)
        .guarded(Method::GET, "/metrics", live)
}

/// A format a run can be had in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The JSON result.
    Json,
    /// The series as CSV.
    Csv,
    /// Latencies as an HdrHistogram interval log.
    Hlog,
    /// Thresholds and checks as JUnit XML.
    Junit,
    /// One page that needs no server.
    Html,
}

impl Format {
    /// By the last part of the route.
    pub fn of(name: &str) -> Option<Format> {
        Some(match name {
            "json" => Format::Json,
            "csv" => Format::Csv,
            "hlog" => Format::Hlog,
            "junit" => Format::Junit,
            "html" => Format::Html,
            _ => return None,
        })
    }

    /// Media type and the end of a file's name.
    fn shape(self) -> (&'static str, &'static str) {
        match self {
            Format::Json => ("application/json", "json"),
            Format::Csv => ("text/csv; charset=utf-8", "csv"),
            Format::Hlog => ("text/plain; charset=utf-8", "hlog"),
            Format::Junit => ("application/xml; charset=utf-8", "xml"),
            Format::Html => ("text/html; charset=utf-8", "html"),
        }
    }
}

/// The report of a kept run.
///
/// # Errors
/// When the store fails.
pub fn report(run: &RunRecord, view: &dyn RunView) -> Result<RunReport, Error> {
    report::of(run, view)
}

/// What of a run an export has beyond its figures.
#[derive(Debug, Clone, Copy)]
pub struct ExportOptions {
    /// The warm-up, in CSV and the interval log; in JSON it is in the series, and marked there.
    pub warmup: bool,
    /// Profile and script, in the page.
    pub script: bool,
}

/// Writes a run as a file, as it is read.
///
/// # Errors
/// When the store fails; [`Error::Write`] when `out` does.
pub fn write(
    format: Format,
    options: ExportOptions,
    run: &RunRecord,
    view: &dyn RunView,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match format {
        Format::Json => report::write_json(run, view, out),
        Format::Csv => {
            let mut cores = series::cores(view)?;
            cores.extend(report::cores(run, view)?);
            RunReport::write_csv(out, cores, options.warmup, SeriesReader::of(view)?)
        }
        Format::Junit => {
            let report = report::without_latencies(run, view)?;
            Ok(out.write_all(report.to_junit().as_bytes())?)
        }
        Format::Hlog => log(options.warmup, run, view, out),
        Format::Html => offline::write(out, &run.name, || saved(run, view, options.script)),
    }
}

/// What the page of a run shows.
fn saved(run: &RunRecord, view: &dyn RunView, with_script: bool) -> Result<Saved, Error> {
    let axis = |points| Axis::new(view, 0, u64::MAX, points);
    let from = query::warmup_s(view)?;
    let distribution = |of| query::distribution(view, from, u64::MAX, 0, (Phase::Latency, of));
    // what else there is of a latency of other requests than those that ended ok
    let other = |of| {
        let columns = query::latency_columns(view, axis(PAGE_POINTS), of)?;
        Ok::<_, Error>(json!({
            "series": { "of": of.as_str(), "latency": columns },
            "distribution": distribution(of)?,
            "heatmap": query::heatmap(view, axis(PAGE_COLUMNS), 0, of)?,
        }))
    };
    let mut detail = query::detail(run, view, Of::Ok)?;
    if !with_script {
        query::hide_script(&mut detail);
    }
    Ok(Saved {
        run: detail,
        series: query::series(view, axis(PAGE_POINTS), 0, Of::Ok)?,
        names: query::names(view, from, u64::MAX, Of::Ok)?,
        distribution: distribution(Of::Ok)?,
        heatmap: query::heatmap(view, axis(PAGE_COLUMNS), 0, Of::Ok)?,
        failed: other(Of::Failed)?,
        all: other(Of::All)?,
        failures: query::failures(view, from, u64::MAX)?,
        checks: json!({ "checks": query::checks(view, from, u64::MAX)? }),
        events: query::events(view)?,
    })
}

/// The latencies, interval by interval: of requests that ended ok, and under a tag of the failed.
/// An interval without a value has no line.
fn log(
    with_warmup: bool,
    run: &RunRecord,
    view: &dyn RunView,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let first_s = match with_warmup {
        true => 0,
        false => query::warmup_s(view)?,
    };
    let level = match view.length_s() <= LINES_MAX {
        true => 1,
        false => 10,
    };
    out.write_all(hlog::head(&run.name, run.started_us).as_bytes())?;
    for minute in view.minutes().range(first_s / MINUTE_S..) {
        let (from, to) = (minute * MINUTE_S, (minute + 1) * MINUTE_S);
        // the interval in which the warm-up ends is told by the second
        let (from, level) = match from < first_s {
            true => (first_s, 1),
            false => (from, level),
        };
        let mut lines: BTreeMap<(u64, usize), String> = BTreeMap::new();
        for (place, of) in [Of::Ok, Of::Failed].into_iter().enumerate() {
            let keys = keys(of, 0, Phase::Latency);
            let mut intervals: BTreeMap<u64, (u64, Rest)> = BTreeMap::new();
            let wanted = Wanted::Keys(Rest::wanted(keys));
            view.read(from, to, level, &wanted, &mut |row| {
                let (span_s, rest) = intervals.entry(row.time_s).or_default();
                *span_s = row.span_s.max(*span_s);
                rest.add(row.key != keys.0, row.content)
            })?;
            // what a run that ended reads beyond its window belongs to the next
            for (time_s, (span_s, rest)) in intervals.into_iter().filter(|(time_s, _)| *time_s < to)
            {
                if let Some(histogram) = rest.finish() {
                    let line = hlog::line(of, time_s, span_s, &histogram);
                    lines.insert((time_s, place), line);
                }
            }
        }
        for line in lines.into_values() {
            out.write_all(line.as_bytes())?;
        }
    }
    Ok(())
}

/// A run and its data.
type Opened = (RunRecord, Box<dyn RunView>);

/// A run and its data; the record after the data: a run that ends meanwhile is told with its end.
fn opened(store: &dyn Store, id: &str) -> Result<Option<Opened>, Error> {
    let Some(view) = store.view(id)? else {
        return Ok(None);
    };
    Ok(store.run(id)?.map(|run| (run, view)))
}

fn no_such_run() -> ApiError {
    ApiError::not_found("there is no such run")
}

#[derive(Deserialize)]
struct ExportParams {
    warmup: Option<String>,
}

async fn export(
    State(app): State<App>,
    Path((id, format)): Path<(String, String)>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<ExportParams>,
) -> Result<Response, ApiError> {
    let warmup = with_warmup(asked.warmup.as_deref())?;
    let found = Format::of(&format).ok_or_else(|| {
        ApiError::not_found("no such format: there are json, csv, hlog, junit and html")
    })?;
    let (kind, end) = found.shape();
    // an id is of letters, digits and dashes only, or there is no such run
    let name = format!("attachment; filename=\"mistress-{id}.{end}\"");
    let store = Arc::clone(&app.store);
    let body = app.exports.body(move |out| {
        let (run, view) = opened(&*store, &id)?.ok_or_else(no_such_run)?;
        let script = visitor.sees_script(&run.id, &run.project);
        let options = ExportOptions { warmup, script };
        Ok(write(found, options, &run, &*view, out)?)
    });
    Ok((
        [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, name)],
        body.await?,
    )
        .into_response())
}

#[derive(Deserialize)]
struct Runs {
    runs: String,
    of: Option<String>,
}

/// Runs beside each other, with what is beyond noise.
async fn compared(
    State(app): State<App>,
    Query(asked): Query<Runs>,
) -> Result<Json<Value>, ApiError> {
    let ids: Vec<String> = asked.runs.split(',').map(str::to_owned).collect();
    if ids.len() < 2 || ids.len() > RUNS_MAX {
        return Err(ApiError::bad_request(
            "runs: two to six ids, with commas between them",
        ));
    }
    let asked = asked.of.as_deref().filter(|of| !of.is_empty());
    let of = asked.map_or(Some(Of::Ok), Of::named);
    let of = of.ok_or_else(|| ApiError::bad_request(UNKNOWN_OUTCOME))?;
    let mut blocks = Vec::new();
    for id in &ids {
        let (store, id) = (Arc::clone(&app.store), id.clone());
        let found = app.blocking(move || {
            let opened = opened(&*store, &id)?;
            opened
                .map(|(_, view)| compare::blocks(&*view, of))
                .transpose()
        });
        blocks.push(found.await?.ok_or_else(no_such_run)?);
    }
    let metrics = app.blocking(move || Ok(compare::compare(&blocks))).await?;
    Ok(Json(
        json!({ "runs": ids, "of": of.as_str(), "metrics": metrics }),
    ))
}

/// The runs that go on and that the visitor may see.
async fn live(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let (store, owned) = (Arc::clone(&app.store), app.clone());
    let text = app.blocking(move || {
        let filter = Filter {
            state: Some(RunState::Live),
            limit: LIVE_MAX,
            ..Filter::default()
        };
        let mut cards = Vec::new();
        for run in store.runs(&filter)? {
            if visitor.role(&run.project).is_none() {
                continue;
            }
            if let Some(view) = store.view(&run.id)? {
                cards.push(query::card(&run, Some(&*view))?);
            }
        }
        let mut text = metrics::of(&cards);
        if visitor.may(Role::Guest, EVERY_PROJECT) {
            text += &crate::metrics::text(&owned);
        }
        Ok(text)
    });
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text.await?).into_response())
}
