//! Requests with options, made for one use, and what the core remembers of a request under way.

use super::destination::{self, Destination};
use super::request_defaults::{self, RequestDefaults};
use super::session::Location;
use super::state::CoreState;
use super::template::is_idempotent;
use crate::clock::Moment;
use crate::http::encode::{Head, compose};
use crate::http::head_flags::HeadFlags;
use crate::http::message::Message;
use crate::http::upload::{BodyPart, Upload};
use crate::http::url::default_name;
use crate::transport::{Keep, NONE, Payload, Request};
use scripting::{Cookies, RequestSpec};
use stats::{NameId, TagsId};
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
    pub(crate) parts: Option<Rc<[BodyPart]>>,
    /// The tags of the request and of the stretch it was made in.
    pub(crate) tags: TagsId,
}

impl Attempt {
    /// A request of the script.
    pub(crate) fn new(due: Moment, tags: TagsId) -> Attempt {
        Attempt {
            begun: due,
            due,
            hops: 0,
            challenges: 0,
            parts: None,
            tags,
        }
    }
}

/// What the core remembers of the request that a user waits for.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) name: NameId,
    /// When it was due.
    pub(crate) intended: Moment,
    /// When the script was due to make the request that led to it.
    pub(crate) begun: Moment,
    /// The template it is made from, or [`NONE`] when it has options.
    pub(crate) template: u32,
    /// Its options; the URL is the path it went to.
    pub(crate) spec: Option<Box<RequestSpec>>,
    /// Redirects followed so far, and how many may be.
    pub(crate) hops: u8,
    pub(crate) redirects: u8,
    /// Times it was sent again with an answer to a challenge.
    pub(crate) challenges: u8,
    /// It answers a challenge.
    pub(crate) is_signed: bool,
}

impl Pending {
    /// A request made from a template.
    #[inline]
    pub(crate) fn of_template(name: NameId, id: u32, due: Moment, redirects: u8) -> Pending {
        Pending {
            name,
            intended: due,
            begun: due,
            template: id,
            spec: None,
            hops: 0,
            redirects,
            challenges: 0,
            is_signed: false,
        }
    }

    /// Whether a status counts as ok.
    #[inline]
    pub(crate) fn expects(&self, status: u16) -> bool {
        match self.expectation() {
            Some(list) => list.contains(&status),
            None if self.spec.as_ref().is_some_and(|spec| spec.judged) => true,
            None => status < 400,
        }
    }

    /// Whether the script named the status as one it wants.
    pub(crate) fn is_expected(&self, status: u16) -> bool {
        self.expectation()
            .is_some_and(|list| list.contains(&status))
    }

    fn expectation(&self) -> Option<&[u16]> {
        self.spec.as_ref()?.expect.as_deref()
    }
}

/// A request to be submitted, and what the core remembers of it.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) pending: Pending,
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
) -> Result<Prepared, String> {
    let to = destination::resolve(state, &spec.url)?;
    let (due, around) = {
        let user = &state.script_users.borrow()[slot as usize];
        (user.due, user.tags)
    };
    let mut recorder = state.telemetry.recorder.borrow_mut();
    let tags = recorder.tags(around, &spec.tags);
    drop(recorder);
    build_for(state, slot, spec, to, defaults, Attempt::new(due, tags))
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
) -> Result<Prepared, String> {
    let parts = match attempt.parts.take() {
        Some(parts) => Some(parts),
        None => parts_of(state, &mut spec)?,
    };
    let length = match &parts {
        Some(parts) => Some(Upload::length(parts)),
        None => spec.body.as_ref().map(|body| body.len() as u64),
    };
    let (mut message, is_signed) = message(state, slot, &spec, &to, length)?;
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
    let name = name(&spec, &to, &attempt);
    let name = state.telemetry.recorder.borrow_mut().request_name(&name);
    let name = name.with_tags(attempt.tags);
    let payload = match parts {
        Some(parts) => {
            let upload = Upload::new(message, parts, spec.chunked, spec.expect_continue);
            Payload::Upload(Box::new(upload))
        }
        None => {
            message.body = spec.body.clone().unwrap_or_default();
            Payload::Message(Box::new(message))
        }
    };
    let timeout = spec.timeout.map(|limit| Moment(0).after(limit).0);
    let request = Request {
        ticket: slot,
        name,
        origin: to.origin,
        payload,
        ready: attempt.due,
        timeout_ns: timeout.unwrap_or(defaults.timeout_ns),
        head_only: spec.method == "HEAD",
        idempotent: is_idempotent(&spec.method),
        last: !spec.keepalive.unwrap_or(defaults.keep_alive),
        keep,
        watch,
    };
    state.went_to(slot, to.origin, &to.path);
    spec.url = to.path;
    let pending = Pending {
        name,
        intended: attempt.due,
        begun: attempt.begun,
        template: NONE,
        spec: Some(spec),
        hops: attempt.hops,
        redirects,
        challenges: attempt.challenges,
        is_signed,
    };
    Ok(Prepared { request, pending })
}

/// The body as parts to be sent one after another, where it is not sent at once.
fn parts_of(state: &CoreState, spec: &mut RequestSpec) -> Result<Option<Rc<[BodyPart]>>, String> {
    if spec.parts.is_empty() {
        let body = spec.body.as_ref().map_or(0, Vec::len);
        let in_pieces = spec.chunked || spec.expect_continue || body > BODY_AT_ONCE_BYTES_MAX;
        let body = if in_pieces { spec.body.take() } else { None };
        return Ok(body.map(|body| vec![BodyPart::Bytes(body)].into()));
    }
    let open = |part| match part {
        scripting::BodyPart::Bytes(bytes) => Ok(BodyPart::Bytes(bytes)),
        scripting::BodyPart::File(path) => {
            let opened = state.files.open(&path)?;
            Ok(BodyPart::File {
                file: opened.file,
                bytes: opened.bytes,
            })
        }
    };
    let parts = std::mem::take(&mut spec.parts).into_iter().map(open);
    parts
        .collect::<Result<Vec<BodyPart>, String>>()
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

/// The request without its body, and whether it answers a challenge.
fn message(
    state: &CoreState,
    slot: u32,
    spec: &RequestSpec,
    to: &Destination,
    length: Option<u64>,
) -> Result<(Message, bool), String> {
    let at = to.location();
    let signed = spec
        .digest
        .as_ref()
        .and_then(|(user, password)| state.sign(slot, at, &spec.method, user, password));
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
        forward: to.forward(),
        authority: &to.authority,
        defaults: state.default_fields(to.origin),
        without: &spec.without,
        headers: &spec.headers,
        extra: &extra,
        cookie: &cookie,
        body_bytes: length,
        chunked: spec.chunked,
        expects_continue: spec.expect_continue,
        keep_alive: spec.keepalive.unwrap_or(state.keep_alive),
    };
    let message = compose(&head).map_err(|e| e.to_string())?;
    Ok((message, signed.is_some()))
}

/// The value of the Cookie field: the request's own ones, and those of its jar with other names.
fn cookies(state: &CoreState, slot: u32, spec: &RequestSpec, at: Location<'_>) -> Vec<u8> {
    let kept = |state: &CoreState| state.cookie_field(slot, spec.jar.as_ref(), at);
    let own = match &spec.cookies {
        Cookies::Off => return Vec::new(),
        Cookies::Jar => return kept(state),
        Cookies::With(own) => own,
    };
    let kept = kept(state);
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
