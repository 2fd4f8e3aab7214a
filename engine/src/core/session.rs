//! What a user carries from one request to the next: its cookies, and the challenges that servers
//! have put to it. Users who were never given any have no session and pay nothing.

use crate::http::cookies::{CookieScope, Jar};
use crate::http::digest::Challenge;
use crate::transport::OriginId;
use std::cell::OnceCell;

/// Servers whose challenges a user remembers.
pub(crate) const CHALLENGES_MAX: usize = 16;

/// What one user remembers.
#[derive(Debug, Default)]
pub(crate) struct UserSession {
    pub(crate) jar: Jar,
    /// The latest challenge of each server.
    pub(crate) challenges: Vec<(OriginId, Challenge)>,
    /// Requests signed so far.
    pub(crate) signed: u64,
}

/// The server of a request and its path.
#[derive(Clone, Copy)]
pub(crate) struct Location<'a> {
    pub(crate) origin: OriginId,
    pub(crate) path: &'a str,
    /// Location what cookies need of both is kept, for a request that is made many times.
    pub(crate) known: Option<&'a OnceCell<Option<CookieScope>>>,
}
