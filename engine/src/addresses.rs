//! The addresses of servers before a core asks: those of the profile, and those of the target.

use crate::Error;
use config::{Origin, Plan, ProxyScheme};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};

/// The addresses that connections to the target are made to, in the order of the system's resolver:
/// those of its proxy, or its own; none where it is a socket in the file system.
///
/// # Errors
///
/// The name has none, or that of the target where this machine tells its address to the proxy.
pub fn resolve(origin: &Origin, plan: &Plan) -> Result<Vec<SocketAddr>, Error> {
    if origin.socket.is_some() {
        return Ok(Vec::new());
    }
    let target = || look_up("target", &origin.host, origin.port, plan);
    let Some(proxy) = plan.connections.proxies.proxy_for(origin) else {
        return target();
    };
    if proxy.scheme == ProxyScheme::Socks5 {
        target()?;
    }
    look_up(proxy.named_by, &proxy.host, proxy.port, plan)
}

fn look_up(
    place: &'static str,
    host: &str,
    port: u16,
    plan: &Plan,
) -> Result<Vec<SocketAddr>, Error> {
    if let Some(fixed) = fixed_addresses(plan, host, port) {
        return Ok(fixed);
    }
    let failed = |source| Error::Resolve {
        place,
        host: host.to_owned(),
        source,
    };
    let found = (host, port).to_socket_addrs().map_err(failed)?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(failed(std::io::Error::other("the answer is empty")));
    }
    Ok(addresses)
}

/// Whether one of the target's `addresses` is of this machine, or it is a socket in the file
/// system.
pub fn is_on_this_machine(origin: &Origin, addresses: &[SocketAddr]) -> bool {
    // only a machine's own addresses can be bound
    let is_own = |address: &SocketAddr| UdpSocket::bind((address.ip(), 0)).is_ok();
    origin.socket.is_some() || addresses.iter().any(is_own)
}

/// The addresses that the profile has for a name.
pub(crate) fn fixed_addresses(plan: &Plan, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let hosts = &plan.connections.hosts;
    let (_, addresses) = hosts.iter().find(|(name, _)| name == host)?;
    let with_port = |address: &std::net::IpAddr| SocketAddr::new(*address, port);
    Some(addresses.iter().map(with_port).collect())
}
