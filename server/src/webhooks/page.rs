//! The page of a project's webhooks.

use super::WebhookEvent;
use super::api::{added, listed, removed, tested};
use super::records::{DELIVERIES_MAX, Delivery, Webhook};
use crate::access::{EVERY_PROJECT, Guarded, Visitor, time_format};
use crate::pages::{Shell, page};
use crate::{ApiError, App, Error};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form, Router};
use serde::Deserialize;

/// Maximum size of a form, in bytes.
const FORM_BYTES_MAX: usize = 16 << 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/projects/{p}/webhooks", show)
        .guarded(Method::POST, "/projects/{p}/webhooks", add)
        .guarded(
            Method::POST,
            "/projects/{p}/webhooks/{webhook}/test",
            send_test,
        )
        .guarded(
            Method::POST,
            "/projects/{p}/webhooks/{webhook}/remove",
            remove,
        )
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct WebhooksPage {
    shell: Shell,
    /// The project, or all of them in words.
    project: String,
    /// The path of the page.
    path: String,
    error: Option<String>,
    /// A new secret, shown only once.
    secret: Option<String>,
    url: String,
    choices: [(&'static str, &'static str); 3],
    webhooks: Vec<WebhookRow>,
    deliveries_max: u32,
}

struct WebhookRow {
    facts: Webhook,
    events: String,
    created: String,
    deliveries: Vec<DeliveryRow>,
}

struct DeliveryRow {
    facts: Delivery,
    at: String,
    next: String,
}

#[derive(Deserialize)]
struct NewWebhook {
    url: String,
    #[serde(rename = "run.started")]
    started: Option<String>,
    #[serde(rename = "run.threshold_missed")]
    missed: Option<String>,
    #[serde(rename = "run.ended")]
    ended: Option<String>,
}

/// What the page shows besides its lists.
#[derive(Default)]
struct Extra {
    error: Option<String>,
    secret: Option<String>,
    url: String,
}

async fn show(
    State(app): State<App>,
    shell: Shell,
    Path(project): Path<String>,
) -> Result<Response, ApiError> {
    filled(&app, shell, &project, Extra::default()).await
}

async fn filled(
    app: &App,
    shell: Shell,
    project: &str,
    extra: Extra,
) -> Result<Response, ApiError> {
    let webhooks = listed(app, project).await?;
    page(&WebhooksPage {
        shell,
        project: match project {
            EVERY_PROJECT => "all projects".to_owned(),
            name => name.to_owned(),
        },
        path: webhooks_path(project),
        error: extra.error,
        secret: extra.secret,
        url: extra.url,
        choices: WebhookEvent::CHOICES.map(|one| (one.name(), one.meaning())),
        webhooks: webhooks.into_iter().map(WebhookRow::of).collect(),
        deliveries_max: DELIVERIES_MAX,
    })
}

/// The path of the page of a project's webhooks.
pub(crate) fn webhooks_path(project: &str) -> String {
    let set = percent_encoding::NON_ALPHANUMERIC;
    let project = percent_encoding::utf8_percent_encode(project, set);
    format!("/projects/{project}/webhooks")
}

async fn add(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    shell: Shell,
    Path(project): Path<String>,
    Form(sent): Form<NewWebhook>,
) -> Result<Response, ApiError> {
    let chosen = [sent.started, sent.missed, sent.ended];
    let chosen = WebhookEvent::CHOICES.into_iter().zip(chosen);
    let events = chosen.filter_map(|(event, on)| on.map(|_| event));
    let made = added(
        &app,
        &visitor,
        project.clone(),
        sent.url.clone(),
        events.collect(),
    );
    match made.await {
        Ok((_, secret)) => {
            let extra = Extra {
                secret: Some(secret),
                ..Extra::default()
            };
            filled(&app, shell, &project, extra).await
        }
        Err(Error::Access(text) | Error::TooMany(text)) => {
            let extra = Extra {
                error: Some(text),
                url: sent.url,
                ..Extra::default()
            };
            let shown = filled(&app, shell, &project, extra).await?;
            Ok((StatusCode::BAD_REQUEST, shown).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn send_test(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path((project, webhook)): Path<(String, i64)>,
) -> Result<Response, ApiError> {
    tested(&app, &visitor, project.clone(), webhook).await?;
    Ok(Redirect::to(&webhooks_path(&project)).into_response())
}

async fn remove(
    State(app): State<App>,
    shell: Shell,
    Path((project, webhook)): Path<(String, i64)>,
) -> Result<Response, ApiError> {
    match removed(&app, project.clone(), webhook).await {
        Ok(()) => Ok(Redirect::to(&webhooks_path(&project)).into_response()),
        Err(Error::Access(text)) => {
            let extra = Extra {
                error: Some(text),
                ..Extra::default()
            };
            let shown = filled(&app, shell, &project, extra).await?;
            Ok((StatusCode::NOT_FOUND, shown).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

impl WebhookRow {
    fn of((facts, deliveries): (Webhook, Vec<Delivery>)) -> WebhookRow {
        let events: Vec<&str> = facts.events.iter().map(|one| one.name()).collect();
        WebhookRow {
            events: events.join(", "),
            created: time_format::minute(facts.created_us),
            deliveries: deliveries.into_iter().map(DeliveryRow::of).collect(),
            facts,
        }
    }
}

impl DeliveryRow {
    fn of(facts: Delivery) -> DeliveryRow {
        DeliveryRow {
            at: time_format::second(facts.at_us),
            next: facts.next_us.map_or(String::new(), |next_us| {
                format!(", next at {}", time_format::second(next_us))
            }),
            facts,
        }
    }
}
