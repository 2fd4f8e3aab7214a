//! The audit log: who changed what, when, from where, and whether it was let through.

use super::accounts::Accounts;
use super::schema::now_us;
use crate::Error;
use rusqlite::params;

/// Most entries kept; the oldest go first.
const ENTRIES_MAX: i64 = 100_000;
/// Most characters kept of a text.
const TEXT_MAX: usize = 256;

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Microseconds since 1970.
    pub at_us: i64,
    /// As [`super::Visitor::name`] says it.
    pub who: String,
    /// The address that it came from.
    pub address: String,
    /// What was done, such as `DELETE /api/v1/runs/{id}`, or `sign in`.
    pub action: String,
    /// To what: the path, or the account.
    pub object: String,
    /// The status it was answered with, or a word.
    pub outcome: String,
}

impl Accounts {
    /// Adds a line; texts are clipped.
    pub(crate) fn record(&self, entry: &Entry) -> Result<(), Error> {
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

    /// The last entries, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit(&self, count: u32) -> Result<Vec<Entry>, Error> {
        self.look(|db| {
            let sql = "SELECT at_us, who, address, action, object, outcome FROM audit \
                       ORDER BY id DESC LIMIT ?";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([count], |row| {
                Ok(Entry {
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

impl Entry {
    /// Of now.
    pub(crate) fn now(who: String, address: String, action: &str) -> Entry {
        Entry {
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
