//! The Rust functions that the Lua files of this crate call; scripts never see them directly.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, LuaString, Table, Value};

use crate::extract::{self, ExtractCaches};
use crate::{
    Host, MetricKind, RequestSpec, cookies, headers, integer, json, location, options, text,
    uploads,
};

/// State shared by the native functions and [`Script`](crate::Script).
pub(crate) struct Shared {
    /// The engine.
    pub host: Rc<dyn Host>,
    /// The request of the call that is about to yield; taken when its code arrives.
    pub request: RefCell<Option<Box<RequestSpec>>>,
    /// Compiled queries and parsed bodies.
    pub extracts: ExtractCaches,
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
            extracts: ExtractCaches::default(),
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

/// Builds the table of native functions.
pub(crate) fn table(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let bindings = Bindings {
        lua,
        table: &table,
        shared,
    };
    locations(&bindings)?;
    requests(&bindings)?;
    counters(&bindings)?;
    replies(&bindings)?;
    cookies::register(&bindings)?;
    extract::register(&bindings)?;
    Ok(table)
}

pub(crate) struct Bindings<'a> {
    lua: &'a Lua,
    table: &'a Table,
    shared: &'a Rc<Shared>,
}

impl Bindings<'_> {
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

fn locations(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add("where", |lua, _, ()| Ok(location::here(lua)))?;
    bindings.add("trace", |lua, _, text: LuaString| {
        let text = text.to_string_lossy();
        Ok((location::with_location(lua, &text), location::calls(lua)))
    })?;
    bindings.add("error_text", |_, _, value: Value| {
        Ok(location::error_text(&value))
    })?;
    bindings.add("integer", |lua, _, given: Value| {
        Ok(or_message(integer::read(lua, &given)?))
    })?;
    bindings.add("is_integer", |_, _, value: Value| {
        Ok(integer::of(&value).is_some())
    })?;
    bindings.add("kind", |_, _, value: Value| Ok(location::kind(&value)))?;
    bindings.add(
        "unknown",
        |_, _, (what, found, known): (String, LuaString, String)| {
            let known: Vec<&str> = known.split(' ').collect();
            Ok(text::unknown(&what, &found.to_string_lossy(), &known))
        },
    )
}

fn requests(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add(
        "template",
        |_, shared, (method, url): (LuaString, LuaString)| {
            let checked = options::plain(&method, &url);
            Ok(or_message(checked.and_then(|(method, url)| {
                shared.host.template(&method, &url)
            })))
        },
    )?;
    bindings.add(
        "request",
        |lua, shared, args: (LuaString, LuaString, Value)| {
            let spec = options::request(lua, &args.0, &args.1, &args.2).and_then(|spec| {
                if !spec.url.starts_with('/') {
                    shared.host.absolute_url(&spec.url)?;
                }
                uploads::look_for_files(&spec.parts, &*shared.host)?;
                Ok(spec)
            });
            match spec {
                Ok(spec) => {
                    *shared.request.borrow_mut() = Some(Box::new(spec));
                    Ok(None)
                }
                Err(message) => Ok(Some(message)),
            }
        },
    )
}

fn counters(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add("transaction_name", |_, shared, name: LuaString| {
        Ok(shared.host.transaction_name(&name.to_string_lossy()))
    })?;
    bindings.add("transaction_begin", |_, shared, (slot, id): (u32, u32)| {
        shared.host.transaction_begin(slot, id);
        Ok(())
    })?;
    bindings.add("transaction_end", |_, shared, (slot, ok): (u32, bool)| {
        shared.host.transaction_end(slot, ok);
        Ok(())
    })?;
    bindings.add("transaction_left", |_, shared, slot: u32| {
        shared.host.transaction_left(slot);
        Ok(())
    })?;
    bindings.add(
        "row",
        |lua, shared, (slot, data): (u32, LuaString)| match shared
            .host
            .row(slot, &data.to_string_lossy())
        {
            Ok(Some(row)) => {
                let table = lua.create_table_with_capacity(0, row.0.len())?;
                for (column, cell) in &row.0 {
                    table.raw_set(&**column, json::value(lua, cell)?)?;
                }
                Ok((Some(table), None))
            }
            Ok(None) => Ok((None, None)),
            Err(message) => Ok((None, Some(message))),
        },
    )?;
    bindings.add("check_name", |_, shared, name: LuaString| {
        Ok(shared.host.check_name(&name.to_string_lossy()))
    })?;
    bindings.add(
        "check",
        |_, shared, (slot, id, passed): (u32, u32, bool)| {
            shared.host.check(slot, id, passed);
            Ok(())
        },
    )?;
    bindings.add("custom_name", |_, shared, (kind, name): (u8, LuaString)| {
        let kind = match kind {
            0 => MetricKind::Counter,
            1 => MetricKind::Gauge,
            2 => MetricKind::Rate,
            _ => MetricKind::Trend,
        };
        Ok(shared.host.metric_name(kind, &name.to_string_lossy()))
    })?;
    bindings.add("custom", |_, shared, (id, value): (u32, f64)| {
        shared.host.metric(id, value);
        Ok(())
    })?;
    bindings.add("random", |_, shared, slot: u32| {
        // The 53 bits that a double holds, as a number in [0, 1).
        Ok((shared.host.random(slot) >> 11) as f64 * (1.0 / (1u64 << 53) as f64))
    })?;
    bindings.add("elapsed", |_, shared, ()| Ok(shared.host.elapsed_s()))?;
    bindings.add(
        "log",
        |_, shared, (slot, text): (Option<u32>, LuaString)| {
            shared.host.log(slot, &text.to_string_lossy());
            Ok(())
        },
    )
}

fn replies(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add("body", |lua, shared, slot: u32| {
        lend(
            |f| shared.host.body(slot, f),
            |bytes| lua.create_string(bytes),
        )
    })?;
    bindings.add("body_failure", |_, shared, slot: u32| {
        Ok(shared.host.body_failure(slot))
    })?;
    bindings.add("reply_url", |_, shared, slot: u32| {
        Ok(shared.host.reply_url(slot))
    })?;
    bindings.add("head", |lua, shared, slot: u32| {
        lend(
            |f| shared.host.head(slot, f),
            |bytes| lua.create_string(bytes),
        )
    })?;
    bindings.add("contains", |_, shared, (slot, text): (u32, LuaString)| {
        let text = text.as_bytes();
        lend(
            |f| shared.host.body(slot, f),
            |body| Ok(memchr::memmem::find(body, &text).is_some()),
        )
    })?;
    bindings.add("headers", |lua, _, head: LuaString| {
        headers::table(lua, &head.as_bytes())
    })?;
    bindings.add(
        "headers_all",
        |lua, _, (head, name): (LuaString, LuaString)| {
            headers::all(lua, &head.as_bytes(), &name.as_bytes())
        },
    )?;
    bindings.add("cookies", |lua, _, head: LuaString| {
        headers::cookies(lua, &head.as_bytes())
    })
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
