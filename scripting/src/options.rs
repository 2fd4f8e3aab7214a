//! Converts a request's options table to a [`RequestSpec`]: every key is known, every value
//! checked.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlua::{Lua, LuaString, Value};

use crate::bindings::Shared;
use crate::location::{kind, quoted};
use crate::option_values::{NamedValue, boolean, bytes, each, named, pairs};
use crate::text::{self, Encoding};
use crate::uploads::{self, FilePart};
use crate::{BodyPart, Cookies, RequestSpec, cookies, json, tags};

/// The keys of a request's options.
pub(crate) const KEYS: [&str; 22] = [
    "basic_auth",
    "bearer",
    "body",
    "body_file",
    "chunked",
    "cookies",
    "digest_auth",
    "expect",
    "expect_continue",
    "files",
    "form",
    "headers",
    "jar",
    "json",
    "keep_body",
    "keepalive",
    "name",
    "query",
    "redirects",
    "referer",
    "tags",
    "timeout",
];

/// Headers that the engine writes itself, with the alternative.
const RESERVED: [(&str, &str); 4] = [
    ("content-length", "it is computed from the body"),
    (
        "transfer-encoding",
        "use chunked = true to send a body in chunks",
    ),
    (
        "expect",
        "use expect_continue = true to wait before the body",
    ),
    ("connection", "use keepalive = false to close"),
];

/// Most redirects a request can ask for.
const REDIRECTS_MAX: i64 = 50;

type Result<T> = std::result::Result<T, String>;

/// Method and URL of a request without options, checked and encoded.
pub(crate) fn plain(method: &LuaString, url: &LuaString) -> Result<(String, String)> {
    Ok((
        text::method(&method.as_bytes())?,
        text::url(&url.as_bytes())?,
    ))
}

/// A request with options. The error names the key and the invalid value.
pub(crate) fn request(
    lua: &Lua,
    shared: &Shared,
    method: &LuaString,
    url: &LuaString,
    options: &Value,
) -> Result<RequestSpec> {
    let (method, url) = plain(method, url)?;
    let mut reader = Reader {
        lua,
        shared,
        spec: RequestSpec {
            method,
            url,
            ..RequestSpec::default()
        },
        query: String::new(),
        fields: Vec::new(),
        files: None,
        body_key: None,
    };
    match options {
        Value::Nil => {}
        Value::Table(options) => each(options, |key, value| reader.option(key, value))?,
        other => return Err(format!("the options must be a table, not {}", kind(other))),
    }
    reader.finish()
}

struct Reader<'a> {
    lua: &'a Lua,
    shared: &'a Shared,
    spec: RequestSpec,
    /// Encoded, appended to the URL at the end.
    query: String,
    /// From `form`; part of the multipart body when there are `files`.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    files: Option<Vec<FilePart>>,
    /// The option that provided the body: `body`, `body_file`, `json`, and `form` or `files`.
    body_key: Option<&'static str>,
}

