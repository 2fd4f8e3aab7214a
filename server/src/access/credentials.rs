//! Sessions, tokens and share links: what a secret gives access to, and for how long.

use super::accounts::{Accounts, check_project, grants_of};
use super::role::TokenKind;
use super::schema::now_us;
use super::secret::{Claims, Hash, Secret};
use super::visitor::{Identity, Link, Visitor};
use crate::Error;
use rusqlite::{Connection, OptionalExtension, params};

pub(super) const HOUR_US: i64 = 3_600_000_000;
/// Default lifetime of a share link.
pub(crate) const LINK_HOURS: i64 = 7 * 24;
/// Maximum lifetime of a share link.
pub(crate) const LINK_HOURS_MAX: i64 = 366 * 24;
/// Maximum length of a token's name, in characters.
const TOKEN_NAME_MAX: usize = 64;
/// Resolution of the last use of a token or a session.
pub(super) const USED_US: i64 = HOUR_US / 6;
/// Maximum lifetime of a token, in days.
const TOKEN_DAYS_MAX: u32 = 3_660;

/// A token as listed on the admin page; the token itself is not stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// For revoking.
    pub id: i64,
    /// Ingest or read; as text, to allow for later versions.
    pub kind: String,
    /// Its owner or purpose.
    pub name: String,
    /// Its project, or `*`.
    pub project: String,
    /// Who created it.
    pub made_by: String,
    /// Microseconds since 1970.
    pub created_us: i64,
    /// Time of the last use, accurate to about ten minutes.
    pub used_us: Option<i64>,
    /// When it expires, in microseconds since 1970; `None` for never.
    pub expires_us: Option<i64>,
}

impl Accounts {
    /// Resolves claims to a visitor at this time.
    pub(crate) fn identify(&self, claims: &Claims, now_us: i64) -> Result<Visitor, Error> {
        if let Some((kind, hash)) = claims.token {
            return self.of_token(kind, hash, now_us);
        }
        let (visitor, is_stale) = self.read(|db| {
            let links = claims.links.iter();
            let links = links.filter_map(|hash| link_of(db, *hash, now_us).transpose());
            let links = links.collect::<Result<Vec<Link>, Error>>()?;
            let account = match claims.session {
                Some(hash) => account_of(db, hash, now_us)?,
                None => None,
            };
            let Some((name, used_us)) = account else {
                let visitor = Visitor::of(Identity::Anonymous, Vec::new(), links);
                return Ok((visitor, false));
            };
            let grants = grants_of(db, &name)?;
            let visitor = Visitor::of(Identity::Account(name), grants, links);
            Ok((visitor, used_us < now_us - USED_US))
        })?;
        if let (true, Some(hash)) = (is_stale, claims.session) {
            self.record_session_use(hash, now_us)?;
        }
        Ok(visitor)
    }

    fn of_token(&self, kind: TokenKind, hash: Hash, now_us: i64) -> Result<Visitor, Error> {
        let found = self.read(|db| token_of(db, hash))?;
        let Some((token, used_us)) = found.filter(|(token, _)| token.kind == kind.name()) else {
            return Ok(Visitor::anonymous());
        };
        if token
            .expires_us
            .is_some_and(|expires_us| expires_us <= now_us)
        {
            return Ok(Visitor::of_expired(&token));
        }
        if used_us.is_none_or(|used_us| used_us < now_us - USED_US) {
            let sql = "UPDATE token SET used_us = ? WHERE id = ?";
            self.change(|db| Ok(db.execute(sql, params![now_us, token.id])?))?;
        }
        Ok(Visitor::token(kind, token.name, token.project))
    }

