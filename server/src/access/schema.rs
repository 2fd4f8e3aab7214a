//! The account tables in `meta.sqlite` and their migrations.

use crate::Error;
use rusqlite::{Connection, TransactionBehavior};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a change waits for another writing process.
const BUSY: Duration = Duration::from_secs(10);

/// Each step migrates from one version to the next; released steps are never edited.
const STEPS: [&str; 5] = [
    "
CREATE TABLE account (
    name TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;
CREATE TABLE account_role (
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    project TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (account, project)
) STRICT, WITHOUT ROWID;
CREATE TABLE session (
    hash BLOB PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account);
CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    project TEXT NOT NULL,
    made_by TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    used_us INTEGER
) STRICT;
CREATE TABLE share_link (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    run TEXT NOT NULL,
    made_by TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT;
CREATE INDEX share_link_run ON share_link (run);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL,
    who TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
",
    // how often the same was done again, and when last; whether a link shows profile and script
    "
ALTER TABLE audit ADD COLUMN times INTEGER NOT NULL DEFAULT 1;
ALTER TABLE audit ADD COLUMN last_us INTEGER NOT NULL DEFAULT 0;
UPDATE audit SET last_us = at_us;
CREATE INDEX audit_who ON audit (who, id);
ALTER TABLE share_link ADD COLUMN script INTEGER NOT NULL DEFAULT 0;
",
    // webhooks with the secrets that they sign with, and what became of their messages
    "
CREATE TABLE webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    url TEXT NOT NULL,
    secret BLOB NOT NULL,
    events TEXT NOT NULL,
    made_by TEXT NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_project ON webhook (project);
CREATE TABLE webhook_delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook INTEGER NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
    message TEXT NOT NULL,
    event TEXT NOT NULL,
    run TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting',
    outcome TEXT NOT NULL DEFAULT '',
    took_ms INTEGER NOT NULL DEFAULT 0,
    next_us INTEGER
) STRICT;
CREATE INDEX webhook_delivery_webhook ON webhook_delivery (webhook, id);
",
    // when tokens expire; where sessions come from, and when they were last used
    "
ALTER TABLE token ADD COLUMN expires_us INTEGER;
ALTER TABLE session ADD COLUMN used_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN agent TEXT NOT NULL DEFAULT '';
UPDATE session SET used_us = created_us;
",
    // who signs in by OpenID Connect; accounts without a password have an empty one
    "
CREATE TABLE oidc_identity (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
",
];

/// Opens `meta.sqlite` of the folder and migrates it; both are accessible to this user only.
pub(crate) fn open(data_dir: &Path) -> Result<Connection, Error> {
    let path = data_dir.join("meta.sqlite");
    private(data_dir, &path).map_err(|source| Error::Data {
        path: path.clone(),
        source,
    })?;
    let opened = || {
        let mut db = Connection::open(&path)?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut db, &path)?;
        Ok(db)
    };
    opened().map_err(|error: Error| error.of_file(&path))
}

/// Creates the folder and the file if missing, unreadable for other users because of the hashes.
fn private(data_dir: &Path, path: &Path) -> io::Result<()> {
    crate::store::make_folder(data_dir)?;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)?;
    Ok(())
}

fn migrate(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute_batch("CREATE TABLE IF NOT EXISTS access_version (version INTEGER NOT NULL)")?;
    let sql = "SELECT coalesce(max(version), 0) FROM access_version";
    let version: usize = change.query_row(sql, [], |row| row.get::<_, u32>(0))? as usize;
    if version > STEPS.len() {
        return Err(Error::Format(format!(
            "{}: accounts are of version {version}, this program knows {}; use the newer program",
            path.display(),
            STEPS.len()
        )));
    }
    // a full disk does not keep a server from starting
    if version == STEPS.len() {
        return Ok(());
    }
    for step in &STEPS[version..] {
        change.execute_batch(step)?;
    }
    change.execute("DELETE FROM access_version", [])?;
    change.execute(
        "INSERT INTO access_version VALUES (?)",
        [STEPS.len() as u32],
    )?;
    change.commit()?;
    Ok(())
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map(|since| since.as_micros()).unwrap_or_default();
    i64::try_from(since).unwrap_or(i64::MAX)
}
