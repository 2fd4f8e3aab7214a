//! Logs requests with their replies during a run: one JSON object per line, or one HAR 1.2 file.

use super::identity;
use crate::cli::RunArguments;
use crate::command::exit::Failure;
use crate::render::format;
use anyhow::anyhow;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::{Exchange, Traced};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// What stands for a value that is not for other eyes.
const REDACTED: &str = "***";
/// Fields whose values are not written, and parts of names of others.
const SECRET_FIELDS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
];
const SECRET_PARTS: [&str; 4] = ["token", "secret", "api-key", "apikey"];
/// How a HAR file ends; it is written after each entry, so that the file is always whole.
const HAR_END: &str = "\n]}}\n";

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    JsonLines,
    Har,
}

/// The log of one run.
#[derive(Debug)]
pub struct RequestLog {
    path: PathBuf,
    file: File,
    form: Form,
    traced: Traced,
    /// Bytes kept of each body.
    body_bytes_max: usize,
    written: u64,
    /// Why it was given up.
    error: Option<io::Error>,
}

impl RequestLog {
    /// Opens the log that the arguments ask for; none when they ask for none.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(arguments: &RunArguments) -> Result<Option<RequestLog>, Failure> {
        let Some(traced) = arguments.log else {
            return Ok(None);
        };
        let path = arguments.log_file.clone();
        let failed = |error: io::Error| Failure::usage(anyhow!("{}: {error}", path.display()));
        let mut file = File::create(&path).map_err(failed)?;
        let is_har = path.extension().is_some_and(|extension| extension == "har");
        let form = if is_har { Form::Har } else { Form::JsonLines };
        if form == Form::Har {
            file.write_all((har_begin() + HAR_END).as_bytes())
                .map_err(failed)?;
        }
        Ok(Some(RequestLog {
            file,
            form,
            traced,
            body_bytes_max: arguments.log_bodies,
            written: 0,
            error: None,
            path,
        }))
    }

    /// Which requests are logged.
    pub fn traced(&self) -> Traced {
        self.traced
    }

    /// Writes a request; `start` is when the load began. After an error nothing more is written.
    pub fn write(&mut self, exchange: &Exchange, start: Option<Instant>) {
        if self.error.is_some() {
            return;
        }
        let since = match start {
            Some(start) => start.elapsed().saturating_sub(exchange.at),
            // A request of `setup` has just ended.
            None => exchange.latency,
        };
        let due = SystemTime::now() - since;
        let done = match self.form {
            Form::JsonLines => {
                let line = json_line(exchange, due, self.body_bytes_max);
                writeln!(self.file, "{line}")
            }
            Form::Har => self.write_har(&har_entry(exchange, due, self.body_bytes_max)),
        };
        match done {
            Ok(()) => self.written += 1,
            Err(error) => self.error = Some(error),
        }
    }

    /// Writes an entry over the end of the file, and the end again.
    fn write_har(&mut self, entry: &Value) -> io::Result<()> {
        self.file
            .seek(SeekFrom::End(-(HAR_END.len() as i64)))
            .map(drop)?;
        let comma = if self.written == 0 { "" } else { "," };
        let text = format!("{comma}\n{entry}{HAR_END}");
        self.file.write_all(text.as_bytes())
    }

    /// What is said of the log at the end of the run.
    ///
    /// # Errors
    /// Some requests could not be written.
    pub fn finish(self) -> Result<String, Failure> {
        let (path, count) = (self.path.display(), format::count(self.written));
        match self.error {
            None => Ok(format!("requests     {count} logged in {path}\n")),
            Some(error) => Err(Failure::failed(anyhow!(
                "{path}: only {count} requests were logged: {error}"
            ))),
        }
    }
}

/// `2026-11-22T22:45:06.123Z`
fn utc_ms(time: SystemTime) -> String {
    let seconds = identity::utc(time);
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.unwrap_or_default().subsec_millis();
    format!("{}.{ms:03}Z", seconds.trim_end_matches('Z'))
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// A head and what follows it.
struct Message<'a> {
    /// The parts of its first line.
    first: [&'a str; 3],
    fields: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

impl Message<'_> {
    fn field(&self, name: &str) -> &str {
        let known = self
            .fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map_or("", |(_, value)| value)
    }
}

/// Takes a head apart; what is no text is left out.
fn message<'a>(head: &'a [u8], body: &'a [u8]) -> Message<'a> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().splitn(3, ' ');
    let first = std::array::from_fn(|_| words.next().unwrap_or_default());
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.trim(), redacted(name.trim(), value.trim())));
    Message {
        first,
        fields: fields.collect(),
        body,
    }
}

