//! Replies in gzip for those who accept it.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Below this many bytes packing costs more than it saves.
const BYTES_MIN: u64 = 1_000;
/// Larger replies are sent as they are: packing one would hold its thread for too long.
const BYTES_MAX: u64 = 32 << 20;

/// How hard to try.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effort {
    /// For what is made for one reply.
    Quick,
    /// For what is packed once and sent often.
    Best,
}

/// The bytes in gzip.
pub(crate) fn gzip(plain: &[u8], effort: Effort) -> Vec<u8> {
    let level = match effort {
        Effort::Quick => Compression::fast(),
        Effort::Best => Compression::best(),
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 3), level);
    let packed = encoder.write_all(plain).and_then(|()| encoder.finish());
    packed.expect("writing to memory does not fail")
}

/// Whether the request takes gzip.
pub(crate) fn is_accepted(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING);
    accepted
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(is_gzip))
}

fn is_gzip(coding: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let is_refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
    (name.eq_ignore_ascii_case("gzip") || name == "*") && !is_refused
}

/// Packs whole replies of text; streams, such as events of a live run, pass as they are.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let is_wanted = is_accepted(request.headers());
    let reply = next.run(request).await;
    if is_wanted && is_worth_it(&reply) {
        packed(reply).await
    } else {
        reply
    }
}

fn is_worth_it(reply: &Response) -> bool {
    let size = reply.body().size_hint().exact();
    let kind = reply.headers().get(header::CONTENT_TYPE);
    let is_text = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json") || kind.starts_with("text/"));
    is_text
        && !reply.headers().contains_key(header::CONTENT_ENCODING)
        && size.is_some_and(|size| (BYTES_MIN..BYTES_MAX).contains(&size))
}

async fn packed(reply: Response) -> Response {
    let (mut head, body) = reply.into_parts();
    let Ok(plain) = axum::body::to_bytes(body, BYTES_MAX as usize).await else {
        // A body of known size that breaks off is an error of the server's own.
        return Response::new(Body::empty());
    };
    let bytes = gzip(&plain, Effort::Quick);
    head.headers.remove(header::CONTENT_LENGTH);
    let gzip = HeaderValue::from_static("gzip");
    head.headers.insert(header::CONTENT_ENCODING, gzip);
    let vary = HeaderValue::from_static("accept-encoding");
    head.headers.append(header::VARY, vary);
    Response::from_parts(head, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_gzip() {
        let rows = [
            ("gzip, deflate, br", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ];
        for (value, expected) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(is_accepted(&headers), expected, "{value}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }
}
