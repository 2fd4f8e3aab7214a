//! Requests without options, made once and sent any number of times.

use super::request_defaults::RequestDefaults;
use crate::clock::Moment;
use crate::http::cookies::CookieScope;
use crate::http::encode;
use crate::transport::{OriginId, Payload, Request};
use stats::NameId;
use std::cell::OnceCell;

/// A request without options.
pub(crate) struct Template {
    pub(crate) request: &'static encode::Template,
    pub(crate) name: NameId,
    pub(crate) origin: OriginId,
    /// Path and query.
    pub(crate) path: Box<str>,
    /// Where it goes as far as cookies care, from the first user with cookies on.
    pub(crate) scope: OnceCell<Option<CookieScope>>,
    pub(crate) head_only: bool,
    pub(crate) idempotent: bool,
}

impl Template {
    /// One use of the template by the user in `slot`, under this name and due at `due`.
    #[inline]
    pub(crate) fn request(
        &self,
        slot: u32,
        name: NameId,
        due: Moment,
        defaults: &RequestDefaults,
    ) -> Request {
        Request {
            ticket: slot,
            name,
            origin: self.origin,
            payload: Payload::Template(self.request),
            ready: due,
            timeout_ns: defaults.timeout_ns,
            head_only: self.head_only,
            idempotent: self.idempotent,
            last: !defaults.keep_alive,
            keep: defaults.keep,
            watch: defaults.watch(),
        }
    }
}

/// RFC 9110, section 9.2.2.
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"
    )
}
