//! Requests with options, made for one use: bytes, or an upload where the body is large.

use crate::clock::Moment;
use crate::core::host::CoreState;
use crate::core::request_defaults::{self, RequestDefaults};
use crate::core::session::Where;
use crate::core::template::{self, Destination, Template, is_idempotent};
use crate::http::encode::{Head, encode_head};
use crate::http::head_flags::HeadFlags;
use crate::http::upload::{Part, Upload};
use crate::http::url::default_name;
use crate::transport::stream::{Exchange, Keep, Payload};
use scripting::{Cookies, RequestSpec};
use std::cell::OnceCell;
use std::rc::Rc;

/// Larger bodies go out in pieces, so that the request's own copy is the only one.
const BODY_AT_ONCE_BYTES_MAX: usize = 64 * 1024;

/// How a request came about: by the script, or as the answer to a reply.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// When the script was due to make the request.
    pub(crate) begun: Moment,
    /// When this one is due: the same, or the end of the reply that led to it.
    pub(crate) due: Moment,
    /// Redirects followed so far.
    pub(crate) hops: u8,
    /// Times it was sent again with an answer to a challenge.
    pub(crate) challenges: u8,
    /// The body, when it has gone out before.
    pub(crate) parts: Option<Rc<[Part]>>,
}

impl Attempt {
    /// A request of the script.
    pub(crate) fn new(due: Moment) -> Attempt {
        Attempt {
            begun: due,
            due,
            hops: 0,
            challenges: 0,
            parts: None,
        }
    }
}

/// Makes a request that the script asked for.
///
/// # Errors
///
/// A message for the script.
pub(crate) fn build(
    state: &CoreState,
    slot: u32,
    spec: Box<RequestSpec>,
    defaults: &RequestDefaults,
    due: Moment,
) -> Result<(u32, Exchange), String> {
    let to = template::destination(state, &spec.url)?;
    build_for(state, slot, spec, to, defaults, Attempt::new(due))
}

/// Makes a request for `to`.
///
/// # Errors
///
/// A message for the script.
pub(crate) fn build_for(
    state: &CoreState,
    slot: u32,
    mut spec: Box<RequestSpec>,
    to: Destination,
    defaults: &RequestDefaults,
    mut attempt: Attempt,
) -> Result<(u32, Exchange), String> {
    let parts = match attempt.parts.take() {
        Some(parts) => Some(parts),
        None => parts_of(state, &mut spec)?,
    };
    let length = match &parts {
        Some(parts) => Some(Upload::length(parts)),
        None => spec.body.as_ref().map(|body| body.len() as u64),
    };
    let (mut bytes, is_signed) = head(state, slot, &spec, &to, length)?;
    let keep = if spec.keep_body {
        Keep::Asked
    } else {
        defaults.keep
    };
    let redirects = spec.redirects.unwrap_or(defaults.redirects);
    let cookies = defaults.cookies && spec.cookies != Cookies::Off;
    let mut watch = request_defaults::watch(cookies, redirects, keep);
    if spec.digest.is_some() {
        watch = watch.with(HeadFlags::CHALLENGE);
    }
    let template = Template {
        bytes: &[],
        name: state
            .recorder
            .borrow_mut()
            .request_name(&name(&spec, &to, &attempt)),
        origin: to.origin,
        method: String::new().into(),
        path: String::new().into(),
        place: OnceCell::new(),
        head_only: spec.method == "HEAD",
        idempotent: is_idempotent(&spec.method),
    };
    let mut exchange = template.exchange(u32::MAX, attempt.due, defaults);
    match parts {
        Some(parts) => {
            let upload = Upload::new(bytes, parts, spec.chunked, spec.expect_continue);
            exchange.payload = Payload::Upload;
            exchange.upload = Some(Box::new(upload));
        }
        None => {
            bytes.extend_from_slice(spec.body.as_deref().unwrap_or_default());
            exchange.payload = Payload::Owned(bytes);
        }
    }
    exchange.timeout_ns = spec
        .timeout
        .map_or(defaults.timeout_ns, |limit| Moment(0).after(limit).0);
    exchange.last = !spec.keepalive.unwrap_or(defaults.keep_alive);
    (exchange.reply.keep, exchange.reply.watch) = (keep, watch);
    exchange.begun = attempt.begun;
    (exchange.hops, exchange.challenges) = (attempt.hops, attempt.challenges);
    exchange.is_signed = is_signed;
    exchange.redirects = redirects;
    state.went_to(slot, to.origin, &to.path);
    spec.url = to.path;
    exchange.spec = Some(spec);
    Ok((to.origin, exchange))
}