    /// Creates a token and returns it; it cannot be read again. It expires after `days`, or never.
    ///
    /// # Errors
    /// When its name, project or lifetime is invalid.
    pub fn add_token(
        &self,
        kind: TokenKind,
        name: &str,
        project: &str,
        made_by: &str,
        days: Option<u32>,
    ) -> Result<String, Error> {
        check_project(project)?;
        if days.is_some_and(|days| !(1..=TOKEN_DAYS_MAX).contains(&days)) {
            return Err(Error::Access(format!(
                "token lifetime: must be 1 to {TOKEN_DAYS_MAX} days, or never"
            )));
        }
        let is_control = |c: char| c.is_control();
        if name.is_empty() || name.chars().count() > TOKEN_NAME_MAX || name.contains(is_control) {
            return Err(Error::Access(format!(
                "token name: must be 1 to {TOKEN_NAME_MAX} characters without control characters"
            )));
        }
        let secret = Secret::random()?;
        let hash = secret.hash();
        self.change(|db| {
            let sql = "INSERT INTO token (hash, kind, name, project, made_by, created_us, \
                       expires_us) VALUES (?, ?, ?, ?, ?, ?, ?)";
            let (kind, now_us) = (kind.name(), now_us());
            let expires_us = days.map(|days| now_us + i64::from(days) * 24 * HOUR_US);
            let hash = &hash.0[..];
            let row = params![hash, kind, name, project, made_by, now_us, expires_us];
            Ok(db.execute(sql, row)?)
        })?;
        Ok(secret.token_text(kind))
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.read(|db| {
            let mut statement = db.prepare(&format!("{TOKENS} ORDER BY id DESC"))?;
            let rows = statement.query_map([], |row| token(row).map(|(token, _)| token))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn revoke_token(&self, id: i64) -> Result<(), Error> {
        let changed = self.change(|db| Ok(db.execute("DELETE FROM token WHERE id = ?", [id])?))?;
        if changed == 0 {
            return Err(Error::Access("there is no such token".to_owned()));
        }
        Ok(())
    }

    /// Creates a share link for a run for some hours, which shows its script too if `script`;
    /// returns its secret and when it expires.
    pub(crate) fn add_link(
        &self,
        run: &str,
        hours: i64,
        script: bool,
        made_by: &str,
        now_us: i64,
    ) -> Result<(Secret, Link), Error> {
        if !(1..=LINK_HOURS_MAX).contains(&hours) {
            return Err(Error::Access(format!(
                "hours: must be 1 to {LINK_HOURS_MAX}, not {hours}"
            )));
        }
        let secret = Secret::random()?;
        let hash = secret.hash();
        let expires_us = now_us + hours * HOUR_US;
        let id = self.change(|db| {
            db.execute("DELETE FROM share_link WHERE expires_us <= ?", [now_us])?;
            let sql = "INSERT INTO share_link (hash, run, made_by, created_us, expires_us, script) \
                       VALUES (?, ?, ?, ?, ?, ?)";
            let values = params![&hash.0[..], run, made_by, now_us, expires_us, script];
            db.execute(sql, values)?;
            Ok(db.last_insert_rowid())
        })?;
        let link = Link {
            id,
            run: run.to_owned(),
            made_by: made_by.to_owned(),
            created_us: now_us,
            expires_us,
            script,
        };
        Ok((secret, link))
    }

    /// Share links that have not expired, of one run or of all.
    pub(crate) fn links(&self, run: Option<&str>, now_us: i64) -> Result<Vec<Link>, Error> {
        self.read(|db| {
            let sql = format!(
                "{LINKS} WHERE expires_us > ?1 AND (?2 IS NULL OR run = ?2) ORDER BY id DESC"
            );
            let mut statement = db.prepare(&sql)?;
            let rows = statement.query_map(params![now_us, run], |row| Ok(link(row)?.0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Revokes a share link; given a run, only if it is one of that run.
    pub(crate) fn revoke_link(&self, id: i64, run: Option<&str>) -> Result<(), Error> {
        let sql = "DELETE FROM share_link WHERE id = ?1 AND (?2 IS NULL OR run = ?2)";
        if self.change(|db| Ok(db.execute(sql, params![id, run])?))? == 0 {
            return Err(Error::Access("there is no such share link".to_owned()));
        }
        Ok(())
    }

    /// A share link that has not expired.
    pub(crate) fn link(&self, hash: Hash, now_us: i64) -> Result<Option<Link>, Error> {
        self.read(|db| link_of(db, hash, now_us))
    }
}

const TOKENS: &str =
    "SELECT id, kind, name, project, made_by, created_us, used_us, hash, expires_us FROM token";

fn token(row: &rusqlite::Row) -> rusqlite::Result<(Token, Hash)> {
    let token = Token {
        id: row.get(0)?,
        kind: row.get(1)?,
        name: row.get(2)?,
        project: row.get(3)?,
        made_by: row.get(4)?,
        created_us: row.get(5)?,
        used_us: row.get(6)?,
        expires_us: row.get(8)?,
    };
    Ok((token, Hash(row.get(7)?)))
}

/// What was found under a hash, compared again in constant time.
fn matching<T>(found: rusqlite::Result<(T, Hash)>, hash: Hash) -> Result<Option<T>, Error> {
    let found = found.optional()?.filter(|(_, stored)| *stored == hash);
    Ok(found.map(|(value, _)| value))
}

/// The token with this hash and the time of its last use.
fn token_of(db: &Connection, hash: Hash) -> Result<Option<(Token, Option<i64>)>, Error> {
    let mut statement = db.prepare(&format!("{TOKENS} WHERE hash = ?"))?;
    let found = statement.query_row([&hash.0[..]], token);
    Ok(matching(found, hash)?.map(|token| (token.clone(), token.used_us)))
}

/// The account of a session, and when the session was last used.
fn account_of(db: &Connection, hash: Hash, now_us: i64) -> Result<Option<(String, i64)>, Error> {
    let sql = "SELECT account, used_us, hash FROM session WHERE hash = ? AND expires_us > ?";
    let mut statement = db.prepare(sql)?;
    let found = statement.query_row(params![&hash.0[..], now_us], |row| {
        Ok(((row.get(0)?, row.get(1)?), Hash(row.get(2)?)))
    });
    matching(found, hash)
}

const LINKS: &str = "SELECT id, run, made_by, created_us, expires_us, script, hash FROM share_link";

fn link(row: &rusqlite::Row) -> rusqlite::Result<(Link, Hash)> {
    let link = Link {
        id: row.get(0)?,
        run: row.get(1)?,
        made_by: row.get(2)?,
        created_us: row.get(3)?,
        expires_us: row.get(4)?,
        script: row.get(5)?,
    };
    Ok((link, Hash(row.get(6)?)))
}

fn link_of(db: &Connection, hash: Hash, now_us: i64) -> Result<Option<Link>, Error> {
    let mut statement = db.prepare(&format!("{LINKS} WHERE hash = ? AND expires_us > ?"))?;
    let found = statement.query_row(params![&hash.0[..], now_us], link);
    matching(found, hash)
}