fn request(exchange: &Exchange) -> Message<'_> {
    let bytes = &exchange.request[..];
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = bytes.split_at(end.map_or(bytes.len(), |end| end + 4));
    let mut sent = message(head, body);
    // A proxy was sent the whole URL.
    if let Some(path) = sent.first[1].strip_prefix(exchange.server.as_str()) {
        sent.first[1] = path;
    }
    sent
}

fn redacted<'a>(name: &str, value: &'a str) -> &'a str {
    let name = name.to_ascii_lowercase();
    let is_secret = SECRET_FIELDS.contains(&name.as_str())
        || SECRET_PARTS.iter().any(|part| name.contains(part));
    if is_secret { REDACTED } else { value }
}

/// The beginning of a body as text, or in base64; nothing of an empty one.
fn body(bytes: &[u8], most: usize) -> Option<(&'static str, String)> {
    let start = &bytes[..bytes.len().min(most)];
    if start.is_empty() {
        return None;
    }
    match std::str::from_utf8(start) {
        Ok(text) => Some(("body", text.to_owned())),
        // A character cut in two is left out.
        Err(error) if error.error_len().is_none() && start.len() < bytes.len() => {
            let text = String::from_utf8_lossy(&start[..error.valid_up_to()]);
            Some(("body", text.into_owned()))
        }
        Err(_) => Some(("body_base64", BASE64_STANDARD.encode(start))),
    }
}

fn json_line(exchange: &Exchange, due: SystemTime, most: usize) -> Value {
    let (sent, got) = (request(exchange), message(&exchange.head, &exchange.body));
    let side = |message: &Message<'_>| {
        let headers = message
            .fields
            .iter()
            .map(|(name, value)| json!([name, value]));
        let mut side = json!({
            "headers": headers.collect::<Value>(),
            "body_bytes": message.body.len(),
        });
        if let Some((key, text)) = body(message.body, most) {
            side[key] = text.into();
        }
        side
    };
    let mut line = json!({
        "time": utc_ms(due),
        "at_s": (exchange.at.as_secs_f64() * 1e6).round() / 1e6,
        "user": exchange.user,
        "name": exchange.name,
        "method": sent.first[0],
        "url": format!("{}{}", exchange.server, sent.first[1]),
        "status": exchange.status,
        "failure": exchange.failure,
        "latency_ms": ms(exchange.latency),
        "service_ms": ms(exchange.service),
        "first_byte_ms": ms(exchange.first_byte),
        "request": side(&sent),
        "reply": side(&got),
    });
    if !exchange.wire.is_empty() {
        line["unreadable_base64"] = BASE64_STANDARD.encode(&exchange.wire).into();
    }
    with_tags(line, "tags", exchange)
}

/// What is written of a request, with its tags by their keys; unchanged where it has none.
fn with_tags(mut written: Value, key: &str, exchange: &Exchange) -> Value {
    if !exchange.tags.is_empty() {
        let tags = exchange.tags.iter();
        written[key] = tags
            .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
            .collect();
    }
    written
}

