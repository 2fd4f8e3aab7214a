//! How connections are made and how long they are kept: what the plan wishes, and where it stands.

use super::Transport;
use super::connections::Connection;
use super::origins::{Address, Endpoint};
use super::ports::{Left, Port, Ports, TRIES_MAX};
use crate::clock::Moment;
use crate::local_ports::LocalPorts;
use crate::ring::{RingIo, Slot, SocketSpec, takes_late_ports};
use config::{AddressPolicy, Close, Plan, ReconnectPolicy, random};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The stream of random addresses; no user's.
const ADDRESS_STREAM: u64 = u64::MAX - 1;
/// No limit, in nanoseconds.
const UNLIMITED: u64 = u64::MAX;
/// The index of the local address that the system chooses.
const ANY_SOURCE: u32 = u32::MAX;
/// Kernels before keep a socket that left the ring's table until every older operation of the ring
/// has ended, also those on other sockets.
const KERNEL_LETS_GO: (u32, u32) = (6, 13);

/// The plan's wishes about connections, and where they stand.
pub(super) struct ConnectionPolicy {
    renew: ReconnectPolicy,
    /// Connections to one origin at once: of one user, or of the core's pool.
    pub(super) per_origin: u32,
    /// How often names are resolved again.
    pub(super) resolve_ns: Option<u64>,
    requests_max: u32,
    age_max_ns: u64,
    pick: AddressPolicy,
    seed: u64,
    /// Local addresses by family, IPv4 first.
    sources: [Vec<IpAddr>; 2],
    pub(super) ports: Ports,
    /// The kernel takes a port without a bind.
    pub(super) is_port_late: bool,
    /// Connections end with a RST.
    pub(super) resets: bool,
    /// The FIN has to be asked for, since the kernel would be late with it.
    pub(super) shuts_down: bool,
    /// Connections begun.
    made: u64,
    pub(super) connect_ns: u64,
    pub(super) tls_ns: u64,
    pub(super) first_byte_ns: u64,
    /// Connections end by what is said here.
    is_bounded: bool,
}

/// Where a connection is to be made from.
pub(super) struct LocalEnd {
    /// None: the system's choice.
    source: Option<IpAddr>,
    /// The index of the address among those of the plan of its family; 0 without any.
    index: u32,
    port: Port,
}

impl ConnectionPolicy {
    pub(super) fn of(plan: &Plan, system: LocalPorts, core: u32, cores: u32) -> ConnectionPolicy {
        let wishes = &plan.connections;
        let ns =
            |limit: Option<Duration>| limit.map_or(UNLIMITED, |limit| Moment(0).after(limit).0);
        let limits = wishes.limits;
        let is_bounded = wishes.requests_max.is_some()
            || wishes.age_max.is_some()
            || wishes.renew == ReconnectPolicy::Request;
        let (v4, v6) = wishes.source.iter().partition(|address| address.is_ipv4());
        let ports = Ports::of(system, core, cores, chance());
        let resets = wishes.close == Close::Reset;
        ConnectionPolicy {
            is_port_late: ports.are_systems() && takes_late_ports(),
            ports,
            sources: [v4, v6],
            resets,
            shuts_down: !resets && kernel() < KERNEL_LETS_GO,
            renew: wishes.renew,
            per_origin: wishes.per_origin.unwrap_or(u32::MAX),
            resolve_ns: wishes.resolve.map(|every| ns(Some(every))),
            requests_max: wishes.requests_max.unwrap_or(u32::MAX),
            age_max_ns: ns(wishes.age_max),
            pick: wishes.addresses,
            seed: plan.seed,
            made: 0,
            connect_ns: ns(limits.connect),
            tls_ns: ns(limits.tls),
            first_byte_ns: ns(limits.first_byte),
            is_bounded,
        }
    }

    /// Whether a connection of this age that has served so many requests may serve another.
    #[inline]
    pub(super) fn may_reuse(&self, served: u32, age_ns: u64) -> bool {
        !self.is_bounded
            || (self.renew != ReconnectPolicy::Request
                && served < self.requests_max
                && age_ns < self.age_max_ns)
    }

    /// Whether the address that has failed is to be tried last from now on.
    pub(super) fn prefers_living(&self) -> bool {
        self.pick == AddressPolicy::First
    }

