//! The JSON API, documented in docs/api.md.

mod annotations;
mod edit;
pub(crate) mod params;

use self::params::RunParams;
use crate::access::{Guarded, Role, Visitor};
use crate::query::{self, Axis};
use crate::store::{Filter, RunView};
use crate::{ApiError, App};
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// Default number of runs in one response.
const RUNS: u32 = 50;
/// Maximum number of runs in one response.
const RUNS_MAX: u32 = 500;

/// A JSON response.
type Answer = Result<Json<Value>, ApiError>;

/// The routes of the API.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/api/v1/runs", runs)
        .guarded(Method::GET, "/api/v1/projects", projects)
        .guarded(Method::GET, "/api/v1/projects/{p}/trend", trend)
        .guarded(Method::PUT, "/api/v1/projects/{p}/baseline", edit::baseline)
        .guarded(
            Method::PUT,
            "/api/v1/projects/{p}/retention",
            edit::retention,
        )
        .guarded(Method::GET, "/api/v1/runs/{id}", run)
        .guarded(Method::PATCH, "/api/v1/runs/{id}", edit::run)
        .guarded(Method::DELETE, "/api/v1/runs/{id}", edit::remove)
        .guarded(
            Method::GET,
            "/api/v1/runs/{id}/annotations",
            annotations::list,
        )
        .guarded(
            Method::POST,
            "/api/v1/runs/{id}/annotations",
            annotations::add,
        )
        .guarded(
            Method::PUT,
            "/api/v1/runs/{id}/annotations/{annotation}",
            annotations::edit,
        )
        .guarded(
            Method::DELETE,
            "/api/v1/runs/{id}/annotations/{annotation}",
            annotations::remove,
        )
        .guarded(
            Method::GET,
            "/api/v1/runs/{id}/comments",
            annotations::comments,
        )
        .guarded(Method::GET, "/api/v1/runs/{id}/series", series)
        .guarded(Method::GET, "/api/v1/runs/{id}/rows", rows)
        .guarded(Method::GET, "/api/v1/runs/{id}/names", names)
        .guarded(Method::GET, "/api/v1/runs/{id}/window", window)
        .guarded(Method::GET, "/api/v1/runs/{id}/distribution", distribution)
        .guarded(Method::GET, "/api/v1/runs/{id}/heatmap", heatmap)
        .guarded(Method::GET, "/api/v1/runs/{id}/failures", failures)
        .guarded(Method::GET, "/api/v1/runs/{id}/events", events)
        .guarded(Method::GET, "/api/v1/runs/{id}/checks", checks)
}

async fn runs(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Query(params): Query<params::ListParams>,
) -> Answer {
    let limit = params.limit.unwrap_or(RUNS).min(RUNS_MAX);
    let filter = params.filter(limit)?;
    cards(app, filter, visitor).await
}

async fn trend(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(project): Path<String>,
) -> Answer {
    let (store, asked) = (Arc::clone(&app.store), project.clone());
    let projects = app.blocking(move || store.projects()).await?;
    if projects.iter().all(|known| known.name != asked) {
        return Err(ApiError::not_found("no such project"));
    }
    let filter = Filter {
        project: Some(project),
        limit: RUNS_MAX,
        ..Filter::default()
    };
    cards(app, filter, visitor).await
}

/// The runs that match, in projects the visitor may see.
async fn cards(app: App, mut filter: Filter, visitor: Visitor) -> Answer {
    let store = Arc::clone(&app.store);
    let found = app.blocking(move || {
        let projects = store.projects()?.into_iter().map(|project| project.name);
        filter.projects = Some(projects.filter(|p| visitor.role(p).is_some()).collect());
        let mut cards = Vec::new();
        for record in store.runs(&filter)? {
            let problem = store.problem(&record.id);
            let view = if record.is_current() || problem.is_some() {
                None
            } else {
                // a run that cannot be read is listed without figures
                store.view(&record.id).unwrap_or_default()
            };
            let mut card = query::card(&record, view.as_deref())?;
            if let Some(problem) = problem {
                card["state"] = problem.state().into();
                card["problem"] = problem.to_string().into();
            }
            cards.push(card);
        }
        Ok(cards)
    });
    Ok(Json(json!({ "runs": found.await? })))
}

