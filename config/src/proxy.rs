//! Proxies: how they are written, and which servers are reached through one.

mod bypass;
#[cfg(test)]
mod tests;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::nearest::nearest;
use crate::origin::{Origin, Scheme, check_host, host_and_port, split_port};
use crate::variables::Variables;
pub use bypass::Bypass;

const FORM: &str = "expected [http|https|socks5|socks5h]://[name:password@]host[:port]";
/// Longest address accepted.
const URL_BYTES_MAX: usize = 2048;
/// Longest name and longest password (RFC 1929 section 2).
const CREDENTIAL_BYTES_MAX: usize = 255;
const SCHEMES: [(&str, ProxyScheme); 4] = [
    ("http", ProxyScheme::Http),
    ("https", ProxyScheme::Https),
    ("socks5", ProxyScheme::Socks5),
    ("socks5h", ProxyScheme::Socks5h),
];

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP: absolute URLs for http servers, CONNECT for https servers.
    Http,
    /// The same inside TLS.
    Https,
    /// SOCKS 5 with addresses: names are resolved on this side.
    Socks5,
    /// SOCKS 5 with names, which the proxy resolves.
    Socks5h,
}

impl ProxyScheme {
    /// The name used in a URL.
    pub fn as_str(self) -> &'static str {
        SCHEMES[self as usize].0
    }

    fn default_port(self) -> u16 {
        match self {
            ProxyScheme::Http => 80,
            ProxyScheme::Https => 443,
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => 1080,
        }
    }
}

/// Name and password for a proxy; neither is shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyCredentials {
    /// 1 to 255 bytes without colon and control characters.
    pub user: String,
    /// At most 255 bytes without control characters.
    pub password: String,
}

impl ProxyCredentials {
    /// The value of a field for basic authentication (RFC 7617).
    pub fn basic(&self) -> String {
        let pair = format!("{}:{}", self.user, self.password);
        format!("Basic {}", STANDARD.encode(pair))
    }
}

impl fmt::Debug for ProxyCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyCredentials")
    }
}

/// A proxy. Displayed as a URL without its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// What it speaks.
    pub scheme: ProxyScheme,
    /// A name in lowercase ASCII or an IP address; IPv6 without brackets.
    pub host: String,
    /// TCP port, not 0.
    pub port: u16,
    /// What it wants to know of its clients.
    pub credentials: Option<ProxyCredentials>,
    /// The key or the variable that names it.
    pub named_by: &'static str,
}

impl Proxy {
    /// Parses `[scheme://][name:password@]host[:port]`; without a scheme it is http. The port is 80,
    /// 443 or 1080 by default. Bytes of name and password may be percent-encoded.
    ///
    /// # Errors
    /// A message that says what was found and what is allowed; it shows nothing of a URL that may
    /// have credentials.
    pub fn parse(url: &str, named_by: &'static str) -> Result<Proxy, String> {
        let proxy = parse(url, named_by);
        match url.contains('@') {
            false => proxy,
            // A character that should be encoded makes any part of the text a part of the password.
            true => proxy.map_err(|_| {
                format!(
                    "found a proxy with credentials that cannot be read (it is not shown), {FORM}, \
                     with characters such as / : @ % of name and password percent-encoded"
                )
            }),
        }
    }

    /// `URL (NAME)`, with the key or variable that names it.
    pub fn named(&self) -> String {
        format!("{self} ({})", self.named_by)
    }

    /// Tells of a proxy that a variable names, and not the profile: it is easily forgotten.
    pub fn notice(&self, server: &str) -> Option<String> {
        let proxy = self.named();
        (self.named_by != KEY).then(|| {
            format!(
                "requests to {server} go through the proxy {proxy}; --proxy none sends them \
                 directly"
            )
        })
    }

    /// Where it listens: `host:port`, IPv6 in brackets.
    pub fn address(&self) -> String {
        host_and_port(&self.host, self.port)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.address())
    }
}

