//! `url.*`: percent-encoding, and URLs as the URL standard reads them.

use mlua::{Lua, Table, Value};
use percent_encoding::percent_decode;
use url::Url;

use super::{Tools, one_of, text, utf8};
use crate::bindings::or_message;
use crate::option_values::pairs;
use crate::options::joined;
use crate::text::{Encoding, percent};

/// How spaces are written: as `%20`, or as `+` in forms.
fn encoding(value: &Value) -> Result<Encoding, String> {
    let known = [("query", Encoding::Query), ("form", Encoding::Form)];
    Ok(one_of("the form", value, &known)?.unwrap_or(Encoding::Query))
}

fn parse(text: &str) -> Result<Url, String> {
    Url::parse(text).map_err(|error| format!("not an absolute URL: {error}"))
}

/// The parts of a URL; those that it lacks are absent.
fn parts(lua: &Lua, url: &Url) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    table.raw_set("scheme", url.scheme())?;
    table.raw_set("user", some(url.username()))?;
    table.raw_set("password", url.password())?;
    table.raw_set("host", url.host_str())?;
    table.raw_set("port", url.port_or_known_default())?;
    table.raw_set("path", url.path())?;
    table.raw_set("query", url.query())?;
    table.raw_set("fragment", url.fragment())?;
    let params = lua.create_table()?;
    for (name, value) in url.query_pairs() {
        if !params.contains_key(&*name)? {
            params.raw_set(&*name, &*value)?;
        }
    }
    table.raw_set("params", params)?;
    Ok(table)
}

pub(super) fn register(tools: &Tools<'_>) -> mlua::Result<()> {
    tools.add("url.encode", |_, _, (given, form): (Value, Value)| {
        let encoding = encoding(&form)?;
        match &given {
            Value::String(text) => {
                let mut out = String::new();
                percent(&mut out, &text.as_bytes(), encoding);
                Ok(out)
            }
            Value::Table(_) => Ok(joined(&pairs("the table", &given)?, encoding)),
            other => {
                let found = crate::location::kind(other);
                Err(
                    format!("the text must be a string or a table of parameters, not {found}")
                        .into(),
                )
            }
        }
    })?;
    tools.add("url.decode", |lua, _, (given, form): (Value, Value)| {
        let given = text("the text", &given)?;
        let bytes = given.as_bytes();
        let decoded = match encoding(&form)? {
            Encoding::Query => percent_decode(&bytes).collect::<Vec<u8>>(),
            Encoding::Form => {
                let spaced = bytes
                    .iter()
                    .map(|&byte| if byte == b'+' { b' ' } else { byte });
                percent_decode(&spaced.collect::<Vec<u8>>()).collect()
            }
        };
        Ok(lua.create_string(decoded)?)
    })?;
    tools.add("url.join", |_, _, (base, link): (Value, Value)| {
        let (base, link) = (utf8("the base", &base)?, utf8("the link", &link)?);
        let joined = parse(&base).and_then(|base| {
            let joined = base.join(&link);
            joined.map_err(|error| format!("the link leads nowhere: {error}"))
        });
        Ok(or_message(joined.map(String::from)))
    })?;
    tools.add("url.parse", |lua, _, given: Value| {
        let read = parse(&utf8("the URL", &given)?);
        let read = read.map(|url| parts(lua, &url));
        Ok(or_message(match read {
            Ok(table) => Ok(table?),
            Err(reason) => Err(reason),
        }))
    })
}
