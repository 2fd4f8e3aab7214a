//! What a request head may contain, percent-encoding, and times with units.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::location::quoted;

/// The longest sleep or timeout.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// The longest method.
const METHOD_MAX: usize = 32;

/// Characters of an invalid value shown in a message.
const SHOWN_MAX: usize = 60;

type Result<T> = std::result::Result<T, String>;

/// Which bytes are kept, and what a space becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// RFC 3986 unreserved characters stay; a space is `%20`.
    Query,
    /// application/x-www-form-urlencoded of the URL standard; a space is `+`.
    Form,
}

/// Appends `bytes` percent-encoded.
pub(crate) fn percent(out: &mut String, bytes: &[u8], encoding: Encoding) {
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_')
            || byte
                == if encoding == Encoding::Query {
                    b'~'
                } else {
                    b'*'
                };
        match byte {
            _ if plain => out.push(char::from(byte)),
            b' ' if encoding == Encoding::Form => out.push('+'),
            _ => escape(out, byte),
        }
    }
}

fn escape(out: &mut String, byte: u8) {
    let written = write!(out, "%{byte:02X}");
    debug_assert!(written.is_ok(), "writing to a String can't fail");
}

/// RFC 9110 token characters.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An HTTP token, or an error that names `what` and the first wrong byte.
pub(crate) fn token(what: &str, bytes: &[u8]) -> Result<String> {
    if bytes.is_empty() {
        return Err(format!("{what} is empty"));
    }
    match bytes.iter().position(|&byte| !is_token(byte)) {
        Some(at) => Err(format!(
            "{what} {} has {} at byte {}; letters, digits and !#$%&'*+-.^_`|~ are allowed",
            quoted(bytes, SHOWN_MAX),
            byte_name(bytes[at]),
            at + 1
        )),
        None => Ok(bytes.iter().copied().map(char::from).collect()),
    }
}

/// A UTF-8 string, or an error that names `what`.
pub(crate) fn utf8(what: impl Display, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| format!("{what} must be UTF-8"))
}

/// A method that is allowed for a request.
pub(crate) fn method(bytes: &[u8]) -> Result<String> {
    let method = token("the method", bytes)?;
    if method.len() > METHOD_MAX {
        return Err(format!(
            "the method has {} letters, at most {METHOD_MAX}",
            method.len()
        ));
    } else if method == "CONNECT" {
        return Err("the method CONNECT opens a tunnel and is not supported".to_owned());
    }
    Ok(method)
}

/// Rejects a header value that would corrupt the head: control bytes other than a tab.
pub(crate) fn header_value(what: impl Display, bytes: &[u8]) -> Result<()> {
    let wrong = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
    match bytes.iter().position(|&byte| wrong(byte)) {
        Some(at) => Err(format!(
            "{what} has {} at byte {}, which a header can't hold",
            byte_name(bytes[at]),
            at + 1
        )),
        None => Ok(()),
    }
}

/// A path or an absolute URL: no spaces or control bytes; the fragment is removed and bytes above
/// 0x7e are percent-encoded.
pub(crate) fn url(bytes: &[u8]) -> Result<String> {
    let shown = || quoted(bytes, SHOWN_MAX);
    if let Some(at) = bytes.iter().position(|&byte| byte <= b' ' || byte == 0x7f) {
        let (name, at) = (byte_name(bytes[at]), at + 1);
        return Err(format!(
            "the URL {} has {name} at byte {at}; write it as %XX",
            shown()
        ));
    }
    let absolute = bytes.starts_with(b"http://") || bytes.starts_with(b"https://");
    if !absolute && !bytes.starts_with(b"/") {
        return Err(format!("the URL {} must start with / or http://", shown()));
    }
    let mut url = String::with_capacity(bytes.len());
    for &byte in bytes.iter().take_while(|&&byte| byte != b'#') {
        if byte.is_ascii() {
            url.push(char::from(byte))
        } else {
            escape(&mut url, byte)
        }
    }
    Ok(url)
}

fn byte_name(byte: u8) -> String {
    match byte {
        b'\r' => "a carriage return".to_owned(),
        b'\n' => "a line feed".to_owned(),
        b' ' => "a space".to_owned(),
        0 => "a NUL".to_owned(),
        b'!'..=b'~' => format!("{:?}", char::from(byte)),
        other => format!("the byte 0x{other:02x}"),
    }
}

/// "unknown option \"nmae\"; did you mean name? known: …"
pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    /// Minimum similarity (0 to 1) of a suggested name.
    const NEAR: f64 = 0.75;
    let near = known
        .iter()
        .map(|key| (strsim::jaro_winkler(found, key), key))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near
        .map(|(_, key)| format!("; did you mean {key}?"))
        .unwrap_or_default();
    let found = quoted(found.as_bytes(), SHOWN_MAX);
    format!("unknown {what} {found}{hint} (known: {})", known.join(", "))
}

/// Seconds as a duration, from 0 to a day.
pub(crate) fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value)
        .ok()
        .filter(|time| *time <= DAY)
}

/// A number with a unit: us, ms, s, m or h.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim_start() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    seconds(number.parse::<f64>().ok()? * scale)
}
