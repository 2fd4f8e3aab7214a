//! Files of runs that cannot be read: what they are instead, and what to do about it.

use super::run_file;
use crate::Error;
use rusqlite::ErrorCode;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// How every file of SQLite begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Files whose state is remembered.
const REMEMBERED_MAX: usize = 10_000;

/// A file in the place of a run's that is not one that this program can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProblemKind {
    /// There is none.
    Missing,
    /// It is not a file of SQLite, or has no run in it.
    Foreign,
    /// A newer version of this program wrote it: the version of its format, and the one known here.
    Newer(usize, usize),
    /// SQLite cannot read it; the text says why.
    Damaged(String),
}

impl FileProblem {
    /// The state of its run in the list.
    pub fn state(&self) -> &'static str {
        match self.kind {
            ProblemKind::Missing => "missing",
            ProblemKind::Foreign => "not a run",
            ProblemKind::Newer(..) => "newer version",
            ProblemKind::Damaged(_) => "damaged",
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.kind {
            ProblemKind::Missing => {
                f.write_str("the file of this run is gone; restore it, or delete the run")
            }
            ProblemKind::Foreign => f.write_str(
                "this is not the file of a run; restore that from a backup, or delete the run",
            ),
            ProblemKind::Newer(has, knows) => write!(
                f,
                "it has version {has} of its format, this program knows {knows}; use the newer \
                 program"
            ),
            ProblemKind::Damaged(why) => write!(
                f,
                "the file is damaged ({why}); restore it from a backup, or delete the run"
            ),
        }
    }
}

/// What is wrong with the file of a run, if anything; it is read only as far as that takes.
fn look(path: &Path) -> Option<ProblemKind> {
    let mut start = [0; MAGIC.len()];
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some(ProblemKind::Missing);
        }
        Err(error) => return Some(ProblemKind::Damaged(error.to_string())),
    };
    if file.read_exact(&mut start).is_err() || start != *MAGIC {
        return Some(ProblemKind::Foreign);
    }
    match version_and_names(path) {
        Ok(Some(has)) if has > run_file::VERSION => {
            Some(ProblemKind::Newer(has, run_file::VERSION))
        }
        Ok(Some(_)) => None,
        Ok(None) => Some(ProblemKind::Foreign),
        Err(Error::Sqlite(error)) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Some(ProblemKind::Damaged(error.to_string()))
            }
            // it is used, or the disk is full: that says nothing about the file
            _ => None,
        },
        Err(error) => Some(ProblemKind::Damaged(error.to_string())),
    }
}

/// The version of a file's format; `None` if it has no run in it.
fn version_and_names(path: &Path) -> Result<Option<usize>, Error> {
    let Some(db) = run_file::open_to_read(path)? else {
        return Ok(None);
    };
    let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' \
               AND name IN ('schema_version', 'chunk', 'node')";
    let tables: i64 = db.query_row(sql, [], |row| row.get(0))?;
    if tables != 3 {
        return Ok(None);
    }
    let sql = "SELECT coalesce(max(version), 0) FROM schema_version";
    let version: u32 = db.query_row(sql, [], |row| row.get(0))?;
    if version as usize <= run_file::VERSION {
        run_file::nodes(&db)?;
        run_file::names(&db)?;
        run_file::blocks(&db, 1)?;
    }
    Ok(Some(version as usize))
}

/// What distinguishes a file from what it was before: when it was written, and its length.
type Stamp = Option<(SystemTime, u64)>;

/// What was found of each file, until it changes.
#[derive(Debug, Default)]
pub(crate) struct Problems(Mutex<HashMap<String, (Stamp, Option<ProblemKind>)>>);

impl Problems {
    /// What is wrong with the file of a run.
    pub(crate) fn of(&self, data_dir: &Path, id: &str) -> Option<FileProblem> {
        if !run_file::is_id(id) {
            return None;
        }
        let path = run_file::path(data_dir, id);
        let file = std::fs::metadata(&path).ok();
        let stamp = file.and_then(|file| Some((file.modified().ok()?, file.len())));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(id).filter(|(before, _)| *before == stamp);
        let kind = match found {
            Some((_, kind)) => kind.clone(),
            None => {
                drop(known);
                let kind = look(&path);
                known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= REMEMBERED_MAX {
                    known.clear();
                }
                known.insert(id.to_owned(), (stamp, kind.clone()));
                kind
            }
        };
        kind.map(|kind| FileProblem { path, kind })
    }
}
