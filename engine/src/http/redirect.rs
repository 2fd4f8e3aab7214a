//! Where a redirect leads, and what the request becomes on the way (RFC 9110 section 15.4, the
//! URL standard).

use super::url::{self, Server, UrlError};
use ::url::{Host, ParseError, Url};
use config::Scheme;

/// Characters of a Location that a message shows.
const SHOWN_MAX: usize = 100;

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

/// Resolves the Location field of a reply as browsers do, by the URL standard: dot segments go,
/// also encoded ones, names become ASCII, bytes beyond it are percent-encoded. A user name and a
/// password in it are left out; nobody is told them.
///
/// # Errors
/// What cannot be gone to.
pub(crate) fn resolve(base: Base<'_>, location: &[u8]) -> Result<Target, UrlError> {
    let text = as_ascii(location.trim_ascii())?;
    let url = Url::options()
        .base_url(Some(&base.url()?))
        .parse(&text)
        .map_err(|error| refusal(error, &text))?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let is_elsewhere = url.host_str() != Some(PLACEHOLDER);
    let server = is_elsewhere.then(|| server(&url)).transpose()?;
    Ok(Target {
        server,
        path: url::path_of("", &path),
    })
}

/// Stands for the server that answered while a reference is resolved: no server has it for a name
/// (RFC 6761 section 6.4).
const PLACEHOLDER: &str = "answered.invalid";

impl Base<'_> {
    fn url(&self) -> Result<Url, UrlError> {
        let scheme = self.scheme.as_str();
        let text = format!("{scheme}://{PLACEHOLDER}{}", self.path);
        Url::parse(&text).map_err(|error| refusal(error, &text))
    }
}

/// The server of an absolute URL.
fn server(url: &Url) -> Result<Server, UrlError> {
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => return Err(UrlError::Scheme(other.to_owned())),
    };
    let host = match url.host() {
        None => return Err(UrlError::NoHost),
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
    };
    match url.port() {
        Some(0) => Err(UrlError::Port("0".to_owned())),
        port => Ok(Server {
            scheme,
            host,
            port: port.unwrap_or(scheme.default_port()),
        }),
    }
}

fn refusal(error: ParseError, text: &str) -> UrlError {
    let shown = || text.chars().take(SHOWN_MAX).collect();
    match error {
        ParseError::EmptyHost => UrlError::NoHost,
        ParseError::InvalidPort => UrlError::Port(shown()),
        _ => UrlError::Host(shown()),
    }
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
