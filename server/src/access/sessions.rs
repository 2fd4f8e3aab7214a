//! Sessions: browsers in which an account is signed in.

use super::accounts::Accounts;
use super::credentials::HOUR_US;
use super::secret::{Hash, Secret};
use crate::Error;
use rusqlite::params;

/// Lifetime of a session.
pub(crate) const SESSION_HOURS: i64 = 14 * 24;
/// Maximum stored length of what a browser calls itself, in characters.
const AGENT_MAX: usize = 200;
/// Bytes of a session's hash that are its id: enough to tell sessions apart, too few to find one.
const ID_BYTES: usize = 8;

/// A session as listed; its secret is not stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// For ending it.
    pub id: String,
    /// When the account signed in, in microseconds since 1970.
    pub created_us: i64,
    /// When it was last used, accurate to about ten minutes.
    pub used_us: i64,
    /// When it expires.
    pub expires_us: i64,
    /// The address it was started from.
    pub address: String,
    /// What its browser calls itself; hostile text.
    pub agent: String,
}

impl Accounts {
    /// Starts a session for the browser `agent` at `address`; expired ones are deleted.
    pub(crate) fn start_session(
        &self,
        account: &str,
        now_us: i64,
        address: &str,
        agent: &str,
    ) -> Result<Secret, Error> {
        let secret = Secret::random()?;
        let agent: String = agent.chars().take(AGENT_MAX).collect();
        self.change(|db| {
            db.execute("DELETE FROM session WHERE expires_us <= ?", [now_us])?;
            let sql = "INSERT INTO session (hash, account, created_us, expires_us, used_us, \
                       address, agent) VALUES (?1, ?2, ?3, ?4, ?3, ?5, ?6)";
            let expires_us = now_us + SESSION_HOURS * HOUR_US;
            let hash = secret.hash();
            let row = params![&hash.0[..], account, now_us, expires_us, address, agent];
            db.execute(sql, row)?;
            Ok(())
        })?;
        Ok(secret)
    }

    /// Notes that a session is used now.
    pub(super) fn note_session_use(&self, hash: Hash, now_us: i64) -> Result<(), Error> {
        let sql = "UPDATE session SET used_us = ? WHERE hash = ?";
        self.change(|db| Ok(db.execute(sql, params![now_us, &hash.0[..]])?))
            .map(drop)
    }

    /// The sessions of an account, the last used first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn sessions(&self, account: &str, now_us: i64) -> Result<Vec<Session>, Error> {
        self.read(|db| {
            let sql = "SELECT hash, created_us, used_us, expires_us, address, agent FROM session \
                       WHERE account = ? AND expires_us > ? ORDER BY used_us DESC, created_us DESC";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map(params![account, now_us], |row| {
                Ok(Session {
                    id: session_id(Hash(row.get(0)?)),
                    created_us: row.get(1)?,
                    used_us: row.get(2)?,
                    expires_us: row.get(3)?,
                    address: row.get(4)?,
                    agent: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Ends one session.
    pub(crate) fn end_session(&self, hash: Hash) -> Result<(), Error> {
        let sql = "DELETE FROM session WHERE hash = ?";
        self.change(|db| Ok(db.execute(sql, [&hash.0[..]])?))
            .map(drop)
    }

    /// Ends one session of an account by its id; it may have ended already.
    pub(crate) fn end_session_of(&self, account: &str, id: &str) -> Result<(), Error> {
        let sql = "DELETE FROM session WHERE account = ? AND lower(hex(substr(hash, 1, ?))) = ?";
        self.change(|db| Ok(db.execute(sql, params![account, ID_BYTES as u32, id])?))
            .map(drop)
    }

    /// Ends all sessions of an account.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn end_sessions(&self, account: &str) -> Result<(), Error> {
        let sql = "DELETE FROM session WHERE account = ?";
        self.change(|db| Ok(db.execute(sql, [account])?)).map(drop)
    }

    /// Ends all sessions of an account but one.
    pub(crate) fn end_other_sessions(&self, account: &str, kept: Hash) -> Result<(), Error> {
        let sql = "DELETE FROM session WHERE account = ? AND hash <> ?";
        self.change(|db| Ok(db.execute(sql, params![account, &kept.0[..]])?))
            .map(drop)
    }
}

/// The id of the session with this hash.
pub(crate) fn session_id(hash: Hash) -> String {
    let bytes = hash.0[..ID_BYTES].iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
