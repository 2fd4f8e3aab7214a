//! Where a redirect leads, and what the request becomes on the way (RFC 9110 section 15.4,
//! RFC 3986 section 5).

use super::url::{self, Scheme, Server, UrlError};

/// What a request is sent to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base<'a> {
    pub(crate) scheme: Scheme,
    /// Path and query of the request that was answered.
    pub(crate) path: &'a str,
}

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `None`: the server that answered.
    pub(crate) server: Option<Server>,
    /// Path and query, beginning with `/`, fit for a request line.
    pub(crate) path: String,
}

/// Whether a status sends the client elsewhere by itself.
pub(crate) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The method of the next request, when it is another one: the body goes then. 301 and 302 turn
/// POST into GET, since all clients do (sections 15.4.2 and 15.4.3); 303 turns all but HEAD into
/// it; 307 and 308 change nothing.
pub(crate) fn method_change(status: u16, method: &str) -> Option<&'static str> {
    match (status, method) {
        (301 | 302, "POST") => Some("GET"),
        (303, method) if method != "GET" && method != "HEAD" => Some("GET"),
        _ => None,
    }
}

/// Resolves the Location field of a reply.
///
/// # Errors
/// What cannot be gone to.
pub(crate) fn resolve(base: Base<'_>, location: &[u8]) -> Result<Target, UrlError> {
    let text = as_ascii(location.trim_ascii())?;
    let text = text
        .split_once('#')
        .map_or(&*text, |(before, _fragment)| before);
    let absolute = match text.split_once(':') {
        Some((name, rest)) if is_scheme(name) => {
            let scheme = match name.to_ascii_lowercase().as_str() {
                "http" => Scheme::Http,
                "https" => Scheme::Https,
                _ => return Err(UrlError::Scheme(name.to_owned())),
            };
            Some((scheme, rest.strip_prefix("//").ok_or(UrlError::NoHost)?))
        }
        _ => text.strip_prefix("//").map(|rest| (base.scheme, rest)),
    };
    if let Some((scheme, rest)) = absolute {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let server = url::server(scheme, authority)?;
        return Ok(Target {
            server: Some(server),
            path: url::path_of("", &without_dots(path)),
        });
    }
    Ok(Target {
        server: None,
        path: url::path_of("", &merged(base.path, text)),
    })
}

/// Bytes beyond ASCII percent-encoded, as browsers do with the bytes of this field.
fn as_ascii(location: &[u8]) -> Result<String, UrlError> {
    let mut text = String::with_capacity(location.len());
    for (at, &byte) in location.iter().enumerate() {
        match byte {
            b'\r' | b'\n' | 0 => return Err(UrlError::ForbiddenByte { at, byte }),
            0x80.. => text.push_str(&format!("%{byte:02X}")),
            _ => text.push(char::from(byte)),
        }
    }
    Ok(text)
}

fn is_scheme(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// RFC 3986 section 5.2.2, for a reference without scheme and authority.
fn merged(base: &str, reference: &str) -> String {
    let base_path = base.find('?').map_or(base, |q| &base[..q]);
    if reference.is_empty() {
        return base.to_owned();
    }
    if reference.starts_with('?') {
        return format!("{base_path}{reference}");
    }
    if reference.starts_with('/') {
        return without_dots(reference);
    }
    let folder = base_path
        .rfind('/')
        .map_or("/", |slash| &base_path[..=slash]);
    without_dots(&format!("{folder}{reference}"))
}

/// RFC 3986 section 5.2.4; the query is left alone.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." | "%2e" | "%2E" => {}
            ".." => {
                segments.pop();
            }
            _ => {
                segments.push(part);
                continue;
            }
        }
        if is_last {
            segments.push("");
        }
    }
    format!("/{}{query}", segments.join("/"))
}
