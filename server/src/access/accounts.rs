//! Accounts and their roles, in `meta.sqlite`.

use super::password;
use super::role::{EVERY_PROJECT, Role};
use super::schema;
use super::visitor::Grant;
use crate::Error;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum length of an account name, in characters.
const NAME_MAX: usize = 64;
/// Maximum length of a project name in a role, a token or a link, in bytes.
const PROJECT_BYTES_MAX: usize = 1024;

/// The accounts and everything that belongs to them: sessions, tokens, share links, audit log.
///
/// Several processes may have it open: the server, and `mistress serve --add-admin` beside it.
/// Every call may wait for the disk, so none may run on an async thread.
#[derive(Debug)]
pub struct Accounts {
    db: Mutex<Connection>,
    /// Never becomes false again: the last admin cannot be removed.
    has_admin: AtomicBool,
}

/// An account as listed on the admin page.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Its sign-in name.
    pub name: String,
    /// Its roles, by project.
    pub grants: Vec<Grant>,
    /// Microseconds since 1970.
    pub created_us: i64,
}

impl Accounts {
    /// Opens the accounts of this data folder, creating them if necessary.
    ///
    /// # Errors
    /// When the folder or its `meta.sqlite` cannot be used.
    pub fn open(data_dir: &Path) -> Result<Accounts, Error> {
        Ok(Accounts {
            db: Mutex::new(schema::open(data_dir)?),
            has_admin: AtomicBool::new(false),
        })
    }

    /// True when an admin of all projects exists.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn has_admin(&self) -> Result<bool, Error> {
        if self.has_admin.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let has = self.read(|db| Ok(admins(db)? > 0))?;
        self.has_admin.fetch_or(has, Ordering::Relaxed);
        Ok(has)
    }

    /// Adds an admin of all projects.
    ///
    /// # Errors
    /// When the name is taken or invalid, or the password is too short.
    pub fn add_admin(&self, name: &str, password: &str) -> Result<(), Error> {
        self.add(name, password, Role::Admin, EVERY_PROJECT)
    }

    /// Adds an account with one role; [`EVERY_PROJECT`] for all projects.
    ///
    /// # Errors
    /// When the name is taken or invalid, or the password is too short.
    pub(crate) fn add(
        &self,
        name: &str,
        password: &str,
        role: Role,
        project: &str,
    ) -> Result<(), Error> {
        check_name(name)?;
        check_project(project)?;
        check_password(password)?;
        let hash = password::hash(password)?;
        self.change(|db| {
            let sql = "INSERT OR IGNORE INTO account (name, password, created_us) VALUES (?, ?, ?)";
            if db.execute(sql, params![name, hash, schema::now_us()])? == 0 {
                return Err(Error::Access(format!("account {name:?} already exists")));
            }
            grant(db, name, project, Some(role))
        })
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn list(&self) -> Result<Vec<Account>, Error> {
        self.read(|db| {
            let mut statement = db.prepare("SELECT name, created_us FROM account ORDER BY name")?;
            let rows = statement.query_map([], |row| {
                Ok(Account {
                    name: row.get(0)?,
                    grants: Vec::new(),
                    created_us: row.get(1)?,
                })
            })?;
            let mut accounts = rows.collect::<Result<Vec<_>, _>>()?;
            for account in &mut accounts {
                account.grants = grants_of(db, &account.name)?;
            }
            Ok(accounts)
        })
    }

    /// Sets or (with `None`) removes the role of an account in a project.
    ///
    /// # Errors
    /// When there is no such account, or the change would remove the last admin.
    pub(crate) fn set_role(
        &self,
        name: &str,
        project: &str,
        role: Option<Role>,
    ) -> Result<(), Error> {
        check_project(project)?;
        self.change(|db| {
            exists(db, name)?;
            ensure_admin_remains(db, |db| grant(db, name, project, role))
        })
    }

    /// Sets a new password and ends all sessions of the account.
    ///
    /// # Errors
    /// When there is no such account, or the password is too short.
    pub(crate) fn set_password(&self, name: &str, password: &str) -> Result<(), Error> {
        check_password(password)?;
        let hash = password::hash(password)?;
        self.change(|db| {
            exists(db, name)?;
            db.execute(
                "UPDATE account SET password = ? WHERE name = ?",
                params![hash, name],
            )?;
            db.execute("DELETE FROM session WHERE account = ?", [name])?;
            Ok(())
        })
    }

    /// Removes an account with its roles and sessions.
    ///
    /// # Errors
    /// When there is no such account, or it is the last admin.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        self.change(|db| {
            exists(db, name)?;
            ensure_admin_remains(db, |db| {
                db.execute("DELETE FROM account WHERE name = ?", [name])?;
                Ok(())
            })
        })
    }

    /// True when the account exists and this is its password; takes the same time when it does not
    /// exist or has no password.
    pub(crate) fn verify_password(&self, name: &str, password: &str) -> Result<bool, Error> {
        let stored: Option<String> = self.read(|db| {
            let sql = "SELECT password FROM account WHERE name = ? AND password <> ''";
            Ok(db.query_row(sql, [name], |row| row.get(0)).optional()?)
        })?;
        Ok(password::verify(password, stored.as_deref()))
    }

    /// Runs a writing transaction: all of it or nothing.
    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.within(TransactionBehavior::Immediate, work)
    }

    /// Runs a read-only transaction, which does not wait for writers.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.within(TransactionBehavior::Deferred, work)
    }

    fn within<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // A panic within a transaction rolled it back, so the connection is still valid.
        let mut db = self.db.lock().unwrap_or_else(|broken| broken.into_inner());
        let transaction = db.transaction_with_behavior(behavior)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// The roles of an account.
