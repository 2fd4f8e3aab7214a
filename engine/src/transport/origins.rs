//! The servers a core talks to and their addresses.

use crate::clock::Moment;
use crate::ring::RingIo;
use config::{Origin, Scheme};
use rustls::pki_types::ServerName;
use socket2::SockAddr;
use std::net::SocketAddr;

/// An origin's index in [`Origins`].
pub(crate) type OriginId = u32;

/// How many origins one core keeps; a script that makes up more gets an error.
const ORIGINS_MAX: usize = 1_000;

/// All origins a core has met, the target first.
#[derive(Default)]
pub(crate) struct Origins {
    list: Vec<Known>,
}

/// One origin.
pub(crate) struct Known {
    pub(crate) origin: Origin,
    /// Whose certificate is wanted, if it is spoken to over TLS.
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) addresses: Addresses,
    /// When the resolver was last asked.
    pub(crate) asked: Moment,
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

impl Origins {
    /// The target as the first origin, its addresses kept in the ring.
    ///
    /// # Errors
    ///
    /// No certificate could be for its name, or its socket has no usable path.
    pub(crate) fn with_target(
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
        let mut origins = Origins::default();
        let id = origins.intern(target).map_err(crate::Error::Tls)?;
        origins.set_addresses(id, Addresses::Known(known));
        Ok(origins)
    }

    /// The number of an origin, new or known.
    ///
    /// # Errors
    ///
    /// A message when there are too many, or none could have a certificate for the name.
    pub(crate) fn intern(&mut self, origin: &Origin) -> Result<OriginId, String> {
        let same = |known: &Known| {
            let known = &known.origin;
            known.host == origin.host
                && known.port == origin.port
                && known.scheme == origin.scheme
                && known.socket == origin.socket
        };
        if let Some(index) = self.list.iter().position(same) {
            return Ok(index as OriginId);
        }
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
            server_name,
            addresses: Addresses::Unknown,
            asked: Moment(0),
        });
        Ok(self.list.len() as OriginId - 1)
    }

    pub(crate) fn get(&self, id: OriginId) -> &Known {
        &self.list[id as usize]
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
