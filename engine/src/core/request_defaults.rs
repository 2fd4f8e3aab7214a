//! What holds for every request of the plan unless its options say otherwise.

use crate::clock::Moment;
use crate::http::encode::{Field, STANDARD};
use crate::http::head_flags::HeadFlags;
use crate::transport::Keep;
use config::Plan;

/// The terms of a core's requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestDefaults {
    pub(crate) timeout_ns: u64,
    pub(crate) keep: Keep,
    /// Redirects followed.
    pub(crate) redirects: u8,
    /// Servers are asked to keep connections.
    pub(crate) keep_alive: bool,
    /// Users keep the cookies they are given.
    pub(crate) cookies: bool,
}

impl RequestDefaults {
    /// The plan's terms; `retains` says that the script may ask for what it did not say it wants.
    pub(crate) fn of(plan: &Plan, retains: bool) -> RequestDefaults {
        RequestDefaults {
            timeout_ns: Moment(0).after(plan.timeout).0,
            keep: if retains { Keep::InCase } else { Keep::Nothing },
            redirects: plan.web.redirects,
            keep_alive: plan.connections.keep_alive,
            cookies: plan.web.cookies,
        }
    }

    /// What a reply's head may ask for.
    #[inline]
    pub(crate) fn watch(&self) -> HeadFlags {
        watch(self.cookies, self.redirects, self.keep)
    }
}

/// What is looked for in a head. A body that nobody keeps is not decoded.
#[inline]
pub(crate) fn watch(cookies: bool, redirects: u8, keep: Keep) -> HeadFlags {
    let mut watched = HeadFlags::ODD;
    if cookies {
        watched = watched.with(HeadFlags::COOKIES);
    }
    if redirects > 0 {
        watched = watched.with(HeadFlags::ELSEWHERE);
    }
    if keep != Keep::Nothing {
        watched = watched.with(HeadFlags::ENCODED);
    }
    watched
}

/// The fields that every request has.
#[derive(Debug)]
pub(crate) struct DefaultFields {
    /// To the target.
    pub(crate) target: Vec<Field>,
    /// To other servers: without what only the target may know.
    pub(crate) others: Vec<Field>,
    /// They have a Cookie field.
    pub(crate) has_cookie: bool,
}

impl DefaultFields {
    pub(crate) fn of(plan: &Plan) -> DefaultFields {
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
        DefaultFields {
            others: target.iter().filter(is_open).cloned().collect(),
            has_cookie: target
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("cookie")),
            target,
        }
    }
}

/// Fields that are for one server alone.
pub(crate) fn is_credential(name: &str) -> bool {
    let known = ["authorization", "cookie", "proxy-authorization"];
    known.iter().any(|known| name.eq_ignore_ascii_case(known))
}
