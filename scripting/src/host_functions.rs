//! The Rust functions that the Lua files of this crate call; scripts never see them directly.

use std::rc::Rc;

use mlua::{Lua, LuaString, Table, Value};

use crate::bindings::{Bindings, Shared, lend, or_message};
use crate::{
    MetricKind, cookies, extract, headers, integer, json, location, options, tags, text, uploads,
};

/// Builds the table of native functions.
pub(crate) fn table(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let bindings = Bindings::new(lua, &table, shared);
    locations(&bindings)?;
    requests(&bindings)?;
    counters(&bindings)?;
    stretches(&bindings)?;
    runs(&bindings)?;
    replies(&bindings)?;
    cookies::register(&bindings)?;
    extract::register(&bindings)?;
    Ok(table)
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
        |lua, shared, (slot, method, url, given): (u32, LuaString, LuaString, Value)| {
            let spec = options::request(lua, shared, &method, &url, &given).and_then(|spec| {
                cookies::check_owner(shared, slot, spec.jar.as_ref())?;
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

fn stretches(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add("tags_begin", |_, shared, (slot, given): (u32, Value)| {
        let checked = tags::read(&given).and_then(|given| {
            let together = shared.host.tags_begin(slot, &given);
            tags::at_most(together).inspect_err(|_| shared.host.tags_end(slot))
        });
        Ok(checked.err())
    })?;
    bindings.add("tags_end", |_, shared, slot: u32| {
        shared.host.tags_end(slot);
        Ok(())
    })
}

fn runs(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add("run", |_, shared, ()| {
        let host = &shared.host;
        Ok((host.run_id().to_owned(), host.run_name().to_owned()))
    })?;
    bindings.add("iteration", |_, shared, slot: u32| {
        Ok(shared.host.iteration(slot))
    })?;
    bindings.add("user_index", |_, shared, slot: u32| {
        Ok(shared.host.user_index(slot) as f64)
    })?;
    bindings.add("abort", |_, shared, (slot, reason): (u32, LuaString)| {
        Ok(shared.host.abort(slot, &reason.to_string_lossy()))
    })?;
    bindings.add("reject", |_, shared, (slot, reason): (u32, LuaString)| {
        Ok(shared.host.reject(slot, &reason.to_string_lossy()))
    })?;
    bindings.add("timings", |lua, shared, slot: u32| {
        let table = lua.create_table()?;
        let mut set = Ok(());
        shared.host.timings(slot, &mut |name, ms| {
            if set.is_ok() {
                set = table.raw_set(name, ms);
            }
        });
        set.map(|()| table)
    })
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
