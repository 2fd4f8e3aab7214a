//! What users remember, asked and changed: the Cookie field of a request, cookies that replies and
//! scripts set, challenges and their answers.

use super::destination;
use super::session::{CHALLENGES_MAX, Location, ScriptJar, UserSession};
use super::state::CoreState;
use crate::http::cookies::{self, CookieScope, Draft, Jar};
use crate::http::digest::{Challenge, Signer, client_nonce};
use crate::http::head_flags::values;
use crate::transport::{NONE, OriginId};
use scripting::{CookieJar, CookieSpec};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

impl CoreState {
    /// The slot of the user that a slot is, or is a branch of.
    pub(crate) fn root(&self, slot: u32) -> u32 {
        let script_users = self.script_users.borrow();
        let mut at = slot;
        while script_users[at as usize].parent != NONE {
            at = script_users[at as usize].parent;
        }
        at
    }

    /// What the user remembers, if anything.
    fn with_session<T>(&self, slot: u32, f: impl FnOnce(&mut UserSession) -> T) -> Option<T> {
        let root = self.root(slot);
        let user = &mut self.script_users.borrow_mut()[root as usize];
        user.session.as_deref_mut().map(f)
    }

    /// What the user remembers, from now on.
    fn in_session<T>(&self, slot: u32, f: impl FnOnce(&mut UserSession) -> T) -> T {
        let root = self.root(slot);
        let user = &mut self.script_users.borrow_mut()[root as usize];
        f(user.session.get_or_insert_default())
    }

    /// Lends the cookies of a jar; without one those of the user, if it remembers anything.
    fn with_cookies<T>(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        f: impl FnOnce(&mut Jar) -> T,
    ) -> Option<T> {
        match jar.and_then(ScriptJar::of) {
            Some(jar) => Some(f(&mut jar.cookies.borrow_mut())),
            None => self.with_session(slot, |session| f(&mut session.jar)),
        }
    }

    /// Lends the cookies of a jar; without one those of the user, which remembers them from now on.
    fn in_cookies<T>(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        f: impl FnOnce(&mut Jar) -> T,
    ) -> T {
        match jar.and_then(ScriptJar::of) {
            Some(jar) => f(&mut jar.cookies.borrow_mut()),
            None => self.in_session(slot, |session| f(&mut session.jar)),
        }
    }

    /// Makes a cookie jar for the user's script.
    ///
    /// # Errors
    ///
    /// A message for the script: it keeps too many.
    pub(crate) fn make_jar(&self, slot: u32) -> Result<CookieJar, String> {
        self.in_session(slot, UserSession::script_jar)
    }

    /// Whether a jar was made for this user.
    pub(crate) fn owns_jar(&self, slot: u32, jar: &CookieJar) -> bool {
        self.with_session(slot, |session| session.owns(jar)) == Some(true)
    }

    /// Whether the user, or the user it is a branch of, remembers anything.
    #[inline]
    pub(crate) fn has_session(&self, slot: u32) -> bool {
        let (own, parent) = {
            let user = &self.script_users.borrow()[slot as usize];
            (user.session.is_some(), user.parent)
        };
        own || (parent != NONE && self.with_session(slot, |_| ()).is_some())
    }

    /// Lends what cookies need of a location; none where there are no cookies.
    fn with_scope<T>(&self, at: Location<'_>, f: impl FnOnce(&CookieScope) -> T) -> Option<T> {
        let make = || {
            let origins = self.origins.borrow();
            let origin = &origins.get(at.origin).origin;
            CookieScope::new(&origin.host, at.path, origin.scheme.as_str() == "https")
        };
        match at.known {
            Some(known) => known.get_or_init(make).as_ref().map(f),
            None => make().as_ref().map(f),
        }
    }

    /// The value of the Cookie field of a request; empty for none.
    pub(crate) fn cookie_field(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        at: Location<'_>,
    ) -> Vec<u8> {
        let mut field = Vec::new();
        self.with_cookies(slot, jar, |kept| {
            if !kept.is_empty() {
                self.with_scope(at, |scope| kept.write(scope, now_s(), &mut field));
            }
        });
        field
    }

