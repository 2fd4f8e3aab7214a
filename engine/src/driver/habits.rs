//! How this core makes connections and how long it keeps them.

use super::Driver;
use super::connections::NONE;
use super::origins::{Endpoint, Kept};
use super::ports::{Left, Port, Ports, TRIES_MAX};
use crate::clock::Moment;
use crate::local_ports::LocalPorts;
use crate::ring::{Slot, bind_late, only_port};
use crate::timers::Owner;
use config::{AddressPolicy, Close, Plan, ReconnectPolicy, random};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The stream of random addresses; no user's.
const ADDRESS_STREAM: u64 = u64::MAX - 1;
/// No limit, in nanoseconds.
const UNLIMITED: u64 = u64::MAX;
/// The place of the local address that the system chooses.
const ANY_SOURCE: u32 = u32::MAX;
/// Kernels before keep a socket that left the ring's table until every older operation of the ring
/// has ended, also those on other sockets.
const KERNEL_LETS_GO: (u32, u32) = (6, 13);

/// The plan's wishes about connections, and where this core stands with them.
pub(super) struct Habits {
    pub(super) renew: ReconnectPolicy,
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
struct Local {
    /// None: the system's choice.
    source: Option<IpAddr>,
    /// The place of the address among those of the plan of its family; 0 without any.
    place: u32,
    port: Port,
}

impl Habits {
    pub(super) fn of(plan: &Plan, system: LocalPorts, place: (u32, u32)) -> Habits {
        let wishes = &plan.connections;
        let ns =
            |limit: Option<Duration>| limit.map_or(UNLIMITED, |limit| Moment(0).after(limit).0);
        let limits = wishes.limits;
        let is_bounded = wishes.requests_max.is_some()
            || wishes.age_max.is_some()
            || wishes.renew == ReconnectPolicy::Request;
        let (v4, v6) = wishes.source.iter().partition(|address| address.is_ipv4());
        let ports = Ports::of(system, place, chance());
        let resets = wishes.close == Close::Reset;
        Habits {
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
    pub(super) fn goes_on(&self, served: u32, age_ns: u64) -> bool {
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
    fn local_for(&mut self, to: SocketAddr, kept: usize, now: Moment) -> Option<Local> {
        let sources = &self.sources[usize::from(to.is_ipv6())];
        let count = sources.len().max(1);
        // The connection itself is counted already.
        let first = (self.made.saturating_sub(1) % count as u64) as usize;
        let ports = &mut self.ports;
        let path_from = |place: usize| {
            let source = sources.get(place).copied();
            let key = source.map_or(ANY_SOURCE, |_| place as u32);
            (source, key)
        };
        for place in (first..count).chain(0..first) {
            let (source, key) = path_from(place);
            let path = ports.path(key, kept, to.ip());
            if let Some(port) = ports.take(path, now) {
                return Some(Local {
                    source,
                    place: place as u32,
                    port,
                });
            }
        }
        // A bound port would be let out of its rest, whatever the system has in `tcp_tw_reuse`.
        if !self.is_port_late {
            return None;
        }
        let (source, key) = path_from(first);
        let path = ports.path(key, kept, to.ip());
        let port = ports.guess(path)?;
        Some(Local {
            source,
            place: first as u32,
            port,
        })
    }

    /// A socket for a connection to an address from a local one.
    fn socket(&self, to: SocketAddr, source: Option<IpAddr>, port: u16) -> io::Result<Socket> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(to), kind, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if self.resets {
            socket.set_linger(Some(Duration::ZERO))?;
        }
        if self.is_port_late {
            if let Some(source) = source {
                bind_late(&socket, source)?;
            }
            only_port(&socket, port)?;
            return Ok(socket);
        }
        socket.set_reuse_address(true)?;
        let any = || match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = SocketAddr::new(source.unwrap_or_else(any), port);
        socket.bind(&local.into())?;
        Ok(socket)
    }
}

/// Whether an error says that a port, and not a server, cannot be had.
pub(super) fn is_about_ports(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE)
    )
}

/// Whether the kernel lets a connect choose from a range of one port (Linux 6.3).
fn takes_late_ports() -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP));
    socket.is_ok_and(|socket| only_port(&socket, 40_000).is_ok())
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

impl Driver {
    /// Puts a fresh socket for a connection to an address into the ring's table.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EADDRNOTAVAIL` when no local port is left.
    pub(super) fn install(&mut self, slot: Slot, to: Kept) -> io::Result<()> {
        let Endpoint::Internet(address) = to.to else {
            let kind = Type::STREAM.nonblocking().cloexec();
            let socket = Socket::new(Domain::UNIX, kind, None)?;
            return self.ring.install(slot, socket.into());
        };
        loop {
            let local = self.habits.local_for(address, to.kept, self.now);
            let none_left = || io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
            let Local {
                source,
                place,
                port,
            } = local.ok_or_else(none_left)?;
            let made = self.habits.socket(address, source, port.number);
            match made.and_then(|socket| self.ring.install(slot, socket.into())) {
                Ok(()) => {
                    let connection = self.connections.get_mut(slot);
                    (connection.port, connection.source) = (Some(port), place);
                    return Ok(());
                }
                Err(e) if is_about_ports(&e) => {
                    self.habits.ports.give_back(port, Left::Refused, self.now);
                    let connection = self.connections.get_mut(slot);
                    connection.ports_refused += 1;
                    if connection.ports_refused >= TRIES_MAX || port.guess.is_some() {
                        return Err(e);
                    }
                }
                Err(e) => {
                    self.habits.ports.give_back(port, Left::Free, self.now);
                    return Err(e);
                }
            }
        }
    }

    /// The kernel did not let a connection have its port: makes a socket with another; false when
    /// there is none.
    pub(super) fn change_port(&mut self, slot: Slot, to: Kept) -> bool {
        let connection = self.connections.get_mut(slot);
        let Some(port) = connection.port.take() else {
            return false;
        };
        connection.ports_refused += 1;
        let is_enough = connection.ports_refused >= TRIES_MAX || port.guess.is_some();
        self.habits.ports.give_back(port, Left::Refused, self.now);
        !is_enough && self.install(slot, to).is_ok()
    }

    /// A part of a request begins that has a limit of its own; that of the request goes on.
    #[inline]
    pub(super) fn limit_part(&mut self, slot: Slot, part_ns: u64) {
        let connection = self.connections.get_mut(slot);
        let end = Moment(self.now.0.saturating_add(part_ns));
        connection.deadline = connection.limit.min(end);
        if connection.deadline < connection.armed {
            connection.armed = connection.deadline;
            let owner = Owner::Connection {
                slot,
                generation: connection.generation,
            };
            self.timers.add(connection.deadline, owner);
        }
    }

    /// Closes the idle connections of a user that are too old for another request.
    #[inline]
    pub(super) fn retire(&mut self, root: u32) {
        if self.habits.age_max_ns != UNLIMITED {
            self.close_idle(root, self.habits.age_max_ns);
        }
    }

    /// Closes the idle connections of a user that are of this age or older.
    pub(super) fn close_idle(&mut self, root: u32, age_ns: u64) {
        let mut slot = self.users.get(root).connection;
        while slot != NONE {
            let connection = self.connections.get(slot);
            let next = connection.next;
            if connection.is_idle() && self.now.since(connection.born) >= age_ns {
                self.hang_up(slot);
            }
            slot = next;
        }
    }
}
