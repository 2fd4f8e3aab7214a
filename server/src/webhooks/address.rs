//! The addresses that messages may be posted to.
//!
//! Whoever manages a project chooses where its messages go, so the server must not be a way to
//! places that trust it by its address: the metadata service of its cloud, and its own machine.

use crate::access::Accounts;
use axum::http::Uri;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Networks that no message goes to unless they are allowed, and what they are.
const REFUSED: [(&str, &str); 10] = [
    ("127.0.0.0/8", "this machine"),
    ("::1/128", "this machine"),
    ("0.0.0.0/8", "this machine"),
    ("::/128", "this machine"),
    (
        "169.254.0.0/16",
        "a link-local address, where clouds have their metadata",
    ),
    ("fe80::/10", "a link-local address"),
    ("fd00:ec2::254/128", "the metadata service of a cloud"),
    ("100.100.100.200/32", "the metadata service of a cloud"),
    ("224.0.0.0/3", "no address of a host"),
    ("ff00::/8", "no address of a host"),
];

/// A network: `ADDRESS/BITS`, or an address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || {
            format!(
                "{text:?} is neither an address nor a network, such as 127.0.0.1 or 10.1.0.0/16"
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(bits_max), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > bits_max {
            return Err(wrong());
        }
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Which addresses may be connected to.
#[derive(Debug, Clone)]
pub(crate) struct AllowedAddresses {
    refused: Vec<(Network, &'static str)>,
    allowed: Vec<Network>,
    accounts: Option<Arc<Accounts>>,
}

impl AllowedAddresses {
    /// All but those refused by default; `allowed` are exceptions.
    pub(crate) fn new(allowed: &[Network]) -> AllowedAddresses {
        let refused = REFUSED.iter().filter_map(|(network, why)| {
            let network = network.parse().ok()?;
            Some((network, *why))
        });
        AllowedAddresses {
            refused: refused.collect(),
            allowed: allowed.to_vec(),
            accounts: None,
        }
    }

    /// Also allows this machine while no admin exists: then everybody who may set up a webhook
    /// works on it.
    pub(crate) fn with_accounts(self, accounts: Arc<Accounts>) -> AllowedAddresses {
        let accounts = Some(accounts);
        AllowedAddresses { accounts, ..self }
    }

    fn is_open(&self) -> bool {
        let accounts = self.accounts.as_ref();
        accounts.is_some_and(|accounts| accounts.has_admin().is_ok_and(|has| !has))
    }

    /// Why an address is refused, if it is.
    pub(crate) fn refusal(&self, address: IpAddr) -> Option<String> {
        let address = embedded(address);
        if self.allowed.iter().any(|one| one.contains(address)) {
            return None;
        }
        if address.is_loopback() && self.is_open() {
            return None;
        }
        let mut refused = self.refused.iter();
        let (_, why) = refused.find(|(network, _)| network.contains(address))?;
        Some(format!(
            "{address} is {why}; start the server with --webhook-allow {address} to allow it"
        ))
    }

    /// Why the host of a URL is refused, if it is an address and refused.
    pub(crate) fn refusal_of(&self, uri: &Uri) -> Option<String> {
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse() {
            Ok(address) => self.refusal(address),
            Err(_) => None,
        }
    }
}

/// The IPv4 address within a mapped or translated (NAT64) IPv6 one.
fn embedded(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] => {
            IpAddr::V4(last_four(v6))
        }
        address => address,
    }
}

fn last_four(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// Resolves names to allowed addresses only. It decides at every connection, so a name cannot lead
/// elsewhere after it was checked.
#[derive(Debug)]
pub(crate) struct AllowedResolver {
    pub(crate) inner: DefaultResolver,
    pub(crate) allowed: AllowedAddresses,
}

impl Resolver for AllowedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        let mut refusal = None;
        for address in found.iter() {
            let address: &SocketAddr = address;
            match self.allowed.refusal(address.ip()) {
                None => kept.push(*address),
                Some(why) => refusal = Some(why),
            }
        }
        match refusal {
            Some(why) if kept.is_empty() => Err(ureq::Error::Io(std::io::Error::other(why))),
            _ => Ok(kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_other_hosts_are_allowed() -> Result<(), Box<dyn std::error::Error>> {
        let allowed = AllowedAddresses::new(&[]);
        for refused in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(allowed.refusal(refused.parse()?).is_some(), "{refused}");
        }
        for fine in [
            "10.0.0.1",
            "192.168.1.1",
            "93.184.216.34",
            "2001:db8::1",
            "fd00::1",
        ] {
            assert_eq!(allowed.refusal(fine.parse()?), None, "{fine}");
        }
        let allowed = AllowedAddresses::new(&["127.0.0.0/8".parse()?]);
        assert_eq!(allowed.refusal("127.0.0.1".parse()?), None);
        assert!(allowed.refusal("169.254.169.254".parse()?).is_some());
        let all = AllowedAddresses::new(&["0.0.0.0/0".parse()?, "::/0".parse()?]);
        assert_eq!(all.refusal("169.254.169.254".parse()?), None);
        for wrong in [
            "",
            "localhost",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/x",
            "10.0.0.0/-1",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
        Ok(())
    }
}
