//! TLS as a state machine without sockets: bytes in, bytes out, and what they mean.
//!
//! What is the same for all cores is read once, before any traffic ([`Setup`]). Each core makes
//! its own [`Tls`] of it, with a cache of sessions that it shares with nobody; each connection has
//! a [`Session`].

mod fault;
mod identity;
mod pem;
mod session;
mod session_cache;
#[cfg(test)]
mod tests;
mod trust;
mod user_identities;

pub(crate) use fault::Fault;
pub(crate) use session::Session;
pub(crate) use user_identities::Rows;

use config::{Resume, TlsVersions};
use rustls::client::{ClientConfig, ClientSessionStore, Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use session_cache::{SessionCache, TICKETS_MAX, WriteOnly};
use std::sync::Arc;
use trust::{Asked, Trust};
use user_identities::UserIdentities;

/// Buffers for encrypted bytes that a core keeps for the next sends.
const SPARE_MAX: usize = 256;
/// A buffer that has grown beyond this is not kept.
const SPARE_BYTES_MAX: usize = 32 << 10;
/// Tickets that are kept for one server and the certificate of one user.
const USER_TICKETS_MAX: usize = 8;

/// What all cores need to speak TLS.
#[derive(Debug)]
pub(crate) struct Setup {
    trust: Trust,
    versions: TlsVersions,
    resume: Resume,
    /// The certificates of users that have their own.
    users: Arc<UserIdentities>,
}

impl Setup {
    /// Reads certificates and keys. `needed` says that the target is spoken to over TLS: then it
    /// must be possible to verify it. `rows` name the certificates of users, where they have their
    /// own. Also what should be told of reading them.
    ///
    /// # Errors
    /// What is wrong with the files; or that there is nobody to trust.
    pub(crate) fn open(
        tls: &config::Tls,
        needed: bool,
        rows: Option<Rows<'_>>,
    ) -> Result<(Setup, Option<String>), String> {
        let trust = Trust::open(tls, needed)?;
        let (users, notice) = match rows {
            Some(rows) => UserIdentities::read(rows, &tls.password, &trust.provider)?,
            None => (UserIdentities::default(), None),
        };
        let setup = Setup {
            trust,
            versions: tls.versions,
            resume: tls.resume,
            users: Arc::new(users),
        };
        Ok((setup, notice))
    }
}

/// How connections of one certificate, or of none, are made: sessions of one are not resumed with
/// another.
struct Client {
    /// Resumes sessions where it can.
    resuming: Arc<ClientConfig>,
    /// Keeps sessions, but resumes none.
    full: Arc<ClientConfig>,
    asked: Arc<Asked>,
}

impl Client {
    fn new(base: &ClientConfig, identity: Option<Arc<CertifiedKey>>, tickets_max: usize) -> Client {
        let asked = Arc::new(Asked::new(identity));
        let sessions = Arc::new(SessionCache::new(tickets_max));
        let with = |store: Arc<dyn ClientSessionStore>| {
            let mut config = base.clone();
            config.client_auth_cert_resolver = Arc::clone(&asked) as _;
            config.resumption = Resumption::store(store);
            Arc::new(config)
        };
        Client {
            full: with(Arc::new(WriteOnly(Arc::clone(&sessions)))),
            resuming: with(sessions),
            asked,
        }
    }
}

/// The TLS of one core.
pub(crate) struct Tls {
    /// What all its clients have in common.
    base: ClientConfig,
    /// Of users without a certificate of their own.
    common: Client,
    users: Arc<UserIdentities>,
    /// By certificate of a user, made with its first connection.
    own: Vec<Option<Box<Client>>>,
    resume: Resume,
    /// How many handshakes should have tried to resume and have not, below 1.
    owed: f64,
    spare: Vec<Vec<u8>>,
}

impl Tls {
    /// The TLS of one core, which offers these protocols, the preferred one first.
    pub(crate) fn new(setup: &Setup, alpn: &[&[u8]]) -> Tls {
        let base = config(setup, alpn);
        Tls {
            common: Client::new(&base, setup.trust.identity.clone(), TICKETS_MAX),
            base,
            users: Arc::clone(&setup.users),
            own: Vec::new(),
            resume: setup.resume,
            owed: 0.0,
            spare: Vec::new(),
        }
    }

    /// The number of the certificate that a row of the data file names, from 0.
    pub(crate) fn identity_of_row(&self, row: u64) -> Option<u32> {
        self.users.of_row(row as usize)
    }

    /// The TLS of a new connection to `server`; `first` when its user has none with it so far.
    /// `identity` is the number of the user's own certificate.
    ///
    /// # Errors
    /// What rustls says.
    pub(crate) fn session(
        &mut self,
        server: ServerName<'static>,
        first: bool,
        identity: Option<u32>,
    ) -> Result<Box<Session>, Fault> {
        let resumes = self.resumes(first);
        let client = match identity {
            Some(identity) => self.client_of(identity),
            None => &self.common,
        };
        let config = if resumes {
            &client.resuming
        } else {
            &client.full
        };
        let asked = Arc::clone(&client.asked);
        let machine = UnbufferedClientConnection::new(Arc::clone(config), server);
        let machine = machine.map_err(|error| Fault::of(&error))?;
        Ok(Box::new(Session::new(machine, asked)))
    }

    /// The client with a user's certificate.
    fn client_of(&mut self, identity: u32) -> &Client {
        if self.own.is_empty() {
            self.own.resize_with(self.users.len(), || None);
        }
        let (base, users) = (&self.base, &self.users);
        self.own[identity as usize].get_or_insert_with(|| {
            let own = users.get(identity).cloned();
            Box::new(Client::new(base, own, USER_TICKETS_MAX))
        })
    }

    /// Whether the next handshake tries to resume.
    fn resumes(&mut self, first: bool) -> bool {
        match self.resume {
            Resume::ByUser => !first,
            Resume::Share(share) => {
                self.owed += share;
                // Sums of shares are not exact.
                let due = self.owed >= 1.0 - 1e-9;
                if due {
                    self.owed -= 1.0;
                }
                due
            }
        }
    }

    /// An empty buffer for encrypted bytes.
    #[inline]
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// A buffer whose bytes are sent.
    #[inline]
    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_MAX && buffer.capacity() <= SPARE_BYTES_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

fn config(setup: &Setup, alpn: &[&[u8]]) -> ClientConfig {
    let versions = match setup.versions {
        TlsVersions::Both => &[&TLS13, &TLS12][..],
        TlsVersions::Tls12 => &[&TLS12],
        TlsVersions::Tls13 => &[&TLS13],
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&setup.trust.provider))
        .with_protocol_versions(versions)
        .expect("ring has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&setup.trust.verifier))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}
