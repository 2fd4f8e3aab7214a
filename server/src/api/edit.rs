//! Changes: comments, tags, pins, baselines, retention, deletion.

use super::{Answer, no_such_run};
use crate::body::Body;
use crate::store::{Edit, Store};
use crate::{ApiError, App, Error};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// Maximum length of a comment, in characters.
const COMMENT_MAX: usize = 10_000;
/// Maximum number of tags of a run.
const TAGS_MAX: usize = 32;
/// Maximum length of a tag, in characters.
const TAG_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    comment: Option<String>,
    tags: Option<Vec<String>>,
    pinned: Option<bool>,
    #[serde(default)]
    reopen: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    run: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retention {
    days: Option<u32>,
    runs: Option<u32>,
}

/// Applies a change; responds with `otherwise` if there is nothing to change.
async fn change(
    app: App,
    work: impl FnOnce(&dyn Store) -> Result<bool, Error> + Send + 'static,
    otherwise: impl FnOnce() -> ApiError,
) -> Answer {
    let store = Arc::clone(&app.store);
    if app.blocking(move || work(store.as_ref())).await? {
        Ok(Json(json!({})))
    } else {
        Err(otherwise())
    }
}

pub(super) async fn run(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(run): Body<Run>,
) -> Answer {
    if run
        .comment
        .as_ref()
        .is_some_and(|text| text.chars().count() > COMMENT_MAX)
    {
        return Err(ApiError::bad_request(format!(
            "comment: at most {COMMENT_MAX} characters"
        )));
    }
    let tags = run.tags.map(|tags| {
        let tags = tags.iter().map(|tag| tag.trim().to_owned());
        tags.filter(|tag| !tag.is_empty()).collect::<Vec<_>>()
    });
    let listed = tags.as_deref().unwrap_or_default();
    if listed.len() > TAGS_MAX || listed.iter().any(|tag| tag.chars().count() > TAG_MAX) {
        return Err(ApiError::bad_request(format!(
            "tags: at most {TAGS_MAX} of {TAG_MAX} characters each"
        )));
    }
    let edit = Edit {
        comment: run.comment,
        tags,
        pinned: run.pinned,
        reopen: run.reopen,
    };
    change(app, move |store| store.edit(&id, &edit), no_such_run).await
}

pub(super) async fn remove(State(app): State<App>, Path(id): Path<String>) -> Answer {
    change(app, move |store| store.remove(&id), no_such_run).await
}

pub(super) async fn baseline(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(baseline): Body<Baseline>,
) -> Answer {
    let work = move |store: &dyn Store| store.set_baseline(&project, baseline.run.as_deref());
    change(app, work, || {
        ApiError::not_found("the project has no such run")
    })
    .await
}

pub(super) async fn retention(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(keep): Body<Retention>,
) -> Answer {
    let work = move |store: &dyn Store| store.set_retention(&project, keep.days, keep.runs);
    change(app, work, || ApiError::not_found("no such project")).await
}
