//! The cookie jars that scripts hold besides their users' own, by the numbers they have in Lua.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use mlua::{Table, Value};

/// A cookie jar that a script keeps besides its user's own, from
/// [`Host::cookie_jar`](crate::Host::cookie_jar). Handles of one jar are equal; the jar ends with
/// the last of them.
#[derive(Clone)]
pub struct CookieJar(pub Rc<dyn Any>);

impl PartialEq for CookieJar {
    fn eq(&self, other: &CookieJar) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieJar")
    }
}

/// The jars that scripts hold, by the numbers they have in Lua.
#[derive(Default)]
pub(crate) struct Jars {
    list: Vec<Option<CookieJar>>,
    free: Vec<usize>,
    /// With how many to look for those that no script holds any more.
    sweep_at: usize,
}

/// The fewest jars with which there is a sweep.
const SWEPT_MIN: usize = 256;

impl Jars {
    /// Keeps a jar; its number.
    pub(crate) fn add(&mut self, jar: CookieJar) -> usize {
        let number = self.free.pop().unwrap_or_else(|| {
            self.list.push(None);
            self.list.len() - 1
        });
        self.list[number] = Some(jar);
        number
    }

    fn len(&self) -> usize {
        self.list.len() - self.free.len()
    }

    /// The jar of a number.
    pub(crate) fn get(&self, number: usize) -> Option<CookieJar> {
        self.list.get(number)?.clone()
    }

    /// Whether there are so many that it is time for a sweep.
    pub(crate) fn is_sweep_due(&self) -> bool {
        self.len() >= self.sweep_at
    }

    /// Lets go of the jars that are not in `kept` any more, a weak table of jars by number.
    pub(crate) fn sweep(&mut self, kept: &Table) -> mlua::Result<()> {
        for (number, jar) in self.list.iter_mut().enumerate() {
            if jar.is_some() && kept.raw_get::<Value>(number)?.is_nil() {
                *jar = None;
                self.free.push(number);
            }
        }
        self.sweep_at = SWEPT_MIN.max(2 * self.len());
        Ok(())
    }
}
