//! The JSON API of webhooks, documented in docs/api.md.

use super::records::{Delivery, NO_SUCH_WEBHOOK, Webhook};
use super::{WebhookEvent, WebhookJob};
use crate::access::{Guarded, Visitor, user_error};
use crate::body::Body;
use crate::{ApiError, App, Error};
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, Uri};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

/// Maximum length of a URL, in bytes.
pub(super) const URL_BYTES_MAX: usize = 2_048;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/api/v1/projects/{p}/webhooks", list)
        .guarded(Method::POST, "/api/v1/projects/{p}/webhooks", create)
        .guarded(
            Method::DELETE,
            "/api/v1/projects/{p}/webhooks/{webhook}",
            remove,
        )
        .guarded(
            Method::POST,
            "/api/v1/projects/{p}/webhooks/{webhook}/test",
            test,
        )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewWebhook {
    url: String,
    events: Option<Vec<String>>,
}

/// The webhooks of a project, each with its last deliveries.
pub(super) async fn listed(
    app: &App,
    project: &str,
) -> Result<Vec<(Webhook, Vec<Delivery>)>, Error> {
    let (owned, project) = (app.clone(), project.to_owned());
    app.blocking(move || {
        let accounts = &owned.access.accounts;
        let webhooks = accounts.webhooks(&project)?.into_iter();
        let with_deliveries = webhooks.map(|webhook| {
            let deliveries = accounts.deliveries(webhook.id)?;
            Ok((webhook, deliveries))
        });
        with_deliveries.collect()
    })
    .await
}

/// Adds a webhook; returns it with its secret.
pub(super) async fn added(
    app: &App,
    visitor: &Visitor,
    project: String,
    url: String,
    events: Vec<WebhookEvent>,
) -> Result<(Webhook, String), Error> {
    let (owned, by) = (app.clone(), visitor.name());
    app.blocking(move || {
        if events.is_empty() {
            let text = "choose at least one event: run.started, run.threshold_missed or run.ended";
            return Err(Error::Access(text.to_owned()));
        }
        let uri = checked(&url)?;
        if let Some(why) = owned.webhooks.allowed.refusal_of(&uri) {
            return Err(Error::Access(format!("url: {why}")));
        }
        let accounts = &owned.access.accounts;
        accounts.add_webhook(&project, &url, &events, &by)
    })
    .await
}

/// Asks for a test of a webhook.
pub(super) async fn tested(
    app: &App,
    visitor: &Visitor,
    project: String,
    webhook: i64,
) -> Result<(), ApiError> {
    let (owned, by) = (app.clone(), visitor.name());
    let found = app.blocking(move || {
        let found = owned.access.accounts.webhook(webhook)?;
        Ok(found.is_some_and(|(webhook, _)| webhook.project == project))
    });
    if !found.await? {
        return Err(ApiError::not_found(NO_SUCH_WEBHOOK));
    }
    match app.webhooks.enqueue(WebhookJob::Test { webhook, by }) {
        true => Ok(()),
        false => {
            let text = "too many messages are waiting; try again later";
            Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text))
        }
    }
}

/// Removes a webhook.
pub(super) async fn removed(app: &App, project: String, webhook: i64) -> Result<(), Error> {
    let owned = app.clone();
    app.blocking(move || owned.access.accounts.remove_webhook(&project, webhook))
        .await
}

/// A URL that messages can be posted to.
fn checked(url: &str) -> Result<Uri, Error> {
    let wrong = |what: &str| {
        let expected = "expected http://HOST/PATH or https://HOST/PATH";
        Error::Access(format!("url: {what}; {expected}"))
    };
    if url.len() > URL_BYTES_MAX {
        return Err(wrong(&format!("longer than {URL_BYTES_MAX} bytes")));
    }
    let uri: Uri = url.parse().map_err(|_| wrong("not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(other) => return Err(wrong(&format!("the scheme {other:?} is not supported"))),
        None => return Err(wrong("no scheme")),
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(wrong("names and passwords in it are not supported"));
    }
    Ok(uri)
}

async fn list(
    State(app): State<App>,
    Path(project): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let webhooks = listed(&app, &project).await?.into_iter();
    let rows = webhooks.map(|(webhook, deliveries)| {
        let mut row = shown(&webhook);
        row["deliveries"] = deliveries.iter().map(delivery).collect();
        row
    });
    let (rows, dropped) = (rows.collect::<Vec<Value>>(), app.webhooks.dropped());
    Ok(Json(json!({ "webhooks": rows, "dropped": dropped })))
}

async fn create(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(project): Path<String>,
    Body(wanted): Body<NewWebhook>,
) -> Result<Json<Value>, ApiError> {
    let events = match wanted.events {
        None => WebhookEvent::CHOICES.to_vec(),
        Some(names) => chosen(&names)?,
    };
    let made = added(&app, &visitor, project, wanted.url, events);
    let (webhook, secret) = made.await.map_err(user_error)?;
    let mut answer = shown(&webhook);
    answer["secret"] = json!(secret);
    Ok(Json(answer))
}

fn chosen(names: &[String]) -> Result<Vec<WebhookEvent>, ApiError> {
    let mut events = Vec::new();
    for name in names {
        let Some(event) = WebhookEvent::named(name) else {
            let known = WebhookEvent::CHOICES.map(WebhookEvent::name).join(", ");
            let text = format!("events: {name:?} is not one of {known}");
            return Err(ApiError::bad_request(text));
        };
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

async fn test(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path((project, webhook)): Path<(String, i64)>,
) -> Result<Json<Value>, ApiError> {
    tested(&app, &visitor, project, webhook).await?;
    Ok(Json(json!({})))
}

async fn remove(
    State(app): State<App>,
    Path((project, webhook)): Path<(String, i64)>,
) -> Result<Json<Value>, ApiError> {
    match removed(&app, project, webhook).await {
        Ok(()) => Ok(Json(json!({}))),
        Err(Error::Access(text)) => Err(ApiError::not_found(text)),
        Err(error) => Err(error.into()),
    }
}

fn shown(webhook: &Webhook) -> Value {
    let events: Vec<&str> = webhook.events.iter().map(|one| one.name()).collect();
    json!({
        "id": webhook.id, "url": webhook.url, "events": events, "made_by": webhook.made_by,
        "created_us": webhook.created_us,
    })
}

fn delivery(delivery: &Delivery) -> Value {
    let run = Some(&delivery.run).filter(|run| !run.is_empty());
    json!({
        "id": delivery.message, "event": delivery.event, "run": run, "at_us": delivery.at_us,
        "attempts": delivery.attempts, "state": delivery.state, "outcome": delivery.outcome,
        "took_ms": delivery.took_ms, "next_us": delivery.next_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_before_they_are_stored() {
        for fine in [
            "https://hooks.example.com/a?b=c",
            "http://10.0.0.1:8065/hooks/x",
        ] {
            assert!(checked(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "/hooks",
            "ftp://a/b",
            "a.example.com",
            "http://ann:pw@a/",
            "http://",
        ] {
            let error = checked(wrong).map(drop).map_err(|error| error.to_string());
            assert!(
                error.is_err_and(|text| text.starts_with("url: ")),
                "{wrong}"
            );
        }
    }
}