async fn projects(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Answer {
    let store = Arc::clone(&app.store);
    let projects = app.blocking(move || store.projects()).await?;
    let seen = projects
        .into_iter()
        .filter(|p| visitor.role(&p.name).is_some());
    let rows = seen.map(|project| {
        json!({
            "name": project.name, "runs": project.runs, "baseline": project.baseline,
            "retention": { "days": project.keep_days, "runs": project.keep_runs },
        })
    });
    Ok(Json(json!({ "projects": rows.collect::<Vec<Value>>() })))
}

async fn run(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(visitor): Extension<Visitor>,
    Query(params): Query<RunParams>,
) -> Answer {
    let of = params.of()?;
    let store = Arc::clone(&app.store);
    let rendezvous = app.rendezvous.clone();
    let found = app.blocking(move || {
        // the record before the data, so that a finished run is shown with all its data
        let Some(record) = store.run(&id)? else {
            return Ok(None);
        };
        let Some(view) = store.view(&id)? else {
            return Ok(None);
        };
        let mut run = query::detail(&record, view.as_ref(), of)?;
        rendezvous.describe(&id, &mut run["nodes"]);
        if !visitor.sees_script(&record.id, &record.project) {
            query::hide_script(&mut run);
        }
        if visitor.may(Role::Guest, &record.project) {
            run["comment_versions"] = store.comments(&id)?.len().into();
        }
        Ok(Some(run))
    });
    Ok(Json(found.await?.ok_or_else(no_such_run)?))
}

fn no_such_run() -> ApiError {
    ApiError::not_found("no such run")
}

/// Responds from the data of a run, off the async threads.
async fn answer(
    app: App,
    id: String,
    work: impl FnOnce(&dyn RunView) -> Result<Value, ApiError> + Send + 'static,
) -> Answer {
    let store = Arc::clone(&app.store);
    let found = app.blocking(move || {
        let view = store.view(&id)?;
        Ok(view.map(|view| work(view.as_ref())))
    });
    found.await?.ok_or_else(no_such_run)?.map(Json)
}

async fn series(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    answer(app, id, move |view| {
        let axis = Axis::new(
            view,
            params.from(),
            params.to(),
            params.points.unwrap_or(600),
        );
        Ok(query::series(view, axis, params.name(view)?, params.of()?)?)
    })
    .await
}

async fn rows(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    let (store, asked) = (Arc::clone(&app.store), id.clone());
    let record = app.blocking(move || store.run(&asked)).await?;
    let record = record.ok_or_else(no_such_run)?;
    answer(app, id, move |view| {
        let points = params.points.unwrap_or(600);
        let axis = Axis::new(view, params.from(), params.to(), points);
        let (name, of) = (params.name(view)?, params.of()?);
        Ok(query::rows(&record, view, axis, name, of)?)
    })
    .await
}

async fn heatmap(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    answer(app, id, move |view| {
        let axis = Axis::new(
            view,
            params.from(),
            params.to(),
            params.columns.unwrap_or(200),
        );
        Ok(query::heatmap(
            view,
            axis,
            params.name(view)?,
            params.of()?,
        )?)
    })
    .await
}

async fn names(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    answer(app, id, move |view| {
        let (from, to) = params.window(view)?;
        Ok(query::names(view, from, to, params.of()?)?)
    })
    .await
}

async fn window(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    answer(app, id, move |view| {
        let (from, to) = params.window(view)?;
        Ok(query::span(view, from, to, params.of()?)?)
    })
    .await
}

async fn distribution(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    answer(app, id, move |view| {
        let (from, to) = params.window(view)?;
        let name = params.name(view)?;
        let of = (params.phase()?, params.of()?);
        Ok(query::distribution(view, from, to, name, of)?)
    })
    .await
}

async fn failures(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    answer(app, id, move |view| {
        let (from, to) = params.window(view)?;
        Ok(query::failures(view, from, to)?)
    })
    .await
}

async fn checks(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(params): Query<RunParams>,
) -> Answer {
    answer(app, id, move |view| {
        let (from, to) = params.window(view)?;
        let checks = query::checks(view, from, to)?;
        Ok(json!({ "checks": checks }))
    })
    .await
}

async fn events(State(app): State<App>, Path(id): Path<String>) -> Answer {
    answer(app, id, |view| Ok(query::events(view)?)).await
}