fn parse(url: &str, named_by: &'static str) -> Result<Proxy, String> {
    let shown = || crate::document::quoted(url);
    if url.len() > URL_BYTES_MAX {
        let bytes = url.len();
        return Err(format!(
            "found a proxy of {bytes} bytes, at most {URL_BYTES_MAX} are allowed"
        ));
    }
    let (scheme, rest) = match url.split_once("://") {
        Some((name, rest)) => (scheme_named(name)?, rest),
        None => (ProxyScheme::Http, url),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !matches!(path, "" | "/") {
        return Err(format!("found {} with a path, {FORM}", shown()));
    }
    let (credentials, authority) = match authority.rsplit_once('@') {
        Some((pair, authority)) => (credentials(pair)?, authority),
        None => (None, authority),
    };
    if authority.is_empty() {
        return Err(format!("found {} without a host, {FORM}", shown()));
    }
    let (host, port) = split_port(authority)?;
    Ok(Proxy {
        scheme,
        host: check_host(host)?,
        port: port.unwrap_or(scheme.default_port()),
        credentials,
        named_by,
    })
}

fn scheme_named(name: &str) -> Result<ProxyScheme, String> {
    let lower = name.to_ascii_lowercase();
    let known = SCHEMES.iter().find(|(known, _)| *known == lower);
    known.map(|(_, scheme)| *scheme).ok_or_else(|| {
        let found = crate::document::quoted(name);
        let hint = nearest(&lower, &SCHEMES.map(|(known, _)| known));
        let hint = hint.map_or(String::new(), |near| format!("; did you mean {near}?"));
        format!("found the scheme {found}, expected http, https, socks5 or socks5h{hint}")
    })
}

/// Name and password of `name:password`; nothing when both are empty.
fn credentials(pair: &str) -> Result<Option<ProxyCredentials>, String> {
    let (user, password) = pair.split_once(':').unwrap_or((pair, ""));
    let [user, password] = [user, password].map(decoded);
    let (Some(user), Some(password)) = (user, password) else {
        return Err("found an encoded byte that is not UTF-8 or a control character".to_owned());
    };
    if user.is_empty() && password.is_empty() {
        return Ok(None);
    }
    let is_long = user.len().max(password.len()) > CREDENTIAL_BYTES_MAX;
    if user.is_empty() || user.contains(':') || is_long {
        return Err(format!(
            "expected a name without colon, and {CREDENTIAL_BYTES_MAX} bytes at most of each"
        ));
    }
    Ok(Some(ProxyCredentials { user, password }))
}

/// The text without percent-encoding; `None` when it is no text.
fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?.into_owned();
    (!text.chars().any(char::is_control)).then_some(text)
}

/// The proxies of a run, and the servers that are reached without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For http servers.
    pub(crate) http: Option<Proxy>,
    /// For https servers.
    pub(crate) https: Option<Proxy>,
    /// Servers that are reached directly.
    pub(crate) bypass: Vec<Bypass>,
    /// Servers on the loopback interface are, too.
    pub(crate) spares_loopback: bool,
}

impl Proxies {
    /// The proxy by which a server is reached; none: directly. A socket in the file system has none.
    pub fn proxy_for(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = match origin.scheme {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        };
        let is_direct = || {
            origin.socket.is_some()
                || (self.spares_loopback && bypass::is_loopback(&origin.host))
                || bypass::covers(&self.bypass, &origin.host, origin.port)
        };
        proxy.filter(|_| !is_direct())
    }

    /// The proxies of the environment: `http_proxy`, `https_proxy` and `all_proxy` for the others,
    /// except for `no_proxy`; each also in upper case.
    ///
    /// # Errors
    /// The variable that is wrong, and what is wrong with it.
    pub(crate) fn from_environment(
        variables: &Variables,
    ) -> Result<Proxies, (&'static str, String)> {
        let proxy = |names: &[&'static str]| {
            let found = first_set(variables, names);
            let parsed = found.map(|(name, url)| {
                Proxy::parse(url, name).map_err(|message| (name, format!("{message} {SWITCH_OFF}")))
            });
            parsed.transpose()
        };
        let [http, https, all] = VARIABLES;
        let (http, https) = (
            proxy(&[http[0], http[1], all[0], all[1]])?,
            proxy(&[https[0], https[1], all[0], all[1]])?,
        );
        let list = first_set(variables, &["no_proxy", "NO_PROXY"]);
        let entries = list.map_or("", |(_, list)| list).split([',', ' ']);
        // What cannot be read there is passed over, as other programs do.
        let bypass = entries.filter_map(|entry| Bypass::parse(entry.trim()).ok());
        Ok(Proxies {
            http,
            https,
            bypass: bypass.collect(),
            spares_loopback: true,
        })
    }
}

/// The key that names a proxy.
pub(crate) const KEY: &str = "connections.proxy";
const SWITCH_OFF: &str = "(`connections.proxy = \"none\"` or --proxy none does without)";
/// The variables that name proxies: for http, for https, for both; lower case first, as for curl.
const VARIABLES: [[&str; 2]; 3] = [
    ["http_proxy", "HTTP_PROXY"],
    ["https_proxy", "HTTPS_PROXY"],
    ["all_proxy", "ALL_PROXY"],
];

/// The first of these variables that is set and not empty.
fn first_set<'v>(
    variables: &'v Variables,
    names: &[&'static str],
) -> Option<(&'static str, &'v str)> {
    let values = names.iter().map(|name| (*name, variables.get(name)));
    values
        .filter_map(|(name, value)| Some((name, value?.trim())))
        .find(|(_, value)| !value.is_empty())
}

/// The credentials within the URLs of proxies of the environment, to be hidden.
pub(crate) fn secrets_of_environment(variables: &Variables) -> Vec<String> {
    let names = VARIABLES.iter().flatten();
    let values = names.filter_map(|name| variables.get(name));
    values.flat_map(secrets_of).collect()
}

/// The credentials within the URL of a proxy, as written and decoded.
pub(crate) fn secrets_of(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let Some((pair, _)) = rest.rsplit_once('@') else {
        return Vec::new();
    };
    [Some(pair.to_owned()), decoded(pair)]
        .into_iter()
        .flatten()
        .collect()
}