/// The body as parts to be sent one after another, where it is not sent at once.
fn parts_of(state: &CoreState, spec: &mut RequestSpec) -> Result<Option<Rc<[Part]>>, String> {
    if spec.parts.is_empty() {
        let body = spec.body.as_ref().map_or(0, Vec::len);
        let in_pieces = spec.chunked || spec.expect_continue || body > BODY_AT_ONCE_BYTES_MAX;
        let body = if in_pieces { spec.body.take() } else { None };
        return Ok(body.map(|body| vec![Part::Bytes(body)].into()));
    }
    let open = |part| match part {
        scripting::Part::Bytes(bytes) => Ok(Part::Bytes(bytes)),
        scripting::Part::File(path) => {
            let opened = state.files.open(&path)?;
            Ok(Part::File {
                file: opened.file,
                bytes: opened.bytes,
            })
        }
    };
    let parts = std::mem::take(&mut spec.parts).into_iter().map(open);
    parts
        .collect::<Result<Vec<Part>, String>>()
        .map(|parts| Some(parts.into()))
}

/// What the request counts under. A redirect of a request with a name shares one with all others
/// of that name, since where they lead to may have ids.
fn name(spec: &RequestSpec, to: &Destination, attempt: &Attempt) -> String {
    match &spec.name {
        None => default_name(&spec.method, &to.path),
        Some(name) if attempt.hops > 0 => format!("{name} (redirect)"),
        Some(name) => name.clone(),
    }
}

/// The head as bytes, and whether it answers a challenge.
fn head(
    state: &CoreState,
    slot: u32,
    spec: &RequestSpec,
    to: &Destination,
    length: Option<u64>,
) -> Result<(Vec<u8>, bool), String> {
    let at = to.place();
    let signed = spec
        .digest
        .as_ref()
        .and_then(|(user, password)| state.sign(slot, at, &spec.method, (user, password)));
    let options = [
        (
            "Authorization",
            spec.authorization.as_deref().or(signed.as_deref()),
        ),
        ("Referer", spec.referer.as_deref()),
        ("Content-Type", spec.content_type.as_deref()),
    ];
    let given = options
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let extra: Vec<(&str, &str)> = given.collect();
    let cookie = cookies(state, slot, spec, at);
    let head = Head {
        method: &spec.method,
        path: &to.path,
        authority: &to.authority,
        defaults: state.defaults(to.origin),
        without: &spec.without,
        headers: &spec.headers,
        extra: &extra,
        cookie: &cookie,
        body_bytes: length,
        chunked: spec.chunked,
        expects_continue: spec.expect_continue,
        keep_alive: spec.keepalive.unwrap_or(state.keep_alive),
    };
    let mut bytes = Vec::with_capacity(256 + spec.body.as_ref().map_or(0, Vec::len));
    encode_head(&mut bytes, &head).map_err(|e| e.to_string())?;
    Ok((bytes, signed.is_some()))
}

/// The value of the Cookie field: the request's own ones, and those of the user with other names.
fn cookies(state: &CoreState, slot: u32, spec: &RequestSpec, at: Where<'_>) -> Vec<u8> {
    let own = match &spec.cookies {
        Cookies::Off => return Vec::new(),
        Cookies::Jar => return state.cookie_field(slot, at),
        Cookies::With(own) => own,
    };
    let kept = state.cookie_field(slot, at);
    let is_other = |pair: &&[u8]| {
        let end = pair
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(pair.len());
        own.iter().all(|(name, _)| name.as_bytes() != &pair[..end])
    };
    let kept = kept.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let kept = kept.filter(|pair| !pair.is_empty()).filter(is_other);
    let own = own
        .iter()
        .map(|(name, value)| [name.as_bytes(), b"=", value].concat());
    let all: Vec<Vec<u8>> = kept.map(<[u8]>::to_vec).chain(own).collect();
    all.join(&b"; "[..])
}
