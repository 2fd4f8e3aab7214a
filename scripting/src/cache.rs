//! Bounded caches of one state: compiled queries and the last parsed body.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::rc::Rc;

/// Most compiled texts of one kind; when it is reached, all are dropped.
const TEXTS_MAX: usize = 1_000;
/// Longer bodies are parsed each time.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Compiled texts.
pub(crate) struct Cache<T>(RefCell<HashMap<Box<[u8]>, Rc<T>>>);

impl<T> Default for Cache<T> {
    fn default() -> Cache<T> {
        Cache(RefCell::default())
    }
}

impl<T> Cache<T> {
    /// The compiled form of `text`, compiled now if it is new.
    pub(crate) fn of<E>(
        &self,
        text: &[u8],
        compile: impl FnOnce() -> Result<T, E>,
    ) -> Result<Rc<T>, E> {
        if let Some(known) = self.0.borrow().get(text) {
            return Ok(Rc::clone(known));
        }
        let compiled = Rc::new(compile()?);
        let mut known = self.0.borrow_mut();
        if known.len() >= TEXTS_MAX {
            known.clear();
        }
        known.insert(text.into(), Rc::clone(&compiled));
        Ok(compiled)
    }
}

/// The parsed form of the last body, recognised by its length and a keyed 64-bit hash.
pub(crate) struct LastParsed<T> {
    hasher: RandomState,
    last: RefCell<Option<(usize, u64, Rc<T>)>>,
}

impl<T> Default for LastParsed<T> {
    fn default() -> LastParsed<T> {
        LastParsed {
            hasher: RandomState::new(),
            last: RefCell::new(None),
        }
    }
}

impl<T> LastParsed<T> {
    pub(crate) fn of<E>(
        &self,
        body: &[u8],
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Rc<T>, E> {
        if body.len() > BODY_BYTES_MAX {
            return parse(body).map(Rc::new);
        }
        let hash = self.hasher.hash_one(body);
        if let Some((length, known, parsed)) = &*self.last.borrow()
            && (*length, *known) == (body.len(), hash)
        {
            return Ok(Rc::clone(parsed));
        }
        let parsed = Rc::new(parse(body)?);
        let last = (body.len(), hash, Rc::clone(&parsed));
        self.last.replace(Some(last));
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn work_is_done_once_and_what_is_kept_is_bounded() {
        let (cache, last) = (Cache::default(), LastParsed::default());
        let done = Cell::new(0);
        let work = || -> Result<u32, ()> {
            done.set(done.get() + 1);
            Ok(done.get())
        };
        assert_eq!(cache.of(b"a", work).as_deref(), Ok(&1));
        assert_eq!(cache.of(b"a", work).as_deref(), Ok(&1));
        assert_eq!(cache.of(b"b", work).as_deref(), Ok(&2));
        for n in 0..3 * TEXTS_MAX {
            assert!(cache.of(n.to_string().as_bytes(), work).is_ok());
        }
        assert!(cache.0.borrow().len() <= TEXTS_MAX);
        done.set(0);
        assert_eq!(last.of(b"x", |_| work()).as_deref(), Ok(&1));
        assert_eq!(last.of(b"x", |_| work()).as_deref(), Ok(&1));
        assert_eq!(last.of(b"y", |_| work()).as_deref(), Ok(&2));
        assert_eq!(last.of(b"x", |_| work()).as_deref(), Ok(&3));
        assert!(last.of(b"z", |_| Err::<u32, ()>(())).is_err());
    }
}
