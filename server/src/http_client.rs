//! The HTTP client for what the server asks of others: from ordinary threads, with the certificate
//! authorities of the system, without following redirects and without a proxy.

use crate::Error;
use crate::webhooks::{AllowedAddresses, AllowedResolver};
use rustls::crypto::ring::default_provider;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;

/// What requests of this server call themselves.
const USER_AGENT: &str = concat!("mistress/", env!("CARGO_PKG_VERSION"));

/// A client whose requests take at most `timeout`, to allowed addresses if they are limited.
///
/// # Errors
/// When the certificate authorities of the system cannot be read.
pub(crate) fn agent(timeout: Duration, allowed: Option<AllowedAddresses>) -> Result<Agent, Error> {
    let found = rustls_native_certs::load_native_certs();
    if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
        return Err(Error::Access(format!(
            "the certificate authorities of this system cannot be read: {error}"
        )));
    }
    let roots = found.certs.iter();
    let roots = roots.map(|one| Certificate::from_der(one.as_ref()).to_owned());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build();
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(USER_AGENT)
        .tls_config(tls)
        .build();
    let inner = DefaultResolver::default();
    Ok(match allowed {
        None => Agent::with_parts(config, DefaultConnector::default(), inner),
        Some(allowed) => {
            let resolver = AllowedResolver { inner, allowed };
            Agent::with_parts(config, DefaultConnector::default(), resolver)
        }
    })
}

/// A client whose requests take at most `answer_max`, for programs that talk to a stats server over
/// TLS.
///
/// # Errors
/// When the certificate authorities of the system cannot be read.
pub fn client_agent(answer_max: Duration) -> Result<Agent, Error> {
    agent(answer_max, None)
}

/// What went wrong, as a sentence.
pub(crate) fn reason(error: ureq::Error, timeout: Duration) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => format!("no answer within {} s", timeout.as_secs_f64()),
        ureq::Error::HostNotFound => "the host name has no address".to_owned(),
        error => error.to_string(),
    }
}
