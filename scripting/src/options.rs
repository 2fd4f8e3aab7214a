//! A request's options table as a [`RequestSpec`]: every key known, every value checked.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlua::{Lua, LuaString, Table, Value};

use crate::place::{kind, quoted};
use crate::text::{self, Encoding};
use crate::{RequestSpec, json};

/// The keys a request's options may have.
const KEYS: [&str; 13] = [
    "basic_auth",
    "bearer",
    "body",
    "expect",
    "form",
    "headers",
    "json",
    "keep_body",
    "keepalive",
    "name",
    "query",
    "referer",
    "timeout",
];

/// Headers that the engine writes itself, with what to use instead.
const RESERVED: [(&str, &str); 3] = [
    ("content-length", "it is counted from the body"),
    ("transfer-encoding", "bodies are sent with a length"),
    ("connection", "use keepalive = false to close"),
];

type Result<T> = std::result::Result<T, String>;

/// Method and URL of a request without options, checked and encoded.
pub(crate) fn plain(method: &LuaString, url: &LuaString) -> Result<(String, String)> {
    Ok((
        text::method(&method.as_bytes())?,
        text::url(&url.as_bytes())?,
    ))
}

/// A whole request. The error names the key and what it found.
pub(crate) fn request(
    lua: &Lua,
    method: &LuaString,
    url: &LuaString,
    options: &Value,
) -> Result<RequestSpec> {
    let (method, url) = plain(method, url)?;
    let mut reader = Reader {
        lua,
        spec: RequestSpec {
            method,
            url,
            ..RequestSpec::default()
        },
        query: String::new(),
        body_key: None,
    };
    match options {
        Value::Nil => {}
        Value::Table(options) => {
            for pair in options.pairs::<Value, Value>() {
                let (key, value) = pair.map_err(|error| error.to_string())?;
                reader.option(&key, &value)?;
            }
        }
        other => return Err(format!("the options must be a table, not {}", kind(other))),
    }
    reader.finish()
}

struct Reader<'a> {
    lua: &'a Lua,
    spec: RequestSpec,
    /// Encoded, appended to the URL at the end.
    query: String,
    /// Which of `body`, `json` and `form` gave the body.
    body_key: Option<&'static str>,
}

impl Reader<'_> {
    fn option(&mut self, key: &Value, value: &Value) -> Result<()> {
        let Value::String(name) = key else {
            return Err(format!(
                "the option key {}; keys are names: {}",
                kind(key),
                KEYS.join(", ")
            ));
        };
        let spec = &mut self.spec;
        match &*name.as_bytes() {
            b"name" => spec.name = Some(name_of(value)?),
            b"headers" => spec.headers = headers(value)?,
            b"query" => self.query = encoded("query", value, Encoding::Query)?,
            b"body" => self.body("body", bytes("body", value)?, None)?,
            b"json" => {
                let body = to_json(self.lua, value)?;
                self.body("json", body, Some("application/json"))?;
            }
            b"form" => {
                let body = encoded("form", value, Encoding::Form)?.into_bytes();
                self.body("form", body, Some("application/x-www-form-urlencoded"))?;
            }
            b"keep_body" => spec.keep_body = boolean("keep_body", value)?,
            b"keepalive" => spec.keepalive = Some(boolean("keepalive", value)?),
            b"expect" => spec.expect = Some(expect(value)?),
            b"timeout" => spec.timeout = Some(timeout(value)?),
            b"basic_auth" => self.authorization(basic(value)?)?,
            b"bearer" => {
                let token = header_text("bearer", value)?;
                self.authorization(format!("Bearer {token}"))?;
            }
            b"referer" => spec.referer = Some(header_text("referer", value)?),
            unknown => {
                let name = String::from_utf8_lossy(unknown).into_owned();
                return Err(text::unknown("option", &name, &KEYS));
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        key: &'static str,
        body: Vec<u8>,
        content_type: Option<&'static str>,
    ) -> Result<()> {
        if let Some(other) = self.body_key.replace(key) {
            let (first, second) = if other < key {
                (other, key)
            } else {
                (key, other)
            };
            return Err(format!("{first} and {second}: a request has one body"));
        }
        self.spec.body = Some(body);
        self.spec.content_type = content_type;
        Ok(())
    }

    fn authorization(&mut self, value: String) -> Result<()> {
        match self.spec.authorization.replace(value) {
            None => Ok(()),
            Some(_) => Err("basic_auth and bearer: a request has one authorization".to_owned()),
        }
    }

    fn finish(mut self) -> Result<RequestSpec> {
        let spec = &mut self.spec;
        if !self.query.is_empty() {
            spec.url
                .push(if spec.url.contains('?') { '&' } else { '?' });
            spec.url.push_str(&self.query);
        }
        if has(spec, "content-type") {
            spec.content_type = None;
        }
        for (option, header, set) in [
            (
                "basic_auth or bearer",
                "authorization",
                spec.authorization.is_some(),
            ),
            ("referer", "referer", spec.referer.is_some()),
        ] {
            if set && has(spec, header) {
                return Err(format!("{option}: the headers name {header} too"));
            }
        }
        Ok(self.spec)
    }
}

fn has(spec: &RequestSpec, header: &str) -> bool {
    spec.headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(header))
}

fn bytes(key: &str, value: &Value) -> Result<Vec<u8>> {
    match value {
        Value::String(s) => Ok(s.as_bytes().to_vec()),
        other => Err(format!("{key} must be a string, not {}", kind(other))),
    }
}

fn boolean(key: &str, value: &Value) -> Result<bool> {
    match value {
        Value::Boolean(b) => Ok(*b),
        other => Err(format!("{key} must be true or false, not {}", kind(other))),
    }
}