impl Reader<'_> {
    fn option(&mut self, key: &Value, value: &Value) -> Result<()> {
        let Value::String(name) = key else {
            return Err(format!(
                "the option key {} is not a string; the options are {}",
                kind(key),
                KEYS.join(", ")
            ));
        };
        let spec = &mut self.spec;
        match &*name.as_bytes() {
            b"name" => spec.name = Some(name_of(value)?),
            b"tags" => spec.tags = tags::read(value)?,
            b"headers" => (spec.headers, spec.without) = headers(value)?,
            b"query" => self.query = encoded("query", value, Encoding::Query)?,
            b"body" => self.body("body", bytes("body", value)?, None)?,
            b"body_file" => {
                let path = text::utf8("body_file", bytes("body_file", value)?)?;
                self.take_body("body_file")?;
                self.spec.parts = vec![BodyPart::File(path)];
            }
            b"json" => {
                let body = json::bytes(self.lua, value, "json")?;
                self.body("json", body, Some("application/json"))?;
            }
            b"form" => {
                self.fields = pairs("form", value)?;
                if self.files.is_none() {
                    self.take_body("form")?;
                }
            }
            b"files" => {
                self.files = Some(uploads::files(value)?);
                if self.body_key != Some("form") {
                    self.take_body("files")?;
                }
            }
            b"chunked" => spec.chunked = boolean("chunked", value)?,
            b"expect_continue" => spec.expect_continue = boolean("expect_continue", value)?,
            b"redirects" => spec.redirects = Some(redirects(value)?),
            b"cookies" => spec.cookies = cookies::of_request(value)?,
            b"jar" => spec.jar = Some(cookies::jar(self.lua, self.shared, value)?),
            b"digest_auth" => spec.digest = Some(digest(value)?),
            b"keep_body" => spec.keep_body = boolean("keep_body", value)?,
            b"keepalive" => spec.keepalive = Some(boolean("keepalive", value)?),
            b"expect" if matches!(value, Value::Function(_)) => spec.judged = true,
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
        self.take_body(key)?;
        self.spec.body = Some(body);
        self.spec.content_type = content_type.map(str::to_owned);
        Ok(())
    }

    /// Claims the body for `key`; a request has only one.
    fn take_body(&mut self, key: &'static str) -> Result<()> {
        if let Some(other) = self.body_key.replace(key) {
            let (first, second) = if other < key {
                (other, key)
            } else {
                (key, other)
            };
            return Err(format!("{first} and {second}: a request has one body"));
        }
        Ok(())
    }

    /// Builds the body from `form` and `files`, and rejects options that need a body.
    fn finish_body(&mut self) -> Result<()> {
        let spec = &mut self.spec;
        if let Some(files) = self.files.take() {
            let (parts, content_type) = uploads::multipart(&self.fields, files);
            (spec.parts, spec.content_type) = (parts, Some(content_type));
        } else if self.body_key == Some("form") {
            spec.body = Some(joined(&self.fields, Encoding::Form).into_bytes());
            spec.content_type = Some("application/x-www-form-urlencoded".to_owned());
        }
        let bare = self.body_key.is_none();
        for (key, set) in [
            ("chunked", spec.chunked),
            ("expect_continue", spec.expect_continue),
        ] {
            if set && bare {
                return Err(format!("{key}: the request has no body"));
            }
        }
        Ok(())
    }

    fn authorization(&mut self, value: String) -> Result<()> {
        match self.spec.authorization.replace(value) {
            None => Ok(()),
            Some(_) => Err("basic_auth and bearer: a request has one authorization".to_owned()),
        }
    }

    fn finish(mut self) -> Result<RequestSpec> {
        self.finish_body()?;
        let spec = &mut self.spec;
        let multipart = spec.content_type.take();
        spec.content_type = content_type(spec, multipart)?;
        if !self.query.is_empty() {
            spec.url
                .push(if spec.url.contains('?') { '&' } else { '?' });
            spec.url.push_str(&self.query);
        }
        if spec.authorization.is_some() && spec.digest.is_some() {
            return Err("digest_auth: a request has one authorization".to_owned());
        }
        if spec.jar.is_some() && spec.cookies == Cookies::Off {
            return Err("jar: cookies = false sends and keeps no cookies".to_owned());
        }
        for (option, header, set) in [
            (
                "basic_auth, digest_auth or bearer",
                "authorization",
                spec.authorization.is_some() || spec.digest.is_some(),
            ),
            (
                "cookies",
                "cookie",
                matches!(spec.cookies, Cookies::With(_)),
            ),
            ("referer", "referer", spec.referer.is_some()),
        ] {
            if set && has(spec, header) {
                return Err(format!("{option}: the headers already set {header}"));
            }
        }
        Ok(self.spec)
    }
}

/// The content type implied by the body, unless the headers give one. A multipart body cannot be
/// read without its boundary, which a script cannot know.
fn content_type(spec: &mut RequestSpec, of_body: Option<String>) -> Result<Option<String>> {
    let is_own = |name: &str| name.eq_ignore_ascii_case("content-type");
    let own = spec.headers.iter_mut().find(|(name, _)| is_own(name));
    let boundary = of_body.as_deref().and_then(|given| {
        let (kind, boundary) = given.split_once(';')?;
        kind.starts_with("multipart/").then_some(boundary)
    });
    let is_refused = spec.without.iter().any(|name| is_own(name));
    let Some(boundary) = boundary else {
        return Ok(of_body.filter(|_| own.is_none() && !is_refused));
    };
    if is_refused {
        return Err(
            "files: the header content-type can't be omitted, because it holds the boundary"
                .to_owned(),
        );
    }
    let Some((_, own)) = own else {
        return Ok(of_body);
    };
    let text = String::from_utf8_lossy(own).to_ascii_lowercase();
    if !text.starts_with("multipart/") || text.contains("boundary") {
        return Err(
            "files: the header content-type must be a multipart/ type without a boundary, which \
             is added"
                .to_owned(),
        );
    }
    own.push(b';');
    own.extend_from_slice(boundary.as_bytes());
    Ok(None)
}

fn has(spec: &RequestSpec, header: &str) -> bool {
    spec.headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(header))
}

fn name_of(value: &Value) -> Result<String> {
    let name = bytes("name", value)?;
    if name.is_empty() {
        return Err("name must not be empty".to_owned());
    }
    Ok(String::from_utf8_lossy(&name).into_owned())
}

