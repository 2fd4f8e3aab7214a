//! Sign-in by OpenID Connect: the authorization code flow with PKCE, state and nonce.
//!
//! Browsers are sent to the provider by `/oidc/start` and come back to `/oidc/callback` with a code,
//! which the server exchanges for an ID token. The provider is asked when somebody signs in, not
//! when the server starts.

mod id_token;
mod identities;
mod keys;
mod pending;
mod provider;

use super::audit::AuditEntry;
use super::guard::cookie_of;
use super::sign_in::signed_in;
use super::{Caller, Guarded, cookies};
use crate::observe::Logged;
use crate::{ApiError, App, Error};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Router};
use identities::Person;
use pending::{PENDING_SECONDS, Pending, Started};
use provider::Provider;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// The cookie that binds a sign-in to the browser that began it.
const COOKIE: &str = "mistress_oidc";
/// Path that the provider sends browsers back to.
const CALLBACK_PATH: &str = "/oidc/callback";
/// Sign-ins that may wait for the provider at once; each holds a thread for disk access.
const AT_ONCE: usize = 2;
/// What attempts are counted by beside the address: no account has such a name.
const LIMITED_AS: &str = "OpenID Connect";

/// The provider that accounts may sign in with, and what this server is to it.
#[derive(Clone)]
pub struct OidcOptions {
    /// URL of the issuer, exactly as the provider writes it.
    pub issuer: String,
    /// The client ID of this server at the provider.
    pub client_id: String,
    /// The secret that belongs to it.
    pub client_secret: String,
    /// Scopes separated by spaces; `openid` must be among them.
    pub scopes: String,
    /// The claim with the roles of an account, as `mistress:PROJECT:ROLE`; `None`: admins grant
    /// roles.
    pub role_claim: Option<String>,
}

impl OidcOptions {
    /// The scopes that are asked for unless others are given.
    pub const SCOPES: &str = "openid email profile";
}

impl fmt::Debug for OidcOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcOptions")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why a sign-in came to nothing.
#[derive(Debug)]
enum Refusal {
    /// The provider cannot be asked.
    Unavailable(String),
    /// What the provider or the browser sent is not accepted.
    Refused(String),
    /// The store failed.
    Store(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            Error::Access(text) => Refusal::Refused(text),
            error => Refusal::Store(error),
        }
    }
}

impl Refusal {
    fn text(&self) -> String {
        match self {
            Refusal::Unavailable(text) | Refusal::Refused(text) => text.clone(),
            Refusal::Store(error) => error.to_string(),
        }
    }

    fn answer(self) -> ApiError {
        match self {
            Refusal::Unavailable(text) => ApiError::new(StatusCode::BAD_GATEWAY, text),
            Refusal::Refused(text) => ApiError::new(StatusCode::FORBIDDEN, text),
            Refusal::Store(error) => error.into(),
        }
    }
}

/// Sign-in with one provider.
#[derive(Debug)]
pub(crate) struct Oidc {
    provider: Provider,
    pending: Pending,
    permits: Arc<Semaphore>,
    /// The browsers of this server reach it by TLS.
    is_https: bool,
}

impl Oidc {
    /// Sign-in to the server at `url`, which has no path.
    ///
    /// # Errors
    /// When the issuer is not a URL that can be trusted, or `openid` is not among the scopes.
    pub(crate) fn new(options: &OidcOptions, url: &str) -> Result<Oidc, Error> {
        Ok(Oidc {
            provider: Provider::new(options.clone(), format!("{url}{CALLBACK_PATH}"))?,
            pending: Pending::default(),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            is_https: url.starts_with("https://"),
        })
    }

    /// The host of the issuer, for the button.
    pub(crate) fn host(&self) -> &str {
        self.provider.host()
    }
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/oidc/start", start)
        .guarded(Method::GET, CALLBACK_PATH, callback)
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

/// What the provider sends the browser back with.
#[derive(Deserialize)]
struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    /// The issuer (RFC 9207), from providers that send it.
    iss: Option<String>,
}

/// Who signed in, and where to go then.
struct SignedIn {
    account: String,
    next: String,
}

/// `GET /oidc/start`: sends the browser to the provider.
async fn start(
    State(app): State<App>,
    Extension(mut caller): Extension<Caller>,
    Query(query): Query<Next>,
) -> Result<Response, ApiError> {
    let oidc = oidc(&app)?;
    let owned = Arc::clone(&oidc);
    let found = asked(&app, &oidc, move || Ok(owned.provider.metadata())).await?;
    let metadata = match found {
        Ok(metadata) => metadata,
        Err(refusal) => return Err(refused(&app, &caller, refusal).await),
    };
    let started = Started::new(super::sign_in::next(&query.next).to_owned())?;
    let url = oidc.provider.authorization_url(&metadata, &started);
    let secret = oidc.pending.add(started, caller.address, Instant::now())?;
    caller.is_https |= oidc.is_https;
    let cookie = cookies::set(COOKIE, &secret, PENDING_SECONDS, &caller);
    Ok(([cookie], Redirect::to(&url)).into_response())
}

