//! The JSON API, documented in docs/api.md.

pub(crate) mod ask;
mod edit;

use self::ask::Ask;
use crate::access::{Guarded, Visitor};
use crate::query::{self, Axis};
use crate::store::{Filter, RunView};
use crate::{App, Refusal};
use axum::extract::{Path, Query, State};
use axum::http::Method;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

/// Runs of one answer, unless more or fewer are asked for.
const RUNS: u32 = 50;
/// The most runs of one answer.
const RUNS_MAX: u32 = 500;

/// A JSON answer.
type Answer = Result<Json<Value>, Refusal>;

/// The routes of this part.
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
        .guarded(Method::GET, "/api/v1/runs/{id}/series", series)
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
    Query(asked): Query<ask::Runs>,
) -> Answer {
    let limit = asked.limit.unwrap_or(RUNS).min(RUNS_MAX);
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let filter = Filter {
        project: filled(asked.project),
        state: None,
        verdict: filled(asked.verdict),
        tag: filled(asked.tag),
        projects: None,
        text: filled(asked.q),
        before_us: asked.before,
        limit,
    };
    cards(app, filter, visitor).await
}

async fn trend(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(project): Path<String>,
) -> Answer {
    let filter = Filter {
        project: Some(project),
        limit: RUNS_MAX,
        ..Filter::default()
    };
    cards(app, filter, visitor).await
}

/// The runs that fit, as far as the visitor may see their projects.
async fn cards(app: App, mut filter: Filter, visitor: Visitor) -> Answer {
    let store = Arc::clone(&app.store);
    let found = app.blocking(move || {
        let projects = store.projects()?.into_iter().map(|project| project.name);
        filter.projects = Some(projects.filter(|p| visitor.role(p).is_some()).collect());
        let mut cards = Vec::new();
        for record in store.runs(&filter)? {
            let view = if record.is_current() {
                None
            } else {
                // one that cannot be read is listed without figures
                store.view(&record.id).unwrap_or_default()
            };
            cards.push(query::card(&record, view.as_deref())?);
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

async fn run(State(app): State<App>, Path(id): Path<String>, Query(ask): Query<Ask>) -> Answer {
    let of = ask.of()?;
    let store = Arc::clone(&app.store);
    let found = app.blocking(move || {
        // the record before the data: a run that is over is shown with all that it has
        let Some(record) = store.run(&id)? else {
            return Ok(None);
        };
        let Some(view) = store.view(&id)? else {
            return Ok(None);
        };
        query::detail(&record, view.as_ref(), of).map(Some)
    });
    Ok(Json(found.await?.ok_or_else(absent)?))
}

fn absent() -> Refusal {
    Refusal::absent("there is no such run")
}

/// Answers from the data of a run, off the threads that serve.
async fn answer(
    app: App,
    id: String,
    work: impl FnOnce(&dyn RunView) -> Result<Value, Refusal> + Send + 'static,
) -> Answer {
    let store = Arc::clone(&app.store);
    let found = app.blocking(move || {
        let view = store.view(&id)?;
        Ok(view.map(|view| work(view.as_ref())))
    });
    found.await?.ok_or_else(absent)?.map(Json)
}

async fn series(State(app): State<App>, Path(id): Path<String>, Query(ask): Query<Ask>) -> Answer {
    answer(app, id, move |view| {
        let axis = Axis::new(view, ask.from(), ask.to(), ask.points.unwrap_or(600));
        Ok(query::series(view, axis, ask.name(view)?, ask.of()?)?)
    })
    .await
}

async fn heatmap(State(app): State<App>, Path(id): Path<String>, Query(ask): Query<Ask>) -> Answer {
    answer(app, id, move |view| {
        let axis = Axis::new(view, ask.from(), ask.to(), ask.columns.unwrap_or(200));
        Ok(query::heatmap(view, axis, ask.name(view)?, ask.of()?)?)
    })
    .await
}

async fn names(State(app): State<App>, Path(id): Path<String>, Query(ask): Query<Ask>) -> Answer {
    answer(app, id, move |view| {
        Ok(query::names(view, ask.from(), ask.to(), ask.of()?)?)
    })
    .await
}

async fn window(State(app): State<App>, Path(id): Path<String>, Query(ask): Query<Ask>) -> Answer {
    answer(app, id, move |view| {
        Ok(query::span(view, ask.from(), ask.to(), ask.of()?)?)
    })
    .await
}

async fn distribution(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ask): Query<Ask>,
) -> Answer {
    answer(app, id, move |view| {
        let name = ask.name(view)?;
        Ok(query::distribution(
            view,
            ask.from(),
            ask.to(),
            name,
            (ask.phase()?, ask.of()?),
        )?)
    })
    .await
}

async fn failures(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(ask): Query<Ask>,
) -> Answer {
    answer(app, id, move |view| {
        Ok(query::failures(view, ask.from(), ask.to())?)
    })
    .await
}

async fn checks(State(app): State<App>, Path(id): Path<String>, Query(ask): Query<Ask>) -> Answer {
    answer(app, id, move |view| {
        let checks = query::checks(view, ask.from(), ask.to())?;
        Ok(json!({ "checks": checks }))
    })
    .await
}

async fn events(State(app): State<App>, Path(id): Path<String>) -> Answer {
    answer(app, id, |view| Ok(query::events(view)?)).await
}
