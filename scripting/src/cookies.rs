//! Cookies set by scripts: the `cookies` option and `user:set_cookie`.

use mlua::{LuaString, Value};

use crate::bindings::{Bindings, lend, or_message};
use crate::location::kind;
use crate::option_values::{boolean, bytes, pairs};
use crate::text;
use crate::{CookieSpec, Cookies};

/// The options of `user:set_cookie`.
const KEYS: [&str; 5] = ["domain", "max_age", "path", "secure", "url"];

type Result<T> = std::result::Result<T, String>;

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
    text::header_value(&format!("the cookie {name}"), value)?;
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

/// Registers the functions behind `user:cookie`, `user:set_cookie` and `user:clear_cookies`.
pub(crate) fn register(bindings: &Bindings<'_>) -> mlua::Result<()> {
    bindings.add(
        "cookie",
        |lua, shared, (slot, name, url): (u32, LuaString, Option<LuaString>)| {
            let name = name.to_string_lossy();
            let url = url.map(|url| url.to_string_lossy());
            let mut result = Ok(());
            let value = lend(
                |f| result = shared.host.cookie(slot, &name, url.as_deref(), f),
                |value| lua.create_string(value),
            )?;
            Ok((value, result.err()))
        },
    )?;
    bindings.add(
        "set_cookie",
        |_, shared, (slot, name, value, options): (u32, LuaString, LuaString, Value)| {
            let made = spec(&name, &value, &options);
            let set = made.and_then(|cookie| shared.host.set_cookie(slot, cookie));
            Ok(or_message(set.map(|()| true)))
        },
    )?;
    bindings.add("clear_cookies", |_, shared, slot: u32| {
        shared.host.clear_cookies(slot);
        Ok(())
    })
}
