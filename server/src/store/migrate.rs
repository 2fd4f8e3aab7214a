//! Bringing a file of an older version to the present one.

use crate::Error;
use rusqlite::{Connection, TransactionBehavior};

/// Does the steps of `steps` that the file has not seen, in one transaction.
///
/// `schema_version` holds how many were done. Steps that were released are never edited.
///
/// # Errors
/// When the file is of a newer version than this program, and when SQLite fails.
pub(crate) fn migrate(db: &mut Connection, what: &str, steps: &[&str]) -> Result<(), Error> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change.execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")?;
    let sql = "SELECT coalesce(max(version), 0) FROM schema_version";
    let version = change.query_row(sql, [], |row| row.get::<_, u32>(0))? as usize;
    let Some(missing) = steps.get(version..) else {
        let known = steps.len();
        return Err(Error::Format(format!(
            "{what}: it has version {version} of its format, this program knows {known}; \
             use the newer program"
        )));
    };
    if missing.is_empty() {
        return Ok(());
    }
    for step in missing {
        change.execute_batch(step)?;
    }
    change.execute("DELETE FROM schema_version", [])?;
    let version = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    change.execute("INSERT INTO schema_version VALUES (?)", [version])?;
    change.commit()?;
    Ok(())
}
