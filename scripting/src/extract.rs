//! Queries on the bodies of replies: JSON paths, regular expressions, CSS selectors, XPath.
//!
//! What scripts write as constants (paths, patterns, selectors) is compiled once per state. A
//! parsed body is kept while the next body is the same: several queries on one reply, and replies
//! that do not differ between users, are parsed once.

mod html;
mod markup;
mod page;
mod patterns;
mod xpath;

use std::rc::Rc;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, LuaString, MultiValue, Value};
use regex::bytes::Regex;
use scraper::Selector;
use serde_json::Value as Json;

use crate::bindings::{Bindings, lend, or_message};
use crate::cache::{Cache, LastParsed};
use crate::json::{self, path::Path};
use crate::xml;
use page::Page;

/// The compiled queries and parsed bodies of one state.
#[derive(Default)]
struct ExtractCaches {
    paths: Cache<Path>,
    patterns: Cache<Regex>,
    selectors: Cache<Selector>,
    expressions: Cache<xml::Expression>,
    json: LastParsed<Json>,
    html: LastParsed<Page>,
    xml: LastParsed<xml::Document>,
    links: LastParsed<html::Links>,
}

/// The result of a query: values for Lua, or what is wrong with the query.
type Found = Result<MultiValue, String>;

/// Registers the functions for Lua. Each takes the body, or the slot whose latest reply has it, and
/// returns whether there was one, what is wrong with the query, and what was found.
pub(crate) fn register(bindings: &Bindings<'_>) -> mlua::Result<()> {
    let caches = Rc::new(ExtractCaches::default());
    let queries = Queries { bindings, caches };
    queries.add("json_decode", |lua, caches, body, ()| {
        match parsed(caches, body) {
            Ok(json) => found(lua, (json::value(lua, &json)?, Value::Nil)),
            Err(why) => found(lua, (Value::Nil, why)),
        }
    })?;
    queries.add("json_at", |lua, caches, body, path: LuaString| {
        let path = path.to_string_lossy();
        let read = caches.paths.of(path.as_bytes(), || Path::read(&path));
        let read = match read {
            Ok(read) => read,
            Err(fault) => return Ok(Err(fault)),
        };
        match parsed(caches, body) {
            Ok(json) => found(lua, json::at(lua, &json, &read, &path)?),
            Err(why) => found(lua, (Value::Nil, why)),
        }
    })?;
    queries.add("regex", patterns::first)?;
    queries.add("regex_all", patterns::all)?;
    queries.add("css", html::first)?;
    queries.add("css_all", html::all)?;
    queries.add("xpath", xpath::first)?;
    queries.add("xpath_all", xpath::all)?;
    let caches = queries.caches;
    bindings.add(
        "embedded",
        move |lua, shared, (body, page, all_origins): (LuaString, LuaString, bool)| {
            let (page, host) = (page.to_string_lossy(), &*shared.host);
            let urls = html::embedded(host, &caches, &body.as_bytes(), &page, all_origins);
            let urls = urls.map(|urls| lua.create_sequence_from(urls));
            Ok(or_message(match urls {
                Ok(urls) => Ok(urls?),
                Err(limit) => Err(limit),
            }))
        },
    )
}

fn found(lua: &Lua, values: impl IntoLuaMulti) -> mlua::Result<Found> {
    values.into_lua_multi(lua).map(Ok)
}

fn parsed(extracts: &ExtractCaches, body: &[u8]) -> Result<Rc<Json>, String> {
    extracts.json.of(body, json::read)
}

/// Registers queries that share their caches.
struct Queries<'a> {
    bindings: &'a Bindings<'a>,
    caches: Rc<ExtractCaches>,
}

impl Queries<'_> {
    fn add<A: FromLuaMulti>(
        &self,
        name: &str,
        ask: impl Fn(&Lua, &ExtractCaches, &[u8], A) -> mlua::Result<Found> + 'static,
    ) -> mlua::Result<()> {
        let caches = Rc::clone(&self.caches);
        self.bindings
            .add(name, move |lua, shared, mut args: MultiValue| {
                let source = args.pop_front();
                let question = std::cell::Cell::new(Some(A::from_lua_multi(args, lua)?));
                let answer = |body: &[u8]| match question.take() {
                    Some(question) => ask(lua, &caches, body, question),
                    None => Ok(Ok(MultiValue::new())),
                };
                let answered = match source {
                    Some(Value::String(body)) => Some(answer(&body.as_bytes())?),
                    Some(Value::Integer(slot)) => {
                        let slot = u32::try_from(slot).map_err(mlua::Error::external)?;
                        lend(|f| shared.host.body(slot, f), answer)?
                    }
                    Some(Value::Number(slot)) => {
                        lend(|f| shared.host.body(slot as u32, f), answer)?
                    }
                    _ => None,
                };
                Ok(match answered {
                    None => MultiValue::from_iter([Value::Boolean(false)]),
                    Some(Ok(mut values)) => {
                        values.push_front(Value::Nil);
                        values.push_front(Value::Boolean(true));
                        values
                    }
                    Some(Err(fault)) => (true, fault).into_lua_multi(lua)?,
                })
            })
    }
}
