//! Annotations on the axis of a run, and the versions of its comment.

use super::{Answer, no_such_run};
use crate::access::{Role, Visitor};
use crate::body::Body;
use crate::store::{RunRecord, State as RunState};
use crate::{ApiError, App};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use stats::report::Annotation;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Maximum length of a text, in characters.
const TEXT_MAX: usize = 500;
/// Maximum length of a kind, in characters.
const KIND_MAX: usize = 32;
/// The kind of those that name none.
const KIND: &str = "note";
/// Latest second: no run is longer than a month.
const AT_MAX_S: f64 = 31.0 * 86_400.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    at_s: Option<f64>,
    until_s: Option<f64>,
    kind: Option<String>,
    text: String,
}

impl Wanted {
    /// The annotation that is asked for; a live run has a present moment, for those that name none.
    fn checked(self, run: &RunRecord, now_us: i64) -> Result<Annotation, ApiError> {
        let text = self.text.trim().to_owned();
        if text.is_empty() || text.chars().count() > TEXT_MAX {
            let text = format!("text: from 1 to {TEXT_MAX} characters");
            return Err(ApiError::bad_request(text));
        }
        let kind = self.kind.unwrap_or_else(|| KIND.to_owned());
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=KIND_MAX).contains(&kind.len()) || !kind.chars().all(is_word) {
            return Err(ApiError::bad_request(format!(
                "kind: one word of at most {KIND_MAX} small letters, digits and dashes"
            )));
        }
        let now_s = (now_us - run.arrived_us as i64) as f64 / 1e6;
        let now_s = (run.state == RunState::Live).then_some(now_s.max(0.0).floor());
        let at_s = self.at_s.or(now_s).ok_or_else(|| {
            let text = "at_s: required, since the run has ended; seconds from its start";
            ApiError::new(StatusCode::CONFLICT, text)
        })?;
        let until_s = self.until_s.unwrap_or(at_s);
        if ![at_s, until_s].iter().all(|s| (0.0..=AT_MAX_S).contains(s)) {
            return Err(ApiError::bad_request(format!(
                "at_s, until_s: from 0 to {AT_MAX_S}, seconds from the start of the run"
            )));
        }
        let (from, to) = (at_s.min(until_s), at_s.max(until_s));
        Ok(Annotation {
            at_s: from,
            until_s: (to > from).then_some(to),
            kind,
            text,
            ..Annotation::default()
        })
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

/// An annotation as the API tells it: also by the calendar, in milliseconds since 1970.
pub(super) fn shown(annotation: &Annotation, run: &RunRecord) -> Value {
    let ms = |s: f64| (run.started_us as f64 / 1e3 + s * 1e3).floor() as i64;
    let mut shown = json!(annotation);
    shown["at_ms"] = ms(annotation.at_s).into();
    shown["until_ms"] = json!(annotation.until_s.map(ms));
    shown
}

pub(super) async fn list(State(app): State<App>, Path(id): Path<String>) -> Answer {
    let run = record(&app, id).await?;
    let rows = run.annotations.iter().map(|one| shown(one, &run));
    Ok(Json(json!({ "annotations": rows.collect::<Vec<Value>>() })))
}

async fn record(app: &App, id: String) -> Result<RunRecord, ApiError> {
    let store = Arc::clone(&app.store);
    let found = app.blocking(move || store.run(&id)).await?;
    found.ok_or_else(no_such_run)
}

pub(super) async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(visitor): Extension<Visitor>,
    Body(wanted): Body<Wanted>,
) -> Answer {
    let run = record(&app, id).await?;
    let now_us = now_us();
    let mut annotation = wanted.checked(&run, now_us)?;
    annotation.author = visitor.name();
    annotation.created_us = now_us;
    let (store, id, new) = (Arc::clone(&app.store), run.id.clone(), annotation.clone());
    let added = app
        .blocking(move || store.add_annotation(&id, &new))
        .await?;
    annotation.id = added.ok_or_else(no_such_run)?;
    Ok(Json(shown(&annotation, &run)))
}

pub(super) async fn edit(
    State(app): State<App>,
    Path((id, annotation)): Path<(String, i64)>,
    Extension(visitor): Extension<Visitor>,
    Body(wanted): Body<Wanted>,
) -> Answer {
    let run = record(&app, id).await?;
    let present = own(&run, annotation, &visitor)?;
    let now_us = now_us();
    let changed = Annotation {
        id: present.id,
        author: present.author.clone(),
        created_us: present.created_us,
        edited_us: Some(now_us),
        ..wanted.checked(&run, now_us)?
    };
    let (store, id, new) = (Arc::clone(&app.store), run.id.clone(), changed.clone());
    let is_done = app.blocking(move || store.put_annotation(&id, &new));
    is_done
        .await?
        .then_some(())
        .ok_or_else(no_such_annotation)?;
    Ok(Json(shown(&changed, &run)))
}

pub(super) async fn remove(
    State(app): State<App>,
    Path((id, annotation)): Path<(String, i64)>,
    Extension(visitor): Extension<Visitor>,
) -> Answer {
    let run = record(&app, id).await?;
    own(&run, annotation, &visitor)?;
    let store = Arc::clone(&app.store);
    let is_done = app.blocking(move || store.remove_annotation(&run.id, annotation));
    is_done
        .await?
        .then_some(())
        .ok_or_else(no_such_annotation)?;
    Ok(Json(json!({})))
}

fn no_such_annotation() -> ApiError {
    ApiError::not_found("no such annotation")
}

/// An annotation that the visitor may change: a manager any, others their own.
fn own<'a>(run: &'a RunRecord, id: i64, visitor: &Visitor) -> Result<&'a Annotation, ApiError> {
    let mut annotations = run.annotations.iter();
    let found = annotations.find(|one| one.id == id);
    let found = found.ok_or_else(no_such_annotation)?;
    if visitor.may(Role::Manager, &run.project) || found.author == visitor.name() {
        return Ok(found);
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "only its author and managers of the project change an annotation",
    ))
}

/// The versions of the comment, newest first; not for visitors by a share link, who see what is
/// said now.
pub(super) async fn comments(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(visitor): Extension<Visitor>,
) -> Answer {
    let run = record(&app, id).await?;
    if !visitor.may(Role::Guest, &run.project) {
        let text = format!("{} is not allowed to do this", visitor.name());
        return Err(ApiError::new(StatusCode::FORBIDDEN, text));
    }
    let store = Arc::clone(&app.store);
    let versions = app.blocking(move || store.comments(&run.id)).await?;
    let rows = versions.iter().map(|version| {
        json!({
            "at_us": (version.at_us > 0).then_some(version.at_us),
            "author": Some(&version.author).filter(|author| !author.is_empty()),
            "text": version.text,
        })
    });
    Ok(Json(json!({ "comments": rows.collect::<Vec<Value>>() })))
}
