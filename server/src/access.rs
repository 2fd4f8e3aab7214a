//! Access control: accounts, roles, sessions, tokens, share links, and the guard before every
//! route.
//!
//! Everything is closed by default: the guard refuses routes that are not in [`ROUTES`], and the
//! server refuses to bind to anything but loopback while nobody can sign in.

mod accounts;
mod admin;
mod audit;
mod caller;
mod cookies;
mod credentials;
mod guard;
mod headers;
mod limit;
mod links;
mod oidc;
mod origin;
mod password;
mod role;
mod routes;
mod schema;
mod secret;
mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;
pub(crate) mod time_format;
mod visitor;

pub use accounts::{Account, Accounts};
pub use audit::AuditEntry;
pub use credentials::Token;
pub use oidc::OidcOptions;
pub use role::{EVERY_PROJECT, Needs, Over, Role, TokenKind};
pub use routes::{ROUTES, Route};
pub use sessions::Session;
pub use visitor::{Link, Visitor};

pub(crate) use accounts::check_project;
pub(crate) use caller::Caller;
pub(crate) use guard::{RequestRole, guard, is_data, sees_run};
pub(crate) use limit::network;
pub(crate) use links::user_error;
pub(crate) use oidc::Oidc;
pub(crate) use routes::{Guarded, find};
pub(crate) use schema::now_us;

use crate::log_limit::LogLimit;
use crate::{App, Error, Options};
use axum::Router;
use limit::{AddressLocks, RateLimit};
use origin::Hosts;
use secret::{Claims, Secret};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Passwords hashed concurrently; each takes 19 MiB.
const HASHED_AT_ONCE: usize = 2;

/// State shared by the guard and the account pages.
#[derive(Debug)]
pub struct Access {
    /// The accounts.
    pub(crate) accounts: Arc<Accounts>,
    /// The host names the server answers to.
    pub(crate) hosts: Hosts,
    /// Limits sign-in attempts.
    pub(crate) limit: RateLimit,
    /// The attempts of each address, one after the other.
    pub(crate) address_locks: AddressLocks,
    /// Limits the lines about sign-ins in the log.
    pub(crate) log: LogLimit,
    /// Bounds concurrent password hashing.
    pub(crate) hashing: Arc<Semaphore>,
    /// Sign-in by OpenID Connect, if there is any.
    pub(crate) oidc: Option<Arc<Oidc>>,
    /// Bound to loopback: while no admin exists, everybody on this machine is one.
    is_loopback: bool,
    /// The token for batches of the process that started the server; it ends with the process.
    own_token: Secret,
}

impl Access {
    /// Opens the accounts and checks whether the server may start.
    ///
    /// # Errors
    /// When other machines can reach it and no admin exists, or the store cannot be used.
    pub(crate) fn open(options: &Options) -> Result<Access, Error> {
        let accounts = Accounts::open(&options.data_dir)?;
        let bind = options.bind;
        if !bind.ip().is_loopback() && !accounts.has_admin()? {
            return Err(Error::Refused(unprotected(bind)));
        }
        Ok(Access {
            accounts: Arc::new(accounts),
            hosts: Hosts::new(bind.ip(), &options.hosts),
            limit: RateLimit::default(),
            log: LogLimit::default(),
            address_locks: AddressLocks::default(),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            oidc: None,
            is_loopback: bind.ip().is_loopback(),
            own_token: Secret::random()?,
        })
    }

    /// Begins sign-in by OpenID Connect, if the options have it, to the server at `url`.
    ///
    /// # Errors
    /// When the options for it cannot be used.
    pub(crate) fn start_oidc(&mut self, options: &Options, url: &str) -> Result<(), Error> {
        let oidc = options.oidc.as_ref();
        let oidc = oidc.map(|options| Oidc::new(options, url)).transpose()?;
        self.oidc = oidc.map(Arc::new);
        Ok(())
    }

    /// The token for batches of the process that started the server.
    pub(crate) fn own_token(&self) -> String {
        self.own_token.token_text(TokenKind::Ingest)
    }

    /// Tells the audit log that a run was deleted by the rules of retention.
    pub(crate) fn record_expired(&self, run: &str, reason: &str) {
        let who = "retention".to_owned();
        let mut entry = AuditEntry::now(who, String::new(), "delete a run");
        entry.object = run.to_owned();
        entry.outcome = reason.to_owned();
        // the run is deleted already, whether the entry can be written or not
        let _ = self.accounts.record(&entry);
    }

    /// Resolves claims to a visitor; on this machine everybody is an admin until there is one.
    fn identify(&self, claims: &Claims, is_local: bool, now_us: i64) -> Result<Visitor, Error> {
        if let Some((TokenKind::Ingest, hash)) = claims.token
            && hash == self.own_token.hash()
        {
            let project = EVERY_PROJECT.to_owned();
            return Ok(Visitor::token(TokenKind::Ingest, "own".to_owned(), project));
        }
        if is_local && self.is_loopback && !self.accounts.has_admin()? {
            return Ok(Visitor::local());
        }
        if claims.is_empty() {
            return Ok(Visitor::anonymous());
        }
        self.accounts.identify(claims, now_us)
    }
}

fn unprotected(bind: SocketAddr) -> String {
    format!(
        "{bind}: other machines can reach this address but no account can sign in; \
         add an admin first: mistress serve --add-admin NAME"
    )
}

/// The routes for signing in, accounts, tokens and share links.
pub(crate) fn routes() -> Router<App> {
    sign_in::routes()
        .merge(oidc::routes())
        .merge(admin::routes())
        .merge(links::routes())
}
