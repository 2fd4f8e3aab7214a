//! Signing in and out, and the visitor's own account.

use super::audit::AuditEntry;
use super::guard::claims;
use super::schema::now_us;
use super::secret::{SESSION_COOKIE, Secret};
use super::sessions::{SESSION_HOURS, Session, session_id};
use super::visitor::Identity;
use super::{Caller, Guarded, Role, Visitor, cookies, time_format};
use crate::observe::Logged;
use crate::pages::{Shell, page};
use crate::webhooks::webhooks_path;
use crate::{ApiError, App, Error};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form, Json, Router};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Maximum size of a form, in bytes.
const FORM_BYTES_MAX: usize = 16 << 10;
/// Maximum length of the path to return to after signing in, in bytes.
const NEXT_BYTES_MAX: usize = 2048;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/sign-in", form)
        .guarded(Method::POST, "/sign-in", submit)
        .guarded(Method::POST, "/sign-out", sign_out)
        .guarded(Method::GET, "/account", account)
        .guarded(Method::POST, "/account/password", change_password)
        .guarded(
            Method::POST,
            "/account/sign-out-everywhere",
            sign_out_everywhere,
        )
        .guarded(Method::POST, "/account/sign-out-others", sign_out_others)
        .guarded(Method::POST, "/account/sessions/{session}/end", end_session)
        .guarded(Method::GET, "/api/v1/visitor", visitor)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    shell: Shell,
    name: String,
    next: String,
    error: Option<String>,
    /// The host of the provider to sign in with, and the link that does.
    provider: Option<(String, String)>,
}

