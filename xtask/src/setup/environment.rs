//! The Python environment of the test application, below `target/`.

use std::process::Command;

use testkit::shop::{ENVIRONMENT, FOLDER};

use crate::Failure;
use crate::project::root;
use crate::run::{self, Limit};
use crate::setup::as_root;

/// Makes the environment, or renews it when the requirements have changed since.
///
/// # Errors
/// When Python has no `venv` and none can be installed, or a package cannot be had.
pub fn install() -> Result<(), Failure> {
    let folder = root().join(ENVIRONMENT);
    let wanted_file = root().join(FOLDER).join("requirements.txt");
    let wanted = std::fs::read_to_string(&wanted_file)?;
    // What was installed, written when all of it was.
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing the packages of {FOLDER}");
    let make = || -> Result<bool, Failure> {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&folder);
        succeeds(venv)
    };
    if !make()? {
        as_root(&["apt-get", "install", "-y", "-q", "python3-venv"])?;
        if !make()? {
            return Err("python3 -m venv failed".into());
        }
    }
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "-q", "--disable-pip-version-check", "-r"]);
    pip.arg(&wanted_file);
    if !succeeds(pip)? {
        return Err(format!("the packages of {FOLDER} could not be installed").into());
    }
    std::fs::write(stamp, wanted)?;
    Ok(())
}

fn succeeds(command: Command) -> Result<bool, Failure> {
    let end = run::lines(command, Limit::None, |_, line| println!("{line}"))?;
    Ok(end.is_success())
}
