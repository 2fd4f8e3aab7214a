//! Who may do what.

use crate::App;
use axum::Router;

/// The routes of this part: signing in, accounts, tokens.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}

/// Puts the checks before every route.
pub(crate) fn guard(open: Router<App>, _app: &App) -> Router<App> {
    open
}