impl SignInPage {
    fn new(app: &App, shell: Shell, name: String, next: String, error: Option<String>) -> Self {
        let provider = app.access.oidc.as_ref().map(|oidc| {
            let encoded = utf8_percent_encode(&next, NON_ALPHANUMERIC);
            let link = format!("/oidc/start?next={encoded}");
            (oidc.host().to_owned(), link)
        });
        SignInPage {
            shell,
            name,
            next,
            error,
            provider,
        }
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
    /// Project, role, and the page of the project's webhooks for those who may see it.
    roles: Vec<(String, &'static str, Option<String>)>,
    /// False for the local admin.
    is_account: bool,
    /// False for accounts that only sign in with a provider.
    has_password: bool,
    sessions: Vec<SessionRow>,
    error: Option<String>,
}

/// A session as pages show it.
pub(super) struct SessionRow {
    pub(super) facts: Session,
    pub(super) created: String,
    pub(super) used: String,
    /// The browser and the system that its name claims, such as `Firefox on Linux`.
    pub(super) browser: String,
    /// The one of this request.
    is_own: bool,
}

impl SessionRow {
    pub(super) fn of(facts: Session, own: Option<&str>) -> SessionRow {
        SessionRow {
            created: time_format::minute(facts.created_us),
            used: time_format::minute(facts.used_us),
            browser: facts.browser(),
            is_own: own == Some(facts.id.as_str()),
            facts,
        }
    }
}

#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct NewPassword {
    current: String,
    new: String,
}

/// The result of a sign-in attempt.
enum Attempt {
    Correct,
    Wrong,
    TooMany(Duration),
}

async fn form(
    State(app): State<App>,
    shell: Shell,
    Query(query): Query<Next>,
) -> Result<Response, ApiError> {
    let next = query.next.unwrap_or_default();
    page(&SignInPage::new(&app, shell, String::new(), next, None))
}

async fn submit(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    shell: Shell,
    headers: HeaderMap,
    Form(sent): Form<SignIn>,
) -> Result<Response, ApiError> {
    let (owned, claims) = (app.clone(), claims(&headers));
    let present = app.blocking(move || owned.access.accounts.identify(&claims, now_us()));
    // guesses by others at this address do not lock out who is signed in here
    let is_present = matches!(present.await?.who(), Identity::Account(name) if *name == sent.name);
    let attempt = match is_present {
        true => unlimited(&app, &sent.name, &sent.password).await?,
        false => attempt(&app, &caller, &sent.name, &sent.password).await?,
    };
    let (status, outcome, text) = match attempt {
        Attempt::Correct => (StatusCode::SEE_OTHER, "signed in", String::new()),
        Attempt::Wrong => {
            let text = "Wrong name or password.".to_owned();
            (StatusCode::UNAUTHORIZED, "refused", text)
        }
        Attempt::TooMany(wait) => {
            let text = format!("Too many attempts. Try again in {} s.", wait.as_secs() + 1);
            (StatusCode::TOO_MANY_REQUESTS, "too many attempts", text)
        }
    };
    let (address, account) = (caller.address_text(), sent.name.as_str());
    app.access.log.pass(|suppressed| {
        tracing::info!(
            account,
            address = address.as_str(),
            outcome,
            suppressed,
            "sign in"
        );
    });
    if matches!(attempt, Attempt::Wrong) {
        app.metrics.sign_ins_failed.fetch_add(1, Ordering::Relaxed);
    }
    // Attempts refused by the limit are not recorded: they could fill the log.
    if status != StatusCode::TOO_MANY_REQUESTS {
        record(&app, &caller, &sent.name, outcome).await?;
    }
    if status == StatusCode::SEE_OTHER {
        return signed_in(&app, &caller, &headers, &sent.name, &sent.next).await;
    }
    let error = Some(text);
    let shown = page(&SignInPage::new(&app, shell, sent.name, sent.next, error))?;
    let mut response = (status, Extension(Logged), shown).into_response();
    if let Attempt::TooMany(wait) = attempt {
        let seconds = (wait.as_secs() + 1).into();
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    Ok(response)
}

/// Checks a password at most as often as the limit allows.
async fn attempt(
    app: &App,
    caller: &Caller,
    name: &str,
    password: &str,
) -> Result<Attempt, ApiError> {
    let limit = &app.access.limit;
    if let Err(wait) = limit.attempt(Instant::now(), caller.address, name) {
        return Ok(Attempt::TooMany(wait));
    }
    let lock = app.access.address_locks.of(caller.address);
    let _held = lock.lock().await;
    let attempt = unlimited(app, name, password).await?;
    if matches!(attempt, Attempt::Correct) {
        limit.succeeded(caller.address, name);
    }
    Ok(attempt)
}

/// Checks a password off the async threads.
async fn unlimited(app: &App, name: &str, password: &str) -> Result<Attempt, ApiError> {
    let (owned, name, password) = (app.clone(), name.to_owned(), password.to_owned());
    let check = move || owned.access.accounts.verify_password(&name, &password);
    match hashed(app, check).await? {
        true => Ok(Attempt::Correct),
        false => Ok(Attempt::Wrong),
    }
}

/// Runs work that hashes passwords, a few at a time, even if the client has disconnected.
pub(super) async fn hashed<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let permit = app.access.hashing.clone().acquire_owned().await;
    app.blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await
}

/// Starts a new session in place of the browser's current one.
pub(super) async fn signed_in(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    name: &str,
    asked: &str,
) -> Result<Response, ApiError> {
    let (owned, name, old) = (app.clone(), name.to_owned(), claims(headers).session);
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
    let (address, agent) = (caller.address_text(), agent.unwrap_or_default());
    let secret: Secret = app
        .with_room(move || {
            let accounts = &owned.access.accounts;
            if let Some(old) = old {
                accounts.end_session(old)?;
            }
            accounts.start_session(&name, now_us(), &address, &agent)
        })
        .await?;
    let cookie = cookies::set(SESSION_COOKIE, &secret, SESSION_HOURS * 3600, caller);
    Ok(([cookie], Redirect::to(next(asked))).into_response())
}

/// The path to return to: on this server, never another site.
pub(super) fn next(asked: &str) -> &str {
    let is_path = asked.starts_with('/')
        && !asked.starts_with("//")
        && !asked.contains('\\')
        && asked.len() <= NEXT_BYTES_MAX
        && asked.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path { asked } else { "/report/list" }
}

async fn record(app: &App, caller: &Caller, name: &str, outcome: &str) -> Result<(), Error> {
    let mut entry = AuditEntry::now("nobody".to_owned(), caller.address_text(), "sign in");
    entry.object = name.to_owned();
    entry.outcome = outcome.to_owned();
    let owned = app.clone();
    app.with_room(move || owned.access.accounts.record(&entry))
        .await
}

async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(hash) = claims(&headers).session {
        let owned = app.clone();
        app.blocking(move || owned.access.accounts.end_session(hash))
            .await?;
    }
    Ok(([cookies::clear(SESSION_COOKIE)], Redirect::to("/sign-in")).into_response())
}

