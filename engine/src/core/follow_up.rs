//! What the head of a whole reply asks for: cookies to be kept, a challenge to be answered, a
//! redirect to be followed.

use super::Core;
use super::destination::{self, Destination};
use super::request::{Attempt, Pending, Prepared, build_for};
use super::request_defaults;
use super::session::Location;
use crate::http::digest::Challenge;
use crate::http::head_flags::{HeadFlags, values};
use crate::http::redirect::{self, Base};
use crate::transport::{Completed, OriginId, Payload, Stream};
use scripting::{Cookies, RequestSpec};
use stats::{Counter, FailureKind};

/// Times one request is sent again with an answer to a challenge: once, and once more when the
/// nonce had become stale.
const CHALLENGES_MAX: u8 = 2;

/// What follows a whole reply.
pub(crate) enum FollowUp {
    /// It goes to the script.
    Answer,
    /// Another request goes out first.
    Request(Box<Prepared>),
    /// It leads nowhere.
    Failure(FailureKind),
}

/// A request and the head of its reply.
struct Answered<'a> {
    user: u32,
    stream: &'a Stream,
    pending: &'a Pending,
    at: Location<'a>,
    head: &'a [u8],
}

impl Core {
    /// Acts on the head of the whole reply to the request of a user.
    #[cold]
    pub(super) fn follow_up(&self, done: &Completed) -> FollowUp {
        let stream = self.transport.stream(done.stream);
        let Some(kept) = &stream.reply.kept else {
            return FollowUp::Answer;
        };
        let pending = self.users.get(done.ticket).pending();
        let (seen, head) = (stream.reply.seen, &kept.head[..]);
        let templates = self.state.templates.borrow();
        let (path, known) = match &pending.spec {
            Some(spec) => (spec.url.as_str(), None),
            None => {
                let template = &templates[pending.template as usize];
                (&*template.path, Some(&template.scope))
            }
        };
        let answered = Answered {
            user: done.ticket,
            stream,
            pending,
            at: Location {
                origin: stream.origin,
                path,
                known,
            },
            head,
        };
        if seen.has(HeadFlags::COOKIES) {
            let jar = pending.spec.as_ref().and_then(|spec| spec.jar.as_ref());
            self.state.keep_cookies(done.ticket, jar, answered.at, head);
        }
        let next = if seen.has(HeadFlags::CHALLENGE) {
            self.answer_challenge(&answered)
        } else if seen.has(HeadFlags::ELSEWHERE) {
            self.follow_redirect(&answered)
        } else {
            FollowUp::Answer
        };
        if matches!(next, FollowUp::Request(_)) && seen.has(HeadFlags::ELSEWHERE) {
            self.state.telemetry.count(Counter::RedirectFollowed, 1);
        }
        next
    }

    /// The same request again, signed.
    fn answer_challenge(&self, answered: &Answered<'_>) -> FollowUp {
        let (pending, at) = (answered.pending, answered.at);
        let Some(spec) = &pending.spec else {
            return FollowUp::Answer;
        };
        let Some(challenge) = Challenge::find(values(answered.head, "www-authenticate")) else {
            return FollowUp::Answer;
        };
        // Signed and refused: the password is wrong, unless the nonce was only too old.
        let was_fresh = pending.is_signed && pending.challenges > 0 && !challenge.is_stale;
        if was_fresh || pending.challenges >= CHALLENGES_MAX {
            return FollowUp::Answer;
        }
        self.state
            .keep_challenge(answered.user, at.origin, challenge);
        let to = Destination::of(&self.state, at.origin, at.path.to_owned());
        let attempt = Attempt {
            challenges: pending.challenges + 1,
            ..self.attempt_of(answered)
        };
        self.next(answered.user, spec.clone(), to, attempt)
    }

