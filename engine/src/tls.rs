//! TLS as a state machine without sockets: bytes in, bytes out, and what they mean.
//!
//! What is the same for all cores is read once, before any traffic ([`Setup`]). Each core makes
//! its own [`Tls`] of it, with a cache of sessions that it shares with nobody; each connection has
//! a [`Session`].

mod fault;
mod pem;
mod session;
mod session_cache;
#[cfg(test)]
mod tests;
mod trust;

pub(crate) use fault::Fault;
pub(crate) use session::Session;

use config::{Resume, TlsVersions};
use rustls::client::{ClientConfig, Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use session_cache::{SessionCache, WriteOnly};
use std::sync::Arc;
use trust::{Asked, Trust};

/// Buffers for encrypted bytes that a core keeps for the next sends.
const SPARE_MAX: usize = 256;
/// A buffer that has grown beyond this is not kept.
const SPARE_BYTES_MAX: usize = 32 << 10;

/// What all cores need to speak TLS.
#[derive(Debug)]
pub(crate) struct Setup {
    trust: Trust,
    versions: TlsVersions,
    resume: Resume,
}

impl Setup {
    /// Reads certificates and keys. `needed` says that the target is spoken to over TLS: then it
    /// must be possible to verify it.
    ///
    /// # Errors
    /// What is wrong with the files; or that there is nobody to trust.
    pub(crate) fn open(tls: &config::Tls, needed: bool) -> Result<Setup, String> {
        Ok(Setup {
            trust: Trust::open(tls, needed)?,
            versions: tls.versions,
            resume: tls.resume,
        })
    }
}

/// The TLS of one core.
pub(crate) struct Tls {
    /// Resumes sessions where it can.
    resuming: Arc<ClientConfig>,
    /// Keeps sessions, but resumes none.
    full: Arc<ClientConfig>,
    asked: Arc<Asked>,
    resume: Resume,
    /// How many handshakes should have tried to resume and have not, below 1.
    owed: f64,
    spare: Vec<Vec<u8>>,
}

impl Tls {
    /// The TLS of one core, which offers these protocols, the preferred one first.
    pub(crate) fn new(setup: &Setup, alpn: &[&[u8]]) -> Tls {
        let asked = Arc::new(Asked::new(setup.trust.identity.clone()));
        let memory = Arc::new(SessionCache::default());
        let full = config(
            setup,
            &asked,
            alpn,
            Resumption::store(Arc::new(WriteOnly(Arc::clone(&memory)))),
        );
        let resuming = config(setup, &asked, alpn, Resumption::store(memory));
        Tls {
            resuming: Arc::new(resuming),
            full: Arc::new(full),
            asked,
            resume: setup.resume,
            owed: 0.0,
            spare: Vec::new(),
        }
    }

    /// The TLS of a new connection to `server`; `first` when its user has none with it so far.
    ///
    /// # Errors
    /// What rustls says.
    pub(crate) fn session(
        &mut self,
        server: ServerName<'static>,
        first: bool,
    ) -> Result<Box<Session>, Fault> {
        let config = if self.resumes(first) {
            Arc::clone(&self.resuming)
        } else {
            Arc::clone(&self.full)
        };
        let machine = UnbufferedClientConnection::new(config, server);
        let machine = machine.map_err(|error| Fault::of(&error))?;
        Ok(Box::new(Session::new(machine, Arc::clone(&self.asked))))
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

fn config(
    setup: &Setup,
    asked: &Arc<Asked>,
    alpn: &[&[u8]],
    resumption: Resumption,
) -> ClientConfig {
    let versions = match setup.versions {
        TlsVersions::Both => &[&TLS13, &TLS12][..],
        TlsVersions::Tls12 => &[&TLS12],
        TlsVersions::Tls13 => &[&TLS13],
    };
    let resolver = Arc::clone(asked) as Arc<dyn rustls::client::ResolvesClientCert>;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&setup.trust.provider))
        .with_protocol_versions(versions)
        .expect("ring has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&setup.trust.verifier))
        .with_client_cert_resolver(resolver);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = resumption;
    config
}