async fn sign_out_everywhere(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    let name = own_name(&visitor)?;
    let owned = app.clone();
    app.blocking(move || owned.access.accounts.end_sessions(&name))
        .await?;
    Ok(([cookies::clear(SESSION_COOKIE)], Redirect::to("/sign-in")).into_response())
}

async fn sign_out_others(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = own_name(&visitor)?;
    if let Some(kept) = claims(&headers).session {
        let owned = app.clone();
        app.blocking(move || owned.access.accounts.end_other_sessions(&name, kept))
            .await?;
    }
    Ok(Redirect::to("/account").into_response())
}

async fn end_session(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(session): Path<String>,
) -> Result<Response, ApiError> {
    let name = own_name(&visitor)?;
    let owned = app.clone();
    app.blocking(move || owned.access.accounts.end_session_of(&name, &session))
        .await?;
    Ok(Redirect::to("/account").into_response())
}

async fn account(
    State(app): State<App>,
    shell: Shell,
    headers: HeaderMap,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    page(&account_page(&app, shell, &visitor, &headers, None).await?)
}

async fn account_page(
    app: &App,
    shell: Shell,
    visitor: &Visitor,
    headers: &HeaderMap,
    error: Option<String>,
) -> Result<AccountPage, ApiError> {
    let own = claims(headers).session.map(session_id);
    let (sessions, has_password) = match visitor.who() {
        Identity::Account(name) => {
            let (owned, name) = (app.clone(), name.clone());
            let look = move || {
                let accounts = &owned.access.accounts;
                Ok((
                    accounts.sessions(&name, now_us())?,
                    accounts.has_password(&name)?,
                ))
            };
            app.blocking(look).await?
        }
        _ => (Vec::new(), false),
    };
    let sessions = sessions.into_iter();
    let grants = visitor.grants().iter();
    Ok(AccountPage {
        shell,
        sessions: sessions
            .map(|session| SessionRow::of(session, own.as_deref()))
            .collect(),
        roles: grants
            .map(|grant| {
                let webhooks = (grant.role >= Role::Manager).then(|| webhooks_path(&grant.project));
                (grant.project.clone(), grant.role.name(), webhooks)
            })
            .collect(),
        is_account: visitor.is_signed_in(),
        has_password,
        error,
    })
}

async fn change_password(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(caller): Extension<Caller>,
    shell: Shell,
    headers: HeaderMap,
    Form(sent): Form<NewPassword>,
) -> Result<Response, ApiError> {
    let name = own_name(&visitor)?;
    let error = match attempt(&app, &caller, &name, &sent.current).await? {
        Attempt::Wrong => Some("the current password is wrong".to_owned()),
        Attempt::TooMany(_) => Some("too many attempts; try again later".to_owned()),
        Attempt::Correct => {
            let owned = app.clone();
            let set = move || owned.access.accounts.set_password(&name, &sent.new);
            match hashed(&app, set).await {
                Err(Error::Access(text)) => Some(text),
                other => other.map(|()| None)?,
            }
        }
    };
    match error {
        None => Ok(([cookies::clear(SESSION_COOKIE)], Redirect::to("/sign-in")).into_response()),
        Some(_) => {
            let shown = page(&account_page(&app, shell, &visitor, &headers, error).await?)?;
            Ok((StatusCode::BAD_REQUEST, shown).into_response())
        }
    }
}

fn own_name(visitor: &Visitor) -> Result<String, ApiError> {
    match visitor.who() {
        Identity::Account(name) => Ok(name.clone()),
        _ => Err(ApiError::bad_request("the local admin has no account")),
    }
}

/// `GET /api/v1/visitor`: the current visitor.
async fn visitor(Extension(visitor): Extension<Visitor>) -> Json<serde_json::Value> {
    let kind = match visitor.who() {
        Identity::Anonymous => "nobody",
        Identity::Local => "local",
        Identity::Account(_) => "account",
        Identity::Token(..) => "token",
    };
    let grants = visitor.grants().iter();
    let roles = grants.filter_map(|grant| {
        let role = visitor.role(&grant.project)?;
        Some((grant.project.as_str(), role.name()))
    });
    Json(serde_json::json!({
        "name": visitor.name(),
        "kind": kind,
        "roles": roles.collect::<BTreeMap<_, _>>(),
    }))
}
