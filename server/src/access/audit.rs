//! The audit log: who changed what, when, from which address, and with what outcome.

use super::accounts::Accounts;
use super::schema::now_us;
use crate::Error;
use rusqlite::params;

/// Maximum number of entries; the oldest are removed first.
const ENTRIES_MAX: i64 = 100_000;
/// Maximum length of a text, in characters.
const TEXT_MAX: usize = 256;

/// What a visitor repeats within this time after the first is one entry, in microseconds.
const FOLDED_US: i64 = 3_600_000_000;
/// A visitor's last entries among which a repetition is looked for.
const FOLDED_AMONG: u32 = 50;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When it was first done, in microseconds since 1970.
    pub at_us: i64,
    /// How often it was done within the hour after that.
    pub times: u32,
    /// When it was last done, in microseconds since 1970.
    pub last_us: i64,
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
    /// Adds an entry; texts are truncated. What was refused is folded: a visitor who tries the same
    /// action again within the hour, whatever its object, adds to the first entry.
    pub(crate) fn record(&self, entry: &AuditEntry) -> Result<(), Error> {
        self.change(|db| {
            let texts = [
                &entry.who,
                &entry.address,
                &entry.action,
                &entry.object,
                &entry.outcome,
            ];
            let [who, address, action, object, outcome] = texts.map(|text| clipped(text));
            if entry.is_refusal() {
                let sql = "UPDATE audit SET times = times + 1, last_us = ?1 WHERE id = \
                           (SELECT id FROM (SELECT id, at_us, address, action, outcome \
                           FROM audit WHERE who = ?2 ORDER BY id DESC LIMIT ?7) \
                           WHERE address = ?3 AND action = ?4 AND outcome = ?5 AND at_us > ?6)";
                let after_us = entry.at_us - FOLDED_US;
                let what = params![
                    entry.at_us,
                    who,
                    address,
                    action,
                    outcome,
                    after_us,
                    FOLDED_AMONG
                ];
                if db.execute(sql, what)? > 0 {
                    return Ok(());
                }
            }
            db.execute(
                "INSERT INTO audit (at_us, who, address, action, object, outcome, last_us) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1)",
                params![entry.at_us, who, address, action, object, outcome],
            )?;
            let last = db.last_insert_rowid();
            db.execute("DELETE FROM audit WHERE id <= ?", [last - ENTRIES_MAX])?;
            Ok(())
        })
    }

    /// The latest entries, newest first; of some with `text` in user, address, action, object or
    /// outcome, ignoring case.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit(&self, count: u32, text: &str) -> Result<Vec<AuditEntry>, Error> {
        self.read(|db| {
            let sql = "SELECT at_us, who, address, action, object, outcome, times, last_us \
                       FROM audit WHERE ?2 = '' OR instr(lower(who || ' ' || address || ' ' || \
                       action || ' ' || object || ' ' || outcome), ?2) \
                       ORDER BY id DESC LIMIT ?1";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map(params![count, text.to_lowercase()], |row| {
                Ok(AuditEntry {
                    at_us: row.get(0)?,
                    who: row.get(1)?,
                    address: row.get(2)?,
                    action: row.get(3)?,
                    object: row.get(4)?,
                    outcome: row.get(5)?,
                    times: row.get(6)?,
                    last_us: row.get(7)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

impl AuditEntry {
    /// An entry with the current time.
    pub(crate) fn now(who: String, address: String, action: &str) -> AuditEntry {
        let now_us = now_us();
        AuditEntry {
            at_us: now_us,
            times: 1,
            last_us: now_us,
            who,
            address,
            action: action.to_owned(),
            object: String::new(),
            outcome: String::new(),
        }
    }
}

impl AuditEntry {
    /// Whether nothing was done.
    fn is_refusal(&self) -> bool {
        self.outcome == "refused" || self.outcome.starts_with('4')
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