fn name_of(value: &Value) -> Result<String> {
    let name = bytes("name", value)?;
    if name.is_empty() {
        return Err("name must not be empty".to_owned());
    }
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// The text of a scalar: a string, a number or a boolean.
fn scalar(place: &str, value: &Value) -> Result<Vec<u8>> {
    match value {
        Value::String(s) => Ok(s.as_bytes().to_vec()),
        Value::Integer(i) => Ok(i.to_string().into_bytes()),
        Value::Number(n) => Ok(n.to_string().into_bytes()),
        Value::Boolean(b) => Ok(b.to_string().into_bytes()),
        other => Err(format!(
            "{place} must be a string, a number or a boolean, not {}",
            kind(other)
        )),
    }
}

/// Names with values: a map, read sorted by name (a value may be a list: the name repeats), or a
/// list of `{ name, value }` pairs, read in its order.
fn pairs(key: &str, value: &Value) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let Value::Table(table) = value else {
        return Err(format!("{key} must be a table, not {}", kind(value)));
    };
    if table.raw_len() > 0 {
        return list_of_pairs(key, table);
    }
    let mut pairs = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        let name = scalar(&format!("a name in {key}"), &name)?;
        let place = format!("{key}: {}", quoted(&name, 40));
        match &value {
            Value::Table(values) => {
                for value in values.sequence_values::<Value>() {
                    let value = value.map_err(|error| error.to_string())?;
                    pairs.push((name.clone(), scalar(&place, &value)?));
                }
            }
            other => pairs.push((name, scalar(&place, other)?)),
        }
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the values of one name keep their order
    Ok(pairs)
}

fn list_of_pairs(key: &str, table: &Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pairs = Vec::new();
    for (index, item) in table.sequence_values::<Value>().enumerate() {
        let place = format!("{key}[{}]", index + 1);
        let item = item.map_err(|error| error.to_string())?;
        let Value::Table(pair) = &item else {
            return Err(format!(
                "{place} must be a pair {{ name, value }}, not {}",
                kind(&item)
            ));
        };
        let part = |index: i64| {
            pair.raw_get::<Value>(index)
                .map_err(|error| error.to_string())
        };
        pairs.push((scalar(&place, &part(1)?)?, scalar(&place, &part(2)?)?));
    }
    Ok(pairs)
}

fn encoded(key: &str, value: &Value, encoding: Encoding) -> Result<String> {
    let mut out = String::new();
    for (name, value) in pairs(key, value)? {
        if !out.is_empty() {
            out.push('&');
        }
        text::percent(&mut out, &name, encoding);
        out.push('=');
        text::percent(&mut out, &value, encoding);
    }
    Ok(out)
}

fn headers(value: &Value) -> Result<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::new();
    for (name, value) in pairs("headers", value)? {
        let name = text::token("the header name", &name)?;
        if let Some((_, instead)) = RESERVED
            .iter()
            .find(|(reserved, _)| name.eq_ignore_ascii_case(reserved))
        {
            return Err(format!("the header {name} can't be set: {instead}"));
        }
        text::header_value(&format!("the header {name}"), &value)?;
        headers.push((name, value));
    }
    Ok(headers)
}

fn header_text(key: &str, value: &Value) -> Result<String> {
    let value = bytes(key, value)?;
    text::header_value(key, &value)?;
    String::from_utf8(value).map_err(|_| format!("{key} must be UTF-8"))
}

fn to_json(lua: &Lua, value: &Value) -> Result<Vec<u8>> {
    let json = json::encode(lua, value, "json")?;
    serde_json::to_vec(&json).map_err(|error| format!("json: {error}"))
}

fn status(value: &Value) -> Result<u16> {
    match value {
        Value::Integer(status @ 100..=599) => Ok(*status as u16),
        other => Err(format!(
            "expect: a status is a number from 100 to 599, not {}",
            kind(other)
        )),
    }
}

fn expect(value: &Value) -> Result<Vec<u16>> {
    let Value::Table(list) = value else {
        return Ok(vec![status(value)?]);
    };
    let mut statuses = Vec::new();
    for item in list.sequence_values::<Value>() {
        statuses.push(status(&item.map_err(|error| error.to_string())?)?);
    }
    if statuses.is_empty() {
        return Err("expect: an empty list would make every reply a failure".to_owned());
    }
    Ok(statuses)
}

fn timeout(value: &Value) -> Result<Duration> {
    let parsed = match value {
        Value::Integer(seconds) => text::seconds(*seconds as f64),
        Value::Number(seconds) => text::seconds(*seconds),
        Value::String(s) => text::duration(&s.to_string_lossy()),
        _ => None,
    };
    parsed.filter(|limit| !limit.is_zero()).ok_or_else(|| {
        let found = kind(value);
        format!("timeout must be like \"250ms\" or \"10s\", or seconds, up to a day; not {found}")
    })
}

fn basic(value: &Value) -> Result<String> {
    const SHAPE: &str = "basic_auth must be { user, password }";
    let Value::Table(pair) = value else {
        return Err(format!("{SHAPE}, not {}", kind(value)));
    };
    let part = |index: i64| match pair.raw_get::<Value>(index) {
        Ok(Value::String(s)) => Ok(s.as_bytes().to_vec()),
        _ => Err(format!("{SHAPE}, two strings")),
    };
    let (user, password) = (part(1)?, part(2)?);
    if user.contains(&b':') {
        return Err("basic_auth: a user name can't hold a colon".to_owned());
    }
    Ok(format!(
        "Basic {}",
        BASE64.encode([&user[..], b":", &password[..]].concat())
    ))
}