/// `GET /oidc/callback`: the browser comes back from the provider.
async fn callback(
    State(app): State<App>,
    Extension(mut caller): Extension<Caller>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response, ApiError> {
    let oidc = oidc(&app)?;
    let limit = &app.access.limit;
    if let Err(wait) = limit.attempt(Instant::now(), caller.address, LIMITED_AS) {
        let text = format!("too many attempts; try again in {} s", wait.as_secs() + 1);
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, text));
    }
    let cookie = cookie_of(&headers, COOKIE);
    let started = cookie.and_then(|hash| oidc.pending.take(hash, Instant::now()));
    let checked = checked(&oidc, started, answer);
    let outcome = match checked {
        Err(refusal) => Err(refusal),
        Ok((started, code)) => {
            let (owned, shared) = (app.clone(), Arc::clone(&oidc));
            let work = move || Ok(exchange(&owned, &shared, &started, &code));
            asked(&app, &oidc, work).await?
        }
    };
    let clear = cookies::clear(COOKIE);
    let found = match outcome {
        Ok(found) => found,
        Err(refusal) => {
            let error = refused(&app, &caller, refusal).await;
            return Ok((Extension(Logged), [clear], error).into_response());
        }
    };
    limit.succeeded(caller.address, LIMITED_AS);
    let (address, account) = (caller.address_text(), found.account.as_str());
    app.access.log.pass(|suppressed| {
        let address = address.as_str();
        tracing::info!(account, address, suppressed, "sign in by OpenID Connect");
    });
    note(&app, &caller, account, "signed in").await?;
    caller.is_https |= oidc.is_https;
    let mut response = signed_in(&app, &caller, &headers, &found.account, &found.next).await?;
    response.headers_mut().append(clear.0, clear.1);
    Ok(response)
}

fn oidc(app: &App) -> Result<Arc<Oidc>, ApiError> {
    let found = app.access.oidc.clone();
    found.ok_or_else(|| {
        ApiError::not_found("this server has no sign-in by OpenID Connect; see --oidc-issuer")
    })
}

/// Runs work that asks the provider, a few at a time.
async fn asked<T: Send + 'static>(
    app: &App,
    oidc: &Oidc,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let permit = Arc::clone(&oidc.permits).acquire_owned().await;
    app.blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await
}

/// The sign-in that this browser began, and the provider's code for it.
fn checked(
    oidc: &Oidc,
    started: Option<Started>,
    answer: Answer,
) -> Result<(Started, String), Refusal> {
    let refused = |text: &str| Err(Refusal::Refused(text.to_owned()));
    let Some(started) = started else {
        return refused(
            "this sign-in was not begun in this browser, took longer than ten minutes, or is \
             already done; begin again on the page /sign-in",
        );
    };
    let state = answer.state.unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(started.state.as_bytes())) {
        return refused("the answer belongs to another sign-in; begin again on the page /sign-in");
    }
    if answer.iss.is_some_and(|iss| iss != oidc.provider.issuer()) {
        return refused("the answer comes from another provider; begin again on the page /sign-in");
    }
    if let Some(error) = answer.error {
        let text = format!("{} refused the sign-in: {error}", oidc.host());
        return Err(Refusal::Refused(text));
    }
    match answer.code {
        Some(code) => Ok((started, code)),
        None => refused("the provider sent no code; begin again on the page /sign-in"),
    }
}

/// Exchanges a code for an ID token, and finds or makes the account.
fn exchange(app: &App, oidc: &Oidc, started: &Started, code: &str) -> Result<SignedIn, Refusal> {
    let provider = &oidc.provider;
    let claims = provider.claims_of(started, code)?;
    let person = Person::of(&claims, provider.role_claim());
    let accounts = &app.access.accounts;
    let account = accounts.account_of(provider.issuer(), &person)?;
    let next = started.next.clone();
    Ok(SignedIn { account, next })
}

/// Writes a refusal down and makes its answer.
async fn refused(app: &App, caller: &Caller, refusal: Refusal) -> ApiError {
    let address = caller.address_text();
    let reason = refusal.text();
    app.access.log.pass(|suppressed| {
        tracing::info!(
            address = address.as_str(),
            reason = reason.as_str(),
            suppressed,
            "sign in by OpenID Connect refused"
        );
    });
    if matches!(refusal, Refusal::Refused(_)) {
        app.metrics.sign_ins_failed.fetch_add(1, Ordering::Relaxed);
    }
    // the answer does not depend on whether it can be written down
    let _ = note(app, caller, &reason, "refused").await;
    refusal.answer()
}

/// Adds an entry to the audit log.
async fn note(app: &App, caller: &Caller, object: &str, outcome: &str) -> Result<(), Error> {
    let action = "sign in by OpenID Connect";
    let mut entry = AuditEntry::now("nobody".to_owned(), caller.address_text(), action);
    entry.object = object.to_owned();
    entry.outcome = outcome.to_owned();
    let owned = app.clone();
    app.with_room(move || owned.access.accounts.record(&entry))
        .await
}
