//! Why the server could not start or its store could not be used.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// An error of the server as a whole; what a single request meets is a [`crate::Refusal`].
#[derive(Debug)]
pub enum Error {
    /// The address could not be bound.
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder of the data folder could not be used.
    Data {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused something.
    Sqlite(rusqlite::Error),
    /// A file of the store is not what its format says.
    Format(String),
    /// A change of accounts, tokens or links cannot be made; the text says why.
    Access(String),
    /// A batch is of a run that was deleted.
    Gone,
    /// The disk is full.
    Full(String),
    /// Starting is refused for a reason of safety; the text names the way out.
    Refused(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Bind { addr, source } => write!(f, "{addr}: cannot listen: {source}"),
            Error::Data { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Sqlite(source) => write!(f, "store: {source}"),
            Error::Format(text) | Error::Full(text) => write!(f, "store: {text}"),
            Error::Access(text) | Error::Refused(text) => f.write_str(text),
            Error::Gone => f.write_str("the run was deleted"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Bind { source, .. } | Error::Data { source, .. } => Some(source),
            Error::Sqlite(source) => Some(source),
            Error::Format(_)
            | Error::Full(_)
            | Error::Gone
            | Error::Access(_)
            | Error::Refused(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(source: rusqlite::Error) -> Self {
        Error::Sqlite(source)
    }
}
