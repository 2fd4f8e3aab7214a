//! Cookies of scripts: the options `cookies` and `jar`, the functions of users and of cookie jars.

use mlua::{Lua, LuaString, Table, Value};

use crate::bindings::{Bindings, Shared, lend, or_message};
use crate::location::kind;
use crate::option_values::{boolean, bytes, pairs};
use crate::text;
use crate::{CookieJar, CookieSpec, Cookies};

/// The options of `user:set_cookie`.
const KEYS: [&str; 5] = ["domain", "max_age", "path", "secure", "url"];

type Result<T> = std::result::Result<T, String>;

/// The metatable of cookie jars in Lua, in the registry. A jar is a table with its number.
pub(crate) const JAR: &str = "mistress.cookie_jar";
const NUMBER: &str = "number";

/// A new jar of the running user.
fn make(
    lua: &Lua,
    shared: &Shared,
    slot: u32,
    kept: &Table,
) -> mlua::Result<std::result::Result<Table, String>> {
    let mut jars = shared.jars.borrow_mut();
    if jars.is_sweep_due() {
        jars.sweep(kept)?;
    }
    let mut made = shared.host.cookie_jar(slot);
    if made.is_err() {
        jars.sweep(kept)?;
        made = shared.host.cookie_jar(slot);
    }
    let jar = match made {
        Ok(jar) => jar,
        Err(message) => return Ok(Err(message)),
    };
    let table = lua.create_table()?;
    table.set_metatable(lua.named_registry_value(JAR)?)?;
    let number = jars.add(jar);
    table.raw_set(NUMBER, number)?;
    kept.raw_set(number, &table)?;
    Ok(Ok(table))
}

/// The `jar` option of a request, or the jar that a function is called on.
pub(crate) fn jar(lua: &Lua, shared: &Shared, value: &Value) -> Result<CookieJar> {
    let number = value.as_table().and_then(|table| {
        let own = lua.named_registry_value::<Table>(JAR).ok()?;
        let is_jar = table.metatable().is_some_and(|metatable| metatable == own);
        let number = table.raw_get::<usize>(NUMBER);
        is_jar.then_some(number)?.ok()
    });
    let jars = shared.jars.borrow();
    let jar = number.and_then(|number| jars.get(number));
    jar.ok_or_else(|| {
        format!(
            "jar must be a cookie jar from user:cookie_jar(), not {}",
            kind(value)
        )
    })
}

