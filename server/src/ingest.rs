//! Takes batches of load nodes.

use crate::App;
use axum::Router;

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
}
