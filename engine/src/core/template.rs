//! Requests as bytes: templates that are encoded once, and requests made for one use.

use crate::clock::Moment;
use crate::core::host::CoreState;
use crate::core::request_defaults::RequestDefaults;
use crate::core::session::Where;
use crate::http::cookies::Place;
use crate::http::encode::{Head, encode_head};
use crate::http::head_flags::HeadFlags;
use crate::http::url::{Scheme, Server, default_name, resolve};
use crate::transport::connections::NONE;
use crate::transport::origins::OriginId;
use crate::transport::stream::{Exchange, Payload, Reply};
use stats::NameId;
use std::cell::OnceCell;

/// A request without options, ready to be sent any number of times.
pub(crate) struct Template {
    /// Encoded once and kept for the life of the process: the kernel may read it at any time, and
    /// their number is bounded.
    pub(crate) bytes: &'static [u8],
    pub(crate) name: NameId,
    pub(crate) origin: OriginId,
    pub(crate) method: Box<str>,
    /// Path and query.
    pub(crate) path: Box<str>,
    /// Where it goes as far as cookies care, from the first user with cookies on.
    pub(crate) place: OnceCell<Option<Place>>,
    pub(crate) head_only: bool,
    pub(crate) idempotent: bool,
}

/// Where a request goes.
pub(crate) struct Destination {
    pub(crate) origin: OriginId,
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Destination {
    /// A path on a server that is known.
    pub(crate) fn of(state: &CoreState, origin: OriginId, path: String) -> Destination {
        let authority = state.origins.borrow().get(origin).origin.authority();
        Destination {
            origin,
            authority,
            path,
        }
    }

    pub(crate) fn place(&self) -> Where<'_> {
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
pub(crate) fn make(state: &CoreState, method: &str, url: &str) -> Result<Template, String> {
    let to = destination(state, url)?;
    let mut bytes = Vec::new();
    let head = Head::<&str, &str> {
        method,
        path: &to.path,
        authority: &to.authority,
        defaults: state.defaults(to.origin),
        without: &[],
        headers: &[],
        extra: &[],
        cookie: b"",
        body_bytes: None,
        chunked: false,
        expects_continue: false,
        keep_alive: state.keep_alive,
    };
    encode_head(&mut bytes, &head).map_err(|e| e.to_string())?;
    let name = default_name(method, &to.path);
    let name = state.recorder.borrow_mut().request_name(&name);
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
pub(crate) fn destination(state: &CoreState, url: &str) -> Result<Destination, String> {
    let resolved = {
        let origins = state.origins.borrow();
        let target = &origins.get(0).origin;
        resolve(url, &target.base_path).map_err(|e| e.to_string())?
    };
    match resolved.server {
        None => Ok(Destination::of(state, 0, resolved.path)),
        Some(server) => elsewhere(state, server, resolved.path),
    }
}

/// A path on a server that a URL names.
///
/// # Errors
///
/// A message for the script: too many servers, or one that cannot be spoken to.
pub(crate) fn elsewhere(
    state: &CoreState,
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
    let id = state.origins.borrow_mut().intern(&origin)?;
    Ok(Destination::of(state, id, path))
}

impl Template {
    /// One use of the template.
    #[inline]
    pub(crate) fn exchange(
        &self,
        id: u32,
        intended: Moment,
        defaults: &RequestDefaults,
    ) -> Exchange {
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
            timeout_ns: defaults.timeout_ns,
            bytes_out: 0,
            template: id,
            spec: None,
            upload: None,
            hops: 0,
            redirects: defaults.redirects,
            challenges: 0,
            is_signed: false,
            head_only: self.head_only,
            idempotent: self.idempotent,
            last: !defaults.keep_alive,
            retried: false,
            reply: Reply {
                keep: defaults.keep,
                watch: defaults.watch(),
                seen: HeadFlags::NONE,
                status: 0,
                bytes_in: 0,
                kept: None,
            },
        }
    }
}

/// The bytes of a template with a Cookie field more.
pub(crate) fn with_cookies(template: &'static [u8], cookies: &[u8]) -> Vec<u8> {
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
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"
    )
}
