//! How the plan's users speak to servers: TLS.

use std::path::PathBuf;

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
