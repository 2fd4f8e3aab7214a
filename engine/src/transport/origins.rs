//! The servers a core talks to and their addresses.

use crate::clock::Moment;
use crate::http::encode::Forward;
use crate::ring::RingIo;
use config::{Origin, Plan, Proxies, Proxy, ProxyScheme, Scheme};
use rustls::pki_types::ServerName;
use socket2::SockAddr;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// An origin's index in [`Origins`].
pub(crate) type OriginId = u32;

/// How many origins one core keeps; a script that makes up more gets an error.
const ORIGINS_MAX: usize = 1_000;

/// The longest name that SOCKS 5 takes (RFC 1928 section 5).
const SOCKS_NAME_BYTES_MAX: usize = 255;

/// All origins a core has met, the target first.
#[derive(Default)]
pub(crate) struct Origins {
    list: Vec<Known>,
    proxies: Proxies,
}

/// One origin.
pub(crate) struct Known {
    pub(crate) origin: Origin,
    /// The proxy by which it is reached.
    pub(crate) via: Option<Rc<Via>>,
    /// It is a proxy itself, and nothing that requests are for.
    is_proxy: bool,
    /// Whose certificate is wanted, if it is spoken to over TLS.
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) addresses: Addresses,
    /// When the resolver was last asked.
    pub(crate) asked: Moment,
}

/// How an origin is reached through a proxy.
#[derive(Debug)]
pub(crate) struct Via {
    /// The proxy's own entry, which has its addresses.
    pub(super) id: OriginId,
    pub(super) proxy: Proxy,
    pub(super) route: Route,
    /// The value of Proxy-Authorization.
    pub(super) authorization: Option<String>,
    /// What requests to it have for the proxy, where that is sent them.
    pub(crate) forward: Option<Forward>,
}

/// How a proxy leads to an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It is sent the requests.
    Forward,
    /// By CONNECT.
    Connect,
    /// By SOCKS 5: with addresses that this side resolves, or with names.
    Socks { is_resolved: bool },
}

/// What is known of an origin's addresses.
#[derive(Clone, Debug)]
pub(crate) enum Addresses {
    /// Nobody asked yet.
    Unknown,
    /// The resolver works on it.
    Asked,
    /// Address in the ring under these numbers, the one to try first in front.
    Known(Vec<Address>),
    /// The resolver found none.
    None,
}

/// An address and its index in the ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) to: Endpoint,
    pub(crate) index: usize,
}

/// Where a connection goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Endpoint {
    Internet(SocketAddr),
    /// A socket in the file system.
    Unix,
}

impl Known {
    /// The address to try first, if one is known.
    pub(super) fn first_address(&self) -> Option<SocketAddr> {
        match &self.addresses {
            Addresses::Known(list) => list.first().and_then(|first| match first.to {
                Endpoint::Internet(address) => Some(address),
                Endpoint::Unix => None,
            }),
            _ => None,
        }
    }
}

impl Origins {
    /// The target as the first origin. The addresses are those of its proxy, if it has one; they
    /// are kept in the ring.
    ///
    /// # Errors
    ///
    /// No certificate could be for its name, or its socket has no usable path.
    pub(crate) fn new(
        plan: &Plan,
        target: &Origin,
        addresses: &[SocketAddr],
        ring: &mut impl RingIo,
    ) -> Result<Origins, crate::Error> {
        let known: Vec<Address> = match &target.socket {
            Some(path) => {
                let unusable = |e| crate::Error::Tls(format!("{}: {e}", path.display()));
                let address = SockAddr::unix(path).map_err(unusable)?;
                vec![Address {
                    to: Endpoint::Unix,
                    index: ring.add_address(address),
                }]
            }
            None => {
                let keep = |&address| Address {
                    to: Endpoint::Internet(address),
                    index: ring.add_address(SockAddr::from(address)),
                };
                addresses.iter().map(keep).collect()
            }
        };
        let mut origins = Origins {
            list: Vec::new(),
            proxies: plan.connections.proxies.clone(),
        };
        let id = origins.intern(target).map_err(crate::Error::Tls)?;
        origins.set_addresses(origins.dialled(id), Addresses::Known(known));
        Ok(origins)
    }

    /// The number of an origin, new or known.
    ///
    /// # Errors
    ///
    /// A message when there are too many, or none could have a certificate for the name.
    pub(crate) fn intern(&mut self, origin: &Origin) -> Result<OriginId, String> {
        if let Some(id) = self.find(origin, false) {
            return Ok(id);
        }
        let id = self.add(origin, false)?;
        if let Some(proxy) = self.proxies.proxy_for(origin).cloned() {
            let via = self.via(origin, proxy);
            // Without its proxy it is not to be reached.
            let via = via.inspect_err(|_| self.list.truncate(id as usize))?;
            self.list[id as usize].via = Some(Rc::new(via));
        }
        Ok(id)
    }

