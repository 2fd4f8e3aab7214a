//! Files of runs that cannot be read: what they are instead, and what to do about it.

use super::digest::Digest;
use super::run_file::{self, Node};
use super::run_reader::RunReader;
use super::{RunView, StoredRow, Wanted};
use crate::Error;
use rusqlite::ErrorCode;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use wire::EventRow;

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
        // where the server keeps its data is nothing for readers; its log has the path
        let name = self.path.file_name().unwrap_or_default();
        write!(f, "runs/{}: ", name.display())?;
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
            // that says nothing about the file
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory,
            ) => None,
            _ => Some(ProblemKind::Damaged(error.to_string())),
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

fn stamp_of(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// What was found of each file, until it changes.
#[derive(Debug, Default)]
pub(crate) struct Problems(Mutex<HashMap<PathBuf, (Stamp, Option<ProblemKind>)>>);

impl Problems {
    /// What is wrong with the file of a run.
    pub(crate) fn of(&self, data_dir: &Path, id: &str) -> Option<FileProblem> {
        if !run_file::is_id(id) {
            return None;
        }
        let path = run_file::path(data_dir, id);
        let stamp = stamp_of(&path);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&path).filter(|(before, _)| *before == stamp);
        let found = found.map(|(_, kind)| kind.clone());
        drop(known);
        let kind = match found {
            Some(kind) => kind,
            None => {
                let kind = look(&path);
                self.remember(&path, stamp, kind.clone());
                kind
            }
        };
        kind.map(|kind| FileProblem { path, kind })
    }

    /// An error that says that the file is damaged becomes one that names it.
    pub(crate) fn checked<T>(&self, path: &Path, found: Result<T, Error>) -> Result<T, Error> {
        let why = match &found {
            Err(Error::Format(why)) => why.clone(),
            Err(Error::Sqlite(error)) if is_damage(error) => error.to_string(),
            _ => return found,
        };
        let (path, kind) = (path.to_owned(), ProblemKind::Damaged(why));
        self.remember(&path, stamp_of(&path), Some(kind.clone()));
        Err(Error::Unreadable(FileProblem { path, kind }))
    }

    /// Remembers what reading a file came upon; told in the log once.
    fn remember(&self, path: &Path, stamp: Stamp, kind: Option<ProblemKind>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        let before = known.insert(path.to_owned(), (stamp, kind.clone()));
        drop(known);
        let is_new = before.is_none_or(|(_, before)| before != kind);
        if let (true, Some(kind)) = (is_new, kind) {
            let path = path.to_owned();
            let problem = FileProblem { path, kind };
            let (path, state) = (problem.path.display().to_string(), problem.state());
            let text = problem.to_string();
            let (path, text) = (path.as_str(), text.as_str());
            tracing::error!(path, state, text, "the file of a run cannot be read");
        }
    }
}

/// A run whose file may turn out to be damaged while it is read.
pub(crate) struct CheckedView {
    view: Box<dyn RunView>,
    path: PathBuf,
    problems: Arc<Problems>,
}

impl CheckedView {
    pub(crate) fn new(view: RunReader, path: PathBuf, problems: &Arc<Problems>) -> Self {
        CheckedView {
            view: Box::new(view),
            path,
            problems: Arc::clone(problems),
        }
    }

    fn checked<T>(&self, found: Result<T, Error>) -> Result<T, Error> {
        self.problems.checked(&self.path, found)
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

impl RunView for CheckedView {
    fn length_s(&self) -> u64 {
        self.view.length_s()
    }

    fn nodes(&self) -> Result<Vec<Node>, Error> {
        self.checked(self.view.nodes())
    }

    fn events(&self) -> Result<Vec<(u32, EventRow)>, Error> {
        self.checked(self.view.events())
    }

    fn names(&self) -> &HashMap<u32, (i32, String)> {
        self.view.names()
    }

    fn minutes(&self) -> &BTreeSet<u64> {
        self.view.minutes()
    }

    fn read(
        &self,
        from: u64,
        to: u64,
        level: u64,
        wanted: &Wanted,
        visit: &mut dyn FnMut(StoredRow<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.checked(self.view.read(from, to, level, wanted, visit))
    }

    fn fork(&self) -> Result<Option<Box<dyn RunView>>, Error> {
        let other = self.checked(self.view.fork())?;
        Ok(other.map(|view| {
            Box::new(CheckedView {
                view,
                path: self.path.clone(),
                problems: Arc::clone(&self.problems),
            }) as Box<dyn RunView>
        }))
    }

    fn digests(&self, from: u64, to: u64, width_s: u64) -> Result<BTreeMap<u64, Digest>, Error> {
        self.checked(self.view.digests(from, to, width_s))
    }
}
