//! How users reach servers: connections, names and addresses, TLS.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::proxy::Proxies;

/// How connections are opened, reused and closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Whether connections are kept alive; otherwise each request has its own.
    pub keep_alive: bool,
    /// Requests per connection, at least 1.
    pub requests_max: Option<u32>,
    /// Maximum age of a connection at the start of a request, above zero.
    pub age_max: Option<Duration>,
    /// When a user opens a new connection although it could reuse one; [`ReconnectPolicy::Never`]
    /// with a shared pool.
    pub renew: ReconnectPolicy,
    /// Who may use an idle connection.
    pub pool: Pool,
    /// Concurrent connections to one origin, at least 1: per user, or per core with a shared pool;
    /// `None`: no limit.
    pub per_origin: Option<u32>,
    /// How one of a name's addresses is chosen for a connection.
    pub addresses: AddressPolicy,
    /// Interval at which names are resolved again, at least a second.
    pub resolve: Option<Duration>,
    /// Local addresses used in turn; empty: the system chooses.
    pub source: Vec<IpAddr>,
    /// How idle connections are closed.
    pub close: Close,
    /// The local ports of connections.
    pub ports: Ports,
    /// Timeouts of the phases of a request.
    pub limits: PhaseTimeouts,
    /// The proxies that servers are reached through.
    pub proxies: Proxies,
    /// Fixed addresses of host names, which are not resolved, in the order of the file.
    pub hosts: Vec<(String, Vec<IpAddr>)>,
}

impl Default for Connections {
    fn default() -> Self {
        Connections {
            keep_alive: true,
            requests_max: None,
            age_max: None,
            renew: ReconnectPolicy::Never,
            pool: Pool::User,
            per_origin: Pool::User.per_origin_default(),
            addresses: AddressPolicy::First,
            resolve: None,
            source: Vec::new(),
            close: Close::Graceful,
            ports: Ports::System,
            limits: PhaseTimeouts::default(),
            proxies: Proxies::default(),
            hosts: Vec::new(),
        }
    }
}

/// Who may use an idle connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pool {
    /// The user that opened it; it closes when the user ends.
    #[default]
    User,
    /// The next user of the core that needs one to the same origin; it outlives its users.
    Shared,
}

impl Pool {
    /// Default for concurrent connections to one origin: per user as many as browsers use, in a
    /// shared pool without limit.
    pub(crate) fn per_origin_default(self) -> Option<u32> {
        match self {
            Pool::User => Some(6),
            Pool::Shared => None,
        }
    }
}

/// When a user opens a new connection although it could reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReconnectPolicy {
    /// Only when there is none that it can use.
    #[default]
    Never,
    /// At the start of each iteration.
    Iteration,
    /// For each request, without telling the server.
    Request,
}

/// How idle connections are closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Close {
    /// With a FIN. The side that closes first keeps the port in TIME-WAIT for a minute.
    #[default]
    Graceful,
    /// With a RST once the reply is complete: no TIME-WAIT, but an error on the server's side.
    Reset,
}

/// The local ports of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// The system's ephemeral ports (`net.ipv4.ip_local_port_range`).
    #[default]
    System,
    /// First and last port of a range, not reversed; both 1024 or above.
    Range(u16, u16),
}

/// How one of a name's addresses is chosen for a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressPolicy {
    /// The first that answers, in the resolver's order.
    #[default]
    First,
    /// Each in turn.
    RoundRobin,
    /// A random one.
    Random,
}

/// Timeouts of the phases of a request, in addition to the overall timeout; each above zero and at
/// most an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseTimeouts {
    /// Connecting.
    pub connect: Option<Duration>,
    /// The TLS handshake.
    pub tls: Option<Duration>,
    /// From the request to the first byte of the reply.
    pub first_byte: Option<Duration>,
}

/// TLS options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// A PEM file with certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's own certificate.
    pub identity: Option<TlsIdentity>,
    /// The `[data.NAME]` whose rows name the certificate of each user, instead of `identity`; one of
    /// [`Plan::data`](crate::Plan::data). Connections are not shared then.
    pub client_data: Option<String>,
    /// The password of PKCS#12 files, unless a row has its own.
    pub password: Password,
    /// Server certificates are not verified.
    pub insecure: bool,
    /// Which handshakes try to resume an earlier session.
    pub resume: Resume,
    /// The versions offered.
    pub versions: TlsVersions,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TlsIdentity {
    /// PEM files.
    Pem {
        /// The certificate chain, own certificate first.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// A PKCS#12 file (`.p12`, `.pfx`) with the chain and the key.
    Pkcs12(PathBuf),
}

/// A password, which is not shown.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Password(String);

impl Password {
    /// The password `text`.
    pub fn new(text: impl Into<String>) -> Password {
        Password(text.into())
    }

    /// The password itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(***)")
    }
}

/// Which handshakes try to resume an earlier session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Resume {
    /// Like browsers: all handshakes of a user with a server except the first.
    #[default]
    ByUser,
    /// This share of all handshakes, 0 to 1.
    Share(f64),
}

/// The TLS versions offered.
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
