//! Requests as bytes: templates that are encoded once, and requests made for one use.

use super::connections::NONE;
use super::exchange::{Exchange, Payload, Reply};
use super::host::Shared;
use super::origins::OriginId;
use super::session::Where;
use super::terms::Terms;
use crate::clock::Moment;
use crate::http::cookies::Place;
use crate::http::encode::{Head, encode_head};
use crate::http::notes::Notes;
use crate::http::url::{Scheme, Server, default_name, resolve};
use stats::NameId;
use std::cell::OnceCell;

/// A request without options, ready to be sent any number of times.
pub(super) struct Template {
    /// Encoded once and kept for the life of the process: the kernel may read it at any time, and
    /// their number is bounded.
    pub(super) bytes: &'static [u8],
    pub(super) name: NameId,
    pub(super) origin: OriginId,
    pub(super) method: Box<str>,
    /// Path and query.
    pub(super) path: Box<str>,
    /// Where it goes as far as cookies care, from the first user with cookies on.
    pub(super) place: OnceCell<Option<Place>>,
    pub(super) head_only: bool,
    pub(super) idempotent: bool,
}

/// Where a request goes.
pub(super) struct Destination {
    pub(super) origin: OriginId,
    pub(super) authority: String,
    pub(super) path: String,
}

impl Destination {
    /// A path on a server that is known.
    pub(super) fn of(shared: &Shared, origin: OriginId, path: String) -> Destination {
        let authority = shared.origins.borrow().get(origin).origin.authority();
        Destination {
            origin,
            authority,
            path,
        }
    }

    pub(super) fn place(&self) -> Where<'_> {
        Where {
            origin: self.origin,
            path: &self.path,
            known: None,
        }
    }
}

/// Encodes a request without options.
///
/// # Errors
///
/// A message for the script: the URL or the method cannot be used.
pub(super) fn make(shared: &Shared, method: &str, url: &str) -> Result<Template, String> {
    let to = destination(shared, url)?;
    let mut bytes = Vec::new();
    let head = Head::<&str, &str> {
        method,
        path: &to.path,
        authority: &to.authority,
        defaults: shared.defaults(to.origin),
        without: &[],
        headers: &[],
        extra: &[],
        cookie: b"",
        body_bytes: None,
        chunked: false,
        expects_continue: false,
        keep_alive: shared.keep_alive,
    };
    encode_head(&mut bytes, &head).map_err(|e| e.to_string())?;
    let name = default_name(method, &to.path);
    let name = shared.recorder.borrow_mut().request_name(&name);
    Ok(Template {
        bytes: bytes.leak(),
        name,
        origin: to.origin,
        method: method.into(),
        path: to.path.into(),
        place: OnceCell::new(),
        head_only: method == "HEAD",
        idempotent: is_idempotent(method),
    })
}

/// Resolves a URL against the target.
///
/// # Errors
///
/// A message for the script.
pub(super) fn destination(shared: &Shared, url: &str) -> Result<Destination, String> {
    let resolved = {
        let origins = shared.origins.borrow();
        let target = &origins.get(0).origin;
        resolve(url, &target.base_path).map_err(|e| e.to_string())?
    };
    match resolved.server {
        None => Ok(Destination::of(shared, 0, resolved.path)),
        Some(server) => elsewhere(shared, server, resolved.path),
    }
}

/// A path on a server that a URL names.
///
/// # Errors
///
/// A message for the script: too many servers, or one that cannot be spoken to.
pub(super) fn elsewhere(
    shared: &Shared,
    server: Server,
    path: String,
) -> Result<Destination, String> {
    let origin = config::Origin {
        scheme: match server.scheme {
            Scheme::Http => config::Scheme::Http,
            Scheme::Https => config::Scheme::Https,
        },
        socket: None,
        host: server.host,
        port: server.port,
        base_path: String::new(),
    };
    let id = shared.origins.borrow_mut().intern(&origin)?;
    Ok(Destination::of(shared, id, path))
}

impl Template {
    /// One use of the template.
    #[inline]
    pub(super) fn exchange(&self, id: u32, intended: Moment, terms: &Terms) -> Exchange {
        Exchange {
            user: NONE,
            name: self.name,
            payload: Payload::Static(self.bytes),
            intended,
            begun: intended,
            ready: intended,
            sent: Moment::NEVER,
            first_byte: Moment::NEVER,
            lag_ns: 0,
            timeout_ns: terms.timeout_ns,
            bytes_out: 0,
            template: id,
            spec: None,
            upload: None,
            hops: 0,
            redirects: terms.redirects,
            challenges: 0,
            is_signed: false,
            head_only: self.head_only,
            idempotent: self.idempotent,
            last: !terms.keep_alive,
            retried: false,
            reply: Reply {
                keep: terms.keep,
                watch: terms.watch(),
                seen: Notes::NONE,
                status: 0,
                bytes_in: 0,
                kept: None,
            },
        }
    }
}

/// The bytes of a template with a Cookie field more.
pub(super) fn with_cookies(template: &'static [u8], cookies: &[u8]) -> Vec<u8> {
    // A template ends with the empty line of its head.
    let head = &template[..template.len() - 2];
    let mut bytes = Vec::with_capacity(template.len() + cookies.len() + 10);
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(b"Cookie: ");
    bytes.extend_from_slice(cookies);
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

/// RFC 9110, section 9.2.2.
pub(super) fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"
    )
}
