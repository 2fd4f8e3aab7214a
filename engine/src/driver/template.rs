//! Requests as bytes: templates that are encoded once, and requests made for one use.

use super::connections::NONE;
use super::exchange::{Exchange, Keep, Payload, Reply};
use super::host::Shared;
use super::origins::OriginId;
use crate::clock::Moment;
use crate::http::encode::{Head, encode_head};
use crate::http::url::{Scheme, default_name, resolve};
use scripting::RequestSpec;
use stats::NameId;

/// A request without options, ready to be sent any number of times.
pub(super) struct Template {
    /// Encoded once and kept for the life of the process: the kernel may read it at any time, and
    /// their number is bounded.
    bytes: &'static [u8],
    name: NameId,
    pub(super) origin: OriginId,
    head_only: bool,
    idempotent: bool,
}

/// Where a request goes.
pub(super) struct Destination {
    origin: OriginId,
    authority: String,
    path: String,
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
        headers: &[],
        extra: &[],
        body_bytes: None,
        keep_alive: true,
    };
    encode_head(&mut bytes, &head).map_err(|e| e.to_string())?;
    let name = default_name(method, &to.path);
    let name = shared.recorder.borrow_mut().request_name(&name);
    Ok(Template {
        bytes: bytes.leak(),
        name,
        origin: to.origin,
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
    let mut origins = shared.origins.borrow_mut();
    let target = &origins.get(0).origin;
    let resolved = resolve(url, &target.base_path).map_err(|e| e.to_string())?;
    let origin = match resolved.server {
        None => target.clone(),
        Some(server) if server.scheme == Scheme::Http => config::Origin {
            scheme: config::Scheme::Http,
            host: server.host,
            port: server.port,
            base_path: String::new(),
        },
        Some(_) => return Err(format!("url: {url:?}; only http is spoken")),
    };
    let authority = origin.authority();
    Ok(Destination {
        origin: origins.intern(&origin)?,
        authority,
        path: resolved.path,
    })
}

impl Template {
    /// One use of the template.
    #[inline]
    pub(super) fn exchange(&self, intended: Moment, timeout_ns: u64, keep: Keep) -> Exchange {
        Exchange {
            user: NONE,
            name: self.name,
            payload: Payload::Static(self.bytes),
            intended,
            ready: intended,
            sent: Moment::NEVER,
            first_byte: Moment::NEVER,
            lag_ns: 0,
            timeout_ns,
            bytes_out: 0,
            expect: None,
            head_only: self.head_only,
            idempotent: self.idempotent,
            last: false,
            retried: false,
            reply: Reply {
                keep,
                status: 0,
                bytes_in: 0,
                kept: None,
            },
        }
    }
}

/// Encodes a request with options for one use.
///
/// # Errors
///
/// A message for the script.
pub(super) fn once(
    shared: &Shared,
    spec: RequestSpec,
    intended: Moment,
    timeout_ns: u64,
    keep: Keep,
) -> Result<(OriginId, Exchange), String> {
    let to = destination(shared, &spec.url)?;
    let bytes = encode_spec(&spec, &to)?;
    let name = match spec.name {
        Some(name) => shared.recorder.borrow_mut().request_name(&name),
        None => {
            let name = default_name(&spec.method, &to.path);
            shared.recorder.borrow_mut().request_name(&name)
        }
    };
    let limit = spec.timeout.map(|limit| Moment(0).after(limit).0);
    let keep = if spec.keep_body { Keep::Asked } else { keep };
    let template = Template {
        bytes: &[],
        name,
        origin: to.origin,
        head_only: spec.method == "HEAD",
        idempotent: is_idempotent(&spec.method),
    };
    let mut exchange = template.exchange(intended, limit.unwrap_or(timeout_ns), keep);
    exchange.payload = Payload::Owned(bytes);
    exchange.expect = spec.expect.map(Vec::into_boxed_slice);
    exchange.last = spec.keepalive == Some(false);
    Ok((to.origin, exchange))
}

/// Head and body of a request with options, as bytes.
fn encode_spec(spec: &RequestSpec, to: &Destination) -> Result<Vec<u8>, String> {
    let options = [
        ("Authorization", spec.authorization.as_deref()),
        ("Referer", spec.referer.as_deref()),
        ("Content-Type", spec.content_type),
    ];
    let given = options
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let extra: Vec<(&str, &str)> = given.collect();
    let body = spec.body.as_deref();
    let head = Head {
        method: &spec.method,
        path: &to.path,
        authority: &to.authority,
        headers: &spec.headers,
        extra: &extra,
        body_bytes: body.map(|body| body.len() as u64),
        keep_alive: spec.keepalive != Some(false),
    };
    let mut bytes = Vec::with_capacity(256 + body.map_or(0, <[u8]>::len));
    encode_head(&mut bytes, &head).map_err(|e| e.to_string())?;
    bytes.extend_from_slice(body.unwrap_or_default());
    Ok(bytes)
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"
    )
}
