//! Share links: access to one run for anyone with the link, until it expires.

use super::Guarded;
use super::credentials::LINK_HOURS;
use super::schema::now_us;
use super::secret::{LINK_COOKIE, link_hash};
use super::{Caller, Link, Visitor, cookies};
use crate::body::Body;
use crate::{ApiError, App, Error};
use axum::extract::{Path, State};
use axum::http::Method;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/share/{secret}", open)
        .guarded(Method::GET, "/api/v1/runs/{id}/links", list)
        .guarded(Method::POST, "/api/v1/runs/{id}/links", add)
        .guarded(Method::DELETE, "/api/v1/runs/{id}/links/{link}", revoke)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLink {
    hours: Option<i64>,
    #[serde(default)]
    script: bool,
}

/// The link becomes a cookie, so that it does not appear in addresses, logs or the history from
/// here on.
async fn open(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(secret): Path<String>,
) -> Result<Response, ApiError> {
    let owned = app.clone();
    let hash = link_hash(&secret);
    let now_us = now_us();
    let found = app.blocking(move || match hash {
        Some(hash) => owned.access.accounts.link(hash, now_us),
        None => Ok(None),
    });
    let Some(link) = found.await? else {
        return Err(ApiError::not_found(
            "this link has expired or never existed",
        ));
    };
    let seconds = (link.expires_us - now_us) / 1_000_000;
    // several links in one browser work side by side
    let name = format!("{LINK_COOKIE}_{}", link.id);
    let cookie = cookies::line(&name, &secret, seconds, caller.is_https);
    let run = percent_encoding::utf8_percent_encode(&link.run, percent_encoding::NON_ALPHANUMERIC);
    Ok(([cookie], Redirect::to(&format!("/r/{run}"))).into_response())
}

async fn list(State(app): State<App>, Path(run): Path<String>) -> Result<Json<Value>, ApiError> {
    let owned = app.clone();
    let links = app.blocking(move || {
        // the guard admits a server admin even for a run that does not exist
        if owned.project_of(&run)?.is_none() {
            return Ok(None);
        }
        owned.access.accounts.links(Some(&run), now_us()).map(Some)
    });
    let links = links.await?.ok_or_else(no_such_run)?;
    let links: Vec<Value> = links.iter().map(shown).collect();
    Ok(Json(json!({ "links": links })))
}

fn shown(link: &Link) -> Value {
    json!({
        "id": link.id,
        "made_by": link.made_by,
        "created_us": link.created_us,
        "expires_us": link.expires_us,
        "script": link.script,
    })
}

async fn add(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(run): Path<String>,
    Body(wanted): Body<NewLink>,
) -> Result<Json<Value>, ApiError> {
    let owned = app.clone();
    let made = app.blocking(move || {
        if owned.project_of(&run)?.is_none() {
            return Ok(None);
        }
        let hours = wanted.hours.unwrap_or(LINK_HOURS);
        let accounts = &owned.access.accounts;
        accounts
            .add_link(&run, hours, wanted.script, &visitor.name(), now_us())
            .map(Some)
    });
    let Some((secret, link)) = made.await.map_err(user_error)? else {
        return Err(no_such_run());
    };
    let mut answer = shown(&link);
    answer["path"] = json!(format!("/share/{}", secret.text()));
    Ok(Json(answer))
}

async fn revoke(
    State(app): State<App>,
    Path((run, link)): Path<(String, i64)>,
) -> Result<Json<Value>, ApiError> {
    let owned = app.clone();
    let revoked = app.blocking(move || owned.access.accounts.revoke_link(link, Some(&run)));
    revoked.await.map_err(|error| match error {
        // the one mistake that there can be
        Error::Access(text) => ApiError::not_found(text),
        other => ApiError::from(other),
    })?;
    Ok(Json(json!({})))
}

fn no_such_run() -> ApiError {
    ApiError::not_found("no such run")
}

/// Reports mistakes of the visitor as 400.
pub(crate) fn user_error(error: Error) -> ApiError {
    match error {
        Error::Access(text) => ApiError::bad_request(text),
        other => ApiError::from(other),
    }
}