    /// How an origin is reached through a proxy, which is kept beside it.
    fn via(&mut self, origin: &Origin, proxy: Proxy) -> Result<Via, String> {
        let server = Origin {
            scheme: match proxy.scheme {
                ProxyScheme::Https => Scheme::Https,
                _ => Scheme::Http,
            },
            socket: None,
            host: proxy.host.clone(),
            port: proxy.port,
            base_path: String::new(),
        };
        let route = match (proxy.scheme, origin.scheme) {
            (ProxyScheme::Socks5, _) => Route::Socks {
                // An address has nothing to be resolved.
                is_resolved: origin.host.parse::<IpAddr>().is_err(),
            },
            (ProxyScheme::Socks5h, _) => Route::Socks { is_resolved: false },
            (_, Scheme::Http) => Route::Forward,
            (_, Scheme::Https) => Route::Connect,
        };
        let is_named = matches!(route, Route::Socks { .. });
        if is_named && origin.host.len() > SOCKS_NAME_BYTES_MAX {
            return Err(format!(
                "a host of {} bytes; at most {SOCKS_NAME_BYTES_MAX} go through a SOCKS proxy",
                origin.host.len()
            ));
        }
        let credentials = proxy.credentials.as_ref();
        let authorization = credentials.map(config::ProxyCredentials::basic);
        let forward = (route == Route::Forward).then(|| Forward {
            server: format!("http://{}", origin.authority()),
            authorization: authorization.clone(),
        });
        let id = match self.find(&server, true) {
            Some(id) => id,
            None => self.add(&server, true)?,
        };
        Ok(Via {
            id,
            proxy,
            route,
            authorization,
            forward,
        })
    }

    fn find(&self, origin: &Origin, is_proxy: bool) -> Option<OriginId> {
        let same = |known: &Known| {
            let other = &known.origin;
            other.host == origin.host
                && other.port == origin.port
                && other.scheme == origin.scheme
                && other.socket == origin.socket
                && known.is_proxy == is_proxy
        };
        let index = self.list.iter().position(same)?;
        Some(index as OriginId)
    }

    fn add(&mut self, origin: &Origin, is_proxy: bool) -> Result<OriginId, String> {
        if self.list.len() >= ORIGINS_MAX {
            return Err(format!("more than {ORIGINS_MAX} different hosts"));
        }
        let server_name = match origin.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let name = ServerName::try_from(origin.host.clone());
                Some(name.map_err(|_| format!("no certificate can be for {:?}", origin.host))?)
            }
        };
        self.list.push(Known {
            origin: origin.clone(),
            via: None,
            is_proxy,
            server_name,
            addresses: Addresses::Unknown,
            asked: Moment(0),
        });
        Ok(self.list.len() as OriginId - 1)
    }

    /// How many there are; the next new one has this index.
    pub(crate) fn count(&self) -> OriginId {
        self.list.len() as OriginId
    }

    /// A proxy of the environment that leads to a server, where none leads to the target, and what
    /// is to be told of it.
    pub(crate) fn proxy_notice(&self, id: OriginId) -> Option<(String, String)> {
        let known = self.get(id);
        let via = known.via.as_ref().filter(|_| self.get(0).via.is_none())?;
        let text = via.proxy.notice(&known.origin.to_string())?;
        Some((via.proxy.to_string(), text))
    }

    pub(crate) fn get(&self, id: OriginId) -> &Known {
        &self.list[id as usize]
    }

    /// Whose addresses connections to an origin are made to: its proxy's, or its own.
    pub(super) fn dialled(&self, id: OriginId) -> OriginId {
        self.get(id).via.as_ref().map_or(id, |via| via.id)
    }

    /// Whose addresses must be known before a connection to an origin is made: those that it is
    /// made to, and those that the proxy is told, if it is.
    pub(super) fn looked_up(&self, id: OriginId) -> (OriginId, Option<OriginId>) {
        match &self.get(id).via {
            None => (id, None),
            Some(via) => {
                let is_told = via.route == Route::Socks { is_resolved: true };
                (via.id, is_told.then_some(id))
            }
        }
    }

    /// Whether an answer of the resolver is missing for connections to an origin.
    pub(super) fn is_asked(&self, id: OriginId) -> bool {
        let is_asked = |id| matches!(self.get(id).addresses, Addresses::Asked);
        let (dialled, told) = self.looked_up(id);
        is_asked(dialled) || told.is_some_and(is_asked)
    }

    /// Whose certificate is wanted behind the way to an origin: its own, or that of a proxy that
    /// is sent the requests themselves.
    pub(super) fn tls_name(&self, id: OriginId) -> Option<&ServerName<'static>> {
        let known = self.get(id);
        match &known.via {
            Some(via) if via.route == Route::Forward => self.get(via.id).server_name.as_ref(),
            _ => known.server_name.as_ref(),
        }
    }

    /// Who has that certificate, for messages.
    pub(super) fn tls_peer(&self, id: OriginId) -> String {
        let known = self.get(id);
        match &known.via {
            Some(via) if via.route == Route::Forward => format!("the proxy {}", via.proxy),
            _ => known.origin.authority(),
        }
    }

    pub(crate) fn asked(&mut self, id: OriginId, now: Moment) {
        self.list[id as usize].asked = now;
    }

    pub(crate) fn set_addresses(&mut self, id: OriginId, addresses: Addresses) {
        self.list[id as usize].addresses = addresses;
    }

    /// Puts the address after `failed` in front, for the connects to come.
    pub(crate) fn prefer_next(&mut self, id: OriginId, failed: usize) {
        if let Addresses::Known(list) = &mut self.list[id as usize].addresses
            && list.first().is_some_and(|first| first.index == failed)
        {
            list.rotate_left(1);
        }
    }
}
