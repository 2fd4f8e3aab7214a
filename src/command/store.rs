//! The location of the store on this machine.

use super::exit::Failure;
use anyhow::anyhow;
use std::env;
use std::path::{Path, PathBuf};

/// The given folder; otherwise `MISTRESS_DATA`, otherwise the user's data folder.
///
/// # Errors
/// None of them is known.
pub fn data_dir(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    let known = asked
        .map(Path::to_owned)
        .or_else(|| variable("MISTRESS_DATA").map(PathBuf::from))
        .or_else(|| Some(PathBuf::from(variable("XDG_DATA_HOME")?).join("mistress")))
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/share/mistress")));
    known.ok_or_else(|| {
        Failure::usage(anyhow!(
            "no folder for runs: none of --data, MISTRESS_DATA, XDG_DATA_HOME and HOME is set"
        ))
    })
}

/// Default port of the stats server, which is started if nothing listens there.
const PORT: u16 = 7777;

/// The port of the stats server on this machine: `MISTRESS_PORT`, or the default; 0 disables
/// looking for one.
pub fn port() -> u16 {
    let given = env::var("MISTRESS_PORT").ok();
    given.and_then(|port| port.parse().ok()).unwrap_or(PORT)
}

/// The token for stats servers that require one.
pub fn token() -> Option<String> {
    env::var("MISTRESS_TOKEN")
        .ok()
        .filter(|token| !token.is_empty())
}
