//! The certificate of the server and its key, from PEM files.

use crate::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto};

/// The files with which the server speaks TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM without a password.
    pub key: PathBuf,
}

/// What makes TLS connections of accepted ones.
///
/// # Errors
/// [`Error::Tls`] with the file that cannot be used, and why.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, Error> {
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(&files.cert, error))?;
    if chain.is_empty() {
        return Err(refused(&files.cert, "there is no certificate in PEM in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| {
        let why = format!("{error}; a private key in PEM without a password is needed");
        refused(&files.key, why)
    })?;
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&files.cert, error))?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => refused(
            &files.key,
            format!(
                "this is not the key of the certificate in {}",
                files.cert.display()
            ),
        ),
        error => refused(&files.cert, error),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn refused(path: &Path, why: impl ToString) -> Error {
    Error::Tls {
        path: path.to_owned(),
        why: why.to_string(),
    }
}