pub(crate) fn grants_of(db: &Connection, name: &str) -> Result<Vec<Grant>, Error> {
    let sql = "SELECT project, role FROM account_role WHERE account = ? ORDER BY project";
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([name], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut grants = Vec::new();
    for row in rows {
        let (project, role) = row?;
        // A role from a newer version grants nothing here.
        if let Ok(role) = role.parse() {
            grants.push(Grant { project, role });
        }
    }
    Ok(grants)
}

pub(super) fn grant(
    db: &Connection,
    name: &str,
    project: &str,
    role: Option<Role>,
) -> Result<(), Error> {
    match role {
        Some(role) => db.execute(
            "INSERT INTO account_role (account, project, role) VALUES (?, ?, ?) \
             ON CONFLICT (account, project) DO UPDATE SET role = excluded.role",
            params![name, project, role.name()],
        )?,
        None => db.execute(
            "DELETE FROM account_role WHERE account = ? AND project = ?",
            params![name, project],
        )?,
    };
    Ok(())
}

/// Rolls back a change that would leave no admin.
pub(super) fn ensure_admin_remains(
    db: &Connection,
    change: impl FnOnce(&Connection) -> Result<(), Error>,
) -> Result<(), Error> {
    let before = admins(db)?;
    change(db)?;
    if before > 0 && admins(db)? == 0 {
        let text = "this is the last server admin; create another one first";
        return Err(Error::Access(text.to_owned()));
    }
    Ok(())
}

fn admins(db: &Connection) -> Result<u32, Error> {
    let sql = "SELECT count(*) FROM account_role WHERE project = ? AND role = 'admin'";
    Ok(db.query_row(sql, [EVERY_PROJECT], |row| row.get(0))?)
}

fn exists(db: &Connection, name: &str) -> Result<(), Error> {
    let sql = "SELECT 1 FROM account WHERE name = ?";
    let found: Option<i64> = db.query_row(sql, [name], |row| row.get(0)).optional()?;
    found
        .map(|_| ())
        .ok_or_else(|| Error::Access(format!("there is no account {name:?}")))
}

pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_@+".contains(c);
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_allowed) {
        return Err(Error::Access(format!(
            "account name {name:?}: must be 1 to {NAME_MAX} letters, digits or . - _ @ +"
        )));
    }
    Ok(())
}

pub(crate) fn check_project(project: &str) -> Result<(), Error> {
    if project.is_empty() || project.len() > PROJECT_BYTES_MAX {
        return Err(Error::Access(format!(
            "project name: must be 1 to {PROJECT_BYTES_MAX} bytes, or {EVERY_PROJECT} for all projects"
        )));
    }
    Ok(())
}

fn check_password(password: &str) -> Result<(), Error> {
    match password::problem(password) {
        Some(problem) => Err(Error::Access(problem)),
        None => Ok(()),
    }
}
