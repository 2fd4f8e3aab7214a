//! Sessions: browsers in which an account is signed in.

use super::accounts::Accounts;
use super::credentials::HOUR_US;
use super::secret::{Hash, Secret};
use crate::Error;
use rusqlite::params;

/// Lifetime of a session.
pub(crate) const SESSION_HOURS: i64 = 14 * 24;
/// Maximum stored length of a user agent, in characters.
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
    /// The user agent of its browser; untrusted text.
    pub agent: String,
}

/// Parts of user agents and the browsers that send them; Edge and Opera also claim to be Chrome, and
/// Chrome to be Safari.
const BROWSERS: [(&str, &str); 5] = [
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
/// Parts of user agents and the systems that they name; Android also claims to be Linux.
const SYSTEMS: [(&str, &str); 6] = [
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];
/// Maximum length of an unknown user agent as shown in place of a browser, in characters.
const SHOWN_MAX: usize = 40;

impl Session {
    /// The browser and the system that the user agent names; the start of an unknown one.
    pub(crate) fn browser(&self) -> String {
        let find = |names: &[(&str, &'static str)]| {
            let found = names.iter().find(|(part, _)| self.agent.contains(part));
            found.map(|(_, name)| *name)
        };
        match (find(&BROWSERS), find(&SYSTEMS)) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            _ => self.agent.chars().take(SHOWN_MAX).collect(),
        }
    }
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

    /// Records that a session is used now.
    pub(super) fn record_session_use(&self, hash: Hash, now_us: i64) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_with_their_systems() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/139.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5", "curl/8.5"),
            (&"x".repeat(100), &"x".repeat(SHOWN_MAX)),
        ] {
            let session = Session {
                id: String::new(),
                created_us: 0,
                used_us: 0,
                expires_us: 0,
                address: String::new(),
                agent: agent.to_owned(),
            };
            assert_eq!(session.browser(), name);
        }
    }
}
