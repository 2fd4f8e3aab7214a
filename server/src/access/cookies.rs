//! The cookies of sessions and share links.

use super::Caller;
use super::secret::Secret;
use axum::http::{HeaderName, HeaderValue, header};

/// A header that sets a cookie for a number of seconds: not readable by scripts, not sent with
/// cross-site requests, and only over TLS if the browser uses it.
pub(super) fn set(
    name: &str,
    secret: &Secret,
    seconds: i64,
    caller: &Caller,
) -> (HeaderName, HeaderValue) {
    line(name, &secret.text(), seconds, caller.is_https)
}

/// A header that removes a cookie.
pub(super) fn clear(name: &str) -> (HeaderName, HeaderValue) {
    line(name, "", 0, false)
}

/// A header that sets a cookie to a secret as received.
pub(super) fn line(
    name: &str,
    value: &str,
    seconds: i64,
    is_https: bool,
) -> (HeaderName, HeaderValue) {
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // Names and base64url are valid in a header.
    let value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
    (header::SET_COOKIE, value)
}
