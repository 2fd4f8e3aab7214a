//! Who may do what: accounts, roles, sessions, tokens, share links, and the guard before every
//! route.
//!
//! Nothing is open by mistake: the guard refuses what is not in [`ROUTES`], and a bind to
//! anything but loopback is refused while nobody could sign in.

mod accounts;
mod admin;
mod audit;
mod caller;
mod cookies;
mod guard;
mod headers;
mod keys;
mod limit;
mod links;
mod origin;
mod password;
mod role;
mod routes;
mod schema;
mod secret;
mod sign_in;
#[cfg(test)]
mod tests;
mod visitor;
mod when;

pub use accounts::{Account, Accounts};
pub use audit::Entry;
pub use keys::{Link, Token};
pub use password::PASSWORD_MIN;
pub use role::{EVERY_PROJECT, Needs, Over, Role, TokenKind};
pub use routes::{ROUTES, Route};
pub use visitor::{Grant, Visitor};

pub(crate) use caller::Caller;
pub(crate) use guard::{Standing, guard};
pub(crate) use routes::Guarded;

use crate::{App, Error, Options};
use axum::Router;
use limit::Limit;
use origin::Hosts;
use secret::{Claims, Secret};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Passwords that are hashed at the same time; each takes 19 MiB.
const HASHED_AT_ONCE: usize = 2;

/// What the guard and the pages of accounts share.
#[derive(Debug)]
pub struct Access {
    /// Who may sign in.
    pub(crate) accounts: Accounts,
    /// The names we answer to.
    pub(crate) hosts: Hosts,
    /// How often sign-in may be tried.
    pub(crate) limit: Limit,
    /// Passwords being hashed.
    pub(crate) hashing: Arc<Semaphore>,
    /// Bound to loopback: without an admin, who is on this machine is one.
    is_loopback: bool,
    /// Lets the process that started the server deliver to it; gone with the process.
    own_token: Secret,
}

impl Access {
    /// Opens the accounts and judges whether the server may start.
    ///
    /// # Errors
    /// When others could reach it and no admin exists, or the store cannot be used.
    pub(crate) fn open(options: &Options) -> Result<Access, Error> {
        let accounts = Accounts::open(&options.data_dir)?;
        let bind = options.bind;
        if !bind.ip().is_loopback() && !accounts.has_admin()? {
            return Err(Error::Refused(unguarded(bind)));
        }
        Ok(Access {
            accounts,
            hosts: Hosts::new(bind.ip(), &options.hosts),
            limit: Limit::default(),
            hashing: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            is_loopback: bind.ip().is_loopback(),
            own_token: Secret::random()?,
        })
    }

    /// The token with which the process that started the server delivers to it.
    pub(crate) fn own_token(&self) -> String {
        self.own_token.token_text(TokenKind::Ingest)
    }

    /// Who these claims are; on this machine everybody is an admin until there is one.
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
            return Ok(Visitor::nobody());
        }
        self.accounts.identify(claims, now_us)
    }
}

fn unguarded(bind: SocketAddr) -> String {
    format!(
        "{bind}: others could reach the server and nobody could sign in; \
         add an admin first: mistress serve --add-admin NAME"
    )
}

/// The routes of this part: signing in, accounts, tokens, share links.
pub(crate) fn routes() -> Router<App> {
    sign_in::routes()
        .merge(admin::routes())
        .merge(links::routes())
}
