//! What a user carries from one request to the next: its cookies, and the challenges that servers
//! have put to it. Users who were never given any have no session and pay nothing.

use crate::core::host::CoreState;
use crate::http::cookies::{self, Draft, Jar, Place};
use crate::http::digest::{Challenge, Signer, client_nonce};
use crate::http::head_flags::values;
use crate::transport::connections::NONE;
use crate::transport::origins::OriginId;
use scripting::CookieSpec;
use std::cell::OnceCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Servers whose challenges a user remembers.
const CHALLENGES_MAX: usize = 16;

/// One user's memory.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) jar: Jar,
    /// The latest challenge of each server.
    challenges: Vec<(OriginId, Challenge)>,
    /// Requests signed so far.
    signed: u64,
}

/// The server of a request and its path.
#[derive(Clone, Copy)]
pub(crate) struct Where<'a> {
    pub(crate) origin: OriginId,
    pub(crate) path: &'a str,
    /// Where what cookies need of both is kept, for a request that is made many times.
    pub(crate) known: Option<&'a OnceCell<Option<Place>>>,
}

/// Seconds since 1970.
fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

impl CoreState {
    /// The slot of the user that a slot is, or is a branch of.
    fn root(&self, slot: u32) -> u32 {
        let script_users = self.script_users.borrow();
        let mut place = slot;
        while script_users[place as usize].parent != NONE {
            place = script_users[place as usize].parent;
        }
        place
    }

    /// What the user remembers, if anything.
    fn with_session<T>(&self, slot: u32, f: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let root = self.root(slot);
        let actor = &mut self.script_users.borrow_mut()[root as usize];
        actor.session.as_deref_mut().map(f)
    }

    /// What the user remembers, from now on.
    fn in_session<T>(&self, slot: u32, f: impl FnOnce(&mut Session) -> T) -> T {
        let root = self.root(slot);
        let actor = &mut self.script_users.borrow_mut()[root as usize];
        f(actor.session.get_or_insert_default())
    }

    /// Whether the user, or the user it is a branch of, remembers anything.
    #[inline]
    pub(crate) fn has_session(&self, slot: u32) -> bool {
        let (own, parent) = {
            let actor = &self.script_users.borrow()[slot as usize];
            (actor.session.is_some(), actor.parent)
        };
        own || (parent != NONE && self.with_session(slot, |_| ()).is_some())
    }

    /// Lends what cookies need of a place; none where there are no cookies.
    fn with_place<T>(&self, at: Where<'_>, f: impl FnOnce(&Place) -> T) -> Option<T> {
        let make = || {
            let origins = self.origins.borrow();
            let origin = &origins.get(at.origin).origin;
            Place::new(&origin.host, at.path, origin.scheme.as_str() == "https")
        };
        match at.known {
            Some(known) => known.get_or_init(make).as_ref().map(f),
            None => make().as_ref().map(f),
        }
    }

    /// The value of the Cookie field of a request; empty for none.
    pub(crate) fn cookie_field(&self, slot: u32, at: Where<'_>) -> Vec<u8> {
        let mut field = Vec::new();
        self.with_session(slot, |session| {
            if !session.jar.is_empty() {
                self.with_place(at, |place| session.jar.write(place, now_s(), &mut field));
            }
        });
        field
    }

    /// Keeps the cookies that a reply sets.
    pub(crate) fn keep_cookies(&self, slot: u32, at: Where<'_>, head: &[u8]) {
        self.in_session(slot, |session| {
            self.with_place(at, |place| {
                for field in values(head, "set-cookie") {
                    session.jar.set(field, place, now_s());
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
        at: Where<'_>,
        method: &str,
        (user, password): (&str, &str),
    ) -> Option<String> {
        let number = self.script_users.borrow()[slot as usize].number;
        let sign = |session: &mut Session| {
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
        name: &str,
        url: Option<&str>,
        f: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<(), String> {
        let to = url
            .map(|url| crate::core::template::destination(self, url))
            .transpose()?;
        let found = self.with_session(slot, |session| match &to {
            None => {
                let latest = session.jar.latest(name.as_bytes(), now_s());
                latest.map(cookies::value)
            }
            Some(to) => {
                let found = self.with_place(to.place(), |place| {
                    let fitting = session.jar.matching(place, now_s());
                    let named = fitting.into_iter().find(|cookie| cookie.name() == name);
                    named.map(cookies::value)
                });
                found.flatten()
            }
        });
        f(found.flatten().as_deref());
        Ok(())
    }

    /// Gives the user a cookie that its script made.
    ///
    /// # Errors
    ///
    /// A message for the script: the URL cannot be understood, or the domain is none.
    pub(crate) fn give_cookie(&self, slot: u32, spec: CookieSpec) -> Result<(), String> {
        let to = crate::core::template::destination(self, spec.url.as_deref().unwrap_or("/"))?;
        let host = self.origins.borrow().get(to.origin).origin.host.clone();
        let domain = spec.domain.as_deref().unwrap_or(&host);
        let path = spec.path.as_deref().unwrap_or("/");
        let place = Place::new(domain, path, spec.secure)
            .ok_or_else(|| format!("cookie {}: no cookies are for {domain:?}", spec.name))?;
        let age = spec
            .max_age
            .map(|age| age.as_secs().min(i64::MAX as u64) as i64);
        let cookie = Draft::new(
            (spec.name.as_bytes(), &spec.value),
            &place,
            spec.domain.is_some(),
            age.map(|age| now_s().saturating_add(age)),
        );
        self.in_session(slot, |session| session.jar.put(cookie, &place, now_s()));
        Ok(())
    }

    /// Takes all cookies from the user.
    pub(crate) fn take_cookies(&self, slot: u32) {
        self.with_session(slot, |session| session.jar.clear());
    }
}
