//! The JSON API, documented in docs/api.md.

use crate::App;
use axum::Router;

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
