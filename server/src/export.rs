//! Runs as files of other formats, and /metrics.

use crate::App;
use axum::Router;

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
