//! The tables `[headers]` and `[http]`.

use toml::de::DeValue;

use super::fields::{self, Table, wrong};
use crate::document::{Report, Value};
use crate::web::Web;

const KEYS: [&str; 2] = ["cookies", "redirects"];
const REDIRECTS_MAX: u64 = 50;
const HEADERS_MAX: usize = 64;
/// Fields that each request sets for itself.
const RESERVED: [&str; 5] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
];

/// Reads both; `None` when something was reported.
pub(super) fn read(root: &Table<'_, '_>, report: &mut Report) -> Option<Web> {
    let headers = read_headers(root, report);
    let web = read_http(root, report);
    Some(Web {
        headers: headers?,
        ..web?
    })
}

fn read_http(root: &Table<'_, '_>, report: &mut Report) -> Option<Web> {
    let Some(value) = root.get("http") else {
        return Some(Web::default());
    };
    let table = Table::of(value, "http", "a table: [http]", report)?;
    table.refuse_unknown(report, &KEYS);
    let Web {
        headers,
        cookies,
        redirects,
    } = Web::default();
    let cookies = match table.get("cookies") {
        None => Some(cookies),
        Some(value) => truth(value, "http.cookies", report),
    };
    let redirects = match table.get("redirects") {
        None => Some(redirects),
        Some(value) => fields::whole(value, "http.redirects", 0..=REDIRECTS_MAX, report)
            .and_then(|most| u8::try_from(most).ok()),
    };
    Some(Web {
        headers,
        cookies: cookies?,
        redirects: redirects?,
    })
}

fn truth(value: &Value<'_>, path: &str, report: &mut Report) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(truth) => Some(*truth),
        _ => wrong(report, value, path, "true or false"),
    }
}

type Headers = Vec<(String, Option<String>)>;

fn read_headers(root: &Table<'_, '_>, report: &mut Report) -> Option<Headers> {
    let Some(value) = root.get("headers") else {
        return Some(Vec::new());
    };
    let entries = Table::of(value, "headers", "a table: [headers]", report)?.in_order();
    if entries.len() > HEADERS_MAX {
        let found = entries.len();
        report.found(
            value.span(),
            format!("found {found} headers, allowed are {HEADERS_MAX} (`headers`)"),
        );
        return None;
    }
    let headers: Vec<Option<_>> = entries
        .into_iter()
        .map(|(name, span, value)| {
            let lower = name.to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(is_token) {
                report.found(
                    span,
                    format!("found a header name with other characters than letters, digits and !#$%&'*+-.^_`|~ (`headers.{name}`)"),
                );
                return None;
            }
            if RESERVED.contains(&&*lower) {
                report.found(
                    span,
                    format!("found {name}, which each request sets for itself (`headers`)"),
                );
                return None;
            }
            Some((name.to_owned(), read_value(name, value, report)?))
        })
        .collect();
    headers.into_iter().collect()
}

fn read_value(name: &str, value: &Value<'_>, report: &mut Report) -> Option<Option<String>> {
    const ALLOWED: &str = "a text without control characters, or false to leave the header out";
    match value.get_ref() {
        DeValue::Boolean(false) => Some(None),
        DeValue::String(text) if !text.chars().any(char::is_control) => {
            Some(Some(text.clone().into_owned()))
        }
        _ => wrong(report, value, format!("headers.{name}"), ALLOWED),
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
