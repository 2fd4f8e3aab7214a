//! Why a run cannot start or go on.

use crate::event::Stall;
use std::fmt;
use std::io;

/// An error of the engine as a whole. A failed request is data, not an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The script cannot be used; found before any traffic.
    Script(scripting::Error),
    /// The plan names scenarios that the script does not have; found before any traffic.
    Scenarios {
        /// One message per unknown name.
        problems: Vec<String>,
    },
    /// Data files cannot be used; found before any traffic.
    Data {
        /// One message per file, with the place in it.
        problems: Vec<String>,
    },
    /// Certificates or keys cannot be used; found before any traffic.
    Tls(String),
    /// `setup` or `teardown` ended with an error.
    Hook {
        /// Which of the two.
        name: &'static str,
        /// The Lua error.
        error: scripting::ScriptError,
    },
    /// The host name of the target, or of its proxy, has no address.
    Resolve {
        /// What has the name: `target`, or the key or variable of a proxy.
        place: &'static str,
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Connections cannot be made from an address that the plan names.
    Source {
        /// The address.
        address: std::net::IpAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The target cannot listen.
    Listen {
        /// Where it was to listen.
        address: std::net::SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The ring could not be made.
    Ring {
        /// Why the kernel said so.
        cause: String,
        /// What to change.
        fix: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Limits of this process are too low for any run; found before anything starts.
    Limits {
        /// One message per limit, with what to change.
        problems: Vec<String>,
    },
    /// The run was stopped before its load began.
    Stopped,
    /// The script ended the run.
    Aborted {
        /// What it gave as the reason.
        reason: String,
    },
    /// A core ended in a panic; the run is over.
    Panicked {
        /// The core's place in the run, from 0.
        core: u32,
    },
    /// A core does not turn any more; its thread cannot be interrupted.
    Stalled {
        /// The core's index in the run, from 0.
        core: u32,
        /// What keeps it; never [`Stall::Processor`], which only makes it late.
        stall: Stall,
    },
    /// A core failed while it ran.
    Core {
        /// The core's place in the run, from 0.
        core: u32,
        /// What happened.
        message: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Script(error) => error.fmt(f),
            Error::Scenarios { problems }
            | Error::Data { problems }
            | Error::Limits { problems } => f.write_str(&problems.join("\n")),
            Error::Tls(message) => f.write_str(message),
            Error::Hook { name, error } => write!(f, "{name} failed: {error}"),
            Error::Resolve {
                place,
                host,
                source,
            } => write!(f, "{place}: no address for {host:?}: {source}"),
            Error::Source { address, source } => write!(
                f,
                "connections.source: {address}: {source}; only addresses of this machine can be \
                 used (`ip address` lists them)"
            ),
            Error::Listen { address, source } => write!(f, "listen: {address}: {source}"),
            Error::Ring { cause, fix, source } => write!(f, "io_uring: {source}: {cause}; {fix}"),
            Error::Stopped => f.write_str("stopped before the load began"),
            Error::Aborted { reason } => write!(f, "the script aborted the run: {reason}"),
            Error::Panicked { core } => write!(f, "core {core} panicked; the run is incomplete"),
            Error::Stalled { core, stall } => {
                write!(f, "core {core} is stuck {stall}")?;
                f.write_str(match stall {
                    Stall::Script { .. } => " (an endless loop without a request or a sleep?)",
                    _ => "; this is a fault of this tool, not of the script",
                })
            }
            Error::Core { core, message } => write!(f, "core {core}: {message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Resolve { source, .. }
            | Error::Source { source, .. }
            | Error::Listen { source, .. }
            | Error::Ring { source, .. } => Some(source),
            _ => None,
        }
    }
}
