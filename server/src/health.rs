//! Whether the server lives, and whether it can serve: for whoever restarts it or sends it traffic.

use crate::access::Guarded;
use crate::{ApiError, App};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::GET, "/healthz", alive)
        .guarded(Method::GET, "/readyz", ready)
}

/// The process answers.
async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The store can be read, and takes batches.
async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let store = Arc::clone(&app.store);
    let unready = |text: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text);
    let is_ready = app.blocking(move || store.is_ready()).await;
    match is_ready {
        Ok(true) => Ok(Json(json!({ "status": "ok" }))),
        Ok(false) => Err(unready("the store takes no batches".to_owned())),
        Err(error) => Err(unready(error.to_string())),
    }
}
