//! The provider's public keys (JSON Web Key Set, RFC 7517), for RS256 and ES256 only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// Bytes of a coordinate on the curve P-256.
const COORDINATE_BYTES: usize = 32;

/// The signature algorithms that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Algorithm> {
        match name {
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
        }
    }
}

/// A key set as it is sent; keys of other kinds are ignored.
#[derive(Deserialize)]
pub(super) struct KeySet {
    keys: Vec<SentKey>,
}

#[derive(Deserialize)]
struct SentKey {
    #[serde(default)]
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A key that can check signatures of one algorithm.
#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
}

impl KeySet {
    /// The keys that can be used.
    pub(super) fn usable(self) -> Vec<Key> {
        self.keys.into_iter().filter_map(Key::of).collect()
    }
}

impl Key {
    fn of(sent: SentKey) -> Option<Key> {
        if sent.r#use.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let material = match sent.kty.as_str() {
            "RSA" => Material::Rsa {
                n: unsigned(&bytes(sent.n)?),
                e: unsigned(&bytes(sent.e)?),
            },
            "EC" if sent.crv.as_deref() == Some("P-256") => {
                let (x, y) = (bytes(sent.x)?, bytes(sent.y)?);
                if x.len() != COORDINATE_BYTES || y.len() != COORDINATE_BYTES {
                    return None;
                }
                Material::P256([&[4][..], &x, &y].concat())
            }
            _ => return None,
        };
        let key = Key {
            kid: sent.kid,
            material,
        };
        let is_for = |alg: &String| alg == key.algorithm().name();
        sent.alg.as_ref().is_none_or(is_for).then_some(key)
    }

    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
        }
    }

    /// True if this key made the signature.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        }
        .is_ok()
    }
}

/// The key that a token names; a token that names none has it only from a provider with one key of
/// its algorithm.
pub(super) fn find<'a>(
    keys: &'a [Key],
    algorithm: Algorithm,
    kid: Option<&str>,
) -> Option<&'a Key> {
    let mut fitting = keys.iter().filter(|key| key.algorithm() == algorithm);
    match kid {
        Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)),
        None => fitting.next().filter(|_| fitting.next().is_none()),
    }
}

fn bytes(text: Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// Without zeros in front, which some providers send.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes[zeros..].to_vec()
}