    /// Keeps the cookies that a reply sets.
    pub(crate) fn keep_cookies(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        at: Location<'_>,
        head: &[u8],
    ) {
        self.in_cookies(slot, jar, |kept| {
            self.with_scope(at, |scope| {
                for field in values(head, "set-cookie") {
                    kept.set(field, scope, now_s());
                }
            });
        });
    }

    /// Remembers a challenge in place of the one before.
    pub(crate) fn keep_challenge(&self, slot: u32, origin: OriginId, challenge: Challenge) {
        self.in_session(slot, |session| {
            let known = &mut session.challenges;
            known.retain(|(of, _)| *of != origin);
            if known.len() >= CHALLENGES_MAX {
                known.remove(0);
            }
            known.push((origin, challenge));
        });
    }

    /// Signs a request, if the server's challenge is known.
    pub(crate) fn sign(
        &self,
        slot: u32,
        at: Location<'_>,
        method: &str,
        user: &str,
        password: &str,
    ) -> Option<String> {
        let number = self.script_users.borrow()[slot as usize].number;
        let sign = |session: &mut UserSession| {
            session.signed += 1;
            let known = session.challenges.iter_mut();
            let (_, challenge) = known.into_iter().find(|(of, _)| *of == at.origin)?;
            let cnonce = client_nonce(self.seed, number, session.signed);
            Some(challenge.authorize(Signer {
                user,
                password,
                method,
                uri: at.path,
                cnonce: &cnonce,
            }))
        };
        self.with_session(slot, sign).flatten()
    }

    /// Lends the value of a cookie.
    ///
    /// # Errors
    ///
    /// A message for the script: the URL cannot be understood.
    pub(crate) fn lend_cookie(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        name: &str,
        url: Option<&str>,
        f: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        let to = url.map(|url| destination::resolve(self, url)).transpose()?;
        let found = self.with_cookies(slot, jar, |kept| match &to {
            None => {
                let latest = kept.latest(name.as_bytes(), now_s());
                latest.map(cookies::value)
            }
            Some(to) => {
                let found = self.with_scope(to.location(), |scope| {
                    let fitting = kept.matching(scope, now_s());
                    let named = fitting.into_iter().find(|cookie| cookie.name() == name);
                    named.map(cookies::value)
                });
                found.flatten()
            }
        });
        f(found.flatten().as_deref());
        Ok(())
    }

    /// Keeps a cookie that a script made.
    ///
    /// # Errors
    ///
    /// A message for the script: the URL cannot be understood, or the domain is none.
    pub(crate) fn give_cookie(
        &self,
        slot: u32,
        jar: Option<&CookieJar>,
        spec: CookieSpec,
    ) -> Result<(), String> {
        let to = destination::resolve(self, spec.url.as_deref().unwrap_or("/"))?;
        let host = self.origins.borrow().get(to.origin).origin.host.clone();
        let domain = spec.domain.as_deref().unwrap_or(&host);
        let path = spec.path.as_deref().unwrap_or("/");
        let scope = CookieScope::new(domain, path, spec.secure)
            .ok_or_else(|| format!("cookie {}: no cookies are for {domain:?}", spec.name))?;
        let age = spec
            .max_age
            .map(|age| age.as_secs().min(i64::MAX as u64) as i64);
        let cookie = Draft::new(
            spec.name.as_bytes(),
            &spec.value,
            &scope,
            spec.domain.is_some(),
            age.map(|age| now_s().saturating_add(age)),
        );
        self.in_cookies(slot, jar, |kept| kept.put(cookie, &scope, now_s()));
        Ok(())
    }

    /// Forgets all cookies of a jar or of the user.
    pub(crate) fn take_cookies(&self, slot: u32, jar: Option<&CookieJar>) {
        self.with_cookies(slot, jar, Jar::clear);
    }
}
