//! What the target answers: paths, statuses, and the parts a response is made of.

use super::shop;
use std::time::{Duration, SystemTime};

/// The body of the page at `/`.
const WELCOME: &[u8] = b"Welcome to Mistress\n";

/// Content of generated bodies: the same letters over and over.
pub(super) static PAYLOAD: [u8; 65_536] = [b'm'; 65_536];

/// The longest delay that may be asked for.
const DELAY_MAX: Duration = Duration::from_secs(600);
const HELP: &str = "no such page; these are: / /bytes/N /delay/MS /status/N /echo /chunked/N \
/close /headers, and those of the shop, from /news on: mistress target --help\n";

/// A page of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Page {
    /// `/`: a small constant text.
    #[default]
    Home,
    /// `/bytes/N`: a body of N bytes.
    Bytes(u64),
    /// `/chunked/N`: a chunked body of N bytes.
    Chunked(u64),
    /// `/delay/MS`: a small text after MS milliseconds.
    Delay(Duration),
    /// `/status/N`: status N.
    Status(u16),
    /// `/echo`: the body of the request.
    Echo,
    /// `/close`: a small text, then the connection closes.
    Close,
    /// `/headers`: the head of the request as text.
    Headers,
    /// A page of the shop.
    Shop,
    /// Anything else.
    Missing,
}

/// A part of what is to be sent on a connection, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes of [`PAYLOAD`].
    Filling(u64),
    /// So many bytes of filling as chunks, and the last chunk.
    Chunks(u64),
    /// Nothing for a while.
    Pause(Duration),
    /// The end of the connection.
    Close,
}

impl Page {
    /// The page that a path names.
    pub(super) fn of(path: &[u8]) -> Page {
        let path = path.split(|&byte| byte == b'?').next().unwrap_or_default();
        let Ok(path) = std::str::from_utf8(path) else {
            return Page::Missing;
        };
        let (name, number) = match path.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
            Some((name, number)) => (name, number.parse::<u64>().ok()),
            None => return Page::plain(path),
        };
        match (name, number) {
            ("bytes", Some(bytes)) => Page::Bytes(bytes),
            ("chunked", Some(bytes)) => Page::Chunked(bytes),
            ("delay", Some(ms)) => Page::Delay(Duration::from_millis(ms).min(DELAY_MAX)),
            ("status", Some(status @ 200..=599)) => Page::Status(status as u16),
            _ => Page::of_shop(path),
        }
    }

    fn plain(path: &str) -> Page {
        match path {
            "/" => Page::Home,
            "/echo" => Page::Echo,
            "/close" => Page::Close,
            "/headers" => Page::Headers,
            _ => Page::of_shop(path),
        }
    }

    fn of_shop(path: &str) -> Page {
        if shop::has(path) {
            Page::Shop
        } else {
            Page::Missing
        }
    }

    /// The parts of the answer. `text` is the request's body for `/echo`, its head for
    /// `/headers`, both for the shop. A connection that cannot be kept is closed behind it.
    pub(super) fn parts(
        self,
        head_only: bool,
        keep_alive: bool,
        date: &str,
        text: Vec<u8>,
    ) -> Vec<Part> {
        let close = !keep_alive || self == Page::Close;
        let style = Style { date, close };
        let whole = |status, body: &[u8]| vec![Part::Bytes(style.whole(status, body))];
        let mut parts = match self {
            Page::Home => whole(200, WELCOME),
            Page::Close => whole(200, b"closing\n"),
            Page::Missing => whole(404, HELP.as_bytes()),
            Page::Shop => match shop::answer(&text, SystemTime::now()) {
                Some(answer) => vec![Part::Bytes(style.of_shop(&answer))],
                None => whole(404, HELP.as_bytes()),
            },
            Page::Status(status) => vec![Part::Bytes(style.of_status(status))],
            Page::Echo | Page::Headers => whole(200, &text),
            Page::Delay(time) => {
                vec![Part::Pause(time), Part::Bytes(style.whole(200, b"late\n"))]
            }
            Page::Bytes(bytes) => {
                let length = format!("Content-Length: {bytes}\r\n");
                vec![Part::Bytes(style.head(200, &length)), Part::Filling(bytes)]
            }
            Page::Chunked(bytes) => {
                let coding = "Transfer-Encoding: chunked\r\n";
                vec![Part::Bytes(style.head(200, coding)), Part::Chunks(bytes)]
            }
        };
        if head_only {
            strip_bodies(&mut parts);
        }
        if close {
            parts.push(Part::Close);
        }
        parts
    }
}

/// Leaves of an answer what a reply to HEAD has.
fn strip_bodies(parts: &mut Vec<Part>) {
    parts.retain(|part| !matches!(part, Part::Filling(_) | Part::Chunks(_)));
    for part in parts {
        if let Part::Bytes(bytes) = part {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            bytes.truncate(end.map_or(bytes.len(), |end| end + 4));
        }
    }
}

/// The page at `/` of one second, on a connection that stays.
pub(super) fn home(date: &str) -> Vec<u8> {
    Style { date, close: false }.whole(200, WELCOME)
}

/// What is to be answered to nonsense, before the connection closes.
pub(super) fn bad_request(date: &str) -> Vec<u8> {
    Style { date, close: true }.whole(400, b"")
}

/// What all heads of an answer share. The fields are those that nginx sends with a text of its own
/// configuration: Server, Date, Content-Type, the length and Connection.
struct Style<'a> {
    date: &'a str,
    /// The connection closes behind the answer.
    close: bool,
}

impl Style<'_> {
    fn of_status(&self, status: u16) -> Vec<u8> {
        if matches!(status, 204 | 304) {
            return self.head(status, "");
        }
        self.whole(status, format!("status {status}\n").as_bytes())
    }

    fn of_shop(&self, answer: &shop::Answer) -> Vec<u8> {
        let length = match answer.status {
            204 => String::new(),
            _ => format!("Content-Length: {}\r\n", answer.body.len()),
        };
        let fields = format!("{}{length}", answer.fields);
        let mut bytes = self.head_of(answer.status, answer.kind, &fields);
        bytes.extend_from_slice(answer.body.as_bytes());
        bytes
    }

    fn whole(&self, status: u16, body: &[u8]) -> Vec<u8> {
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut bytes = self.head(status, &length);
        bytes.extend_from_slice(body);
        bytes
    }

    fn head(&self, status: u16, framing: &str) -> Vec<u8> {
        let location = if (301..309).contains(&status) && status != 304 {
            "Location: /\r\n"
        } else {
            ""
        };
        self.head_of(status, "text/plain", &format!("{location}{framing}"))
    }

    fn head_of(&self, status: u16, kind: &str, fields: &str) -> Vec<u8> {
        let connection = if self.close { "close" } else { "keep-alive" };
        let (reason, date) = (reason(status), self.date);
        let text = format!(
            "HTTP/1.1 {status} {reason}\r\nServer: mistress\r\nDate: {date}\r\n\
             Content-Type: {kind}\r\n{fields}Connection: {connection}\r\n\r\n"
        );
        text.into_bytes()
    }
}

/// Reason phrases of RFC 9110, section 15; others are left empty, as they may be.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        418 => "I'm a teapot",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
