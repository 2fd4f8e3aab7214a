//! Requests with options, made for one use: bytes, or an upload where the body is large.

use super::exchange::{Exchange, Keep, Payload};
use super::host::Shared;
use super::session::Where;
use super::template::{self, Destination, Template, is_idempotent};
use super::terms::{self, Terms};
use crate::clock::Moment;
use crate::http::encode::{Head, encode_head};
use crate::http::notes::Notes;
use crate::http::upload::{Part, Upload};
use crate::http::url::default_name;
use scripting::{Cookies, RequestSpec};
use std::cell::OnceCell;
use std::rc::Rc;

/// Larger bodies go out in pieces, so that the request's own copy is the only one.
const BODY_AT_ONCE_BYTES_MAX: usize = 64 * 1024;

/// How a request came about: by the script, or as the answer to a reply.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// When the script was due to make the request.
    pub(super) begun: Moment,
    /// When this one is due: the same, or the end of the reply that led to it.
    pub(super) due: Moment,
    /// Redirects followed so far.
    pub(super) hops: u8,
    /// Times it was sent again with an answer to a challenge.
    pub(super) challenges: u8,
    /// The body, when it has gone out before.
    pub(super) parts: Option<Rc<[Part]>>,
}

impl Course {
    /// A request of the script.
    pub(super) fn new(due: Moment) -> Course {
        Course {
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
pub(super) fn once(
    shared: &Shared,
    slot: u32,
    spec: Box<RequestSpec>,
    terms: &Terms,
    due: Moment,
) -> Result<(u32, Exchange), String> {
    let to = template::destination(shared, &spec.url)?;
    prepare(shared, slot, spec, to, terms, Course::new(due))
}

/// Makes a request for `to`.
///
/// # Errors
///
/// A message for the script.
pub(super) fn prepare(
    shared: &Shared,
    slot: u32,
    mut spec: Box<RequestSpec>,
    to: Destination,
    terms: &Terms,
    mut course: Course,
) -> Result<(u32, Exchange), String> {
    let parts = match course.parts.take() {
        Some(parts) => Some(parts),
        None => parts_of(shared, &mut spec)?,
    };
    let length = match &parts {
        Some(parts) => Some(Upload::length(parts)),
        None => spec.body.as_ref().map(|body| body.len() as u64),
    };
    let (mut bytes, is_signed) = head(shared, slot, &spec, &to, length)?;
    let keep = if spec.keep_body {
        Keep::Asked
    } else {
        terms.keep
    };
    let redirects = spec.redirects.unwrap_or(terms.redirects);
    let cookies = terms.cookies && spec.cookies != Cookies::Off;
    let mut watch = terms::watch(cookies, redirects, keep);
    if spec.digest.is_some() {
        watch = watch.with(Notes::CHALLENGE);
    }
    let template = Template {
        bytes: &[],
        name: shared
            .recorder
            .borrow_mut()
            .request_name(&name(&spec, &to, &course)),
        origin: to.origin,
        method: String::new().into(),
        path: String::new().into(),
        place: OnceCell::new(),
        head_only: spec.method == "HEAD",
        idempotent: is_idempotent(&spec.method),
    };
    let mut exchange = template.exchange(u32::MAX, course.due, terms);
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
        .map_or(terms.timeout_ns, |limit| Moment(0).after(limit).0);
    exchange.last = !spec.keepalive.unwrap_or(terms.keep_alive);
    (exchange.reply.keep, exchange.reply.watch) = (keep, watch);
    exchange.begun = course.begun;
    (exchange.hops, exchange.challenges) = (course.hops, course.challenges);
    exchange.is_signed = is_signed;
    exchange.redirects = redirects;
    shared.went_to(slot, to.origin, &to.path);
    spec.url = to.path;
    exchange.spec = Some(spec);
    Ok((to.origin, exchange))
}

/// The body as parts to be sent one after another, where it is not sent at once.
fn parts_of(shared: &Shared, spec: &mut RequestSpec) -> Result<Option<Rc<[Part]>>, String> {
    if spec.parts.is_empty() {
        let body = spec.body.as_ref().map_or(0, Vec::len);
        let in_pieces = spec.chunked || spec.expect_continue || body > BODY_AT_ONCE_BYTES_MAX;
        let body = if in_pieces { spec.body.take() } else { None };
        return Ok(body.map(|body| vec![Part::Bytes(body)].into()));
    }
    let open = |part| match part {
        scripting::BodyPart::Bytes(bytes) => Ok(Part::Bytes(bytes)),
        scripting::BodyPart::File(path) => {
            let opened = shared.files.open(&path)?;
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
fn name(spec: &RequestSpec, to: &Destination, course: &Course) -> String {
    match &spec.name {
        None => default_name(&spec.method, &to.path),
        Some(name) if course.hops > 0 => format!("{name} (redirect)"),
        Some(name) => name.clone(),
    }
}

/// The head as bytes, and whether it answers a challenge.
fn head(
    shared: &Shared,
    slot: u32,
    spec: &RequestSpec,
    to: &Destination,
    length: Option<u64>,
) -> Result<(Vec<u8>, bool), String> {
    let at = to.place();
    let signed = spec
        .digest
        .as_ref()
        .and_then(|(user, password)| shared.sign(slot, at, &spec.method, (user, password)));
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
    let cookie = cookies(shared, slot, spec, at);
    let head = Head {
        method: &spec.method,
        path: &to.path,
        authority: &to.authority,
        defaults: shared.defaults(to.origin),
        without: &spec.without,
        headers: &spec.headers,
        extra: &extra,
        cookie: &cookie,
        body_bytes: length,
        chunked: spec.chunked,
        expects_continue: spec.expect_continue,
        keep_alive: spec.keepalive.unwrap_or(shared.keep_alive),
    };
    let mut bytes = Vec::with_capacity(256 + spec.body.as_ref().map_or(0, Vec::len));
    encode_head(&mut bytes, &head).map_err(|e| e.to_string())?;
    Ok((bytes, signed.is_some()))
}

/// The value of the Cookie field: the request's own ones, and those of the user with other names.
fn cookies(shared: &Shared, slot: u32, spec: &RequestSpec, at: Where<'_>) -> Vec<u8> {
    let own = match &spec.cookies {
        Cookies::Off => return Vec::new(),
        Cookies::Jar => return shared.cookie_field(slot, at),
        Cookies::With(own) => own,
    };
    let kept = shared.cookie_field(slot, at);
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
