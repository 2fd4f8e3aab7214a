//! What holds for every request of the plan unless its options say otherwise.

use super::exchange::Keep;
use crate::clock::Moment;
use crate::http::encode::{Field, STANDARD};
use crate::http::notes::Notes;
use config::Plan;

/// The terms of a core's requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) timeout_ns: u64,
    pub(super) keep: Keep,
    /// Redirects followed.
    pub(super) redirects: u8,
    /// Servers are asked to keep connections.
    pub(super) keep_alive: bool,
    /// Users keep the cookies they are given.
    pub(super) cookies: bool,
}

impl Terms {
    /// The plan's terms; `retains` says that the script may ask for what it did not say it wants.
    pub(super) fn of(plan: &Plan, retains: bool) -> Terms {
        Terms {
            timeout_ns: Moment(0).after(plan.timeout).0,
            keep: if retains { Keep::InCase } else { Keep::Nothing },
            redirects: plan.web.redirects,
            keep_alive: plan.connections.keep_alive,
            cookies: plan.web.cookies,
        }
    }

    /// What a reply's head may ask for.
    #[inline]
    pub(super) fn watch(&self) -> Notes {
        watch(self.cookies, self.redirects, self.keep)
    }
}

/// What is looked for in a head. A body that nobody keeps is not decoded.
#[inline]
pub(super) fn watch(cookies: bool, redirects: u8, keep: Keep) -> Notes {
    let mut watched = Notes::ODD;
    if cookies {
        watched = watched.with(Notes::COOKIES);
    }
    if redirects > 0 {
        watched = watched.with(Notes::ELSEWHERE);
    }
    if keep != Keep::Nothing {
        watched = watched.with(Notes::ENCODED);
    }
    watched
}

/// The fields that every request has.
#[derive(Debug)]
pub(super) struct Defaults {
    /// To the target.
    pub(super) target: Vec<Field>,
    /// To other servers: without what only the target may know.
    pub(super) others: Vec<Field>,
    /// They have a Cookie field.
    pub(super) has_cookie: bool,
}

impl Defaults {
    pub(super) fn of(plan: &Plan) -> Defaults {
        let given = &plan.web.headers;
        let is_given = |name: &str| {
            given
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let standard = STANDARD.into_iter().filter(|(name, _)| !is_given(name));
        let own = given.iter().filter_map(|(name, value)| {
            let value = value.clone()?;
            Some((name.clone().into(), value.into()))
        });
        let target: Vec<Field> = standard.chain(own).collect();
        let is_open = |field: &&Field| !is_credential(&field.0);
        Defaults {
            others: target.iter().filter(is_open).cloned().collect(),
            has_cookie: target
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("cookie")),
            target,
        }
    }
}

/// Fields that are for one server alone.
pub(super) fn is_credential(name: &str) -> bool {
    let known = ["authorization", "cookie", "proxy-authorization"];
    known.iter().any(|known| name.eq_ignore_ascii_case(known))
}
