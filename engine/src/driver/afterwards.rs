//! What the head of a whole reply asks for: cookies to be kept, a challenge to be answered, a
//! redirect to be followed.

use super::Driver;
use super::exchange::Exchange;
use super::origins::OriginId;
use super::prepare::{Course, prepare};
use super::session::Where;
use super::template::{self, Destination};
use super::terms;
use crate::http::digest::Challenge;
use crate::http::notes::{Notes, values};
use crate::http::redirect::{self, Base};
use crate::http::url::Scheme;
use crate::ring::Slot;
use scripting::{Cookies, RequestSpec};
use stats::{Counter, FailureKind};

/// Times one request is sent again with an answer to a challenge: once, and once more when the
/// nonce had become stale.
const CHALLENGES_MAX: u8 = 2;

/// What follows a whole reply.
pub(super) enum After {
    /// It goes to the script.
    Answer,
    /// Another request goes out first.
    Request(Box<(u32, Exchange)>),
    /// It leads nowhere.
    Failure(FailureKind),
}

impl Driver {
    /// Acts on the head of the whole reply of a connection.
    #[cold]
    pub(super) fn heed(&mut self, slot: Slot) -> After {
        let connection = self.connections.get(slot);
        let Some(exchange) = &connection.exchange else {
            return After::Answer;
        };
        let Some(kept) = &exchange.reply.kept else {
            return After::Answer;
        };
        let (seen, head) = (exchange.reply.seen, &kept.head[..]);
        let templates = self.shared.templates.borrow();
        let (path, known) = match &exchange.spec {
            Some(spec) => (spec.url.as_str(), None),
            None => {
                let template = &templates[exchange.template as usize];
                (&*template.path, Some(&template.place))
            }
        };
        let at = Where {
            origin: connection.origin,
            path,
            known,
        };
        if seen.has(Notes::COOKIES) {
            self.shared.keep_cookies(exchange.user, at, head);
        }
        let next = if seen.has(Notes::CHALLENGE) {
            self.answer_challenge(exchange, at, head)
        } else if seen.has(Notes::ELSEWHERE) {
            self.follow_redirect(exchange, at, head)
        } else {
            After::Answer
        };
        if matches!(next, After::Request(_)) && seen.has(Notes::ELSEWHERE) {
            self.shared
                .record(|recorder| recorder.count(Counter::RedirectFollowed, 1));
        }
        next
    }

    /// The same request again, signed.
    fn answer_challenge(&self, exchange: &Exchange, at: Where<'_>, head: &[u8]) -> After {
        let Some(spec) = &exchange.spec else {
            return After::Answer;
        };
        let Some(challenge) = Challenge::find(values(head, "www-authenticate")) else {
            return After::Answer;
        };
        // Signed and refused: the password is wrong, unless the nonce was only too old.
        let was_fresh = exchange.is_signed && exchange.challenges > 0 && !challenge.is_stale;
        if was_fresh || exchange.challenges >= CHALLENGES_MAX {
            return After::Answer;
        }
        self.shared
            .keep_challenge(exchange.user, at.origin, challenge);
        let to = Destination::of(&self.shared, at.origin, at.path.to_owned());
        let course = Course {
            challenges: exchange.challenges + 1,
            ..self.course_of(exchange)
        };
        self.next(exchange.user, spec.clone(), to, course)
    }

    fn follow_redirect(&self, exchange: &Exchange, at: Where<'_>, head: &[u8]) -> After {
        let status = exchange.reply.status;
        if exchange.is_expected(status) {
            return After::Answer;
        }
        // An empty one leads nowhere, as for curl: the reply is the last.
        let location = values(head, "location").next().unwrap_or_default();
        if location.is_empty() {
            return After::Answer;
        }
        if exchange.hops >= exchange.redirects {
            return After::Failure(FailureKind::Redirects);
        }
        let Ok(to) = self.redirected_to(at, location) else {
            return After::Failure(FailureKind::Redirects);
        };
        let mut spec = self.spec_of(exchange);
        let mut course = Course {
            hops: exchange.hops + 1,
            challenges: 0,
            ..self.course_of(exchange)
        };
        if let Some(method) = redirect::method_change(status, &spec.method) {
            method.clone_into(&mut spec.method);
            drop_body(&mut spec);
            course.parts = None;
        }
        if to.origin != at.origin {
            drop_credentials(&mut spec);
        }
        if !self.is_same_host(at.origin, to.origin) {
            // Host is the script's word for the first server alone.
            spec.headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
        }
        self.next(exchange.user, spec, to, course)
    }

    /// Whether two origins are the same host, whatever the ports and schemes.
    fn is_same_host(&self, one: OriginId, other: OriginId) -> bool {
        let origins = self.shared.origins.borrow();
        let [one, other] = [one, other].map(|id| &origins.get(id).origin);
        one.host == other.host && one.socket == other.socket
    }

    fn redirected_to(&self, at: Where<'_>, location: &[u8]) -> Result<Destination, String> {
        let scheme = match self
            .shared
            .origins
            .borrow()
            .get(at.origin)
            .origin
            .scheme
            .as_str()
        {
            "https" => Scheme::Https,
            _ => Scheme::Http,
        };
        let base = Base {
            scheme,
            path: at.path,
        };
        let target = redirect::resolve(base, location).map_err(|e| e.to_string())?;
        match target.server {
            None => Ok(Destination::of(&self.shared, at.origin, target.path)),
            Some(server) => template::elsewhere(&self.shared, server, target.path),
        }
    }

    /// The course of the request that follows another one.
    fn course_of(&self, exchange: &Exchange) -> Course {
        Course {
            begun: exchange.begun,
            due: self.now,
            hops: exchange.hops,
            challenges: exchange.challenges,
            parts: exchange.upload.as_ref().map(|upload| upload.parts()),
        }
    }

    /// The options of a request; a template has none but its method.
    fn spec_of(&self, exchange: &Exchange) -> Box<RequestSpec> {
        match &exchange.spec {
            Some(spec) => spec.clone(),
            None => {
                let templates = self.shared.templates.borrow();
                let method = templates[exchange.template as usize].method.to_string();
                Box::new(RequestSpec {
                    method,
                    ..RequestSpec::default()
                })
            }
        }
    }

    fn next(&self, user: u32, spec: Box<RequestSpec>, to: Destination, course: Course) -> After {
        match prepare(&self.shared, user, spec, to, &self.terms, course) {
            Ok(next) => After::Request(Box::new(next)),
            Err(_) => After::Failure(FailureKind::Redirects),
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
    spec.headers.retain(|(name, _)| !terms::is_credential(name));
    if matches!(spec.cookies, Cookies::With(_)) {
        spec.cookies = Cookies::Jar;
    }
}
