//! `aws.sign`: Signature Version 4 of AWS, as headers of a request.

use std::fmt::Write as _;
use std::rc::Rc;

use mlua::{Lua, Table, Value};
use ring::{digest, hmac};
use time::OffsetDateTime;

use super::encodings::hex;
use super::{Tools, text, times, utf8};
use crate::cache::Cache;
use crate::location::{kind, quoted};
use crate::option_values::{each, pairs};
use crate::text::{self as request_text, Encoding, percent};

const KEYS: [&str; 10] = [
    "access_key",
    "body",
    "headers",
    "method",
    "region",
    "secret_key",
    "service",
    "session_token",
    "time",
    "url",
];

/// Headers that the signature brings.
const COMPUTED: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];
const CONTENT_HASH: &str = "x-amz-content-sha256";

/// What is signed.
struct Signed {
    method: String,
    url: String,
    /// In lower case, sorted, with all values of a name in one.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    service: String,
    region: String,
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
    /// The script gave the host, so that it is among the headers to send.
    gave_host: bool,
    at: OffsetDateTime,
}

/// Keys of a secret for a day, a region and a service, which take four digests to make.
type SigningKeys = Cache<hmac::Key>;

fn sign(key: &hmac::Key, text: &[u8]) -> hmac::Tag {
    hmac::sign(key, text)
}

fn key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The options as a script gives them.
#[derive(Default)]
struct Given {
    /// By their place in [`KEYS`].
    texts: [Option<String>; KEYS.len()],
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    time: Option<Value>,
}

impl Given {
    /// Reads the table in one pass: each look for a key would cost as much as a digest.
    fn read(given: &Value) -> Result<Given, String> {
        let table = match given {
            Value::Table(table) => table,
            Value::Nil => return Err(format!("needs a table of {}, not nil", KEYS.join(", "))),
            other => return Err(format!("the options must be a table, not {}", kind(other))),
        };
        let mut read = Given::default();
        each(table, |key, value| {
            let key = text("the key of an option", key)?.as_bytes();
            let Some(index) = KEYS.iter().position(|known| *known.as_bytes() == *key) else {
                let name = String::from_utf8_lossy(&key);
                return Err(request_text::unknown("option", &name, &KEYS));
            };
            match KEYS[index] {
                "body" => read.body = text("body", value)?.as_bytes().to_vec(),
                "headers" => read.headers = headers(value)?,
                "time" => read.time = Some(value.clone()),
                name => read.texts[index] = Some(utf8(name, value)?),
            }
            Ok(())
        })?;
        Ok(read)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let index = KEYS.iter().position(|known| *known == name)?;
        self.texts[index].take()
    }

    /// # Errors
    ///
    /// The script did not give it.
    fn required(&mut self, name: &str) -> Result<String, String> {
        match self.take(name) {
            None => Err(format!("{name} must be a string, not nil")),
            Some(text) if text.is_empty() => Err(format!("{name} must not be empty")),
            Some(text) => Ok(text),
        }
    }
}

impl Signed {
    fn read(given: &Value, now_ms: u64) -> Result<Signed, String> {
        let mut given = Given::read(given)?;
        let url = request_text::url(given.required("url")?.as_bytes())?;
        if url.starts_with('/') {
            let shown = quoted(url.as_bytes(), 40);
            return Err(format!(
                "url must be absolute, because the host is signed, not {shown}"
            ));
        }
        let mut headers = std::mem::take(&mut given.headers);
        let gave_host = has(&headers, "host");
        if !gave_host {
            headers.push(("host".to_owned(), parts(&url).0));
        }
        let method = given.take("method");
        let at = given.time.take();
        Ok(Signed {
            method: request_text::method(method.as_deref().unwrap_or("GET").as_bytes())?,
            url,
            headers,
            service: given.required("service")?,
            region: given.required("region")?,
            access_key: given.required("access_key")?,
            secret_key: given.required("secret_key")?,
            session_token: given.take("session_token"),
            body: given.body,
            gave_host,
            at: times::moment("time", &at.unwrap_or(Value::Number(now_ms as f64)))?,
        })
    }

