//! Runs as files of other formats, and /metrics.

mod csv;
mod hlog;
mod junit;
mod metrics;

use crate::access::{Guarded, Visitor};
use crate::pages::offline::{self, Saved};
use crate::query::Axis;
use crate::store::{
    Filter, RunRecord, RunView, State as RunState, Wanted, add_histogram, phase_key,
};
use crate::{App, Error, Refusal, compare, query};
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use stats::{Histogram, Phase};
use std::collections::BTreeMap;
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
    /// Everything as JSON: the run, its names, its series.
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

/// A run as a file.
///
/// # Errors
/// When the store fails.
pub fn render(format: Format, run: &RunRecord, view: &dyn RunView) -> Result<String, Error> {
    match format {
        Format::Json => Ok(whole(run, view)?.to_string()),
        Format::Csv => Ok(csv::of(&query::all_seconds(view)?)),
        Format::Hlog => log(run, view),
        Format::Junit => {
            let checks = query::summary(view)?;
            let checks = checks["checks"].as_array().cloned().unwrap_or_default();
            Ok(junit::of(&query::detail(run, view)?, &checks))
        }
        Format::Html => page(run, view),
    }
}

/// The description of a run, its names and its series, as the JSON API has them.
fn whole(run: &RunRecord, view: &dyn RunView) -> Result<Value, Error> {
    Ok(json!({
        "run": query::detail(run, view)?,
        "names": query::names(view, 0, u64::MAX)?["names"],
        "series": query::all_seconds(view)?,
        "events": query::events(view)?["events"],
    }))
}

/// The page of a run with all it shows.
fn page(run: &RunRecord, view: &dyn RunView) -> Result<String, Error> {
    let axis = |points| Axis::new(view, 0, u64::MAX, points);
    let saved = Saved {
        run: query::detail(run, view)?,
        series: query::series(view, axis(PAGE_POINTS), 0)?,
        names: query::names(view, 0, u64::MAX)?,
        distribution: query::distribution(view, 0, u64::MAX, 0, Phase::Latency)?,
        heatmap: query::heatmap(view, axis(PAGE_COLUMNS), 0)?,
        failures: query::failures(view, 0, u64::MAX)?,
        checks: query::checks(view, 0, u64::MAX)?,
        events: query::events(view)?,
    };
    offline::page(&saved).map_err(|refusal| Error::Format(refusal.message))
}

/// The latencies of all requests, interval by interval.
fn log(run: &RunRecord, view: &dyn RunView) -> Result<String, Error> {
    let length = view.length_s();
    let level = if length <= LINES_MAX { 1 } else { 10 };
    let mut intervals: BTreeMap<u64, (u64, Histogram)> = BTreeMap::new();
    let wanted = Wanted::Keys(vec![phase_key(0, Phase::Latency)]);
    view.read(0, length, level, &wanted, &mut |row| {
        let (span_s, histogram) = intervals.entry(row.time_s).or_default();
        *span_s = row.span_s.max(*span_s);
        add_histogram(histogram, row.content)
    })?;
    let mut log = hlog::head(&run.name, run.started_us);
    for (time_s, (span_s, histogram)) in &intervals {
        hlog::line(&mut log, *time_s, *span_s, histogram);
    }
    Ok(log)
}

/// What `work` makes of a run, off the threads that serve.
async fn of_run<T: Send + 'static>(
    app: &App,
    id: String,
    work: impl FnOnce(&RunRecord, &dyn RunView) -> Result<T, Error> + Send + 'static,
) -> Result<T, Refusal> {
    let store = Arc::clone(&app.store);
    let found = app.blocking(move || {
        let Some(view) = store.view(&id)? else {
            return Ok(None);
        };
        // the record after the data: a run that ends meanwhile is told with its end
        let run = store.run(&id)?;
        run.map(|run| work(&run, view.as_ref())).transpose()
    });
    found
        .await?
        .ok_or_else(|| Refusal::absent("there is no such run"))
}

async fn export(
    State(app): State<App>,
    Path((id, format)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let found = Format::of(&format).ok_or_else(|| {
        Refusal::absent("no such format: there are json, csv, hlog, junit and html")
    })?;
    let (kind, end) = found.shape();
    // an id is of letters, digits and dashes only, or there is no such run
    let name = format!("attachment; filename=\"mistress-{id}.{end}\"");
    let text = of_run(&app, id, move |run, view| render(found, run, view)).await?;
    Ok((
        [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, name)],
        text,
    )
        .into_response())
}

#[derive(Deserialize)]
struct Runs {
    runs: String,
}

/// Runs beside each other, with what is beyond noise.
async fn compared(
    State(app): State<App>,
    Query(asked): Query<Runs>,
) -> Result<Json<Value>, Refusal> {
    let ids: Vec<String> = asked.runs.split(',').map(str::to_owned).collect();
    if ids.len() < 2 || ids.len() > RUNS_MAX {
        return Err(Refusal::bad(
            "runs: two to six ids, with commas between them",
        ));
    }
    let mut blocks = Vec::new();
    for id in &ids {
        blocks.push(of_run(&app, id.clone(), |_, view| compare::blocks(view)).await?);
    }
    let metrics = app.blocking(move || Ok(compare::compare(&blocks))).await?;
    Ok(Json(json!({ "runs": ids, "metrics": metrics })))
}

/// The runs that go on and that the visitor may see.
async fn live(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Refusal> {
    let store = Arc::clone(&app.store);
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
        Ok(metrics::of(&cards))
    });
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text.await?).into_response())
}
