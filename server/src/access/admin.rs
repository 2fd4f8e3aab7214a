//! The admin page: accounts and roles, tokens, share links, the audit log.

use super::schema::now_us;
use super::sign_in::hashed;
use super::{EVERY_PROJECT, Entry, Guarded, Link, Role, Token, TokenKind, Visitor, when};
use crate::pages::{Shell, page};
use crate::{App, Error, Refusal};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form, Router};
use serde::Deserialize;

/// Lines of the audit log on the page.
const AUDIT_SHOWN: u32 = 200;
/// Most bytes of a form.
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
    /// Nobody needs to sign in yet.
    is_open: bool,
    error: Option<String>,
    /// A token just made, shown this once.
    token: Option<String>,
    accounts: Vec<AccountRow>,
    tokens: Vec<TokenRow>,
    links: Vec<LinkRow>,
    audit: Vec<AuditRow>,
}

struct AccountRow {
    name: String,
    /// The name within a path.
    path: String,
    roles: Vec<(String, &'static str)>,
    sessions: u32,
    created: String,
}

struct TokenRow {
    facts: Token,
    created: String,
    used: String,
}

struct LinkRow {
    facts: Link,
    created: String,
    expires: String,
}

struct AuditRow {
    facts: Entry,
    at: String,
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
}

/// What a change leads to: the page anew, with a token to show, if it made one.
type Changed = Result<Option<String>, Error>;

async fn show(State(app): State<App>, shell: Shell) -> Result<Response, Refusal> {
    filled(&app, shell, None, None).await
}

/// Makes a change and shows the page: with what was wrong, with a token, or anew.
async fn change(
    app: App,
    shell: Shell,
    work: impl FnOnce(&App) -> Changed + Send + 'static,
) -> Result<Response, Refusal> {
    let owned = app.clone();
    match hashed(&app, move || work(&owned)).await {
        Ok(None) => Ok(Redirect::to("/admin").into_response()),
        Ok(token) => filled(&app, shell, None, token).await,
        Err(Error::Access(text)) => {
            let shown = filled(&app, shell, Some(text), None).await?;
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
) -> Result<Response, Refusal> {
    let owned = app.clone();
    let made = app.blocking(move || {
        let accounts = &owned.access.accounts;
        Ok(AdminPage {
            shell,
            is_open: !accounts.has_admin()?,
            error,
            token,
            accounts: accounts.list()?.into_iter().map(AccountRow::of).collect(),
            tokens: accounts.tokens()?.into_iter().map(TokenRow::of).collect(),
            links: accounts
                .links(None, now_us())?
                .into_iter()
                .map(LinkRow::of)
                .collect(),
            audit: accounts
                .audit(AUDIT_SHOWN)?
                .into_iter()
                .map(AuditRow::of)
                .collect(),
        })
    });
    page(&made.await?)
}

async fn add_account(
    State(app): State<App>,
    shell: Shell,
    Form(sent): Form<NewAccount>,
) -> Result<Response, Refusal> {
    change(app, shell, move |app| {
        let role = role(&sent.role)?;
        let accounts = &app.access.accounts;
        // Whoever is local is admin until there is one; anybody else would be locked out then.
        let is_admin = role == Role::Admin && sent.project == EVERY_PROJECT;
        if !is_admin && !accounts.has_admin()? {
            let text = "the first account must be an admin of all projects";
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
) -> Result<Response, Refusal> {
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
) -> Result<Response, Refusal> {
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
) -> Result<Response, Refusal> {
    change(app, shell, move |app| {
        app.access.accounts.end_sessions(&name)?;
        Ok(None)
    })
    .await
}

async fn remove_account(
    State(app): State<App>,
    shell: Shell,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
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
) -> Result<Response, Refusal> {
    change(app, shell, move |app| {
        let kind: TokenKind = sent.kind.parse().map_err(Error::Access)?;
        let accounts = &app.access.accounts;
        accounts
            .add_token(kind, &sent.name, &sent.project, &visitor.name())
            .map(Some)
    })
    .await
}

async fn revoke_token(
    State(app): State<App>,
    shell: Shell,
    Path(token): Path<i64>,
) -> Result<Response, Refusal> {
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
) -> Result<Response, Refusal> {
    change(app, shell, move |app| {
        app.access.accounts.revoke_link(link, None)?;
        Ok(None)
    })
    .await
}

fn role(text: &str) -> Result<Role, Error> {
    text.parse().map_err(Error::Access)
}

impl AccountRow {
    fn of(account: super::Account) -> AccountRow {
        let grants = account.grants.into_iter();
        let path = percent_encoding::NON_ALPHANUMERIC;
        AccountRow {
            path: percent_encoding::utf8_percent_encode(&account.name, path).to_string(),
            name: account.name,
            roles: grants
                .map(|grant| (grant.project, grant.role.name()))
                .collect(),
            sessions: account.sessions,
            created: when::minute(account.created_us),
        }
    }
}

impl TokenRow {
    fn of(facts: Token) -> TokenRow {
        TokenRow {
            created: when::minute(facts.created_us),
            used: facts.used_us.map_or("never".to_owned(), when::minute),
            facts,
        }
    }
}

impl LinkRow {
    fn of(facts: Link) -> LinkRow {
        LinkRow {
            created: when::minute(facts.created_us),
            expires: when::minute(facts.expires_us),
            facts,
        }
    }
}

impl AuditRow {
    fn of(facts: Entry) -> AuditRow {
        AuditRow {
            at: when::minute(facts.at_us),
            facts,
        }
    }
}
