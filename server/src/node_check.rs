//! Lets a load node check its access before it has batches.

use crate::App;
use crate::access::Guarded;
use axum::Router;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prost::Message as _;
use wire::{Ack, HELLO_PATH, MEDIA_TYPE, VERSION};

/// The route of this check; visitors who may not ingest are refused before it.
pub(crate) fn routes() -> Router<App> {
    Router::new().guarded(Method::GET, HELLO_PATH, node_check)
}

async fn node_check() -> impl IntoResponse {
    let ack = Ack {
        version: VERSION,
        ..Ack::default()
    };
    ([(CONTENT_TYPE, MEDIA_TYPE)], ack.encode_to_vec())
}