    fn follow_redirect(&self, answered: &Answered<'_>) -> FollowUp {
        let (pending, at, head) = (answered.pending, answered.at, answered.head);
        let status = answered.stream.reply.status;
        if pending.is_expected(status) {
            return FollowUp::Answer;
        }
        // An empty one leads nowhere, as for curl: the reply is the last.
        let location = values(head, "location").next().unwrap_or_default();
        if location.is_empty() {
            return FollowUp::Answer;
        }
        if pending.hops >= pending.redirects {
            return FollowUp::Failure(FailureKind::Redirects);
        }
        let Ok(to) = self.redirected_to(at, location) else {
            return FollowUp::Failure(FailureKind::Redirects);
        };
        let mut spec = self.spec_of(pending);
        let mut attempt = Attempt {
            hops: pending.hops + 1,
            challenges: 0,
            ..self.attempt_of(answered)
        };
        if let Some(method) = redirect::method_change(status, &spec.method) {
            method.clone_into(&mut spec.method);
            drop_body(&mut spec);
            attempt.parts = None;
        }
        if to.origin != at.origin {
            drop_credentials(&mut spec);
        }
        if !self.is_same_host(at.origin, to.origin) {
            // Host is the script's word for the first server alone.
            spec.headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
        }
        self.next(answered.user, spec, to, attempt)
    }

    /// Whether two origins are the same host, whatever the ports and schemes.
    fn is_same_host(&self, one: OriginId, other: OriginId) -> bool {
        let origins = self.state.origins.borrow();
        let [one, other] = [one, other].map(|id| &origins.get(id).origin);
        one.host == other.host && one.socket == other.socket
    }

    fn redirected_to(&self, at: Location<'_>, location: &[u8]) -> Result<Destination, String> {
        let base = Base {
            scheme: self.state.origins.borrow().get(at.origin).origin.scheme,
            path: at.path,
        };
        let target = redirect::resolve(base, location).map_err(|e| e.to_string())?;
        match target.server {
            None => Ok(Destination::of(&self.state, at.origin, target.path)),
            Some(server) => destination::elsewhere(&self.state, server, target.path),
        }
    }

    /// What the request that follows another one has of it.
    fn attempt_of(&self, answered: &Answered<'_>) -> Attempt {
        let pending = answered.pending;
        Attempt {
            begun: pending.begun,
            due: self.now,
            hops: pending.hops,
            challenges: pending.challenges,
            parts: match &answered.stream.payload {
                Payload::Upload(upload) => Some(upload.parts()),
                _ => None,
            },
            tags: pending.name.tags(),
        }
    }

    /// The options of a request; a template has none but its method.
    fn spec_of(&self, pending: &Pending) -> Box<RequestSpec> {
        match &pending.spec {
            Some(spec) => spec.clone(),
            None => {
                let templates = self.state.templates.borrow();
                let template = templates[pending.template as usize].request;
                Box::new(RequestSpec {
                    method: template.message.method.to_string(),
                    ..RequestSpec::default()
                })
            }
        }
    }

    fn next(
        &self,
        user: u32,
        spec: Box<RequestSpec>,
        to: Destination,
        attempt: Attempt,
    ) -> FollowUp {
        match build_for(&self.state, user, spec, to, &self.defaults, attempt) {
            Ok(next) => FollowUp::Request(Box::new(next)),
            Err(_) => FollowUp::Failure(FailureKind::Redirects),
        }
    }
}

/// RFC 9110 section 15.4: with the method the body goes, and the fields that tell of it.
fn drop_body(spec: &mut RequestSpec) {
    spec.body = None;
    spec.content_type = None;
    (spec.chunked, spec.expect_continue) = (false, false);
    spec.headers.retain(|(name, _)| {
        let start = name.get(.."content-".len());
        !start.is_some_and(|start| start.eq_ignore_ascii_case("content-"))
    });
}

/// What was for one server is not told to another.
fn drop_credentials(spec: &mut RequestSpec) {
    spec.authorization = None;
    spec.digest = None;
    spec.headers
        .retain(|(name, _)| !request_defaults::is_credential(name));
    if matches!(spec.cookies, Cookies::With(_)) {
        spec.cookies = Cookies::Jar;
    }
}
