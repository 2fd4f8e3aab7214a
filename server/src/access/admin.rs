//! The admin page: accounts and roles, tokens, share links, the audit log.

use super::schema::now_us;
use super::sign_in::{SessionRow, hashed};
use super::{
    AuditEntry, EVERY_PROJECT, Guarded, Link, Role, Session, Token, TokenKind, Visitor, time_format,
};
use crate::pages::{Shell, page};
use crate::store::Usage;
use crate::{ApiError, App, Error};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form, Router};
use serde::Deserialize;
use stats::report::format;

/// Audit log entries shown on the page.
const AUDIT_SHOWN: u32 = 200;
/// Default lifetime of a token, in days.
const TOKEN_DAYS: u32 = 365;
/// Maximum size of a form, in bytes.
const FORM_BYTES_MAX: usize = 16 << 10;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/admin", show)
        .guarded(Method::POST, "/admin/accounts", add_account)
        .guarded(Method::POST, "/admin/accounts/{name}/role", set_role)
        .guarded(
            Method::POST,
            "/admin/accounts/{name}/password",
            set_password,
        )
        .guarded(Method::POST, "/admin/accounts/{name}/sign-out", sign_out)
        .guarded(
            Method::POST,
            "/admin/accounts/{name}/sessions/{session}/end",
            end_session,
        )
        .guarded(
            Method::POST,
            "/admin/accounts/{name}/remove",
            remove_account,
        )
        .guarded(Method::POST, "/admin/tokens", add_token)
        .guarded(Method::POST, "/admin/tokens/{token}/revoke", revoke_token)
        .guarded(Method::POST, "/admin/links/{link}/revoke", revoke_link)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    shell: Shell,
    /// No admin exists yet, so nobody needs to sign in.
    is_open: bool,
    error: Option<String>,
    /// A new token, shown only once.
    token: Option<String>,
    accounts: Vec<AccountRow>,
    tokens: Vec<TokenRow>,
    links: Vec<LinkRow>,
    audit: Vec<AuditRow>,
    /// The space that runs take, and what becomes of more.
    space: String,
    /// The text that entries of the audit log are looked through for.
    sought: String,
}

struct AccountRow {
    name: String,
    /// The name, encoded for a path.
    path: String,
    roles: Vec<(String, &'static str)>,
    sessions: Vec<SessionRow>,
    created: String,
}

struct TokenRow {
    facts: Token,
    created: String,
    used: String,
    expires: String,
}

struct LinkRow {
    facts: Link,
    created: String,
    expires: String,
}

struct AuditRow {
    facts: AuditEntry,
    at: String,
    last: String,
}

#[derive(Deserialize)]
struct NewAccount {
    name: String,
    password: String,
    role: String,
    project: String,
}

#[derive(Deserialize)]
struct NewRole {
    role: String,
    project: String,
}

#[derive(Deserialize)]
struct NewPassword {
    password: String,
}

#[derive(Deserialize)]
struct NewToken {
    kind: String,
    name: String,
    project: String,
    /// Its lifetime in days, or `never`.
    #[serde(default)]
    days: String,
}

/// The result of a change: the new token, if it created one.
type Changed = Result<Option<String>, Error>;

#[derive(Deserialize)]
struct Sought {
    #[serde(default)]
    audit: String,
}

async fn show(
    State(app): State<App>,
    shell: Shell,
    Query(sought): Query<Sought>,
) -> Result<Response, ApiError> {
    filled(&app, shell, None, None, sought.audit).await
}

/// Applies a change and shows the page: with the error, with the new token, or reloaded.
async fn change(
    app: App,
    shell: Shell,
    work: impl FnOnce(&App) -> Changed + Send + 'static,
) -> Result<Response, ApiError> {
    let owned = app.clone();
    match hashed(&app, move || work(&owned)).await {
        Ok(None) => Ok(Redirect::to("/admin").into_response()),
        Ok(token) => filled(&app, shell, None, token, String::new()).await,
        Err(Error::Access(text)) => {
            let shown = filled(&app, shell, Some(text), None, String::new()).await?;
            Ok((StatusCode::BAD_REQUEST, shown).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

async fn filled(
    app: &App,
    shell: Shell,
    error: Option<String>,
    token: Option<String>,
    sought: String,
) -> Result<Response, ApiError> {
    let owned = app.clone();
    let made = app.blocking(move || {
        let accounts = &owned.access.accounts;
        Ok(AdminPage {
            shell,
            is_open: !accounts.has_admin()?,
            error,
            token,
            accounts: accounts
                .list()?
                .into_iter()
                .map(|account| {
                    let sessions = accounts.sessions(&account.name, now_us())?;
                    Ok(AccountRow::of(account, sessions))
                })
                .collect::<Result<_, Error>>()?,
            tokens: accounts.tokens()?.into_iter().map(TokenRow::of).collect(),
            links: accounts
                .links(None, now_us())?
                .into_iter()
                .map(LinkRow::of)
                .collect(),
            space: space(owned.store.usage()),
            audit: accounts
                .audit(AUDIT_SHOWN, sought.trim())?
                .into_iter()
                .map(AuditRow::of)
                .collect(),
            sought,
        })
    });
    page(&made.await?)
}

async fn add_account(
    State(app): State<App>,
    shell: Shell,
    Form(sent): Form<NewAccount>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        let role = role(&sent.role)?;
        let accounts = &app.access.accounts;
        // Local users are admins until an admin exists; without one, creating another account would
        // lock everybody out.
        let is_admin = role == Role::Admin && sent.project == EVERY_PROJECT;
        if !is_admin && !accounts.has_admin()? {
            let text = "the first account must be a server admin";
            return Err(Error::Access(text.to_owned()));
        }
        accounts.add(&sent.name, &sent.password, role, &sent.project)?;
        Ok(None)
    })
    .await
}

async fn set_role(
    State(app): State<App>,
    shell: Shell,
    Path(name): Path<String>,
    Form(sent): Form<NewRole>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        let role = match sent.role.as_str() {
            "none" => None,
            text => Some(role(text)?),
        };
        app.access.accounts.set_role(&name, &sent.project, role)?;
        Ok(None)
    })
    .await
}

async fn set_password(
    State(app): State<App>,
    shell: Shell,
    Path(name): Path<String>,
    Form(sent): Form<NewPassword>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        app.access.accounts.set_password(&name, &sent.password)?;
        Ok(None)
    })
    .await
}