fn har_begin() -> String {
    let creator = json!({ "name": "mistress", "version": env!("CARGO_PKG_VERSION") });
    format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[")
}

/// An entry as HAR 1.2 has it; what has no key there begins with an underscore.
fn har_entry(exchange: &Exchange, due: SystemTime, most: usize) -> Value {
    let (sent, got) = (request(exchange), message(&exchange.head, &exchange.body));
    let headers = |message: &Message<'_>| {
        let each = |(name, value): &(&str, &str)| json!({ "name": name, "value": value });
        message.fields.iter().map(each).collect::<Value>()
    };
    let text = |bytes| {
        body(bytes, most).map_or((false, String::new()), |(key, text)| (key != "body", text))
    };
    let url = format!("{}{}", exchange.server, sent.first[1]);
    let query = sent.first[1].split_once('?').map_or("", |(_, query)| query);
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            json!({ "name": name, "value": value })
        });
    let mut sent_part = json!({
        "method": sent.first[0],
        "url": url,
        "httpVersion": sent.first[2],
        "cookies": [],
        "headers": headers(&sent),
        "queryString": pairs.collect::<Value>(),
        "headersSize": exchange.request.len() - sent.body.len(),
        "bodySize": sent.body.len(),
    });
    if !sent.body.is_empty() {
        let (_, content) = text(sent.body);
        sent_part["postData"] = json!({ "mimeType": sent.field("content-type"), "text": content });
    }
    let (is_base64, content) = text(got.body);
    let mut content = json!({
        "size": got.body.len(),
        "mimeType": got.field("content-type"),
        "text": content,
    });
    if is_base64 {
        content["encoding"] = "base64".into();
    }
    let entry = json!({
        "startedDateTime": utc_ms(due),
        "time": ms(exchange.latency),
        "request": sent_part,
        "response": {
            "status": exchange.status,
            "statusText": got.first[2],
            "httpVersion": got.first[0],
            "cookies": [],
            "headers": headers(&got),
            "content": content,
            "redirectURL": got.field("location"),
            "headersSize": exchange.head.len(),
            "bodySize": got.body.len(),
        },
        "cache": {},
        "timings": {
            "blocked": ms(exchange.latency.saturating_sub(exchange.service)),
            "send": 0,
            "wait": ms(exchange.first_byte),
            "receive": ms(exchange.service.saturating_sub(exchange.first_byte)),
        },
        "_name": exchange.name,
        "_user": exchange.user,
        "_failure": exchange.failure,
    });
    with_tags(entry, "_tags", exchange)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Exchange {
        Exchange {
            name: "pay".to_owned(),
            tags: vec![("kind".to_owned(), "api".to_owned())],
            user: 7,
            server: "http://shop:8080".to_owned(),
            at: Duration::from_millis(1_500),
            request:
                b"POST /pay?cart=3 HTTP/1.1\r\nHost: shop:8080\r\nAuthorization: Bearer abc\r\n\
                       X-Api-Key: k1\r\nContent-Type: text/plain\r\n\r\nhello"
                    .to_vec(),
            head:
                b"HTTP/1.1 503 Service Unavailable\r\nSet-Cookie: s=1\r\nContent-Type: a/b\r\n\r\n"
                    .to_vec(),
            body: vec![0xff; 10],
            wire: Vec::new(),
            status: 503,
            failure: Some("status"),
            latency: Duration::from_micros(12_345),
            service: Duration::from_micros(12_000),
            first_byte: Duration::from_micros(11_000),
        }
    }

    #[test]
    fn a_line_has_both_sides_and_no_credentials() {
        let line = json_line(&failed(), SystemTime::UNIX_EPOCH, 4);
        assert_eq!(
            line,
            json!({
                "time": "1970-01-01T00:00:00.000Z", "at_s": 1.5, "user": 7, "name": "pay",
                "method": "POST", "url": "http://shop:8080/pay?cart=3", "status": 503,
                "failure": "status", "latency_ms": 12.345, "service_ms": 12.0,
                "first_byte_ms": 11.0, "tags": { "kind": "api" },
                "request": {
                    "headers": [["Host", "shop:8080"], ["Authorization", "***"],
                        ["X-Api-Key", "***"], ["Content-Type", "text/plain"]],
                    "body_bytes": 5, "body": "hell",
                },
                "reply": {
                    "headers": [["Set-Cookie", "***"], ["Content-Type", "a/b"]],
                    "body_bytes": 10, "body_base64": "/////w==",
                },
            })
        );
    }

    #[test]
    fn an_entry_is_har() {
        let entry = har_entry(&failed(), SystemTime::UNIX_EPOCH, 100);
        assert_eq!(entry["request"]["url"], "http://shop:8080/pay?cart=3");
        assert_eq!(
            entry["request"]["queryString"],
            json!([{ "name": "cart", "value": "3" }])
        );
        assert_eq!(entry["request"]["postData"]["text"], "hello");
        assert_eq!(entry["response"]["statusText"], "Service Unavailable");
        assert_eq!(entry["response"]["content"]["encoding"], "base64");
        assert_eq!(entry["timings"]["wait"], 11.0);
        assert_eq!(entry["_failure"], "status");
        assert_eq!(entry["_tags"], json!({ "kind": "api" }));
        assert!(!entry.to_string().contains("abc"), "{entry}");
    }

    #[test]
    fn a_request_to_a_proxy_has_the_url_once() {
        let mut exchange = failed();
        exchange.request = b"GET http://shop:8080/a?b=1 HTTP/1.1\r\n\
            Proxy-Authorization: Basic YTpi\r\n\r\n"
            .to_vec();
        for text in [
            json_line(&exchange, SystemTime::UNIX_EPOCH, 4).to_string(),
            har_entry(&exchange, SystemTime::UNIX_EPOCH, 4).to_string(),
        ] {
            let url = "\"url\":\"http://shop:8080/a?b=1\"";
            assert!(text.contains(url) && !text.contains("YTpi"), "{text}");
        }
    }

    #[test]
    fn a_character_cut_in_two_is_left_out() {
        assert_eq!(body("aé".as_bytes(), 2), Some(("body", "a".to_owned())));
        assert_eq!(body(b"\xc3", 2), Some(("body_base64", "ww==".to_owned())));
        assert_eq!(body(b"abc", 0), None);
    }
}
