//! From what a script writes as a URL to the target of a request line.
//!
//! Absolute URLs name their own server. References are resolved against the base path of the
//! plan's target, simply: `/a?x` is base path + `/a?x`; `a/b.png` is base path + `/` + `a/b.png`
//! (the root of the base, whatever page came before); `?x` and the empty reference are base path +
//! `/` (+ `?x`). Dot segments go out as written, since how a server treats them is worth testing.
//! The fragment is dropped. Bytes that may not stand in a request line are percent-encoded as
//! browsers do (the path and query sets of the WHATWG URL standard, and `\ ^ |`); percent signs
//! that begin no encoded byte too. Names of hosts beyond ASCII become ASCII (IDNA, UTS 46).

use config::Scheme;
use std::fmt;

/// A server as an absolute URL names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) scheme: Scheme,
    /// Lower case, without brackets around an IPv6 address; never empty.
    pub(crate) host: String,
    /// Never 0.
    pub(crate) port: u16,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// `None`: the plan's target.
    pub(crate) server: Option<Server>,
    /// Path and query, beginning with `/`, fit for a request line.
    pub(crate) path: String,
}

/// Why a URL is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UrlError {
    /// CR, LF or NUL, at this byte: it would end the request line.
    ForbiddenByte { at: usize, byte: u8 },
    /// Neither http nor https.
    Scheme(String),
    /// User name or password before the host.
    Credentials,
    /// Nothing between `//` and the path.
    NoHost,
    /// The host has bytes that no host name or address has.
    Host(String),
    /// Not a number from 1 to 65535.
    Port(String),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForbiddenByte { at, byte } => {
                write!(
                    f,
                    "url: byte {at} is {byte:#04x}; carriage return, line feed and NUL are refused"
                )
            }
            Self::Scheme(found) => write!(f, "url: scheme {found:?}; http and https are known"),
            Self::Credentials => {
                f.write_str("url: credentials before the host; give them as basic_auth")
            }
            Self::NoHost => f.write_str("url: no host"),
            Self::Host(found) => {
                write!(
                    f,
                    "url: host {found:?}; a name of letters, digits, '.', '-' and '_', or an address, is allowed"
                )
            }
            Self::Port(found) => write!(f, "url: port {found:?}; 1 to 65535 is allowed"),
        }
    }
}

impl std::error::Error for UrlError {}

/// Resolves what a script gave as URL. `base_path` is the path of the plan's target: empty, or
/// with a slash first and none last; it counts for references only.
///
/// # Errors
/// A URL that cannot be meant; see [`UrlError`].
pub(crate) fn resolve(url: &str, base_path: &str) -> Result<Resolved, UrlError> {
    if let Some(at) = url
        .bytes()
        .position(|byte| matches!(byte, b'\r' | b'\n' | 0))
    {
        return Err(UrlError::ForbiddenByte {
            at,
            byte: url.as_bytes()[at],
        });
    }
    let url = url
        .split_once('#')
        .map_or(url, |(before, _fragment)| before);
    let (scheme, rest) = split_scheme(url)?;
    let after_slashes = match scheme {
        Some(_) => Some(rest.strip_prefix("//").ok_or(UrlError::NoHost)?),
        None => rest.strip_prefix("//"),
    };
    let Some(rest) = after_slashes else {
        return Ok(Resolved {
            server: None,
            path: path_of(base_path, rest),
        });
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let server = server(scheme.unwrap_or(Scheme::Http), authority)?;
    Ok(Resolved {
        server: Some(server),
        path: path_of("", path),
    })
}

/// The name a request has unless the script gives one: the method and the path without query.
pub(crate) fn default_name(method: &str, path: &str) -> String {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    format!("{method} {}", &path[..end])
}

/// Splits off a scheme. What looks like one (`letters:`) but has no `//` after it, such as
/// `a:b/c` or `host:80`, counts as one only if it is known: so `mailto:x` is a path here.
fn split_scheme(url: &str) -> Result<(Option<Scheme>, &str), UrlError> {
    let Some((name, rest)) = url.split_once(':') else {
        return Ok((None, url));
    };
    let is_scheme = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return Ok((None, url));
    }
    match name.to_ascii_lowercase().as_str() {
        "http" => Ok((Some(Scheme::Http), rest)),
        "https" => Ok((Some(Scheme::Https), rest)),
        _ if rest.starts_with("//") => Err(UrlError::Scheme(name.to_owned())),
        _ => Ok((None, url)),
    }
}

/// Reads the authority of an absolute URL.
///
/// # Errors
/// See [`UrlError`].
pub(super) fn server(scheme: Scheme, authority: &str) -> Result<Server, UrlError> {
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest
                .split_once(']')
                .ok_or_else(|| UrlError::Host(authority.to_owned()))?;
            let address: std::net::Ipv6Addr = address
                .parse()
                .map_err(|_| UrlError::Host(address.to_owned()))?;
            let port = match port.strip_prefix(':') {
                None if port.is_empty() => "",
                Some(port) => port,
                None => return Err(UrlError::Host(authority.to_owned())),
            };
            (address.to_string(), port)
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            (host_name(host)?, port)
        }
    };
    let port = if port.is_empty() {
        scheme.default_port()
    } else {
        port_number(port)?
    };
    Ok(Server { scheme, host, port })
}

fn host_name(host: &str) -> Result<String, UrlError> {
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if !host.is_ascii() || host.contains('%') {
        return config::Origin::ascii_host(host).ok_or_else(|| UrlError::Host(host.to_owned()));
    }
    if host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(UrlError::Host(host.to_owned()))
    }
}

fn port_number(digits: &str) -> Result<u16, UrlError> {
    let number = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok());
    number
        .flatten()
        .filter(|port| *port != 0)
        .ok_or_else(|| UrlError::Port(digits.to_owned()))
}

/// `base_path` and a reference as one path and query.
pub(super) fn path_of(base_path: &str, reference: &str) -> String {
    let mut path = String::with_capacity(base_path.len() + reference.len() + 1);
    encode_into(&mut path, base_path);
    if !reference.starts_with('/') {
        path.push('/');
    }
    encode_into(&mut path, reference);
    path
}

fn encode_into(out: &mut String, text: &str) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().copied().enumerate() {
        let active_spans = match byte {
            b'%' => {
                matches!(bytes.get(at + 1..at + 3), Some(hex) if hex.iter().all(u8::is_ascii_hexdigit))
            }
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
            _ => byte.is_ascii_graphic(),
        };
        if active_spans {
            out.push(char::from(byte));
        } else {
            out.extend([
                '%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}
