//! The origin of a request.

use super::origin::Hosts;
use crate::connections::Peer;
use axum::http::{Extensions, HeaderMap};
use std::net::{IpAddr, Ipv4Addr};

/// Headers added by proxies: a request that has one does not come from this machine.
const PROXIED: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host"];

/// The origin of a request; an extension of every admitted request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// The address that the sign-in limit counts: the peer, or the client named by a proxy on this
    /// machine.
    pub(crate) address: IpAddr,
    /// Sent by a program on this machine, to this machine's own name, and not by a proxy.
    is_local: bool,
    /// The browser's connection is encrypted, so cookies can be marked `Secure`.
    pub(crate) is_https: bool,
}

impl Caller {
    pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap, host: &str) -> Caller {
        let peer = extensions.get::<Peer>();
        let is_encrypted = peer.is_some_and(|peer| peer.is_encrypted);
        // An unknown peer counts as remote.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::BROADCAST), |peer| {
            peer.addr.ip().to_canonical()
        });
        let is_proxied = PROXIED.iter().any(|name| headers.contains_key(*name));
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = text("x-forwarded-for")
            .filter(|_| peer.is_loopback())
            .and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
        Caller {
            address: forwarded.unwrap_or(peer),
            is_local: peer.is_loopback() && !is_proxied && Hosts::is_local(host),
            is_https: is_encrypted
                || text("x-forwarded-proto") == Some("https")
                || text("origin").is_some_and(|origin| origin.starts_with("https://")),
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    pub(crate) fn address_text(&self) -> String {
        self.address.to_string()
    }
}
