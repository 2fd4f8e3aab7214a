//! Counts every request in the metrics, and logs those that failed or were refused.

use crate::App;
use crate::access::find;
use crate::connections::Peer;
use crate::log_limit::LogLimit;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Limits what clients can write to the log.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    failed: LogLimit,
    refused: LogLimit,
    /// Refused batches.
    pub(crate) batches: LogLimit,
}

/// Why a request failed, when its answer is an error; an extension of the answer.
#[derive(Debug, Clone)]
pub(crate) struct Reason(pub(crate) Arc<str>);

/// An extension of an answer whose handler has logged why it refuses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged;

/// Measures a request, and logs one that failed or was refused.
pub(crate) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.and_then(|path| find(request.method(), path.as_str()));
    let (method, path) = route.map_or(("other", "unknown"), |row| (row.method, row.path));
    let peer = request.extensions().get::<Peer>().copied();
    let uri = request.uri().clone();
    let began = Instant::now();
    let answer = next.run(request).await;
    let status = answer.status();
    app.metrics
        .request(method, path, status.as_u16(), began.elapsed());
    if path == wire::PATH && !status.is_success() {
        app.metrics.batches_refused.fetch_add(1, Ordering::Relaxed);
    }
    if answer.extensions().get::<Logged>().is_some() {
        return answer;
    }
    let is_failed = status.is_server_error();
    let is_refused = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    );
    if is_failed || is_refused {
        let address = peer.map_or_else(String::new, |peer| peer.addr.ip().to_string());
        let reason = answer.extensions().get::<Reason>();
        let reason = reason.map(|reason| &*reason.0);
        // a secret of a share link is in its path; the pattern has none
        let object = if path.contains("{secret}") {
            path
        } else {
            uri.path()
        };
        let (address, status) = (address.as_str(), status.as_u16());
        // the macro fixes a line's level, so the fields of both levels are written here once
        macro_rules! log {
            ($level:ident, $limit:ident, $text:literal) => {
                app.request_log.$limit.pass(|suppressed| {
                    tracing::$level!(
                        method,
                        path = object,
                        status,
                        address,
                        reason,
                        suppressed,
                        $text
                    );
                })
            };
        }
        if is_failed {
            log!(error, failed, "request failed");
        } else {
            log!(info, refused, "request refused");
        }
    }
    answer
}
