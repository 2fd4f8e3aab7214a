//! How the process ends, and errors that decide it.

use std::fmt;
use std::process::ExitCode;

/// How the process ends; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Done = 0,
    /// A threshold was missed; the report is written.
    ThresholdMissed = 1,
    /// Bad usage, profile or script, found before any traffic.
    Usage = 2,
    /// It could not be carried out.
    Failed = 3,
    /// The generator was the limit, and the user wants to be told so.
    GeneratorLimited = 4,
    /// Ended early by SIGINT; the report is written.
    Interrupted = 130,
    /// Ended early by SIGTERM; the report is written.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error with the exit it leads to.
#[derive(Debug)]
pub struct Failure {
    /// How to exit.
    pub exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// The user has to change the command, the profile or the script.
    pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            exit: Exit::Usage,
            error: error.into(),
        }
    }

    /// It could not be carried out.
    pub fn failed(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            exit: Exit::Failed,
            error: error.into(),
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Failure {
        use engine::Error;
        match error {
            Error::Script(_)
            | Error::Scenarios { .. }
            | Error::Data { .. }
            | Error::Tls(_)
            | Error::Source { .. } => Failure::usage(error),
            _ => Failure::failed(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // errors of the libraries name their sources themselves: no chain behind them
        self.error.fmt(f)
    }
}
