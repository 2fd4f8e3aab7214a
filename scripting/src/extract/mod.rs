//! Finding things in the bodies of replies: JSON paths, regular expressions, CSS selectors.
//!
//! What scripts write as constants (paths, patterns, selectors) is compiled once per state. What a
//! body was parsed into is kept as long as the next body is the same: several questions to one
//! reply, and replies that do not differ from user to user, are parsed once.

mod html;
mod markup;
mod memo;
mod page;
mod patterns;

use mlua::{FromLuaMulti, IntoLuaMulti, Lua, LuaString, MultiValue, Value};
use regex::bytes::Regex;
use scraper::Selector;
use serde_json::Value as Json;

use crate::json::{self, path::Path};
use crate::native::{Natives, Shared, lend, or_message};
use memo::{Cache, Memo};
use page::Page;

/// Values of one JSON body: each takes about a hundred bytes, and more of them are slower each
/// because the processor's caches do not hold them.
const JSON_VALUES_MAX: usize = 400_000;

/// What is compiled and parsed in one state.
#[derive(Default)]
pub(crate) struct Extracts {
    paths: Cache<Path>,
    patterns: Cache<Regex>,
    selectors: Cache<Selector>,
    json: Memo<Json>,
    html: Memo<Page>,
    links: Memo<html::Links>,
}

/// What a question to a body came to: values for Lua, or what is wrong with the question.
type Found = Result<MultiValue, String>;

/// Adds the functions that Lua calls. Each takes the body, or the slot whose latest reply has it,
/// and gives back whether there was one, what is wrong with the question, and what was found.
pub(crate) fn natives(natives: &Natives<'_>) -> mlua::Result<()> {
    add(
        natives,
        "json_decode",
        |lua, shared, body, ()| match parsed(&shared.extracts, body) {
            Ok(json) => found(lua, (json::value(lua, &json)?, Value::Nil)),
            Err(why) => found(lua, (Value::Nil, why)),
        },
    )?;
    add(natives, "json_at", |lua, shared, body, path: LuaString| {
        let path = path.to_string_lossy();
        let read = shared
            .extracts
            .paths
            .of(path.as_bytes(), || Path::read(&path));
        let read = match read {
            Ok(read) => read,
            Err(fault) => return Ok(Err(fault)),
        };
        match parsed(&shared.extracts, body) {
            Ok(json) => found(lua, json::at(lua, &json, &read, &path)?),
            Err(why) => found(lua, (Value::Nil, why)),
        }
    })?;
    add(natives, "regex", patterns::first)?;
    add(natives, "regex_all", patterns::all)?;
    add(natives, "css", html::first)?;
    add(natives, "css_all", html::all)?;
    natives.add(
        "embedded",
        |lua, shared, (body, page, all_origins): (LuaString, LuaString, bool)| {
            let page = page.to_string_lossy();
            let urls = html::embedded(shared, &body.as_bytes(), &page, all_origins);
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

fn parsed(extracts: &Extracts, body: &[u8]) -> Result<std::rc::Rc<Json>, String> {
    // Each value but the first comes after one of these, so this is their number at most.
    let values = memchr::memchr3_iter(b',', b'[', b'{', body).count();
    if values > JSON_VALUES_MAX {
        return Err(format!(
            "the JSON can have more than {JSON_VALUES_MAX} values"
        ));
    }
    let parse = |body: &[u8]| serde_json::from_slice(body);
    let parsed = extracts.json.of(body, parse);
    parsed.map_err(|error| format!("not JSON: {error}"))
}

fn add<A: FromLuaMulti>(
    natives: &Natives<'_>,
    name: &str,
    ask: impl Fn(&Lua, &Shared, &[u8], A) -> mlua::Result<Found> + 'static,
) -> mlua::Result<()> {
    natives.add(name, move |lua, shared, mut args: MultiValue| {
        let source = args.pop_front();
        let question = std::cell::Cell::new(Some(A::from_lua_multi(args, lua)?));
        let answer = |body: &[u8]| match question.take() {
            Some(question) => ask(lua, shared, body, question),
            None => Ok(Ok(MultiValue::new())),
        };
        let answered = match source {
            Some(Value::String(body)) => Some(answer(&body.as_bytes())?),
            Some(Value::Integer(slot)) => {
                let slot = u32::try_from(slot).map_err(mlua::Error::external)?;
                lend(|f| shared.host.body(slot, f), answer)?
            }
            Some(Value::Number(slot)) => lend(|f| shared.host.body(slot as u32, f), answer)?,
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