    /// Which of so many addresses, at least one, the next connection goes to.
    pub(super) fn address(&mut self, count: usize) -> usize {
        let number = self.made;
        self.made += 1;
        let drawn = match self.pick {
            AddressPolicy::First => return 0,
            AddressPolicy::RoundRobin => number,
            AddressPolicy::Random => random::bits(self.seed, ADDRESS_STREAM, number),
        };
        (drawn % count as u64) as usize
    }

    /// The local address and port of the next connection to an address: the next address of the
    /// same family whose ports are not all taken, if the plan names any.
    pub(super) fn local_for(
        &mut self,
        to: SocketAddr,
        address: usize,
        now: Moment,
    ) -> Option<LocalEnd> {
        let sources = &self.sources[usize::from(to.is_ipv6())];
        let count = sources.len().max(1);
        // The connection itself is counted already.
        let first = (self.made.saturating_sub(1) % count as u64) as usize;
        let ports = &mut self.ports;
        let path_from = |index: usize| {
            let source = sources.get(index).copied();
            let key = source.map_or(ANY_SOURCE, |_| index as u32);
            (source, key)
        };
        for index in (first..count).chain(0..first) {
            let (source, key) = path_from(index);
            let path = ports.path(key, address, to.ip());
            if let Some(port) = ports.take(path, now) {
                return Some(LocalEnd {
                    source,
                    index: index as u32,
                    port,
                });
            }
        }
        // A bound port would be let out of its rest, whatever the system has in `tcp_tw_reuse`.
        if !self.is_port_late {
            return None;
        }
        let (source, key) = path_from(first);
        let path = ports.path(key, address, to.ip());
        let port = ports.guess(path)?;
        Some(LocalEnd {
            source,
            index: first as u32,
            port,
        })
    }

    /// A connection is never kept from one iteration of its owner to the next.
    pub(super) fn renews_by_iteration(&self) -> bool {
        self.renew == ReconnectPolicy::Iteration
    }

    /// How old a connection may become, in nanoseconds, if that has a limit.
    #[inline]
    pub(super) fn age_max_ns(&self) -> Option<u64> {
        (self.age_max_ns != UNLIMITED).then_some(self.age_max_ns)
    }
}

/// Whether an error says that a port, and not a server, cannot be had.
pub(super) fn is_about_ports(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE)
    )
}

/// Another number for each process.
fn chance() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_nanos() as u64);
    random::bits(now, u64::from(std::process::id()), 0)
}

/// Major and minor of the running kernel; (0, 0) when it does not say.
fn kernel() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut parts = release.split(['.', '-']).map(|part| part.parse().ok());
    let mut next = || parts.next().flatten();
    next().zip(next()).unwrap_or((0, 0))
}

impl<R: RingIo> Transport<R> {
    /// Puts a fresh socket for a connection to an address into the ring's table.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EADDRNOTAVAIL` when no local port is left.
    pub(super) fn install(&mut self, slot: Slot, to: Address) -> io::Result<()> {
        let Endpoint::Internet(address) = to.to else {
            return self.ring.install(slot, &SocketSpec::Unix);
        };
        loop {
            let local = self.policy.local_for(address, to.index, self.now);
            let none_left = || io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
            let LocalEnd {
                source,
                index,
                port,
            } = local.ok_or_else(none_left)?;
            let spec = SocketSpec::Tcp {
                to: address,
                source,
                port: port.number,
                is_port_late: self.policy.is_port_late,
                resets: self.policy.resets,
            };
            let Err(e) = self.ring.install(slot, &spec) else {
                let connection = self.connections.get_mut(slot);
                (connection.port, connection.source) = (Some(port), index);
                return Ok(());
            };
            if !is_about_ports(&e) {
                self.policy.ports.give_back(port, Left::Free, self.now);
                return Err(e);
            }
            self.policy.ports.give_back(port, Left::Refused, self.now);
            if is_enough(self.connections.get_mut(slot), port) {
                return Err(e);
            }
        }
    }

    /// The kernel did not let a connection have its port: makes a socket with another; false when
    /// there is none.
    pub(super) fn change_port(&mut self, slot: Slot, to: Address) -> bool {
        let connection = self.connections.get_mut(slot);
        let Some(port) = connection.port.take() else {
            return false;
        };
        let is_enough = is_enough(connection, port);
        self.policy.ports.give_back(port, Left::Refused, self.now);
        !is_enough && self.install(slot, to).is_ok()
    }
}

/// A port was refused to a connection: whether that were enough of them.
fn is_enough(connection: &mut Connection, port: Port) -> bool {
    connection.ports_refused += 1;
    connection.ports_refused >= TRIES_MAX || port.guess.is_some()
}
