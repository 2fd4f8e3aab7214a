//! Signatures of messages, as standardwebhooks.com has them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::fmt;

/// What the text form of a secret begins with.
const PREFIX: &str = "whsec_";
/// Size of a secret, in bytes.
const BYTES: usize = 32;

/// The secret that messages of a webhook are signed with; never printed by accident.
pub(super) struct SigningSecret([u8; BYTES]);

impl SigningSecret {
    /// A secret from the kernel's random generator.
    pub(super) fn random() -> Result<SigningSecret, crate::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| crate::Error::Access(format!("no random numbers: {error}")))?;
        Ok(SigningSecret(bytes))
    }

    /// Its text form, which receivers are given.
    pub(super) fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A stored secret.
    pub(super) fn stored(bytes: [u8; BYTES]) -> SigningSecret {
        SigningSecret(bytes)
    }

    /// The value of `webhook-signature`: HMAC-SHA256 over `ID.TIMESTAMP.BODY`.
    pub(super) fn sign(&self, id: &str, timestamp_s: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let signed = hmac::sign(&key, format!("{id}.{timestamp_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(signed))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_other_programs() {
        // printf 'msg_1.1700000000.{}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707… -binary | base64
        let secret = SigningSecret::stored([7; BYTES]);
        assert_eq!(
            secret.text(),
            "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
        );
        assert_eq!(
            secret.sign("msg_1", 1_700_000_000, "{}"),
            "v1,nuLLyheCKcS2N8JNOFt5stk98R+umYWr26/ZTfdtGM8="
        );
        assert_eq!(format!("{secret:?}"), "SigningSecret(..)");
    }
}
