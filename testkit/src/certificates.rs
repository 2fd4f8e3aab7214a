//! Certificates made on the spot: an authority, what it signs, and what is wrong with some of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;

/// Names and addresses that a good certificate of a server is for.
pub const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "site.test"];

/// What is wrong with the certificate of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// It ended years ago.
    Expired,
    /// It begins in many years.
    NotYetValid,
    /// It is for `elsewhere.test`.
    WrongHost,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM (PKCS 8).
    pub key: String,
}

impl Identity {
    /// Writes `NAME.pem` and `NAME.key` into a folder; their paths. Panics when that fails.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        (
            write(folder, &format!("{name}.pem"), &self.certificate),
            write(folder, &format!("{name}.key"), &self.key),
        )
    }

    /// The certificate and those between it and the authority.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        ders(&self.certificate)
    }

    /// The private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("the key was made here")
    }
}

/// Who signs: a root of its own that nobody else knows.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Authority {
    /// A new one. Panics when there are no random numbers to be had.
    pub fn new() -> Authority {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, authority_name());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = key_pair();
        let certificate = params.self_signed(&key).expect("the parameters are sound");
        Authority {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate, PEM: what a client has to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes its own certificate as `NAME.pem`; the path. Panics when that fails.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        write(folder, &format!("{name}.pem"), &self.pem)
    }

    /// A certificate for a server at any of [`NAMES`].
    pub fn server(&self, flaw: Flaw) -> Identity {
        self.sign(server_params(flaw))
    }

    /// A certificate for a client with this name.
    pub fn client(&self, name: &str) -> Identity {
        self.client_with(name, Flaw::None)
    }

    /// A certificate for a client with this name, which is valid when a server's with this flaw is.
    pub fn client_with(&self, name: &str, flaw: Flaw) -> Identity {
        let mut params = CertificateParams::default();
        set_validity(&mut params, flaw);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        let key = key_pair();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("the parameters are sound");
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate for any of [`NAMES`] that its own key has signed, as servers make them; some tools
/// mark it as an authority's. Panics when there are no random numbers to be had.
pub fn self_signed(flaw: Flaw, is_authority: bool) -> Identity {
    let mut params = server_params(flaw);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = key_pair();
    let certificate = params.self_signed(&key).expect("the parameters are sound");
    Identity {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn server_params(flaw: Flaw) -> CertificateParams {
    let names: Vec<String> = match flaw {
        Flaw::WrongHost => vec!["elsewhere.test".to_owned()],
        _ => NAMES.map(str::to_owned).to_vec(),
    };
    let mut params = CertificateParams::new(names).expect("the names are sound");
    set_validity(&mut params, flaw);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn set_validity(params: &mut CertificateParams, flaw: Flaw) {
    let (from, to) = match flaw {
        Flaw::Expired => (2001, 2002),
        Flaw::NotYetValid => (4000, 4001),
        Flaw::None | Flaw::WrongHost => (2001, 4000),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
}

/// Two authorities of one name would be taken for each other until a signature is looked at.
fn authority_name() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("testkit authority {} {number}", std::process::id())
}

fn key_pair() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|e| panic!("no key: {e}"))
}

fn ders(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .expect("the certificate was made here")
}

/// Accepts clients whose certificate this authority (PEM) signed.
pub(crate) fn client_verifier(authority: &str) -> Arc<dyn ClientCertVerifier> {
    let mut roots = rustls::RootCertStore::empty();
    for der in ders(authority) {
        roots.add(der).expect("an authority is a root");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .expect("there is a root")
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    path
}
