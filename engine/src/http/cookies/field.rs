//! The Set-Cookie field (RFC 6265 section 5.2): anything can be read, little is understood.
//! Attributes are read by the crate `cookie`, except for what is said below.

use super::{date, text};
use cookie_store::{CookieExpiration, RawCookie};
use time::OffsetDateTime;

/// Name and value together.
const PAIR_BYTES_MAX: usize = 4096;
/// One attribute (6265bis section 5.6); a longer one is ignored.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// A field as read; which host it may be for is not looked at here.
#[derive(Debug)]
pub(super) struct SetCookie {
    /// A character for each byte.
    pub(super) name: String,
    /// A character for each byte.
    pub(super) value: String,
    /// Its own name and value mean nothing.
    pub(super) attributes: RawCookie<'static>,
    pub(super) expires: CookieExpiration,
}

impl SetCookie {
    /// Reads a field; none when it is to be ignored.
    pub(super) fn parse(field: &[u8], now: OffsetDateTime) -> Option<SetCookie> {
        // 6265bis section 5.6, step 1; the crate takes them.
        if field
            .iter()
            .any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
        {
            return None;
        }
        // Name and value are bytes; the crate would refuse those that are no UTF-8.
        let mut parts = field.split(|byte| *byte == b';');
        let (name, value) = pair(parts.next()?)?;
        if name.is_empty() || name.len() + value.len() > PAIR_BYTES_MAX {
            return None;
        }
        let (attributes, date) = attributes(parts)?;
        // Section 5.3, step 3: Max-Age goes before Expires.
        let expires = match (attributes.max_age(), date) {
            (Some(age), _) => CookieExpiration::from(now.saturating_add(age)),
            (None, Some(date)) => CookieExpiration::from(date),
            (None, None) => CookieExpiration::SessionEnd,
        };
        Some(SetCookie {
            name: text(name),
            value: text(value),
            attributes,
            expires,
        })
    }
}

/// Name and value, bare; none without an equals sign.
fn pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = part.iter().position(|byte| *byte == b'=')?;
    Some((part[..equals].trim_ascii(), part[equals + 1..].trim_ascii()))
}

/// The attributes but Expires, and that one's date; none when the domain is nobody's.
fn attributes<'a>(
    parts: impl Iterator<Item = &'a [u8]>,
) -> Option<(RawCookie<'static>, Option<OffsetDateTime>)> {
    let mut date = None;
    let mut is_for_nobody = false;
    let mut attributes = String::from("_=");
    for part in parts {
        let (name, value) = pair(part).unwrap_or((part.trim_ascii(), b""));
        // An empty age is no number (section 5.2.2); the crate takes it for a very long one.
        let is_empty_age = value.is_empty() && name.eq_ignore_ascii_case(b"max-age");
        if value.len() > ATTRIBUTE_BYTES_MAX || is_empty_age {
            continue;
        }
        if name.eq_ignore_ascii_case(b"expires") {
            let seconds = date::parse(value);
            let found = seconds.and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
            date = found.or(date);
            continue;
        }
        if name.eq_ignore_ascii_case(b"domain") && !value.is_empty() {
            // One dot goes (section 5.2.3) and nothing else; the crates take blanks and a second.
            let domain = value.strip_prefix(b".").unwrap_or(value);
            is_for_nobody = matches!(domain, [b'.' | b' ' | b'\t', ..]);
        }
        for piece in [&b";"[..], name, b"=", value] {
            attributes.push_str(&String::from_utf8_lossy(piece));
        }
    }
    if is_for_nobody {
        return None;
    }
    Some((RawCookie::parse(attributes).ok()?, date))
}
