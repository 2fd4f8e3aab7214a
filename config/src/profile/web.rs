//! The tables `[headers]` and `[http]`.

use toml::de::DeValue;

use super::fields::{self, Table, wrong};
use crate::document::{Diagnostics, Value};
use crate::web::Web;

const KEYS: [&str; 2] = ["cookies", "redirects"];
const REDIRECTS_MAX: u64 = 50;
const HEADERS_MAX: usize = 64;
/// Fields that the engine sets for each request.
const RESERVED: [&str; 5] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
];

/// Reads both; `None` when something was reported.
pub(super) fn read(root: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Web> {
    let headers = read_headers(root, errors);
    let web = read_http(root, errors);
    Some(Web {
        headers: headers?,
        ..web?
    })
}

fn read_http(root: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Web> {
    let Some(value) = root.get("http") else {
        return Some(Web::default());
    };
    let table = Table::from_value(value, "http", "a table: [http]", errors)?;
    table.refuse_unknown(errors, &KEYS);
    let Web {
        headers,
        cookies,
        redirects,
    } = Web::default();
    let cookies = match table.get("cookies") {
        None => Some(cookies),
        Some(value) => fields::boolean(value, "http.cookies", errors),
    };
    let redirects = match table.get("redirects") {
        None => Some(redirects),
        Some(value) => fields::whole(value, "http.redirects", 0..=REDIRECTS_MAX, errors)
            .and_then(|most| u8::try_from(most).ok()),
    };
    Some(Web {
        headers,
        cookies: cookies?,
        redirects: redirects?,
    })
}

type Headers = Vec<(String, Option<String>)>;

fn read_headers(root: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Headers> {
    let Some(value) = root.get("headers") else {
        return Some(Vec::new());
    };
    let entries = Table::from_value(value, "headers", "a table: [headers]", errors)?.in_order();
    if entries.len() > HEADERS_MAX {
        let found = entries.len();
        errors.found(
            value.span(),
            format!("found {found} headers, at most {HEADERS_MAX} are allowed (`headers`)"),
        );
        return None;
    }
    let headers: Vec<Option<_>> = entries
        .into_iter()
        .map(|(name, span, value)| {
            let lower = name.to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(is_token) {
                errors.found(
                    span,
                    format!("found a header name with characters other than letters, digits and !#$%&'*+-.^_`|~ (`headers.{name}`)"),
                );
                return None;
            }
            if RESERVED.contains(&&*lower) {
                errors.found(
                    span,
                    format!("found {name}, which every request sets itself (`headers`)"),
                );
                return None;
            }
            Some((name.to_owned(), read_value(name, value, errors)?))
        })
        .collect();
    headers.into_iter().collect()
}

fn read_value(name: &str, value: &Value<'_>, errors: &mut Diagnostics) -> Option<Option<String>> {
    const ALLOWED: &str = "a string without control characters, or false to omit the header";
    match value.get_ref() {
        DeValue::Boolean(false) => Some(None),
        DeValue::String(text) if !text.chars().any(char::is_control) => {
            Some(Some(text.clone().into_owned()))
        }
        _ => wrong(errors, value, format!("headers.{name}"), ALLOWED),
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
