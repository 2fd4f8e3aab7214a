//! The Set-Cookie field (RFC 6265 section 5.2): anything can be read, little is understood.

use super::date;

/// Name and value together.
const PAIR_BYTES_MAX: usize = 4096;
/// One attribute (6265bis section 5.6); a longer one is ignored.
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// The SameSite attribute (6265bis section 5.6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SameSite {
    #[default]
    Unset,
    Strict,
    Lax,
    None,
}

/// A field as read; which host it may be for is not looked at here.
#[derive(Debug)]
pub(super) struct SetCookie<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) expires_s: Option<i64>,
    /// Lower case, without the dot first; none also when it was empty.
    pub(super) domain: Option<String>,
    /// None also when it began with no slash.
    pub(super) path: Option<String>,
    pub(super) is_secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: SameSite,
}

impl SetCookie<'_> {
    /// Reads a field; none when it is to be ignored.
    pub(super) fn parse(field: &[u8], now_s: i64) -> Option<SetCookie<'_>> {
        // 6265bis section 5.6, step 1.
        if field
            .iter()
            .any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
        {
            return None;
        }
        let mut parts = field.split(|byte| *byte == b';');
        let pair = parts.next().unwrap_or_default();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        if name.is_empty() || name.len() + value.len() > PAIR_BYTES_MAX {
            return None;
        }
        let mut cookie = SetCookie {
            name,
            value,
            expires_s: None,
            domain: None,
            path: None,
            is_secure: false,
            http_only: false,
            same_site: SameSite::Unset,
        };
        let mut ages = Ages::default();
        for part in parts {
            let equals = part.iter().position(|byte| *byte == b'=');
            let (name, value) = part.split_at(equals.unwrap_or(part.len()));
            let value = value.strip_prefix(b"=").unwrap_or_default().trim_ascii();
            if value.len() <= ATTRIBUTE_BYTES_MAX {
                cookie.attribute(name.trim_ascii(), value, &mut ages, now_s);
            }
        }
        // Section 5.3, step 3: Max-Age goes before Expires.
        cookie.expires_s = ages.max_age_s.or(ages.expires_s);
        Some(cookie)
    }

    fn attribute(&mut self, name: &[u8], value: &[u8], ages: &mut Ages, now_s: i64) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"expires") {
            ages.expires_s = date::parse(value).or(ages.expires_s);
        } else if is(b"max-age") {
            ages.max_age_s = max_age(value, now_s).or(ages.max_age_s);
        } else if is(b"domain") {
            // Section 5.2.3: an empty one is ignored, and the last one counts.
            let value = value.strip_prefix(b".").unwrap_or(value);
            if let Ok(value) = std::str::from_utf8(value)
                && !value.is_empty()
            {
                self.domain = Some(value.to_ascii_lowercase());
            }
        } else if is(b"path") {
            let path = std::str::from_utf8(value).ok();
            self.path = path.filter(|path| path.starts_with('/')).map(str::to_owned);
        } else if is(b"secure") {
            self.is_secure = true;
        } else if is(b"httponly") {
            self.http_only = true;
        } else if is(b"samesite") {
            self.same_site = match value.to_ascii_lowercase().as_slice() {
                b"strict" => SameSite::Strict,
                b"lax" => SameSite::Lax,
                b"none" => SameSite::None,
                _ => SameSite::Unset,
            };
        }
    }
}

#[derive(Default)]
struct Ages {
    expires_s: Option<i64>,
    max_age_s: Option<i64>,
}

/// Section 5.2.2: when a Max-Age ends; none when it is no number.
fn max_age(value: &[u8], now_s: i64) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if value.len() > digits.len() {
        return Some(i64::MIN);
    }
    // More digits than a number holds are a very long time.
    let text = std::str::from_utf8(digits).ok()?;
    let seconds = text.parse::<i64>().unwrap_or(i64::MAX);
    Some(if seconds == 0 {
        i64::MIN
    } else {
        now_s.saturating_add(seconds)
    })
}
