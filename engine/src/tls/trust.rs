//! Whom a client believes, and how it shows who it is.

use super::identity;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Verifier and own certificate, as the profile wants them.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) verifier: Arc<dyn ServerCertVerifier>,
    pub(super) identity: Option<Arc<CertifiedKey>>,
}

impl Trust {
    /// # Errors
    /// What is wrong with the files; with `needed` also that no authority is known.
    pub(super) fn open(tls: &config::Tls, needed: bool) -> Result<Trust, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = tls.identity.as_ref();
        let identity =
            identity.map(|files| identity::read(files, &tls.password, "tls.", &provider));
        let identity = identity.transpose()?.map(Arc::new);
        let verifier: Arc<dyn ServerCertVerifier> = if tls.insecure {
            Arc::new(Unverified(
                provider
                    .signature_verification_algorithms
                    .supported_schemes(),
            ))
        } else {
            verifier(tls.ca.as_deref(), needed, &provider)?
        };
        Ok(Trust {
            provider,
            verifier,
            identity,
        })
    }
}

fn verifier(
    ca: Option<&Path>,
    needed: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    let mut named = Vec::new();
    match ca {
        Some(file) => {
            named = identity::certificates("tls.ca", file)?;
            for certificate in named.iter().cloned() {
                let added = roots.add(certificate);
                added.map_err(|e| format!("tls.ca: {}: {e}", file.display()))?;
            }
        }
        None => {
            // Some systems carry certificates that nobody can read; the others count.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return match needed {
            true => Err("tls: this system trusts no certificate authority; install \
                         ca-certificates, or name a file in tls.ca, or set tls.insecure"
                .to_owned()),
            false => Ok(Arc::new(Nobody(
                provider
                    .signature_verification_algorithms
                    .supported_schemes(),
            ))),
        };
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    match built.build() {
        Ok(inner) => Ok(Arc::new(Named { inner, named })),
        Err(e) => Err(format!("tls: {e}")),
    }
}

/// Believes the authorities, and the very certificates that `tls.ca` names, which need not be
/// authorities: those that servers sign for themselves. So does curl.
#[derive(Debug)]
struct Named {
    inner: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            Err(error) if lacks_issuer_alone(&error) && self.named.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whether nothing is wrong with a certificate but who signed it, or that it is an authority's:
/// webpki looks at its time first.
fn lacks_issuer_alone(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            let inner = other.0.downcast_ref::<webpki::Error>();
            matches!(inner, Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// Believes everybody.
#[derive(Debug)]
struct Unverified(Vec<SignatureScheme>);

/// Believes nobody: there is no authority.
#[derive(Debug)]
struct Nobody(Vec<SignatureScheme>);

/// The two verifiers that look at nothing, which differ in what they say.
macro_rules! without_looking {
    ($name:ident, $answer:expr) => {
        impl ServerCertVerifier for $name {
            fn verify_server_cert(
                &self,
                _end_entity: &CertificateDer<'_>,
                _intermediates: &[CertificateDer<'_>],
                _server_name: &ServerName<'_>,
                _ocsp_response: &[u8],
                _now: UnixTime,
            ) -> Result<ServerCertVerified, rustls::Error> {
                $answer
            }

            fn verify_tls12_signature(
                &self,
                _message: &[u8],
                _cert: &CertificateDer<'_>,
                _dss: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, rustls::Error> {
                Ok(HandshakeSignatureValid::assertion())
            }

            fn verify_tls13_signature(
                &self,
                _message: &[u8],
                _cert: &CertificateDer<'_>,
                _dss: &DigitallySignedStruct,
            ) -> Result<HandshakeSignatureValid, rustls::Error> {
                Ok(HandshakeSignatureValid::assertion())
            }

            fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
                self.0.clone()
            }
        }
    };
}

without_looking!(Unverified, Ok(ServerCertVerified::assertion()));
without_looking!(Nobody, Err(CertificateError::UnknownIssuer.into()));

/// Gives the client's certificate, if it has one, and remembers that it was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    identity: Option<Arc<CertifiedKey>>,
    /// A server asked since this was last looked at. One core's only, so no ordering is needed.
    lately: AtomicBool,
}

impl Asked {
    pub(super) fn new(identity: Option<Arc<CertifiedKey>>) -> Asked {
        Asked {
            identity,
            lately: AtomicBool::new(false),
        }
    }

    /// Whether a server has asked for a certificate since the last look.
    pub(super) fn lately(&self) -> bool {
        self.lately.swap(false, Ordering::Relaxed)
    }

    /// Whether there is a certificate to give.
    pub(super) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.lately.store(true, Ordering::Relaxed);
        self.identity.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
