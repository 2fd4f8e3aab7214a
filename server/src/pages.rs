//! The pages a browser shows: shells from templates, filled by small modules that read the API.

mod assets;
pub(crate) mod compress;
pub(crate) mod error_page;
pub mod offline;
mod shell;

use crate::access::Guarded;
use crate::{ApiError, App};
use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use std::sync::Arc;

pub use shell::Shell;

/// The longest run id that a page is made for.
const ID_LENGTH_MAX: usize = 64;

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/", async || Redirect::to("/report/list"))
        .guarded(Method::GET, "/report/list", list)
        .guarded(Method::GET, "/report/compare", compare)
        .guarded(Method::GET, "/report/{id}", run)
        .guarded(Method::GET, "/r/{id}", run)
        .guarded(Method::GET, "/assets/{version}/{*path}", assets::asset)
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    shell: Shell,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    shell: Shell,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    shell: Shell,
    id: String,
}

/// What is shown of a run whose file cannot be read.
#[derive(Template)]
#[template(path = "unreadable.html")]
struct UnreadablePage {
    shell: Shell,
    id: String,
    state: &'static str,
    text: String,
}

async fn list(shell: Shell) -> Result<Response, ApiError> {
    page(&ListPage { shell })
}

async fn compare(shell: Shell) -> Result<Response, ApiError> {
    page(&ComparePage { shell })
}

async fn run(
    State(app): State<App>,
    shell: Shell,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let is_id =
        id.len() <= ID_LENGTH_MAX && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_id {
        return Err(ApiError::not_found("no such run"));
    }
    let (store, sought) = (Arc::clone(&app.store), id.clone());
    match app.blocking(move || Ok(store.problem(&sought))).await? {
        None => page(&RunPage { shell, id }),
        Some(problem) => page(&UnreadablePage {
            shell,
            id,
            state: problem.state(),
            text: problem.to_string(),
        }),
    }
}

/// A page from its template; never kept by caches, since it shows who is signed in.
///
/// # Errors
/// When the template cannot be filled.
pub fn page(template: &impl Template) -> Result<Response, ApiError> {
    let text = template.render().map_err(|error| {
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        ApiError::new(status, format!("page: {error}"))
    })?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Html(text)).into_response())
}
