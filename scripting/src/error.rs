//! Errors of a script: before the run (`Error`) and during it (`ScriptError`).

use std::fmt;
use std::path::PathBuf;

/// Why a script can't be used, detected before any traffic. Displayed with the location first.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file can't be read.
    Read {
        /// The path as it was given.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The script doesn't compile, or running its file failed; the message starts with
    /// `file:line:`.
    Lua(ScriptError),
    /// The file ran, but did not return a table of scenarios.
    Shape {
        /// The file's name as shown in messages.
        file: String,
        /// What was found and what is allowed.
        message: String,
    },
    /// The result of `setup()` can't be passed to the other cores.
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
    /// One or more lines, starting with the location when Lua knows it: `shop.lua:12: message`.
    pub message: String,
    /// The call stack, one call per line, innermost first; empty when unknown.
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
