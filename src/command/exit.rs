//! Exit codes, and errors with an exit code.

use std::fmt;
use std::process::ExitCode;

/// Exit codes; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Success.
    Done = 0,
    /// A threshold was missed, or a rule of `fail_on`; the report was written.
    ThresholdMissed = 1,
    /// Invalid usage, profile or script, found before any traffic.
    Usage = 2,
    /// The command failed.
    Failed = 3,
    /// The generator was the bottleneck, and `--strict` was given.
    GeneratorLimited = 4,
    /// A figure is worse than a limit of `compare` allows, beyond noise.
    Regressed = 5,
    /// Ended early by SIGINT; the report was written.
    Interrupted = 130,
    /// Ended early by SIGTERM; the report was written.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error with its exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    error: anyhow::Error,
}

impl Failure {
    /// The user must change the command, the profile or the script.
    pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            exit: Exit::Usage,
            error: error.into(),
        }
    }

    /// The command failed.
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
        // library errors include their sources in their text
        self.error.fmt(f)
    }
}
