//! The provider: what it publishes of itself, and the requests to it.

use super::id_token::{Expected, Problem, verify};
use super::keys::{Key, KeySet};
use super::pending::Started;
use super::{OidcOptions, Refusal};
use crate::access::schema::now_us;
use crate::{Error, http_client};
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use ureq::Agent;

/// How long an answer of the provider may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long what it publishes is used before it is asked again.
const FRESH: Duration = Duration::from_secs(3600);
/// How long a provider that did not answer is not asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum size of an answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Claims that name an account.
const NAME_CLAIMS: [&str; 2] = ["preferred_username", "email"];

/// All but the unreserved characters of URLs.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What the provider publishes of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// The answer to a code.
#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
}

/// What is known of the provider, and since when.
#[derive(Debug, Default)]
struct Known {
    metadata: Option<(Instant, Arc<Metadata>)>,
    keys: Option<(Instant, Arc<Vec<Key>>)>,
    /// When and why it could not be asked.
    failed: Option<(Instant, String)>,
}

/// The provider and what this server is to it.
#[derive(Debug)]
pub(super) struct Provider {
    options: OidcOptions,
    host: String,
    /// Where the provider sends browsers back to.
    redirect: String,
    /// Made with the first request: reading the certificates of the system takes a moment.
    agent: OnceLock<Result<Agent, String>>,
    known: Mutex<Known>,
}

