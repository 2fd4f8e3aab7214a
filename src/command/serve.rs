//! `mistress serve`: the standalone stats server.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::log;
use super::password;
use super::store;
use crate::cli::ServeArguments;
use engine::Limits;
use server::{Accounts, OidcOptions, TlsFiles};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::Path;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// It cannot listen, or the store cannot be used.
pub fn execute(arguments: &ServeArguments) -> Result<Exit, Failure> {
    let data = store::data_dir(arguments.data.as_deref())?;
    if let Some(name) = &arguments.add_admin {
        return add_admin(&data, name);
    }
    log::start(arguments.log_format, arguments.log_level.as_deref())?;
    // the server takes as many connections as this leaves room for
    Limits::raise();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::failed)?;
    let mut options = server::Options::new(arguments.bind, &data);
    options.hosts.clone_from(&arguments.host);
    options.tls = tls(arguments);
    options.keep_bytes = arguments.keep_size;
    options.url.clone_from(&arguments.url);
    options.allow_webhooks_to(&arguments.webhook_allow);
    options.oidc = oidc(arguments)?;
    let running = server::start(options).map_err(Failure::failed)?;
    let url = running.url();
    Stream::Out.print(&format!(
        "serving {url}/report/list\nstoring runs in {}\n",
        data.display()
    ));
    // a signal is the normal end of this command, not an interruption
    signals.forever().next();
    running.stop();
    Ok(Exit::Done)
}

/// Both files or none, as the arguments demand.
fn tls(arguments: &ServeArguments) -> Option<TlsFiles> {
    Some(TlsFiles {
        cert: arguments.tls_cert.clone()?,
        key: arguments.tls_key.clone()?,
    })
}

/// The provider to sign in with, as the arguments demand it whole or not at all.
fn oidc(arguments: &ServeArguments) -> Result<Option<OidcOptions>, Failure> {
    let (Some(issuer), Some(client_id), Some(file)) = (
        &arguments.oidc_issuer,
        &arguments.oidc_client_id,
        &arguments.oidc_client_secret_file,
    ) else {
        return Ok(None);
    };
    let failed = |what: String| Failure::failed(anyhow::anyhow!("{}: {what}", file.display()));
    let secret = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let secret = secret.trim();
    if secret.is_empty() {
        return Err(failed(
            "is empty; expected the secret of --oidc-client-id".to_owned(),
        ));
    }
    Ok(Some(OidcOptions {
        issuer: issuer.clone(),
        client_id: client_id.clone(),
        client_secret: secret.to_owned(),
        scopes: arguments.oidc_scopes.clone(),
        role_claim: arguments.oidc_role_claim.clone(),
    }))
}

/// Creates a server admin; a running server accepts it at once.
fn add_admin(data: &Path, name: &str) -> Result<Exit, Failure> {
    let accounts = Accounts::open(data).map_err(Failure::failed)?;
    let password = password::new(name)?;
    let added = accounts.add_admin(name, &password);
    added.map_err(|error| match error {
        server::Error::Access(_) => Failure::usage(error),
        error => Failure::failed(error),
    })?;
    Stream::Out.print(&format!("created server admin {name}\n"));
    Ok(Exit::Done)
}
