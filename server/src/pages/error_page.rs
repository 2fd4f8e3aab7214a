//! Errors as pages, for browsers; programs get them as JSON.

use super::{Shell, page};
use crate::ApiError;
use crate::access::Visitor;
use askama::Template;
use axum::body::to_bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// Maximum length of an error as JSON, in bytes.
const ERROR_BYTES_MAX: usize = 4 << 10;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    shell: Shell,
    title: &'static str,
    status: u16,
    text: String,
    /// Another account may be allowed to.
    is_refusal: bool,
}

/// True for requests of a browser for a page, outside of the paths of programs.
pub(crate) fn is_wanted(head: &Parts) -> bool {
    let accepted = head.headers.get(ACCEPT);
    let takes_html = accepted.is_some_and(|kinds| {
        (kinds.to_str()).is_ok_and(|kinds| kinds.to_ascii_lowercase().contains("text/html"))
    });
    takes_html || (head.method == Method::GET && !head.uri.path().starts_with("/assets/"))
}

/// The page that says what the JSON of an error says; other responses stay as they are. An
/// extension of the response names the visitor, where one is known.
pub(crate) async fn of(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    if !is_error || kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        return response;
    }
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, ERROR_BYTES_MAX).await.unwrap_or_default();
    let text = text_of(&bytes, status);
    let shell = match head.extensions.get::<Visitor>() {
        Some(visitor) => Shell::of(visitor, None, ""),
        None => Shell::new("", None, ""),
    };
    let shown = page(&ErrorPage {
        shell,
        title: title(status),
        status: status.as_u16(),
        is_refusal: status == StatusCode::FORBIDDEN,
        text: sentence(&text),
    });
    let Ok(shown) = shown else {
        return ApiError::new(status, text).into_response();
    };
    let mut shown = (status, shown).into_response();
    // what is told of it to the log
    shown.extensions_mut().extend(head.extensions);
    // such as when to try again; those of the body are the page's own
    for (name, value) in &head.headers {
        if !shown.headers().contains_key(name) && name != "content-length" {
            shown.headers_mut().append(name, value.clone());
        }
    }
    shown
}

/// What an error says: its JSON's sentence, or its text, or the reason of its status.
fn text_of(bytes: &[u8], status: StatusCode) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let told = json.and_then(|json| Some(json.get("error")?.as_str()?.to_owned()));
    let text = told.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    let text = text.trim().trim_end_matches('.');
    if text.is_empty() {
        status.canonical_reason().unwrap_or("refused").to_owned()
    } else {
        text.to_owned()
    }
}

/// With a capital letter, as a page has it; the words of the API begin with a small one.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase());
    first.into_iter().flatten().chain(letters).collect()
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "Access denied",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::UNAUTHORIZED => "Sign in first",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        StatusCode::MISDIRECTED_REQUEST => "Unknown host name",
        StatusCode::BAD_GATEWAY => "The provider cannot be asked",
        status if status.is_client_error() => "This request cannot be answered",
        _ => "The server failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_becomes_a_page_with_its_status_and_sentence() {
        let error = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "store: <disk> full.");
        let shown = of(error.into_response()).await;
        assert_eq!(shown.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let kind = shown.headers()[CONTENT_TYPE].to_str().expect("text");
        assert!(kind.starts_with("text/html"), "{kind}");
        let bytes = to_bytes(shown.into_body(), 1 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("The server failed") && text.contains("Status 500"));
        assert!(text.contains("Store: &#60;disk&#62; full."), "{text}");
    }

    #[tokio::test]
    async fn what_is_no_error_stays() {
        let shown = of((StatusCode::OK, "fine").into_response()).await;
        let bytes = to_bytes(shown.into_body(), 64).await.expect("a body");
        assert_eq!(&bytes[..], b"fine");
    }
}
