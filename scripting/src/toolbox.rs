//! The toolbox of scripts: digests, encodings, URLs, times, random values, signatures, XML.
//!
//! A function is registered under the name that scripts call it by, `hash.md5` or `user:uuid`;
//! toolbox.lua makes the tables of these names. What a script gives wrongly is an error; what may
//! come from a server (a text to decode) gives nil and the reason.

mod aws;
mod digests;
mod encodings;
mod jwt;
mod keys;
mod random;
mod times;
mod urls;

use std::rc::Rc;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value};

use crate::bindings::{Bindings, Shared, or_message};
use crate::location::{kind, quoted};
use crate::xml;

/// Why a function has no result.
pub(crate) enum Fault {
    /// What is wrong with an argument: its name, what was found, what is allowed.
    Argument(String),
    /// Lua itself failed.
    Lua(mlua::Error),
}

impl From<String> for Fault {
    fn from(message: String) -> Fault {
        Fault::Argument(message)
    }
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Fault {
        Fault::Lua(error)
    }
}

/// The functions under their names.
struct Tools<'a>(Bindings<'a>);

impl Tools<'_> {
    /// Registers a function, which returns to Lua what is wrong with its arguments, or nil and its
    /// results.
    fn add<A, R>(
        &self,
        name: &str,
        f: impl Fn(&Lua, &Shared, A) -> Result<R, Fault> + 'static,
    ) -> mlua::Result<()>
    where
        A: FromLuaMulti,
        R: IntoLuaMulti,
    {
        self.0.add(
            name,
            move |lua, shared, args: A| -> mlua::Result<MultiValue> {
                match f(lua, shared, args) {
                    Ok(results) => {
                        let mut values = results.into_lua_multi(lua)?;
                        // A call as the last argument of another passes on all its results.
                        while values.len() > 1 && values.back().is_some_and(Value::is_nil) {
                            values.pop_back();
                        }
                        values.push_front(Value::Nil);
                        Ok(values)
                    }
                    Err(Fault::Argument(message)) => message.into_lua_multi(lua),
                    Err(Fault::Lua(error)) => Err(error),
                }
            },
        )
    }
}

/// Builds the table of the toolbox: names, and functions that return what is wrong with their
/// arguments, or nil and their results.
pub(crate) fn table(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let tools = Tools(Bindings::new(lua, &table, shared));
    digests::register(&tools)?;
    encodings::register(&tools)?;
    urls::register(&tools)?;
    times::register(&tools)?;
    random::register(&tools)?;
    jwt::register(&tools)?;
    aws::register(&tools)?;
    tools.add("xml.parse", |lua, _, given: Value| {
        let given = text("the text", &given)?;
        let read = xml::Document::read(&given.as_bytes());
        Ok(or_message(match read {
            Ok(document) => Ok(xml::table(lua, &document)?),
            Err(reason) => Err(reason),
        }))
    })?;
    Ok(table)
}

/// An argument that must be a string.
fn text<'v>(what: &str, value: &'v Value) -> Result<&'v LuaString, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("{what} must be a string, not {}", kind(other))),
    }
}

/// An argument that must be a string of UTF-8.
fn utf8(what: &str, value: &Value) -> Result<String, String> {
    let text = text(what, value)?;
    let text = text.to_str().map(|text| text.to_owned());
    text.map_err(|_| format!("{what} must be UTF-8"))
}

/// A table of options, of which all keys must be known; none for nil.
fn options<'v>(value: &'v Value, known: &[&str]) -> Result<Option<&'v Table>, String> {
    let table = match value {
        Value::Nil => return Ok(None),
        Value::Table(table) => table,
        other => return Err(format!("the options must be a table, not {}", kind(other))),
    };
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair.map_err(|error| error.to_string())?;
        match &key {
            Value::String(name) if known.iter().any(|known| *name == **known) => {}
            Value::String(name) => {
                let name = name.to_string_lossy();
                return Err(crate::text::unknown("option", &name, known));
            }
            other => {
                let (found, known) = (kind(other), known.join(", "));
                return Err(format!(
                    "the option {found} is not a string (known: {known})"
                ));
            }
        }
    }
    Ok(Some(table))
}

/// The one of `known` that an argument names; `None` for nil.
fn one_of<T: Copy>(what: &str, value: &Value, known: &[(&str, T)]) -> Result<Option<T>, String> {
    let found = match value {
        Value::Nil => return Ok(None),
        Value::String(name) => known.iter().find(|(known, _)| *name == **known),
        _ => None,
    };
    found.map(|(_, one)| Some(*one)).ok_or_else(|| {
        let names: Vec<String> = known
            .iter()
            .map(|(name, _)| quoted(name.as_bytes(), 20))
            .collect();
        let (last, others) = names
            .split_last()
            .map_or(("", &names[..]), |(last, others)| (last.as_str(), others));
        let allowed = if others.is_empty() {
            last.to_owned()
        } else {
            format!("{} or {last}", others.join(", "))
        };
        format!("{what} must be {allowed}, not {}", kind(value))
    })
}
