//! Tells those who watch a run what is new in it, as server-sent events.

use crate::App;
use axum::Router;

/// Who listens to which run.
#[derive(Debug, Clone, Default)]
pub struct Hub {}

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
