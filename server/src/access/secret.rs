//! Secrets that are shown once and stored as a hash: sessions, tokens, share links.
//!
//! A secret is 256 random bits, so a single SHA-256 protects it: it cannot be guessed. The store
//! finds it by its whole hash, and the match is compared again in constant time.

use super::role::TokenKind;
use crate::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Size of a secret, in bytes.
const BYTES: usize = 32;
/// Characters of a secret: base64url without padding.
pub(crate) const CHARACTERS: usize = 43;
/// The cookie of a session.
pub(crate) const SESSION_COOKIE: &str = "mistress_session";
/// What the names of the cookies of share links begin with; each link has its own.
pub(crate) const LINK_COOKIE: &str = "mistress_link";
/// Share links of one browser that count.
const LINKS_MAX: usize = 16;

/// A secret in plain text; never stored, never printed by accident.
pub(crate) struct Secret([u8; BYTES]);

impl Secret {
    /// A secret from the kernel's random generator.
    pub(crate) fn random() -> Result<Secret, Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::Access(format!("no random numbers: {error}")))?;
        Ok(Secret(bytes))
    }

    /// Its text form.
    pub(crate) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The text form of a token of this kind: its prefix lets scanners find leaked tokens.
    pub(crate) fn token_text(&self, kind: TokenKind) -> String {
        format!("{}{}", token_prefix(kind), self.text())
    }

    pub(crate) fn hash(&self) -> Hash {
        Hash(Sha256::digest(self.0).into())
    }

    /// Parses exactly [`CHARACTERS`] of base64url; every secret has exactly one spelling.
    fn parse(text: &[u8]) -> Option<Secret> {
        if text.len() != CHARACTERS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Secret(bytes.try_into().ok()?))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The stored hash of a secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hash(pub(crate) [u8; BYTES]);

impl PartialEq for Hash {
    fn eq(&self, other: &Hash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The credentials of a request, each as the hash of a well-formed secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Claims {
    pub(crate) session: Option<Hash>,
    pub(crate) links: Vec<Hash>,
    pub(crate) token: Option<(TokenKind, Hash)>,
    /// An `authorization` header was present, well-formed or not: cookies are ignored then.
    pub(crate) is_bearer: bool,
}

impl Claims {
    /// True when there is nothing to look up.
    pub(crate) fn is_empty(&self) -> bool {
        self.session.is_none() && self.links.is_empty() && self.token.is_none()
    }

    /// Reads the values of all `cookie` and `authorization` headers.
    pub(crate) fn read<'a>(
        cookies: impl Iterator<Item = &'a [u8]>,
        mut authorization: impl Iterator<Item = &'a [u8]>,
    ) -> Claims {
        let mut claims = Claims::default();
        if let Some(first) = authorization.next() {
            claims.is_bearer = true;
            // Several headers are ambiguous, so none counts.
            if authorization.next().is_none() {
                claims.token = bearer(first);
            }
            return claims;
        }
        for (name, value) in cookies.flat_map(pairs) {
            let hash = || Secret::parse(value).map(|secret| secret.hash());
            if name == SESSION_COOKIE.as_bytes() {
                // Of cookies with the same name the first counts: the most specific path comes
                // first.
                claims.session = claims.session.or_else(hash);
            } else if name.starts_with(LINK_COOKIE.as_bytes()) && claims.links.len() < LINKS_MAX {
                claims.links.extend(hash());
            }
        }
        claims
    }
}

/// The secret in the first well-formed cookie of this name.
pub(crate) fn cookie_hash<'a>(
    cookies: impl Iterator<Item = &'a [u8]>,
    wanted: &str,
) -> Option<Hash> {
    let mut found = cookies
        .flat_map(pairs)
        .filter(|(name, _)| *name == wanted.as_bytes());
    found.find_map(|(_, value)| Secret::parse(value).map(|secret| secret.hash()))
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &[u8]) -> Option<(TokenKind, Hash)> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    let token = token.trim_ascii();
    TokenKind::ALL.into_iter().find_map(|kind| {
        let secret = token.strip_prefix(token_prefix(kind).as_bytes())?;
        Some((kind, Secret::parse(secret)?.hash()))
    })
}

/// The secret in the path of a share link.
pub(crate) fn link_hash(text: &str) -> Option<Hash> {
    Secret::parse(text.as_bytes()).map(|secret| secret.hash())
}

fn token_prefix(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Ingest => "mistress_ingest_",
        TokenKind::Read => "mistress_read_",
    }
}

/// The `name=value` pairs of one header.
fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|&byte| byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        Some((pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()))
    })
}
