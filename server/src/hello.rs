//! Tells a load node whether its batches are welcome before it has any.

use crate::App;
use crate::access::Guarded;
use axum::Router;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use prost::Message as _;
use stats::wire::{Ack, HELLO_PATH, MEDIA_TYPE, VERSION};

/// The route of this part; whoever may not ingest does not get here.
pub(crate) fn routes() -> Router<App> {
    Router::new().guarded(Method::GET, HELLO_PATH, hello)
}

async fn hello() -> impl IntoResponse {
    let ack = Ack {
        version: VERSION,
        ..Ack::default()
    };
    ([(CONTENT_TYPE, MEDIA_TYPE)], ack.encode_to_vec())
}
