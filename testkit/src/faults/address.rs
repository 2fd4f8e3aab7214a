//! Addresses at which nobody answers, each in its own way.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};

/// A name that never resolves (RFC 6761, section 6.4).
pub const UNRESOLVABLE: &str = "no-such-host.invalid";

/// A port that refuses, as long as this lives: it is bound, so nobody else can take it, and does
/// not listen.
pub struct Refused {
    socket: Socket,
}

impl Refused {
    /// Takes a port. Panics when there is none.
    pub fn new() -> Refused {
        let socket = bound();
        Refused { socket }
    }

    /// The address that refuses.
    pub fn addr(&self) -> SocketAddr {
        address_of(&self.socket)
    }
}

impl Default for Refused {
    fn default() -> Refused {
        Refused::new()
    }
}

/// A port that neither accepts nor refuses, as long as this lives: its backlog is full, so the
/// kernel drops each further SYN, and nobody ever accepts.
pub struct BlackHole {
    listener: Socket,
    /// Connections that fill the backlog, and the one whose SYN was dropped.
    _fill: Vec<Socket>,
}

impl BlackHole {
    /// Fills a backlog. Panics when the kernel does not play along.
    pub fn new() -> BlackHole {
        let listener = bound();
        listener
            .listen(0)
            .unwrap_or_else(|e| panic!("cannot listen: {e}"));
        let addr = address_of(&listener);
        let mut fill = Vec::new();
        // A backlog of 0 holds one connection on Linux; more than a few means it is no backlog.
        for _ in 0..16 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)
                .unwrap_or_else(|e| panic!("no socket: {e}"));
            socket
                .set_nonblocking(true)
                .expect("a socket takes the flag");
            let done = socket.connect(&addr.into()).is_ok();
            let connected = done || is_writable(&socket);
            fill.push(socket);
            if !connected {
                return BlackHole {
                    listener,
                    _fill: fill,
                };
            }
        }
        panic!("the backlog of a listening socket does not fill up");
    }

    /// The address that does not answer.
    pub fn addr(&self) -> SocketAddr {
        address_of(&self.listener)
    }
}

impl Default for BlackHole {
    fn default() -> BlackHole {
        BlackHole::new()
    }
}

/// Whether a connection to 127.0.0.1 comes about. It does in microseconds or, when the SYN was
/// dropped, not before its first repetition after a second.
fn is_writable(socket: &Socket) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
    let wait = Timespec {
        tv_sec: 0,
        tv_nsec: 300_000_000,
    };
    matches!(poll(&mut fds, Some(&wait)), Ok(n) if n > 0)
}

/// An address to which there is no way: the broadcast address of the loopback net, which the
/// kernel refuses for TCP with ENETUNREACH on each Linux machine.
pub fn unreachable() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(127, 255, 255, 255), 9))
}

/// What a row of [`addresses`] holds on to while it is used.
pub enum Address {
    /// See [`Refused`].
    Refused(Refused),
    /// See [`BlackHole`].
    BlackHole(BlackHole),
    /// Nothing needs to be held.
    Nothing,
}

/// An address, and the failure that each request to it must end in.
pub struct AddressRow {
    /// Says what is wrong.
    pub name: &'static str,
    /// `host:port`.
    pub authority: String,
    /// The kind of failure; for a host that does not resolve it may be an error before the run.
    pub expected: &'static str,
    /// The limit that each request should have for the row to take little time.
    pub timeout: Duration,
    /// Keeps the address as it is.
    pub held: Address,
}

/// All the addresses nobody answers at.
pub fn addresses() -> Vec<AddressRow> {
    let (refused, hole) = (Refused::new(), BlackHole::new());
    let row = |name, authority: String, expected, held| AddressRow {
        name,
        authority,
        expected,
        timeout: Duration::from_millis(300),
        held,
    };
    vec![
        row(
            "nobody listens",
            refused.addr().to_string(),
            "refused",
            Address::Refused(refused),
        ),
        row(
            "the first packet is dropped",
            hole.addr().to_string(),
            "connect_timeout",
            Address::BlackHole(hole),
        ),
        row(
            "no way there",
            unreachable().to_string(),
            "unreachable",
            Address::Nothing,
        ),
        row(
            "no such host",
            format!("{UNRESOLVABLE}:80"),
            "dns",
            Address::Nothing,
        ),
    ]
}

fn bound() -> Socket {
    let socket =
        Socket::new(Domain::IPV4, Type::STREAM, None).unwrap_or_else(|e| panic!("no socket: {e}"));
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap_or_else(|e| panic!("cannot bind a port of 127.0.0.1: {e}"));
    socket
}

fn address_of(socket: &Socket) -> SocketAddr {
    let addr = socket.local_addr().expect("a bound socket has an address");
    addr.as_socket().expect("it is an internet address")
}
