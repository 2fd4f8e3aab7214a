//! The audit log: who changed what, when, from which address, and with what outcome.

use super::accounts::Accounts;
use super::schema::now_us;
use crate::Error;
use rusqlite::params;

/// Maximum number of entries; the oldest are removed first.
const ENTRIES_MAX: i64 = 100_000;
/// Maximum length of a text, in characters.
const TEXT_MAX: usize = 256;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Microseconds since 1970.
    pub at_us: i64,
    /// The visitor, as in [`super::Visitor::name`].
    pub who: String,
    /// The client's address.
    pub address: String,
    /// The action, such as `DELETE /api/v1/runs/{id}` or `sign in`.
    pub action: String,
    /// Its object: the path, or the account.
    pub object: String,
    /// The response status, or a word.
    pub outcome: String,
}

impl Accounts {
    /// Adds an entry; texts are truncated.
    pub(crate) fn record(&self, entry: &AuditEntry) -> Result<(), Error> {
        self.change(|db| {
            let sql = "INSERT INTO audit (at_us, who, address, action, object, outcome) \
                       VALUES (?, ?, ?, ?, ?, ?)";
            let texts = [
                &entry.who,
                &entry.address,
                &entry.action,
                &entry.object,
                &entry.outcome,
            ];
            let [who, address, action, object, outcome] = texts.map(|text| clipped(text));
            db.execute(
                sql,
                params![entry.at_us, who, address, action, object, outcome],
            )?;
            let last = db.last_insert_rowid();
            db.execute("DELETE FROM audit WHERE id <= ?", [last - ENTRIES_MAX])?;
            Ok(())
        })
    }

    /// The latest entries, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit(&self, count: u32) -> Result<Vec<AuditEntry>, Error> {
        self.read(|db| {
            let sql = "SELECT at_us, who, address, action, object, outcome FROM audit \
                       ORDER BY id DESC LIMIT ?";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([count], |row| {
                Ok(AuditEntry {
                    at_us: row.get(0)?,
                    who: row.get(1)?,
                    address: row.get(2)?,
                    action: row.get(3)?,
                    object: row.get(4)?,
                    outcome: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

impl AuditEntry {
    /// An entry with the current time.
    pub(crate) fn now(who: String, address: String, action: &str) -> AuditEntry {
        AuditEntry {
            at_us: now_us(),
            who,
            address,
            action: action.to_owned(),
            object: String::new(),
            outcome: String::new(),
        }
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
