//! The Python environments of the tests, below `target/`.

use std::process::Command;

use testkit::{openapi, shop};

use crate::Failure;
use crate::project::root;
use crate::run::{self, Limit};
use crate::setup::as_root;

/// Makes the environments, or renews one when its requirements have changed since.
///
/// # Errors
/// When Python has no `venv` and none can be installed, or a package cannot be had.
pub fn install() -> Result<(), Failure> {
    install_one(shop::ENVIRONMENT, shop::FOLDER)?;
    install_one(openapi::ENVIRONMENT, openapi::FOLDER)
}

/// Makes the environment at `environment` of the requirements in `folder`.
fn install_one(environment: &str, requirements: &str) -> Result<(), Failure> {
    let folder = root().join(environment);
    let wanted_file = root().join(requirements).join("requirements.txt");
    let wanted = std::fs::read_to_string(&wanted_file)?;
    // What was installed, written when all of it was.
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("installing the packages of {requirements}");
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
        return Err(format!("the packages of {requirements} could not be installed").into());
    }
    std::fs::write(stamp, wanted)?;
    Ok(())
}

fn succeeds(command: Command) -> Result<bool, Failure> {
    let end = run::lines(command, Limit::None, |_, line| println!("{line}"))?;
    Ok(end.is_success())
}
