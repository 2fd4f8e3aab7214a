//! What can go wrong with a script: before the run (`Error`) and during it (`ScriptError`).

use std::fmt;
use std::path::PathBuf;

/// Why a script can't be used, found before any traffic. Displayed with the place first.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file can't be read.
    Read {
        /// The file as it was given.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text doesn't compile, or running it ended in an error; the text begins `file:line:`.
    Lua(ScriptError),
    /// The file ran, but what it returned is not a module of scenarios.
    Shape {
        /// The file's name as messages show it.
        file: String,
        /// What was found and what is allowed.
        message: String,
    },
    /// What `setup()` returned can't reach the other cores.
    Data(String),
    /// The Lua state itself failed (out of memory at start, a broken build).
    State(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Lua(error) => error.fmt(f),
            Error::Shape { file, message } => write!(f, "{file}: {message}"),
            Error::Data(message) => f.write_str(message),
            Error::State(message) => write!(f, "lua: {message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A Lua error that ended an iteration or a hook.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScriptError {
    /// One line or more, beginning with the place when Lua knows it: `shop.lua:12: message`.
    pub message: String,
    /// The calls that led there, one per line, innermost first; empty when unknown.
    pub traceback: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.traceback.is_empty() {
            write!(f, "\n{}", self.traceback)?;
        }
        Ok(())
    }
}

impl std::error::Error for ScriptError {}
