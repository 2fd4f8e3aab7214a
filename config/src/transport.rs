//! How the plan's users speak to servers: connections, names and addresses, TLS.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How connections are made and how long they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Whether servers are asked to keep connections; without, each request has its own.
    pub keep_alive: bool,
    /// Requests on one connection, at least 1.
    pub requests_max: Option<u32>,
    /// No request begins on a connection older than this, above zero.
    pub age_max: Option<Duration>,
    /// When a user begins with a new connection, besides; [`Renew::Never`] with a shared pool.
    pub renew: Renew,
    /// Who may use an idle connection.
    pub pool: Pool,
    /// Connections to one origin at once, at least 1: of one user, or of one core with a shared
    /// pool; none: no limit.
    pub per_origin: Option<u32>,
    /// Which of a name's addresses a connection is made to.
    pub addresses: Pick,
    /// How often a name is resolved again, at least a second.
    pub resolve: Option<Duration>,
    /// Local addresses that connections are made from, in turn; none: the system's choice.
    pub source: Vec<IpAddr>,
    /// How a connection is closed that is no longer needed.
    pub close: Close,
    /// The local ports that connections are made from.
    pub ports: Ports,
    /// Limits of parts of a request.
    pub limits: PartLimits,
    /// Addresses of names that are not asked for, in the order of the file.
    pub hosts: Vec<(String, Vec<IpAddr>)>,
}

impl Default for Connections {
    fn default() -> Self {
        Connections {
            keep_alive: true,
            requests_max: None,
            age_max: None,
            renew: Renew::Never,
            pool: Pool::User,
            per_origin: Pool::User.per_origin_default(),
            addresses: Pick::First,
            resolve: None,
            source: Vec::new(),
            close: Close::Graceful,
            ports: Ports::System,
            limits: PartLimits::default(),
            hosts: Vec::new(),
        }
    }
}

/// Who may use an idle connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pool {
    /// The user that made it; it closes when the user ends.
    #[default]
    User,
    /// The next user of the core that wants one to the same origin; it outlives its users.
    Shared,
}

impl Pool {
    /// Connections to one origin at once where the profile names no number: of a user as many as
    /// browsers have, of a shared pool any.
    pub(crate) fn per_origin_default(self) -> Option<u32> {
        match self {
            Pool::User => Some(6),
            Pool::Shared => None,
        }
    }
}

/// When a user begins with a new connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renew {
    /// When there is none that it can use.
    #[default]
    Never,
    /// At the beginning of each pass through its scenario.
    Iteration,
    /// For each request; the server is not told.
    Request,
}

/// How a connection is closed that is no longer needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Close {
    /// With a FIN. The side that closes first keeps the port in TIME-WAIT for a minute.
    #[default]
    Graceful,
    /// With a RST once the reply is whole: no TIME-WAIT, and to the server an error.
    Reset,
}

/// The local ports that connections are made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// Those that the system gives to connections (`net.ipv4.ip_local_port_range`).
    #[default]
    System,
    /// From the first to the last, which is not below it; both 1024 or above.
    Range(u16, u16),
}

/// Which of a name's addresses a connection is made to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pick {
    /// The first that answers, in the order of the resolver.
    #[default]
    First,
    /// One after the other.
    Turn,
    /// Any.
    Random,
}

/// Limits of parts of a request, besides that of the whole; above zero, at most an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartLimits {
    /// Making a connection.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request to the first byte of the reply.
    pub first_byte: Option<Duration>,
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// A file of certificates (PEM) that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's own certificate.
    pub identity: Option<TlsIdentity>,
    /// Servers are not verified.
    pub insecure: bool,
    /// Which handshakes try to resume an earlier session.
    pub resume: Resume,
    /// The versions that are offered.
    pub versions: TlsVersions,
}

/// The certificate by which the client shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// Its chain, own certificate first (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// Which handshakes try to resume an earlier session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Resume {
    /// As browsers do: all of a user with a server but its first.
    #[default]
    ByUser,
    /// This share of all, 0 to 1.
    Share(f64),
}

/// The versions of TLS that are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersions {
    /// 1.2 and 1.3.
    #[default]
    Both,
    /// 1.2 only.
    Tls12,
    /// 1.3 only.
    Tls13,
}