fn encoded(key: &str, value: &Value, encoding: Encoding) -> Result<String> {
    Ok(joined(&pairs(key, value)?, encoding))
}

/// Pairs as a query or a form.
pub(crate) fn joined(pairs: &[(Vec<u8>, Vec<u8>)], encoding: Encoding) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        text::percent(&mut out, name, encoding);
        out.push('=');
        text::percent(&mut out, value, encoding);
    }
    out
}

type Headers = (Vec<(String, Vec<u8>)>, Vec<String>);

/// The headers to send, and those to omit: names whose value is false.
fn headers(value: &Value) -> Result<Headers> {
    let mut headers = Vec::new();
    let mut without = Vec::new();
    for (name, value) in named("headers", value)? {
        let name = text::token("the header name", &name)?;
        if let Some((_, instead)) = RESERVED
            .iter()
            .find(|(reserved, _)| name.eq_ignore_ascii_case(reserved))
        {
            return Err(format!("the header {name} can't be set: {instead}"));
        }
        match value {
            NamedValue::False if name.eq_ignore_ascii_case("host") => {
                return Err("the header host can't be omitted: every request needs one".to_owned());
            }
            NamedValue::Scalar(value) => {
                text::header_value(format_args!("the header {name}"), &value)?;
                check_single(&name, &value, &headers)?;
                headers.push((name, value));
            }
            NamedValue::False => without.push(name),
        }
    }
    Ok((headers, without))
}

/// Fields that a request has at most once (RFC 9110 sections 7.2, 8.3, 10.1.3, 10.1.5 and 11.6.2):
/// servers reject a second Host, and choose one of two others arbitrarily.
const SINGLE: [&str; 5] = [
    "authorization",
    "content-type",
    "host",
    "referer",
    "user-agent",
];

/// Rejects a second value of a single-valued field, and an invalid Host.
fn check_single(name: &str, value: &[u8], before: &[(String, Vec<u8>)]) -> Result<()> {
    let is_single = SINGLE.iter().any(|one| name.eq_ignore_ascii_case(one));
    if is_single
        && before
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    {
        return Err(format!(
            "the header {name} has several values; a request has one"
        ));
    }
    let is_authority = |byte: &u8| *byte > b' ' && !b"/?#@\\\"<>,".contains(byte);
    if name.eq_ignore_ascii_case("host") && !value.iter().all(is_authority) {
        return Err(format!(
            "the header {name} must be a host with or without a port, not {}",
            quoted(value, 60)
        ));
    }
    Ok(())
}

fn header_text(key: &str, value: &Value) -> Result<String> {
    let value = bytes(key, value)?;
    text::header_value(key, &value)?;
    String::from_utf8(value).map_err(|_| format!("{key} must be UTF-8"))
}

fn status(value: &Value) -> Result<u16> {
    match value {
        Value::Integer(status @ 100..=999) => Ok(*status as u16),
        other => Err(format!(
            "expect: a status is a number from 100 to 999, not {}",
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

/// `{ user, password }`.
fn credentials(key: &str, value: &Value) -> Result<(Vec<u8>, Vec<u8>)> {
    let shape = format!("{key} must be {{ user, password }}");
    let Value::Table(pair) = value else {
        return Err(format!("{shape}, not {}", kind(value)));
    };
    let part = |index: i64| match pair.raw_get::<Value>(index) {
        Ok(Value::String(s)) => Ok(s.as_bytes().to_vec()),
        _ => Err(format!("{shape}, two strings")),
    };
    Ok((part(1)?, part(2)?))
}

fn digest(value: &Value) -> Result<(String, String)> {
    let (user, password) = credentials("digest_auth", value)?;
    let user = text::utf8("digest_auth: the user", user)?;
    text::header_value("digest_auth: the user", user.as_bytes())?;
    Ok((user, text::utf8("digest_auth: the password", password)?))
}

fn redirects(value: &Value) -> Result<u8> {
    match value {
        Value::Integer(most @ 0..=REDIRECTS_MAX) => Ok(*most as u8),
        other => Err(format!(
            "redirects must be a number from 0 to {REDIRECTS_MAX}, not {}",
            kind(other)
        )),
    }
}

fn basic(value: &Value) -> Result<String> {
    let (user, password) = credentials("basic_auth", value)?;
    if user.contains(&b':') {
        return Err("basic_auth: a user name can't hold a colon".to_owned());
    }
    Ok(format!(
        "Basic {}",
        BASE64.encode([&user[..], b":", &password[..]].concat())
    ))
}
