//! The packages of the browser tests and of a provider to sign in with, below
//! `tests/browser/node_modules`.

use std::process::Command;

use crate::Failure;
use crate::project::root;
use crate::run::{self, Limit};

/// Where they are listed.
const FOLDER: &str = "tests/browser";

/// Installs them as the lock file has them, or again when it has changed since.
///
/// # Errors
/// When npm cannot get them.
pub fn install() -> Result<(), Failure> {
    let folder = root().join(FOLDER);
    let wanted = std::fs::read_to_string(folder.join("package-lock.json"))?;
    // What was installed, written when all of it was.
    let stamp = folder.join("node_modules/installed.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing the packages of {FOLDER}");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    let end = run::lines(npm, Limit::None, |_, line| println!("{line}"))?;
    if !end.is_success() {
        return Err(format!("npm ci failed in {FOLDER}").into());
    }
    std::fs::write(stamp, wanted)?;
    Ok(())
}
