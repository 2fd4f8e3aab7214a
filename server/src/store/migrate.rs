//! Migrates files of older versions.

use crate::Error;
use rusqlite::{Connection, TransactionBehavior};

/// Applies those of `steps` that the file has not had yet, in one transaction.
///
/// `schema_version` holds their number. Released steps are never edited.
///
/// # Errors
/// When the file comes from a newer version of this program, or SQLite fails.
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
    // a new file is no migration
    if steps.len() > missing.len() {
        tracing::info!(file = what, version, "migrated");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_done_once_in_order_and_newer_files_are_refused() -> Result<(), Error> {
        let mut db = Connection::open_in_memory()?;
        let first = "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1);";
        let second = "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 7;";
        migrate(&mut db, "file", &[first])?;
        migrate(&mut db, "file", &[first, second])?;
        migrate(&mut db, "file", &[first, second])?;
        let row = db.query_row("SELECT count(*), max(y) FROM a", [], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?))
        })?;
        assert_eq!(row, (1, 7));
        let refused = migrate(&mut db, "file", &[first]).map_err(|error| error.to_string());
        assert_eq!(
            refused,
            Err(
                "store: file: it has version 2 of its format, this program knows 1; \
                 use the newer program"
                    .to_owned()
            )
        );
        // a failing step leaves the file unchanged
        assert!(migrate(&mut db, "file", &[first, second, "nonsense"]).is_err());
        migrate(&mut db, "file", &[first, second])
    }
}
