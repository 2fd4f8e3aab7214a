//! Client certificates with their keys, from PEM and PKCS#12 files.

use super::pem;
use config::{Password, TlsIdentity};
use p12_keystore::error::Error as Pkcs12Error;
use p12_keystore::{Certificate, Pkcs12Archive};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::path::Path;

/// Largest PKCS#12 file that is read.
const PKCS12_BYTES_MAX: u64 = 1 << 20;

/// Reads a certificate with its key.
///
/// # Errors
/// What is wrong: the key of the profile or the column of the data file, each behind `prefix`, the
/// file and the reason.
pub(super) fn read(
    files: &TlsIdentity,
    password: &Password,
    prefix: &str,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    match files {
        TlsIdentity::Pem { cert, key } => read_pem(cert, key, prefix, provider),
        TlsIdentity::Pkcs12(file) => read_pkcs12(file, password, provider)
            .map_err(|why| format!("{prefix}pkcs12: {}: {why}", file.display())),
    }
}

fn read_pem(
    cert: &Path,
    key: &Path,
    prefix: &str,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let chain = certificates(&format!("{prefix}cert"), cert)?;
    let shown = key.display();
    let der = PrivateKeyDer::from_pem_file(key).map_err(|e| {
        let why = pem::instead("a private key", key).unwrap_or_else(|| e.to_string());
        format!("{prefix}key: {shown}: {why}")
    })?;
    CertifiedKey::from_der(chain, der, provider).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => format!(
            "{prefix}key: {shown}: this is not the key of the certificate in {} ({prefix}cert)",
            cert.display()
        ),
        e => format!(
            "{prefix}key: {shown}: {e}; if it has a password, {}",
            pem::DECRYPT
        ),
    })
}

/// The certificates of a PEM file, at least one; `key` names the file in messages.
pub(super) fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = file.display();
    let found = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("{key}: {shown}: {e}"))?;
    match found.is_empty() {
        true => {
            let why = pem::instead("a certificate", file);
            let why = why.unwrap_or_else(|| "no certificate in PEM".to_owned());
            Err(format!("{key}: {shown}: {why}"))
        }
        false => Ok(found),
    }
}

fn read_pkcs12(
    file: &Path,
    password: &Password,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    if size > PKCS12_BYTES_MAX {
        return Err(format!(
            "found {size} bytes, at most {PKCS12_BYTES_MAX} are allowed"
        ));
    }
    let bytes = std::fs::read(file).map_err(|e| e.to_string())?;
    let archive = Pkcs12Archive::from_pkcs12(&bytes, password.reveal())
        .map_err(|e| pkcs12_fault(&e, &bytes, password))?;
    let [key] = &archive.keys[..] else {
        let found = archive.keys.len();
        return Err(format!("found {found} private keys, expected one"));
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.key.as_der()));
    let signer = provider
        .key_provider
        .load_private_key(key.clone_key())
        .map_err(|e| format!("its private key can't be used: {e}"))?;
    let certificates: Vec<&Certificate> = archive.certs.iter().map(|bag| &bag.cert).collect();
    let own = certificates.iter().find(|certificate| {
        let der = CertificateDer::from(certificate.as_der());
        let pair = CertifiedKey::new(vec![der.into_owned()], signer.clone());
        pair.keys_match().is_ok()
    });
    let Some(own) = own else {
        return Err(match certificates.len() {
            0 => "found no certificate".to_owned(),
            _ => "its private key is not that of a certificate in it".to_owned(),
        });
    };
    let chain = chain(own, &certificates);
    Ok(CertifiedKey::new(chain, signer))
}

/// A certificate, that of its issuer and so on, as far as they are known.
fn chain(own: &Certificate, known: &[&Certificate]) -> Vec<CertificateDer<'static>> {
    let mut chain = vec![own];
    while let Some(last) = chain.last() {
        let issuer = known.iter().find(|one| one.subject() == last.issuer());
        match issuer {
            Some(issuer) if !chain.contains(issuer) => chain.push(issuer),
            _ => break,
        }
    }
    let ders = chain.into_iter().map(Certificate::as_der);
    ders.map(|der| CertificateDer::from(der.to_vec())).collect()
}

/// Why a PKCS#12 file cannot be read, in words.
fn pkcs12_fault(error: &Pkcs12Error, bytes: &[u8], password: &Password) -> String {
    match error {
        _ if bytes.starts_with(b"-----BEGIN ") => {
            "PKCS#12 is wanted, and this is PEM; `cert` and `key` name PEM files".to_owned()
        }
        // Without a checksum over it, decryption makes nonsense of the content.
        Pkcs12Error::MacError(_) | Pkcs12Error::UnpadError | Pkcs12Error::Pkcs5Error(_) => {
            match password.reveal() {
                "" => "it has a password, and `password` gives none".to_owned(),
                _ => "the password is wrong".to_owned(),
            }
        }
        Pkcs12Error::UnsupportedEncryptionScheme | Pkcs12Error::UnsupportedMacAlgorithm => format!(
            "{error}; openssl pkcs12 -in FILE -out NEW.pem -nodes and openssl pkcs12 -export -in \
             NEW.pem -out NEW write it with others"
        ),
        Pkcs12Error::DerError(_) => format!("this is no PKCS#12: {error}"),
        error => error.to_string(),
    }
}