/// Rejects the jar of another user.
pub(crate) fn check_owner(shared: &Shared, slot: u32, jar: Option<&CookieJar>) -> Result<()> {
    match jar {
        Some(jar) if !shared.host.owns_cookie_jar(slot, jar) => Err(
            "the cookie jar belongs to another user: each user needs its own from \
             user:cookie_jar()"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// The jar that a function of the running user is called on; `None` is the user's own.
fn jar_of(lua: &Lua, shared: &Shared, slot: u32, value: &Value) -> Result<Option<CookieJar>> {
    let jar = match value {
        Value::Nil => None,
        given => Some(jar(lua, shared, given)?),
    };
    check_owner(shared, slot, jar.as_ref())?;
    Ok(jar)
}

/// The `cookies` option of a request.
pub(crate) fn of_request(value: &Value) -> Result<Cookies> {
    match value {
        Value::Boolean(true) => Ok(Cookies::Jar),
        Value::Boolean(false) => Ok(Cookies::Off),
        Value::Table(_) => {
            let mut cookies = Vec::new();
            for (name, value) in pairs("cookies", value)? {
                let name = text::token("the cookie name", &name)?;
                cookie_value(&name, &value)?;
                cookies.push((name, value));
            }
            Ok(Cookies::With(cookies))
        }
        other => Err(format!(
            "cookies must be a table like {{ name = \"value\" }}, true or false, not {}",
            kind(other)
        )),
    }
}

fn cookie_value(name: &str, value: &[u8]) -> Result<()> {
    text::header_value(format_args!("the cookie {name}"), value)?;
    if value.contains(&b';') {
        return Err(format!(
            "the cookie {name} has a semicolon, which a cookie value can't hold"
        ));
    }
    Ok(())
}

/// Parses the arguments of `user:set_cookie(name, value, options)`.
fn spec(name: &LuaString, value: &LuaString, options: &Value) -> Result<CookieSpec> {
    let name = text::token("the cookie name", &name.as_bytes())?;
    let value = value.as_bytes().to_vec();
    cookie_value(&name, &value)?;
    let mut spec = CookieSpec {
        name,
        value,
        ..CookieSpec::default()
    };
    let table = match options {
        Value::Nil => return Ok(spec),
        Value::Table(table) => table,
        other => return Err(format!("the options must be a table, not {}", kind(other))),
    };
    for pair in table.pairs::<LuaString, Value>() {
        let (key, value) = pair.map_err(|_| "option keys must be strings".to_owned())?;
        let string = |key: &str| text::utf8(key, bytes(key, &value)?);
        match &*key.as_bytes() {
            b"domain" => {
                let domain = string("domain")?.to_ascii_lowercase();
                spec.domain = Some(domain.trim_start_matches('.').to_owned());
            }
            b"path" => {
                let path = string("path")?;
                if !path.starts_with('/') {
                    return Err("path must start with a slash".to_owned());
                }
                spec.path = Some(path);
            }
            b"url" => spec.url = Some(text::url(&bytes("url", &value)?)?),
            b"secure" => spec.secure = boolean("secure", &value)?,
            b"max_age" => {
                let seconds = match &value {
                    Value::Integer(n) => Some(*n as f64),
                    Value::Number(n) => Some(*n),
                    _ => None,
                };
                let age = seconds.and_then(|s| std::time::Duration::try_from_secs_f64(s).ok());
                spec.max_age = Some(age.ok_or_else(|| {
                    format!(
                        "max_age must be a number of seconds, 0 or more, not {}",
                        kind(&value)
                    )
                })?);
            }
            unknown => {
                let unknown = String::from_utf8_lossy(unknown);
                return Err(text::unknown("option", &unknown, &KEYS));
            }
        }
    }
    Ok(spec)
}

/// Registers the functions behind those of users and cookie jars.
pub(crate) fn register(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add("cookie_jar", |lua, shared, (slot, kept): (u32, Table)| {
        Ok(or_message(make(lua, shared, slot, &kept)?))
    })?;
    bindings.add(
        "cookie",
        |lua, shared, (slot, jar, name, url): (u32, Value, LuaString, Option<LuaString>)| {
            let jar = match jar_of(lua, shared, slot, &jar) {
                Ok(jar) => jar,
                Err(message) => return Ok((None, Some(message))),
            };
            let name = name.to_string_lossy();
            let url = url.map(|url| url.to_string_lossy());
            let mut result = Ok(());
            let value = lend(
                |f| {
                    let host = &shared.host;
                    result = host.cookie(slot, jar.as_ref(), &name, url.as_deref(), f);
                },
                |value| lua.create_string(value),
            )?;
            Ok((value, result.err()))
        },
    )?;
    bindings.add(
        "set_cookie",
        |lua, shared, args: (u32, Value, LuaString, LuaString, Value)| {
            let (slot, jar, name, value, options) = args;
            let set = jar_of(lua, shared, slot, &jar).and_then(|jar| {
                let cookie = spec(&name, &value, &options)?;
                shared.host.set_cookie(slot, jar.as_ref(), cookie)
            });
            Ok(set.err())
        },
    )?;
    bindings.add(
        "clear_cookies",
        |lua, shared, (slot, jar): (u32, Value)| match jar_of(lua, shared, slot, &jar) {
            Ok(jar) => {
                shared.host.clear_cookies(slot, jar.as_ref());
                Ok(None)
            }
            Err(message) => Ok(Some(message)),
        },
    )
}
