//! Keys in PEM for signatures: RSA (PKCS#1, PKCS#8) and elliptic P-256 (SEC1, PKCS#8), public ones
//! as SubjectPublicKeyInfo.

use pki_types::pem::{PemObject, SectionKind};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaKeyPair};

/// What an algorithm identifier holds for ECDSA with P-256, after its version (RFC 5915).
const P256_PREFIX: &[u8] = &[
    2, 1, 0, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 3, 1, 7,
];
/// The curve P-256.
const P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// RSA keys.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 4;
const BITS: u8 = 3;

fn sections(pem: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem);
    let sections: Result<Vec<_>, _> = sections.collect();
    sections.map_err(|error| format!("the key is not PEM: {error}"))
}

/// A private key for RS256.
pub(super) fn rsa(pem: &[u8]) -> Result<RsaKeyPair, String> {
    for (kind, der) in sections(pem)? {
        let read = match kind {
            SectionKind::RsaPrivateKey => RsaKeyPair::from_der(&der),
            SectionKind::PrivateKey => RsaKeyPair::from_pkcs8(&der),
            _ => continue,
        };
        return read.map_err(|error| {
            format!("the key is no RSA key of 2048 to 4096 bits without a password: {error}")
        });
    }
    Err(private_key_missing("an RSA"))
}

/// A private key for ES256.
pub(super) fn p256(pem: &[u8]) -> Result<EcdsaKeyPair, String> {
    for (kind, der) in sections(pem)? {
        let der = match kind {
            SectionKind::EcPrivateKey => {
                let content = [P256_PREFIX, &item(OCTETS, &der)].concat();
                item(SEQUENCE, &content)
            }
            SectionKind::PrivateKey => der,
            _ => continue,
        };
        let random = SystemRandom::new();
        let read = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random);
        return read
            .map_err(|error| format!("the key is no P-256 key without a password: {error}"));
    }
    Err(private_key_missing("a P-256"))
}

fn private_key_missing(kind: &str) -> String {
    format!("the key must be {kind} private key in PEM, with a line -----BEGIN … PRIVATE KEY-----")
}

/// What verifies signatures for RS256: the key as PKCS#1 has it, of a public or private key.
pub(super) fn rsa_public(pem: &[u8]) -> Result<Vec<u8>, String> {
    match public(pem, RSA)? {
        Some(key) => Ok(key),
        None => Ok(rsa(pem)?.public_key().as_ref().to_vec()),
    }
}

/// What verifies signatures for ES256: the point of a public or private key.
pub(super) fn p256_public(pem: &[u8]) -> Result<Vec<u8>, String> {
    match public(pem, P256)? {
        Some(key) => Ok(key),
        None => Ok(p256(pem)?.public_key().as_ref().to_vec()),
    }
}

/// The key within the first SubjectPublicKeyInfo; none without one.
fn public(pem: &[u8], algorithm: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let sections = sections(pem)?;
    let info = sections
        .iter()
        .find(|(kind, _)| matches!(kind, SectionKind::PublicKey));
    let Some((_, der)) = info else {
        return Ok(None);
    };
    let key = || {
        let (content, _) = take(SEQUENCE, der)?;
        let (kind, rest) = take(SEQUENCE, content)?;
        let (bits, _) = take(BITS, rest)?;
        let (&unused, key) = bits.split_first()?;
        let is_kind = kind.windows(algorithm.len()).any(|part| part == algorithm);
        (is_kind && unused == 0).then(|| key.to_vec())
    };
    match key() {
        Some(key) => Ok(Some(key)),
        None if algorithm == RSA => Err("the public key must be an RSA key".to_owned()),
        None => Err("the public key must be a P-256 key".to_owned()),
    }
}

/// An item of DER with its content, below 64 KiB.
fn item(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [high, low] = (length as u16).to_be_bytes();
    let head: &[u8] = match length {
        ..128 => &[tag, low],
        128..256 => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// The content of an item of DER with this tag, and what follows it.
fn take(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        ..=127 => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (length, rest) = rest.split_at_checked(2)?;
            (
                usize::from(u16::from_be_bytes([length[0], length[1]])),
                rest,
            )
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}
