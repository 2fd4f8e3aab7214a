//! A provider that signs whatever a test wants.

use super::Sent;
use crate::client::Result;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// How an ID token is signed.
#[derive(Clone, Copy, Default)]
pub enum Signed {
    /// As it should be.
    #[default]
    Es256,
    /// Not at all.
    None,
    /// With the published key as a shared secret.
    PublicAsHmac,
    /// With a key that is not published.
    UnknownKey,
    /// As if with the published key.
    Forged,
}

#[derive(Default)]
struct State {
    is_down: bool,
    nonce: String,
    challenge: String,
    signed: Signed,
    change: Value,
}

/// The provider.
pub struct Fake {
    pub issuer: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub fn start() -> Result<Fake> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let state: Arc<Mutex<State>> = Arc::default();
        let answers = Answers {
            issuer: issuer.clone(),
            keys: [key()?, key()?],
            state: Arc::clone(&state),
        };
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let Some((head, body)) = read(&mut stream) else {
                    continue;
                };
                let (status, answer) = answers.of(&head, &body);
                let answer = answer.to_string();
                let text = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                    answer.len()
                );
                let _ = stream.write_all(text.as_bytes());
            }
        });
        Ok(Fake { issuer, state })
    }

    pub fn set_down(&self, is_down: bool) {
        lock(&self.state).is_down = is_down;
    }

    /// What the next code stands for.
    pub fn answer(&self, sent: &Sent, signed: Signed, change: Value) {
        let mut state = lock(&self.state);
        state.nonce = sent.get("nonce").to_owned();
        state.challenge = sent.get("code_challenge").to_owned();
        state.signed = signed;
        state.change = change;
    }
}

struct Answers {
    issuer: String,
    /// The second is not published.
    keys: [EcdsaKeyPair; 2],
    state: Arc<Mutex<State>>,
}

impl Answers {
    fn of(&self, head: &str, body: &str) -> (u16, Value) {
        let state = lock(&self.state);
        let issuer = &self.issuer;
        match head.split(' ').nth(1).unwrap_or_default() {
            _ if state.is_down => (503, json!({})),
            "/.well-known/openid-configuration" => {
                let document = json!({
                    "issuer": issuer,
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/keys"),
                });
                (200, document)
            }
            "/keys" => {
                let (x, y) = point(&self.keys[0]).split_at(32);
                let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
                let key = json!({"kty": "EC", "crv": "P-256", "kid": "one", "x": x, "y": y});
                (200, json!({"keys": [{"kty": "OKP", "kid": "two"}, key]}))
            }
            "/token" if is_right(body, &state.challenge) => {
                (200, json!({"id_token": self.token(&state)}))
            }
            _ => (400, json!({"error": "invalid_grant"})),
        }
    }

    fn token(&self, state: &State) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        let mut claims = json!({
            "iss": self.issuer, "sub": "person-1", "aud": "mistress", "nonce": state.nonce,
            "iat": now, "exp": now + 300, "preferred_username": "ann",
        });
        for (name, value) in state.change.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let (alg, kid) = match state.signed {
            Signed::Es256 | Signed::Forged => ("ES256", "one"),
            Signed::None => ("none", "one"),
            Signed::PublicAsHmac => ("HS256", "one"),
            Signed::UnknownKey => ("ES256", "two"),
        };
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = encode(json!({"alg": alg, "kid": kid}));
        let message = format!("{head}.{}", encode(claims));
        let sign = |key: &EcdsaKeyPair| {
            let signature = key.sign(&SystemRandom::new(), message.as_bytes());
            signature.map_or(Vec::new(), |signature| signature.as_ref().to_vec())
        };
        let signature = match state.signed {
            Signed::Es256 => sign(&self.keys[0]),
            Signed::UnknownKey | Signed::Forged => sign(&self.keys[1]),
            Signed::None => Vec::new(),
            Signed::PublicAsHmac => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, point(&self.keys[0]));
                ring::hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Whether the code is good and its verifier the one whose hash was sent.
fn is_right(body: &str, challenge: &str) -> bool {
    let sent = Sent(format!("?{body}"));
    let verifier = sent.get("code_verifier");
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    sent.get("code") == "good" && hash == challenge
}

fn key() -> Result<EcdsaKeyPair> {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let failed = |_| "no key";
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(failed)?;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
    Ok(key.map_err(|error| error.to_string())?)
}

/// Both coordinates of the public key.
fn point(key: &EcdsaKeyPair) -> &[u8] {
    &key.public_key().as_ref()[1..]
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The head and body of a request.
fn read(stream: &mut impl Read) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut part = [0; 4 << 10];
    loop {
        let count = stream.read(&mut part).ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}
