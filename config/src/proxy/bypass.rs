//! Servers that are reached without a proxy: the entries of `no_proxy`.

use std::net::IpAddr;

use crate::document::quoted;
use crate::origin::{Origin, split_port};

/// One entry of `no_proxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypass {
    hosts: Hosts,
    /// `None`: all ports.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// Addresses whose first bits are those of this one.
    Network(IpAddr, u8),
    /// A name in lower case, and all names below it.
    Domain(String),
    /// All names that end in this, which begins with a dot.
    Below(String),
}

impl Bypass {
    /// Parses an entry: `*`; an address, or a network such as `10.0.0.0/8`; a name, which stands for
    /// those below it as well; `.name` or `*.name`, which only stands for those below. A name or an
    /// address may have a port.
    ///
    /// # Errors
    /// A message that says what was found and what is allowed.
    pub(crate) fn parse(entry: &str) -> Result<Bypass, String> {
        let wrong = || {
            format!(
                "found {}, expected a host (\"shop.example\"), a domain (\".example\"), an address \
                 or a network (\"10.0.0.0/8\"), each but a network with or without a port, or \"*\"",
                quoted(entry)
            )
        };
        if entry == "*" {
            return Ok(Bypass::of(Hosts::All, None));
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let bits: u8 = bits.parse().map_err(|_| wrong())?;
            if bits > width(address) {
                return Err(wrong());
            }
            return Ok(Bypass::of(Hosts::Network(address, bits), None));
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            return Ok(Bypass::of(Hosts::Network(address, width(address)), None));
        }
        let (host, port) = split_port(entry).map_err(|_| wrong())?;
        let inside = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = inside.unwrap_or(host).parse::<IpAddr>() {
            return Ok(Bypass::of(Hosts::Network(address, width(address)), port));
        }
        let (name, is_below) = match host.strip_prefix("*.").or(host.strip_prefix('.')) {
            Some(name) => (name, true),
            None => (host, false),
        };
        let name = domain(name).ok_or_else(wrong)?;
        let hosts = match is_below {
            true => Hosts::Below(format!(".{name}")),
            false => Hosts::Domain(name),
        };
        Ok(Bypass::of(hosts, port))
    }

    fn of(hosts: Hosts, port: Option<u16>) -> Bypass {
        Bypass { hosts, port }
    }
}

/// Whether one of the entries stands for a server.
pub(super) fn covers(entries: &[Bypass], host: &str, port: u16) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address: Option<IpAddr> = host.parse().ok();
    entries.iter().any(|entry| {
        let is_host = match &entry.hosts {
            Hosts::All => true,
            Hosts::Network(network, bits) => {
                address.is_some_and(|address| is_within(address, *network, *bits))
            }
            Hosts::Domain(name) => {
                let before = host.strip_suffix(name.as_str());
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            Hosts::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        };
        is_host && entry.port.is_none_or(|only| only == port)
    })
}

/// Whether a host is `localhost` or an address of the loopback interface.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_address = host
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || host == "localhost" || host.ends_with(".localhost")
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let [address, network] = [address, network].map(|address| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    });
    let shift = 128 - u32::from(bits);
    let first = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
    address.1 == network.1 && first(address.0) == first(network.0)
}

/// A name in lower case and ASCII.
fn domain(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if !name.is_ascii() {
        return Origin::ascii_host(name);
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_name = !name.is_empty() && !name.starts_with('.') && name.bytes().all(fits);
    is_name.then(|| name.to_ascii_lowercase())
}
