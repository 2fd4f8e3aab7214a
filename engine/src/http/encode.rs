//! Requests: from what is given to a checked [`Message`], and from that to the bytes of HTTP/1.1.
//! What could change the framing of the request is refused, so that a script can send no second
//! request inside the first.

use std::borrow::Cow;
use std::fmt;

use super::content::ACCEPTED;
use super::grammar::{is_field_text, is_token};
use super::message::{FieldLines, Message};

/// What the User-Agent field says unless the script sets it.
pub(crate) const USER_AGENT: &str = concat!("mistress/", env!("CARGO_PKG_VERSION"));

/// A field that every request has: its name and its value.
pub(crate) type Field = (Cow<'static, str>, Cow<'static, str>);

/// The fields that a request has unless the profile or the script says otherwise.
pub(crate) const STANDARD: [Field; 3] = [
    (Cow::Borrowed("User-Agent"), Cow::Borrowed(USER_AGENT)),
    (Cow::Borrowed("Accept"), Cow::Borrowed("*/*")),
    (Cow::Borrowed("Accept-Encoding"), Cow::Borrowed(ACCEPTED)),
];

/// Everything of a request but its body. `N` and `V` are names and values as bytes or text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a, N, V> {
    /// Any token, sent as it is.
    pub(crate) method: &'a str,
    /// The target of the request line, as [`super::url::resolve`] makes it.
    pub(crate) path: &'a str,
    /// The proxy that is sent the request, which is for the server of `authority`.
    pub(crate) forward: Option<&'a Forward>,
    /// The Host field: `name`, `name:port` or `[v6]:port`.
    pub(crate) authority: &'a str,
    /// The fields of every request. `extra` and `headers` of the same name in any case replace
    /// them.
    pub(crate) defaults: &'a [Field],
    /// Names of defaults that this request goes without.
    pub(crate) without: &'a [String],
    /// The script's fields, sent in this order. They replace defaults, `cookie` and `extra` of the
    /// same name in any case.
    pub(crate) headers: &'a [(N, V)],
    /// Fields that options of the request stand for, such as Content-Type of a form.
    pub(crate) extra: &'a [(&'a str, &'a str)],
    /// The value of the Cookie field; empty for none.
    pub(crate) cookie: &'a [u8],
    /// Bytes of the body that will follow; `None` for no body. POST, PUT and PATCH without one say
    /// `Content-Length: 0` (RFC 9110 section 8.6).
    pub(crate) body_bytes: Option<u64>,
    /// The body comes in chunks, and its length is not said.
    pub(crate) chunked: bool,
    /// The body waits for `100 Continue`.
    pub(crate) expects_continue: bool,
    /// `false` adds `Connection: close`.
    pub(crate) keep_alive: bool,
}

/// What a request to an http server has for the proxy that is sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Scheme and authority, which the target of the request line begins with.
    pub(crate) server: String,
    /// The value of Proxy-Authorization.
    pub(crate) authorization: Option<String>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EncodeError {
    /// Not a token.
    Method(String),
    /// Empty, without a slash first (`*` with OPTIONS aside), or a byte beyond visible ASCII.
    Path(String),
    /// Empty, or a byte beyond visible ASCII.
    Authority(String),
    /// A header name that is not a token.
    HeaderName(String),
    /// A control byte other than tab in the value of this header.
    HeaderValue { name: String, byte: u8 },
    /// A header that says where the request ends, against its body.
    Framing { name: String, value: String },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(found) => {
                write!(
                    f,
                    "method: {found:?}; letters, digits and !#$%&'*+-.^_`|~ are allowed"
                )
            }
            Self::Path(found) => {
                write!(f, "path: {found:?}; a slash and visible ASCII are allowed")
            }
            Self::Authority(found) => {
                write!(f, "host: {found:?}; visible ASCII is allowed")
            }
            Self::HeaderName(found) => write!(
                f,
                "header name: {found:?}; letters, digits and !#$%&'*+-.^_`|~ are allowed"
            ),
            Self::HeaderValue { name, byte } => {
                write!(
                    f,
                    "header {name:?}: byte {byte:#04x}; control characters are refused"
                )
            }
            Self::Framing { name, value } => write!(
                f,
                "header {name:?}: {value:?} contradicts the body; leave it out, it is set from the body"
            ),
        }
    }
}

impl std::error::Error for EncodeError {}

/// A request that is sent any number of times, with its bytes for each protocol that there is.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) message: Message,
    /// Encoded once.
    pub(crate) h1: Vec<u8>,
}

impl Template {
    /// Keeps a request for the life of the process, as the kernel may read its bytes at any time:
    /// the caller bounds how many there are.
    pub(crate) fn keep(message: Message) -> &'static Template {
        let mut h1 = Vec::new();
        encode(&message, &mut h1);
        Box::leak(Box::new(Template { message, h1 }))
    }

    /// Appends the template with one more field, whose value was checked.
    pub(crate) fn encode_with(&self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        let end = self.h1.len() - self.message.body.len() - END.len();
        out.extend_from_slice(&self.h1[..end]);
        let mut more = FieldLines::default();
        more.push(name, value);
        out.extend_from_slice(more.lines());
        out.extend_from_slice(&self.h1[end..]);
    }
}

/// What ends a head.
const END: &[u8] = b"\r\n";

