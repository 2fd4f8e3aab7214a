//! Offers Rust functions to the Lua files of this crate, and what these functions share.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, Table};

use crate::cookie_jars::Jars;
use crate::{Host, RequestSpec};

/// State shared by the native functions and [`Script`](crate::Script).
pub(crate) struct Shared {
    /// The engine.
    pub host: Rc<dyn Host>,
    /// The request of the call that is about to yield; taken when its code arrives.
    pub request: RefCell<Option<Box<RequestSpec>>>,
    /// The cookie jars that scripts hold.
    pub jars: RefCell<Jars>,
    /// Set when a host method panicked below Lua; the panic is resumed once Lua has unwound,
    /// because a script's `pcall` would otherwise swallow it.
    pub panicked: Cell<bool>,
    panic: RefCell<Option<Box<dyn Any + Send>>>,
}

impl Shared {
    pub(crate) fn new(host: Rc<dyn Host>) -> Rc<Shared> {
        Rc::new(Shared {
            host,
            request: RefCell::new(None),
            jars: RefCell::default(),
            panicked: Cell::new(false),
            panic: RefCell::new(None),
        })
    }

    /// Resumes the panic of a host method outside Lua.
    #[cold]
    pub(crate) fn resume_panic(&self) -> ! {
        self.panicked.set(false);
        let payload = self.panic.borrow_mut().take();
        std::panic::resume_unwind(payload.unwrap_or_else(|| Box::new("a panic below Lua")))
    }

    fn guard<R>(&self, f: impl FnOnce() -> R) -> mlua::Result<R> {
        catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
            *self.panic.borrow_mut() = Some(payload);
            self.panicked.set(true);
            mlua::Error::runtime("the engine panicked")
        })
    }
}

/// A result for Lua: `nil, message` on failure, so that the Lua side can put the script's location
/// before the message.
pub(crate) type OrMessage<T> = (Option<T>, Option<String>);

pub(crate) fn or_message<T>(result: Result<T, String>) -> OrMessage<T> {
    match result {
        Ok(value) => (Some(value), None),
        Err(message) => (None, Some(message)),
    }
}

/// Adds functions to a table for Lua.
pub(crate) struct Bindings<'a> {
    lua: &'a Lua,
    table: &'a Table,
    shared: &'a Rc<Shared>,
}

impl<'a> Bindings<'a> {
    pub(crate) fn new(lua: &'a Lua, table: &'a Table, shared: &'a Rc<Shared>) -> Bindings<'a> {
        Bindings { lua, table, shared }
    }

    pub(crate) fn add<A, R>(
        &self,
        name: &str,
        f: impl Fn(&Lua, &Shared, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()>
    where
        A: FromLuaMulti,
        R: IntoLuaMulti,
    {
        let shared = Rc::clone(self.shared);
        let function = self
            .lua
            .create_function(move |lua, args: A| shared.guard(|| f(lua, &shared, args))?)?;
        self.table.raw_set(name, function)
    }
}

/// Borrows bytes from the host and converts them, if they are present.
pub(crate) fn lend<T>(
    ask: impl FnOnce(&mut dyn FnMut(Option<&[u8]>)),
    make: impl Fn(&[u8]) -> mlua::Result<T>,
) -> mlua::Result<Option<T>> {
    let mut made = Ok(None);
    ask(&mut |bytes| {
        if let Some(bytes) = bytes {
            made = make(bytes).map(Some);
        }
    });
    made
}
