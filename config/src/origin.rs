//! Server addresses: `http://host[:port][/base]`, and the same with https.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// Longest possible host name (RFC 1035).
const HOST_BYTES_MAX: usize = 253;
/// Longest address accepted.
const URL_BYTES_MAX: usize = 2048;
/// Longest socket path on Linux.
const SOCKET_BYTES_MAX: usize = 107;
const FORM: &str = "expected http[s]://host[:port][/base]";

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP over plain TCP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The name used in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port used when the URL names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A server and the path prefix of all requests to it.
///
/// Displayed as its shortest equivalent URL, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is used.
    pub scheme: Scheme,
    /// The Unix domain socket that the server listens on, instead of host and port.
    pub socket: Option<PathBuf>,
    /// A name in lowercase ASCII or an IP address; IPv6 without brackets.
    pub host: String,
    /// TCP port, not 0.
    pub port: u16,
    /// Empty, or starts with a slash and does not end with one; visible ASCII only.
    pub base_path: String,
}

impl Origin {
    /// Converts a non-ASCII (or percent-encoded) host name to the ASCII form used in DNS, following
    /// IDNA as browsers apply it (UTS 46). `None` when it is not a valid name.
    pub fn ascii_host(name: &str) -> Option<String> {
        let host = url::Host::parse(name).ok()?;
        let text = host.to_string();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        text.bytes().all(fits).then_some(text)
    }

    /// Parses `http://host[:port][/base]` or `https://…`.
    ///
    /// # Errors
    /// A message that says what was found and what is allowed: another scheme, user and password, a
    /// query or fragment, an invalid host or port.
    pub fn parse(url: &str) -> Result<Self, String> {
        let shown = shorten(url);
        if url.len() > URL_BYTES_MAX {
            return Err(format!(
                "found {shown} of {} bytes, at most {URL_BYTES_MAX} are allowed",
                url.len()
            ));
        }
        let (scheme, rest) = split_scheme(url)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            // The text may contain a password, so it is not shown.
            return Err(format!(
                "found a user name before the host, {FORM}; give it as basic_auth in the script, \
                 or as Authorization in [headers]"
            ));
        }
        let is_odd = |c: &char| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(*c);
        let is_name = |c: &char| !c.is_ascii() && !c.is_control() && !c.is_whitespace();
        let odd_host = authority.chars().find(|c| is_odd(c) && !is_name(c));
        if let Some(bad) = odd_host.or_else(|| path.chars().find(is_odd)) {
            return Err(format!(
                "found {bad:?} in {shown}, expected visible ASCII with everything else percent-encoded"
            ));
        }
        if path.contains(['?', '#']) {
            return Err(format!("found {shown} with a query or fragment, {FORM}"));
        }
        let (host, port) = split_port(authority)?;
        Ok(Self {
            scheme,
            socket: None,
            host: check_host(host)?,
            port: port.unwrap_or(scheme.default_port()),
            base_path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// Makes an origin from the `/path` of `unix:/path`: a server on a Unix domain socket, reached
    /// without TLS and as `localhost`.
    ///
    /// # Errors
    /// A message that says what was found and what is allowed.
    pub fn from_socket_path(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') || path.contains('\0') || path.len() > SOCKET_BYTES_MAX {
            return Err(format!(
                "found the socket {}, expected unix:/path with at most {SOCKET_BYTES_MAX} bytes",
                shorten(path)
            ));
        }
        Ok(Self {
            scheme: Scheme::Http,
            socket: Some(PathBuf::from(path)),
            host: "localhost".to_owned(),
            port: Scheme::Http.default_port(),
            base_path: String::new(),
        })
    }

    /// `host[:port]` as the Host header has it: without the default port, IPv6 in brackets.
    pub fn authority(&self) -> String {
        match self.port == self.scheme.default_port() {
            true => in_brackets(&self.host).into_owned(),
            false => self.host_and_port(),
        }
    }

    /// `host:port`, IPv6 in brackets.
    pub fn host_and_port(&self) -> String {
        host_and_port(&self.host, self.port)
    }
}

/// `host:port`, IPv6 in brackets.
pub(crate) fn host_and_port(host: &str, port: u16) -> String {
    format!("{}:{port}", in_brackets(host))
}

/// A host as URLs have it: IPv6 in brackets.
fn in_brackets(host: &str) -> Cow<'_, str> {
    match host.contains(':') {
        true => format!("[{host}]").into(),
        false => host.into(),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(socket) = &self.socket {
            return write!(f, "unix:{}", socket.display());
        }
        write!(
            f,
            "{}://{}{}",
            self.scheme.as_str(),
            self.authority(),
            self.base_path
        )
    }
}

fn split_scheme(url: &str) -> Result<(Scheme, &str), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("found {}, {FORM}", shorten(url)));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok((Scheme::Http, rest)),
        "https" => Ok((Scheme::Https, rest)),
        _ => Err(format!("found the scheme {}, {FORM}", shorten(scheme))),
    }
}

/// Splits the port off; the host keeps its brackets.
///
/// # Errors
/// What was found instead of a port from 1 to 65535.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let colon = match authority.rfind(']') {
        Some(bracket) => authority[bracket..].find(':').map(|at| bracket + at),
        None => authority.find(':'),
    };
    let Some(colon) = colon else {
        return Ok((authority, None));
    };
    let digits = &authority[colon + 1..];
    // `parse` would also accept a sign.
    let port = digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse::<u16>().ok());
    match port.flatten() {
        Some(port) if port > 0 => Ok((&authority[..colon], Some(port))),
        _ => Err(format!(
            "found the port {}, expected 1 to 65535 (IPv6 addresses in brackets)",
            shorten(digits)
        )),
    }
}

/// A host as this crate writes it: a name in lowercase ASCII or an address without brackets.
///
/// # Errors
/// What was found instead.
pub(crate) fn check_host(host: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "found the host {}, expected a name, an IPv4 address or an IPv6 address in brackets",
            shorten(host)
        )
    };
    if let Some(inside) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inside
            .parse::<Ipv6Addr>()
            .map(|address| address.to_string())
            .map_err(|_| wrong());
    }
    let ascii;
    let host = match host.is_ascii() {
        true => host,
        false => {
            ascii = Origin::ascii_host(host).ok_or_else(wrong)?;
            ascii.as_str()
        }
    };
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > HOST_BYTES_MAX || !name.split('.').all(label_fits) {
        return Err(wrong());
    }
    // A name that ends in a number must be an IPv4 address, otherwise resolvers disagree about it.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
        return Err(wrong());
    }
    Ok(host.to_ascii_lowercase())
}

fn shorten(text: &str) -> String {
    crate::document::quoted(text)
}

#[cfg(test)]
mod tests;