impl Provider {
    pub(super) fn new(options: OidcOptions, redirect: String) -> Result<Provider, Error> {
        let host = trusted_host(&options.issuer).ok_or_else(|| {
            Error::Refused(format!(
                "--oidc-issuer {:?}: expected https://HOST, with a port and a path if necessary \
                 (http:// only for this machine)",
                options.issuer
            ))
        })?;
        if !options.scopes.split(' ').any(|scope| scope == "openid") {
            return Err(Error::Refused(format!(
                "--oidc-scopes {:?}: openid must be among them",
                options.scopes
            )));
        }
        Ok(Provider {
            options,
            host,
            redirect,
            agent: OnceLock::new(),
            known: Mutex::default(),
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.options.issuer
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn role_claim(&self) -> Option<&str> {
        self.options.role_claim.as_deref()
    }

    /// What the provider publishes of itself; waits for it if it is not known or old.
    pub(super) fn metadata(&self) -> Result<Arc<Metadata>, Refusal> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, metadata)) = &known.metadata
            && since.elapsed() < FRESH
        {
            return Ok(Arc::clone(metadata));
        }
        if let Some((since, text)) = &known.failed
            && since.elapsed() < PAUSE
        {
            return Err(Refusal::Unavailable(text.clone()));
        }
        match self.discover() {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                known.metadata = Some((Instant::now(), Arc::clone(&metadata)));
                Ok(metadata)
            }
            Err(refusal) => {
                known.failed = Some((Instant::now(), refusal.text()));
                Err(refusal)
            }
        }
    }

    fn discover(&self) -> Result<Metadata, Refusal> {
        let issuer = self.issuer();
        let base = issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let metadata: Metadata = self.get(&url, None)?;
        if metadata.issuer != issuer {
            return Err(self.unavailable(&format!(
                "it calls itself {:?}, not {issuer:?}; the server's --oidc-issuer must be the same",
                metadata.issuer
            )));
        }
        let endpoints = [
            Some(&metadata.authorization_endpoint),
            Some(&metadata.token_endpoint),
            Some(&metadata.jwks_uri),
            metadata.userinfo_endpoint.as_ref(),
        ];
        for url in endpoints.into_iter().flatten() {
            if trusted_host(url).is_none() {
                return Err(self.unavailable(&format!("its address {url:?} is not https")));
            }
        }
        Ok(metadata)
    }

    /// Where the browser is sent.
    pub(super) fn authorization_url(&self, metadata: &Metadata, started: &Started) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&started.verifier));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.options.client_id),
            ("redirect_uri", &self.redirect),
            ("scope", &self.options.scopes),
            ("state", &started.state),
            ("nonce", &started.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &metadata.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        format!("{endpoint}{separator}{query}")
    }

    /// The checked claims of whoever the code stands for.
    pub(super) fn claims_of(
        &self,
        started: &Started,
        code: &str,
    ) -> Result<Map<String, Value>, Refusal> {
        let metadata = self.metadata()?;
        let tokens = self.exchange(&metadata, started, code)?;
        let Some(id_token) = tokens.id_token else {
            return Err(Refusal::Refused(format!("{} sent no ID token", self.host)));
        };
        let mut claims = self.verified(&metadata, &id_token, &started.nonce)?;
        if let (Some(url), Some(token)) = (&metadata.userinfo_endpoint, &tokens.access_token)
            && self.lacks(&claims)
        {
            let more: Map<String, Value> = self.get(url, Some(token))?;
            if more.get("sub") != claims.get("sub") {
                let text = "the provider's user information is of somebody else";
                return Err(Refusal::Refused(text.to_owned()));
            }
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        Ok(claims)
    }

    /// Whether a claim that counts is not in the ID token.
    fn lacks(&self, claims: &Map<String, Value>) -> bool {
        let has_role = self
            .role_claim()
            .is_none_or(|name| claims.contains_key(name));
        !has_role || !NAME_CLAIMS.iter().any(|name| claims.contains_key(*name))
    }

    fn exchange(
        &self,
        metadata: &Metadata,
        started: &Started,
        code: &str,
    ) -> Result<Tokens, Refusal> {
        let (id, secret) = (&self.options.client_id, &self.options.client_secret);
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect),
            ("code_verifier", &started.verifier),
        ];
        let methods = metadata.token_endpoint_auth_methods_supported.as_ref();
        let is_basic = methods.is_none_or(|some| some.iter().any(|m| m == "client_secret_basic"));
        let request = self.agent()?.post(&metadata.token_endpoint);
        let mut request = request
            .header("accept", "application/json")
            .content_type("application/x-www-form-urlencoded");
        if is_basic {
            let both = format!("{}:{}", encoded(id), encoded(secret));
            let basic = format!("Basic {}", STANDARD.encode(both));
            request = request.header("authorization", basic);
        } else {
            pairs.extend([("client_id", id.as_str()), ("client_secret", secret)]);
        }
        let response = request.send(form(&pairs));
        let response = response.map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        if (400..500).contains(&status) {
            let text = format!(
                "{} did not accept the code of this sign-in (status {status}); begin again, and \
                 if it stays so, a server admin checks --oidc-client-id and the secret",
                self.host
            );
            return Err(Refusal::Refused(text));
        }
        self.json(response)
    }

    /// Checks an ID token, if necessary with newer keys.
    fn verified(
        &self,
        metadata: &Metadata,
        token: &str,
        nonce: &str,
    ) -> Result<Map<String, Value>, Refusal> {
        let expected = Expected {
            issuer: self.issuer(),
            client_id: &self.options.client_id,
            nonce,
            now_s: now_us() as f64 / 1e6,
        };
        let refused = |problem| match problem {
            Problem::Refused(text) => Refusal::Refused(text),
            Problem::UnknownKey => Refusal::Refused(
                "the provider's ID token is signed with a key that the provider does not publish"
                    .to_owned(),
            ),
        };
        let keys = self.keys(metadata, FRESH)?;
        match verify(token, &keys, &expected) {
            Err(Problem::UnknownKey) => {
                let keys = self.keys(metadata, Duration::ZERO)?;
                verify(token, &keys, &expected).map_err(refused)
            }
            done => done.map_err(refused),
        }
    }

    /// The provider's keys, not older than `age`.
    fn keys(&self, metadata: &Metadata, age: Duration) -> Result<Arc<Vec<Key>>, Refusal> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, keys)) = &known.keys
            && since.elapsed() < age
        {
            return Ok(Arc::clone(keys));
        }
        let sent: KeySet = self.get(&metadata.jwks_uri, None)?;
        let keys = Arc::new(sent.usable());
        known.keys = Some((Instant::now(), Arc::clone(&keys)));
        Ok(keys)
    }

    fn get<T: DeserializeOwned>(&self, url: &str, token: Option<&str>) -> Result<T, Refusal> {
        let mut request = self.agent()?.get(url).header("accept", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| self.failed(error))?;
        self.json(response)
    }

    fn json<T: DeserializeOwned>(
        &self,
        mut response: ureq::http::Response<ureq::Body>,
    ) -> Result<T, Refusal> {
        let status = response.status();
        if !status.is_success() {
            return Err(self.unavailable(&format!("it answered with status {}", status.as_u16())));
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let bytes = body.read_to_vec().map_err(|error| self.failed(error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| self.unavailable(&format!("its answer is not as expected: {error}")))
    }

    fn agent(&self) -> Result<&Agent, Refusal> {
        let make = || http_client::agent(TIMEOUT, None).map_err(|error| error.to_string());
        let agent = self.agent.get_or_init(make).as_ref();
        agent.map_err(|text| Refusal::Unavailable(text.clone()))
    }

    fn failed(&self, error: ureq::Error) -> Refusal {
        self.unavailable(&http_client::reason(error, TIMEOUT))
    }

    fn unavailable(&self, why: &str) -> Refusal {
        Refusal::Unavailable(format!(
            "sign-in with {} is not possible at the moment: {why}; try again later, or sign in \
             with a name and password",
            self.host
        ))
    }
}

/// The host of a URL with TLS, or without it on this machine.
fn trusted_host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.to_owned();
    let authority = uri.authority()?.as_str();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let is_trusted = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_here,
        _ => false,
    };
    (is_trusted && !authority.contains('@') && !url.contains('#')).then_some(host)
}

/// `name=value` pairs as a form or a query has them.
fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_is_trusted_except_on_this_machine() {
        for url in [
            "https://id.example.com/realm",
            "http://127.0.0.1:1",
            "http://[::1]/",
        ] {
            assert!(trusted_host(url).is_some(), "{url}");
        }
        for url in [
            "http://id.example.com",
            "https://a@b",
            "id",
            "ftp://localhost",
            "https://a#b",
        ] {
            assert_eq!(trusted_host(url), None, "{url}");
        }
    }
}
