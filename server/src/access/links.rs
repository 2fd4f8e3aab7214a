//! Share links: one run for whoever has the link, until it ends.

use super::Guarded;
use super::keys::{LINK_HOURS, Link};
use super::schema::now_us;
use super::secret::{LINK_COOKIE, link_hash};
use super::{Caller, Visitor, cookies};
use crate::{App, Error, Refusal};
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
struct Wanted {
    hours: Option<i64>,
}

/// The link becomes a cookie, so that it is in no address, log or history from here on.
async fn open(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(secret): Path<String>,
) -> Result<Response, Refusal> {
    let owned = app.clone();
    let hash = link_hash(&secret);
    let now_us = now_us();
    let found = app.blocking(move || match hash {
        Some(hash) => owned.access.accounts.link(hash, now_us),
        None => Ok(None),
    });
    let Some((run, expires_us)) = found.await? else {
        return Err(Refusal::absent("this link has ended, or never was one"));
    };
    let seconds = (expires_us - now_us) / 1_000_000;
    let cookie = cookies::line(LINK_COOKIE, &secret, seconds, caller.is_https);
    let run = percent_encoding::utf8_percent_encode(&run, percent_encoding::NON_ALPHANUMERIC);
    Ok(([cookie], Redirect::to(&format!("/r/{run}"))).into_response())
}

async fn list(State(app): State<App>, Path(run): Path<String>) -> Result<Json<Value>, Refusal> {
    let owned = app.clone();
    let links = app.blocking(move || owned.access.accounts.links(Some(&run), now_us()));
    let links: Vec<Value> = links.await?.iter().map(shown).collect();
    Ok(Json(json!({ "links": links })))
}

fn shown(link: &Link) -> Value {
    json!({
        "id": link.id,
        "made_by": link.made_by,
        "created_us": link.created_us,
        "expires_us": link.expires_us,
    })
}

async fn add(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(run): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Value>, Refusal> {
    let owned = app.clone();
    let made = app.blocking(move || {
        // The guard lets a server's admin pass for a run that does not exist.
        if owned.project_of(&run)?.is_none() {
            return Ok(None);
        }
        let hours = wanted.hours.unwrap_or(LINK_HOURS);
        let accounts = &owned.access.accounts;
        accounts
            .add_link(&run, hours, &visitor.name(), now_us())
            .map(Some)
    });
    let Some((secret, link)) = made.await.map_err(told)? else {
        return Err(Refusal::absent("there is no such run"));
    };
    let mut answer = shown(&link);
    answer["path"] = json!(format!("/share/{}", secret.text()));
    Ok(Json(answer))
}

async fn revoke(
    State(app): State<App>,
    Path((run, link)): Path<(String, i64)>,
) -> Result<Json<Value>, Refusal> {
    let owned = app.clone();
    let revoked = app.blocking(move || owned.access.accounts.revoke_link(link, Some(&run)));
    revoked.await.map_err(told)?;
    Ok(Json(json!({})))
}

/// What the visitor did wrong is told as such.
pub(super) fn told(error: Error) -> Refusal {
    match error {
        Error::Access(text) => Refusal::bad(text),
        other => Refusal::from(other),
    }
}