/// Appends a request, its body included, as the bytes of HTTP/1.1.
pub(crate) fn encode(message: &Message, out: &mut Vec<u8>) {
    const VERSION: &[u8] = b" HTTP/1.1\r\n";
    let lines = message.fields.lines();
    let line = message.method.len() + 1 + message.target.len() + VERSION.len();
    out.reserve(line + lines.len() + END.len() + message.body.len());
    out.extend_from_slice(message.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(message.target.as_bytes());
    out.extend_from_slice(VERSION);
    out.extend_from_slice(lines);
    out.extend_from_slice(END);
    out.extend_from_slice(&message.body);
}

/// Makes a request without its body.
///
/// # Errors
/// Anything that may not stand where it does.
pub(crate) fn compose<N, V>(head: &Head<'_, N, V>) -> Result<Message, EncodeError>
where
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    check(head)?;
    let mut out = FieldLines::default();
    let own = |name: &str| {
        head.headers
            .iter()
            .any(|(own, _)| own.as_ref().eq_ignore_ascii_case(name.as_bytes()))
    };
    // Host goes first whoever gives it (RFC 9110 section 7.2).
    let is_host = |name: &N| name.as_ref().eq_ignore_ascii_case(b"host");
    for (name, value) in head.headers.iter().filter(|(name, _)| is_host(name)) {
        out.push(name.as_ref(), value.as_ref());
    }
    if !own("Host") {
        out.push(b"Host", head.authority.as_bytes());
    }
    for (name, value) in head.defaults {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        let is_extra = head.extra.iter().any(|(name, _)| same(name))
            || (!head.cookie.is_empty() && same("Cookie"));
        if !own(name) && !is_extra && !head.without.iter().any(|name| same(name)) {
            out.push(name.as_bytes(), value.as_bytes());
        }
    }
    let connection = (!head.keep_alive).then_some(&("Connection", "close"));
    let expect = head.expects_continue.then_some(&("Expect", "100-continue"));
    let coding = head.chunked.then_some(&("Transfer-Encoding", "chunked"));
    for (name, value) in connection.into_iter().chain(head.extra) {
        if !own(name) {
            out.push(name.as_bytes(), value.as_bytes());
        }
    }
    if !head.cookie.is_empty() && !own("Cookie") {
        out.push(b"Cookie", head.cookie);
    }
    let proxy = head.forward.and_then(|to| to.authorization.as_deref());
    if let Some(value) = proxy.filter(|_| !own("Proxy-Authorization")) {
        out.push(b"Proxy-Authorization", value.as_bytes());
    }
    for (name, value) in head.headers.iter().filter(|(name, _)| !is_host(name)) {
        out.push(name.as_ref(), value.as_ref());
    }
    for (name, value) in expect.into_iter().chain(coding) {
        out.push(name.as_bytes(), value.as_bytes());
    }
    let length = match head.body_bytes {
        _ if head.chunked => None,
        None if matches!(head.method, "POST" | "PUT" | "PATCH") => Some(0),
        length => length,
    };
    if let Some(length) = length.filter(|_| !own("Content-Length")) {
        out.push(b"Content-Length", length.to_string().as_bytes());
    }
    Ok(Message {
        method: head.method.into(),
        target: target(head.forward, head.path),
        fields: out,
        body: Vec::new(),
    })
}

/// The target of the request line; a proxy is told the server as well (RFC 9112 section 3.2).
fn target(forward: Option<&Forward>, path: &str) -> Box<str> {
    match forward {
        None => path.into(),
        Some(to) if path == "*" => to.server.as_str().into(),
        Some(to) => format!("{}{path}", to.server).into(),
    }
}

fn check<N: AsRef<[u8]>, V: AsRef<[u8]>>(head: &Head<'_, N, V>) -> Result<(), EncodeError> {
    if head.method.is_empty() || !head.method.bytes().all(is_token) {
        return Err(EncodeError::Method(head.method.to_owned()));
    }
    let is_target = head.path.starts_with('/') || (head.path == "*" && head.method == "OPTIONS");
    if !is_target || !head.path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(EncodeError::Path(head.path.to_owned()));
    }
    if head.authority.is_empty() || !head.authority.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(EncodeError::Authority(head.authority.to_owned()));
    }
    let cookie = (!head.cookie.is_empty()).then_some((&b"Cookie"[..], head.cookie));
    if let Some((name, value)) = cookie {
        check_field(name, value, head.body_bytes)?;
    }
    for (name, value) in head.extra {
        check_field(name.as_bytes(), value.as_bytes(), head.body_bytes)?;
    }
    for (name, value) in head.headers {
        check_field(name.as_ref(), value.as_ref(), head.body_bytes)?;
    }
    Ok(())
}

fn check_field(name: &[u8], value: &[u8], body_bytes: Option<u64>) -> Result<(), EncodeError> {
    let shown = || String::from_utf8_lossy(name).into_owned();
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(EncodeError::HeaderName(shown()));
    }
    if let Some(byte) = value.iter().copied().find(|byte| !is_field_text(*byte)) {
        return Err(EncodeError::HeaderValue {
            name: shown(),
            byte,
        });
    }
    let contradicts = if name.eq_ignore_ascii_case(b"content-length") {
        value != body_bytes.unwrap_or(0).to_string().as_bytes()
    } else {
        name.eq_ignore_ascii_case(b"transfer-encoding")
    };
    if contradicts {
        let value = String::from_utf8_lossy(value).into_owned();
        return Err(EncodeError::Framing {
            name: shown(),
            value,
        });
    }
    Ok(())
}