    /// Completes the headers with the signature.
    fn sign(&mut self, keys: &SigningKeys) -> Result<(), String> {
        let (date, (hour, minute, second)) = (self.at.date(), self.at.time().as_hms());
        let day = format!(
            "{:04}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        );
        let stamp = format!("{day}T{hour:02}{minute:02}{second:02}Z");
        self.headers.push(("x-amz-date".to_owned(), stamp.clone()));
        if let Some(token) = self.session_token.take() {
            self.headers
                .push(("x-amz-security-token".to_owned(), token));
        }
        let body_hash = match self.headers.iter().find(|(name, _)| name == CONTENT_HASH) {
            Some((_, given)) => given.clone(),
            None => sha256(&self.body),
        };
        if self.service == "s3" && !has(&self.headers, CONTENT_HASH) {
            self.headers
                .push((CONTENT_HASH.to_owned(), body_hash.clone()));
        }
        self.headers.sort();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let request = self.canonical(&names, &body_hash);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
            sha256(request.as_bytes())
        );
        let key = self.key(keys, &day, &scope)?;
        let signature = hex(sign(&key, text.as_bytes()).as_ref());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        self.headers
            .push(("authorization".to_owned(), authorization));
        Ok(())
    }

    fn key(&self, keys: &SigningKeys, day: &str, scope: &str) -> Result<Rc<hmac::Key>, String> {
        let known = format!("{}\n{scope}", self.secret_key);
        keys.of(known.as_bytes(), || {
            let mut made = key(format!("AWS4{}", self.secret_key).as_bytes());
            for part in [day, &self.region, &self.service, "aws4_request"] {
                made = key(sign(&made, part.as_bytes()).as_ref());
            }
            Ok(made)
        })
    }

    fn canonical(&self, names: &str, body_hash: &str) -> String {
        let (_, path, query) = parts(&self.url);
        let path = if self.service == "s3" {
            path.to_owned()
        } else {
            encoded_path(&normal(path))
        };
        let mut text = format!("{}\n{path}\n{}\n", self.method, sorted(query));
        for (name, value) in &self.headers {
            let written = writeln!(text, "{name}:{value}");
            debug_assert!(written.is_ok(), "writing to a String can't fail");
        }
        text + "\n" + names + "\n" + body_hash
    }
}

fn has(headers: &[(String, String)], name: &str) -> bool {
    headers.iter().any(|(known, _)| known == name)
}

/// Names in lower case, values without surplus blanks; several of one name become one.
fn headers(given: &Value) -> Result<Vec<(String, String)>, String> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs("headers", given)? {
        let name = request_text::token("the header name", &name)?.to_ascii_lowercase();
        if COMPUTED.contains(&name.as_str()) {
            return Err(format!("headers: {name} is computed and can't be given"));
        }
        request_text::header_value(format_args!("the header {name}"), &value)?;
        let value = request_text::utf8(format_args!("the header {name}"), value)?;
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        match headers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => {
                known.push(',');
                known.push_str(&value);
            }
            None => headers.push((name, value)),
        }
    }
    Ok(headers)
}

/// The host as requests send it, the path and the query of an absolute URL.
fn parts(url: &str) -> (String, &str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let default = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default).unwrap_or(host);
    let path = if path.is_empty() { "/" } else { path };
    (host.to_ascii_lowercase(), path, query)
}

/// The path without dot segments and empty ones.
fn normal(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let ends = path.ends_with(['/']) || path.ends_with("/.") || path.ends_with("/..");
    let end = if ends && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

fn encoded_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        percent(&mut out, segment.as_bytes(), Encoding::Query);
    }
    out
}

/// The parameters sorted by their encoded names and values.
fn sorted(query: &str) -> String {
    let encoded = |text: &str| {
        let plain: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
        let mut out = String::new();
        percent(&mut out, &plain, Encoding::Query);
        out
    };
    let parts = query.split('&').filter(|part| !part.is_empty());
    let mut params: Vec<(String, String)> = parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (encoded(name), encoded(value))
        })
        .collect();
    params.sort();
    let params: Vec<String> = params
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    params.join("&")
}

/// The headers to send with the request.
fn answer(lua: &Lua, signed: &Signed) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in &signed.headers {
        if signed.gave_host || name != "host" {
            table.raw_set(name.as_str(), value.as_str())?;
        }
    }
    Ok(table)
}

pub(super) fn register(tools: &Tools<'_>) -> mlua::Result<()> {
    let keys = SigningKeys::default();
    tools.add("aws.sign", move |lua, shared, given: Value| {
        let mut signed = Signed::read(&given, shared.host.unix_ms())?;
        signed.sign(&keys)?;
        Ok(answer(lua, &signed)?)
    })
}
