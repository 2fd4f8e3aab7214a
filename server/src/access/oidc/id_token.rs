//! ID tokens: their signature and claims, checked as OpenID Connect Core 3.1.3.7 has it.

use super::keys::{Algorithm, Key, find};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY_S: f64 = 60.0;
/// Maximum length of a token, in bytes.
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// Maximum length of a subject, in bytes, as the standard has it.
const SUBJECT_BYTES_MAX: usize = 255;

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// The time, in seconds since 1970.
    pub(super) now_s: f64,
}

/// Why a token is not accepted.
#[derive(Debug, PartialEq)]
pub(super) enum Problem {
    /// No key that is known can check it: the provider may have new ones.
    UnknownKey,
    /// The text says what is wrong.
    Refused(String),
}

type Claims = Map<String, Value>;

/// The claims of a token, once all of it is checked.
pub(super) fn verify(token: &str, keys: &[Key], expected: &Expected) -> Result<Claims, Problem> {
    let malformed = || refused("is malformed");
    if token.len() > TOKEN_BYTES_MAX {
        return Err(refused("is too long"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (head, body) = signed.split_once('.').ok_or_else(malformed)?;
    let head = object(head).ok_or_else(malformed)?;
    let name = head.get("alg").and_then(Value::as_str).unwrap_or_default();
    let algorithm = Algorithm::named(name).ok_or_else(|| {
        refused(&format!(
            "is signed with {name:?}; RS256 and ES256 are accepted"
        ))
    })?;
    if head.contains_key("crit") {
        return Err(refused("demands extensions"));
    }
    let kid = match head.get("kid") {
        None => None,
        Some(kid) => Some(kid.as_str().ok_or_else(malformed)?),
    };
    let key = find(keys, algorithm, kid).ok_or(Problem::UnknownKey)?;
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| malformed())?;
    if !key.verifies(signed.as_bytes(), &signature) {
        return Err(refused("has a wrong signature"));
    }
    let claims = object(body).ok_or_else(malformed)?;
    check(&claims, expected)?;
    Ok(claims)
}

fn check(claims: &Claims, expected: &Expected) -> Result<(), Problem> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(refused("is from another issuer"));
    }
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(some)) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audiences.contains(&expected.client_id) {
        return Err(refused("is for another audience"));
    }
    let azp = claims.get("azp");
    let is_ours = azp.is_some_and(|azp| azp.as_str() == Some(expected.client_id));
    if (azp.is_some() || audiences.len() > 1) && !is_ours {
        return Err(refused("was issued to another client"));
    }
    let nonce = text("nonce").unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(refused("belongs to another sign-in"));
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    match time("exp") {
        None => return Err(refused("does not say when it expires")),
        Some(exp) if exp + LEEWAY_S <= expected.now_s => return Err(refused("has expired")),
        Some(_) => {}
    }
    let Some(iat) = time("iat") else {
        return Err(refused("does not say when it was issued"));
    };
    let is_early = |from: f64| from > expected.now_s + LEEWAY_S;
    if is_early(iat) || (claims.contains_key("nbf") && time("nbf").is_none_or(is_early)) {
        return Err(refused(
            "is not valid yet; is the clock of this server right?",
        ));
    }
    let subject = text("sub").unwrap_or_default();
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
        return Err(refused("names nobody"));
    }
    Ok(())
}

fn refused(what: &str) -> Problem {
    Problem::Refused(format!("the provider's ID token {what}"))
}

fn object(part: &str) -> Option<Claims> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW_S: f64 = 1_000_000.0;

    fn outcome(change: Value) -> Result<(), Problem> {
        let mut claims = json!({
            "iss": "https://id", "sub": "1", "aud": "mistress", "nonce": "n",
            "iat": NOW_S, "exp": NOW_S + 300.0,
        });
        for (name, value) in change.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let expected = Expected {
            issuer: "https://id",
            client_id: "mistress",
            nonce: "n",
            now_s: NOW_S,
        };
        check(claims.as_object().expect("an object"), &expected)
    }

    #[test]
    fn claims_are_accepted_only_as_a_whole() {
        let accepted = [
            json!({}),
            json!({"aud": ["mistress"]}),
            json!({"aud": ["mistress", "other"], "azp": "mistress"}),
            json!({"exp": NOW_S - 59.0}),
            json!({"iat": NOW_S + 59.0, "nbf": NOW_S + 59.0}),
        ];
        for change in accepted {
            assert_eq!(outcome(change.clone()), Ok(()), "{change}");
        }
        let refused = [
            json!({"iss": "https://id/"}),
            json!({"aud": "other"}),
            json!({"aud": null}),
            json!({"aud": ["mistress", "other"]}),
            json!({"azp": "other"}),
            json!({"azp": 1}),
            json!({"nonce": "m"}),
            json!({"nonce": null}),
            json!({"exp": NOW_S - 60.0}),
            json!({"exp": "never"}),
            json!({"iat": NOW_S + 61.0}),
            json!({"iat": null}),
            json!({"nbf": NOW_S + 61.0}),
            json!({"nbf": "soon"}),
            json!({"sub": ""}),
            json!({"sub": "x".repeat(256)}),
        ];
        for change in refused {
            assert!(outcome(change.clone()).is_err(), "{change}");
        }
    }
}
