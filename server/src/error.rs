//! Errors of starting the server or using its store.

use crate::store::FileProblem;
use rusqlite::ErrorCode;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An error of the server as a whole; errors of single requests are [`crate::ApiError`].
#[derive(Debug)]
pub enum Error {
    /// The address could not be bound.
    Bind {
        /// The requested address.
        addr: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file or folder in the data folder could not be used.
    Data {
        /// Its path.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file for TLS could not be used.
    Tls {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another stats server writes to this data folder.
    InUse(PathBuf),
    /// What was made could not be written to where it was asked for.
    Write(io::Error),
    /// SQLite reported an error.
    Sqlite(rusqlite::Error),
    /// The file of a run cannot be read.
    Unreadable(FileProblem),
    /// A file of the store does not have the expected format.
    Format(String),
    /// Accounts, tokens, links or annotations cannot be changed; the text says why.
    Access(String),
    /// There are as many as there may be; the text says how many.
    TooMany(String),
    /// The batch belongs to a deleted run.
    RunDeleted,
    /// The batch belongs to a run that takes no more; the text says what to do.
    RunEnded(String),
    /// The batch is not of the time of its run; the text says how.
    OutOfTime(String),
    /// The disk is full.
    DiskFull(String),
    /// What was asked for would be unsafe, or lose something; the text says what to do.
    Refused(String),
}

impl Error {
    /// Names the file that cannot be used, if that is what the error says.
    pub(crate) fn of_file(self, path: &Path) -> Error {
        let Error::Sqlite(error) = &self else {
            return self;
        };
        let path = path.display();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Format(format!(
                "{path}: the file is damaged, or not one of this program ({error}); restore it \
                 from a backup"
            )),
            _ => self,
        }
    }

    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Error::DiskFull(_) => true,
            Error::Sqlite(error) => error.sqlite_error_code() == Some(ErrorCode::DiskFull),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Bind { addr, source } => write!(f, "{addr}: cannot listen: {source}"),
            Error::Data { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Tls { path, why } => write!(f, "{}: {why}", path.display()),
            Error::InUse(path) => write!(
                f,
                "{}: another stats server uses this folder; stop it, or choose another with --data",
                path.display()
            ),
            Error::Write(source) => write!(f, "not written: {source}"),
            Error::Sqlite(source) => write!(f, "store: {source}"),
            Error::Format(text) | Error::DiskFull(text) => write!(f, "store: {text}"),
            Error::Unreadable(problem) => write!(f, "{}: {problem}", problem.state()),
            Error::Access(text)
            | Error::TooMany(text)
            | Error::Refused(text)
            | Error::RunEnded(text)
            | Error::OutOfTime(text) => f.write_str(text),
            Error::RunDeleted => f.write_str("the run was deleted"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Bind { source, .. } | Error::Data { source, .. } | Error::Write(source) => {
                Some(source)
            }
            Error::Sqlite(source) => Some(source),
            Error::InUse(_)
            | Error::Tls { .. }
            | Error::Unreadable(_)
            | Error::Format(_)
            | Error::DiskFull(_)
            | Error::RunDeleted
            | Error::RunEnded(_)
            | Error::OutOfTime(_)
            | Error::Access(_)
            | Error::TooMany(_)
            | Error::Refused(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(source: rusqlite::Error) -> Self {
        Error::Sqlite(source)
    }
}

impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Error::Write(source)
    }
}