async fn sign_out(
    State(app): State<App>,
    shell: Shell,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        app.access.accounts.end_sessions(&name)?;
        Ok(None)
    })
    .await
}

async fn end_session(
    State(app): State<App>,
    shell: Shell,
    Path((name, session)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        app.access.accounts.end_session_of(&name, &session)?;
        Ok(None)
    })
    .await
}

async fn remove_account(
    State(app): State<App>,
    shell: Shell,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        app.access.accounts.remove(&name)?;
        Ok(None)
    })
    .await
}

async fn add_token(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    shell: Shell,
    Form(sent): Form<NewToken>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        let kind: TokenKind = sent.kind.parse().map_err(Error::Access)?;
        let (accounts, days) = (&app.access.accounts, lifetime(&sent.days)?);
        accounts
            .add_token(kind, &sent.name, &sent.project, &visitor.name(), days)
            .map(Some)
    })
    .await
}

async fn revoke_token(
    State(app): State<App>,
    shell: Shell,
    Path(token): Path<i64>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        app.access.accounts.revoke_token(token)?;
        Ok(None)
    })
    .await
}

async fn revoke_link(
    State(app): State<App>,
    shell: Shell,
    Path(link): Path<i64>,
) -> Result<Response, ApiError> {
    change(app, shell, move |app| {
        app.access.accounts.revoke_link(link, None)?;
        Ok(None)
    })
    .await
}

fn space(usage: Usage) -> String {
    let bytes = |n: u64| format::bytes(n as f64);
    let taken = bytes(usage.bytes);
    match usage.keep_bytes {
        Some(most) => format!(
            "Runs take {taken} of at most {} (--keep-size); then those that arrived first are \
             deleted, but no pinned, baseline or live ones.",
            bytes(most)
        ),
        None => format!(
            "Runs take {taken}. There is no limit for all; start the server with --keep-size to \
             set one, and see the project for its own."
        ),
    }
}

/// The days of a new token's life: a year unless something else is chosen.
fn lifetime(text: &str) -> Result<Option<u32>, Error> {
    let wrong = || Error::Access(format!("token lifetime {text:?}: expected days, or never"));
    match text {
        "" => Ok(Some(TOKEN_DAYS)),
        "never" => Ok(None),
        days => days.parse().map(Some).map_err(|_| wrong()),
    }
}

fn role(text: &str) -> Result<Role, Error> {
    text.parse().map_err(Error::Access)
}

impl AccountRow {
    fn of(account: super::Account, sessions: Vec<Session>) -> AccountRow {
        let grants = account.grants.into_iter();
        let path = percent_encoding::NON_ALPHANUMERIC;
        AccountRow {
            path: percent_encoding::utf8_percent_encode(&account.name, path).to_string(),
            name: account.name,
            roles: grants
                .map(|grant| (grant.project, grant.role.name()))
                .collect(),
            sessions: sessions
                .into_iter()
                .map(|session| SessionRow::of(session, None))
                .collect(),
            created: time_format::minute(account.created_us),
        }
    }
}

impl TokenRow {
    fn of(facts: Token) -> TokenRow {
        TokenRow {
            created: time_format::minute(facts.created_us),
            used: facts
                .used_us
                .map_or("never".to_owned(), time_format::minute),
            expires: match facts.expires_us {
                None => "never".to_owned(),
                Some(at_us) if at_us <= now_us() => {
                    format!("expired {}", time_format::minute(at_us))
                }
                Some(at_us) => time_format::minute(at_us),
            },
            facts,
        }
    }
}

impl LinkRow {
    fn of(facts: Link) -> LinkRow {
        LinkRow {
            created: time_format::minute(facts.created_us),
            expires: time_format::minute(facts.expires_us),
            facts,
        }
    }
}

impl AuditRow {
    fn of(facts: AuditEntry) -> AuditRow {
        AuditRow {
            at: time_format::minute(facts.at_us),
            last: time_format::minute(facts.last_us),
            facts,
        }
    }
}
