//! Allowed hosts and origins: which host names the server answers to, and which pages may change
//! things.

use std::net::IpAddr;

/// The hosts a request may name.
///
/// A page of another site can make its own name resolve to this machine (DNS rebinding) and would
/// then count as our origin; but its requests still carry that name.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    bind: IpAddr,
    /// Lowercase, without ports.
    names: Vec<String>,
}

/// The host of a `host` header or an origin, without its port.
#[derive(Debug, PartialEq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl Hosts {
    /// `names` come from `--host`; ports in them are ignored.
    pub(crate) fn new(bind: IpAddr, names: &[String]) -> Hosts {
        let names = names.iter().filter_map(|name| match host(name)? {
            Host::Name(name) => Some(name),
            Host::Address(address) => Some(address.to_string()),
        });
        Hosts {
            bind,
            names: names.collect(),
        }
    }

    /// True if the server answers to this value of the `host` header.
    pub(crate) fn allows(&self, value: &str) -> bool {
        match host(value) {
            None => false,
            Some(Host::Name(name)) => name == "localhost" || self.names.contains(&name),
            // An IP address cannot be made to resolve to something else.
            Some(Host::Address(address)) => {
                address == self.bind
                    || self.bind.is_unspecified()
                    || address.is_loopback()
                    || self.names.contains(&address.to_string())
            }
        }
    }

    /// True for `localhost` and loopback addresses.
    pub(crate) fn is_local(value: &str) -> bool {
        match host(value) {
            Some(Host::Name(name)) => name == "localhost",
            Some(Host::Address(address)) => address.is_loopback(),
            None => false,
        }
    }
}

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`; lowercase, without a final dot.
fn host(text: &str) -> Option<Host> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
        let address = address.parse().ok().filter(|_| is_port)?;
        return Some(Host::Address(IpAddr::V6(address)));
    }
    let name = match text.split_once(':') {
        Some((name, port)) if is_number(port) => name,
        Some(_) => return None,
        None => text,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if let Ok(address) = name.parse() {
        return Some(Host::Address(IpAddr::V4(address)));
    }
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name.then_some(Host::Name(name))
}

fn is_number(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// True if a request that changes something comes from our own page, or from no page at all.
///
/// Current browsers say so in `sec-fetch-site`, older ones send the page's `origin`; programs send
/// neither. A `null` origin is foreign.
pub(crate) fn is_own(host: &str, origin: Option<&str>, fetch_site: Option<&str>) -> bool {
    let site_fits = match fetch_site {
        Some(site) => site == "same-origin" || site == "none",
        None => true,
    };
    let origin_fits = match origin {
        Some(origin) => authority(origin).is_some_and(|from| is_same(from, host, origin)),
        None => true,
    };
    site_fits && origin_fits
}

/// What follows the scheme.
fn authority(origin: &str) -> Option<&str> {
    let rest = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    rest.filter(|rest| !rest.is_empty())
}

/// Browsers omit a default port, other clients may include it.
fn is_same(from: &str, host: &str, origin: &str) -> bool {
    let default = if origin.starts_with("https") {
        ":443"
    } else {
        ":80"
    };
    let bare = |text: &str| {
        let text = text.strip_suffix(default).unwrap_or(text);
        text.to_ascii_lowercase()
    };
    bare(from) == bare(host)
}
