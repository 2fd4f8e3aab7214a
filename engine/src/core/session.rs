//! What a user carries from one request to the next: its cookies, and the challenges that servers
//! have put to it. Users who were never given any have no session and pay nothing.

use crate::http::cookies::{CookieScope, Jar};
use crate::http::digest::Challenge;
use crate::transport::OriginId;
use scripting::CookieJar;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

/// Servers whose challenges a user remembers.
pub(crate) const CHALLENGES_MAX: usize = 16;

/// Cookie jars of one user that its script keeps at once, besides the user's own. Each has the
/// bounds of [`Jar`].
const SCRIPT_JARS_MAX: u32 = 256;

/// What one user remembers.
#[derive(Debug, Default)]
pub(crate) struct UserSession {
    pub(crate) jar: Jar,
    /// The latest challenge of each server.
    pub(crate) challenges: Vec<(OriginId, Challenge)>,
    /// Requests signed so far.
    pub(crate) signed: u64,
    /// How many jars its script keeps; none before the first.
    script_jars: Option<Rc<Cell<u32>>>,
}

impl UserSession {
    /// A new jar for the user's script.
    ///
    /// # Errors
    ///
    /// A message for the script: it keeps too many.
    pub(crate) fn script_jar(&mut self) -> Result<CookieJar, String> {
        let count = self.script_jars.get_or_insert_default();
        if count.get() >= SCRIPT_JARS_MAX {
            return Err(format!(
                "the user keeps {SCRIPT_JARS_MAX} cookie jars already; a jar ends when no variable \
                 holds it any more"
            ));
        }
        count.set(count.get() + 1);
        Ok(CookieJar(Rc::new(ScriptJar {
            cookies: RefCell::default(),
            count: Rc::clone(count),
        })))
    }

    /// Whether a jar was made for this user.
    pub(crate) fn owns(&self, jar: &CookieJar) -> bool {
        let (own, of_jar) = (&self.script_jars, ScriptJar::of(jar));
        let (Some(own), Some(jar)) = (own, of_jar) else {
            return false;
        };
        Rc::ptr_eq(own, &jar.count)
    }
}

/// A cookie jar that a script keeps, as long as it does.
#[derive(Debug)]
pub(crate) struct ScriptJar {
    pub(crate) cookies: RefCell<Jar>,
    /// How many its user has; shared by all of them.
    count: Rc<Cell<u32>>,
}

impl ScriptJar {
    /// The jar behind a handle.
    pub(crate) fn of(handle: &CookieJar) -> Option<&ScriptJar> {
        handle.0.downcast_ref()
    }
}

impl Drop for ScriptJar {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

/// The server of a request and its path.
#[derive(Clone, Copy)]
pub(crate) struct Location<'a> {
    pub(crate) origin: OriginId,
    pub(crate) path: &'a str,
    /// Location what cookies need of both is kept, for a request that is made many times.
    pub(crate) known: Option<&'a OnceCell<Option<CookieScope>>>,
}
