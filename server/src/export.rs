//! Runs as files of other formats, and /metrics.

mod csv;
mod hlog;
mod junit;
mod metrics;

use crate::App;
use axum::Router;

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
