//! Installs what building and testing need, only when it is missing and only with Debian's tools.

mod browser;
mod environment;

use std::process::Command;

use crate::Failure;
use crate::project::{cargo, find_program};
use crate::run::{self, Limit};

/// A program and the Debian package that brings it.
const NEEDS: &[(&str, &str)] = &[
    ("cc", "build-essential"),
    ("make", "make"),
    ("git", "git"),
    ("pkg-config", "pkg-config"),
    ("nginx", "nginx-light"),
    ("wrk", "wrk"),
    ("apache2", "apache2-bin"),
    ("tinyproxy", "tinyproxy-bin"),
    ("microsocks", "microsocks"),
    ("stunnel4", "stunnel4"),
    ("python3", "python3"),
    ("strace", "strace"),
    ("chromium", "chromium"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("ip", "iproute2"),
    ("tmux", "tmux"),
];

/// Packages that Debian starts as services when it installs them, and the services.
const STARTED: &[(&str, &str)] = &[("nginx-light", "nginx"), ("microsocks", "microsocks")];

/// True when the environment says that this is a continuous integration run.
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Installs missing packages and the toolchain's own components.
///
/// # Errors
/// When something is still missing afterwards; the message names it and how to get it.
pub fn install_missing() -> Result<(), Failure> {
    raise_limits();
    install_components();
    install(NEEDS)?;
    environment::install()?;
    browser::install()
}

/// Installs what the browser tests and the JavaScript linter come from, when it is missing.
///
/// # Errors
/// When npm is missing or cannot get them.
pub fn install_browser_packages() -> Result<(), Failure> {
    install(&[("node", "nodejs"), ("npm", "npm")])?;
    browser::install()
}

/// Installs those of the programs that are missing; each comes with its package.
///
/// # Errors
/// When something is still missing afterwards.
pub fn install(needs: &[(&'static str, &'static str)]) -> Result<(), Failure> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|&(_, package)| package).collect();
    println!("installing {}", packages.join(" "));
    if find_program("apt-get").is_some() {
        // An index that could not be renewed may still be good enough.
        let _ = as_root(&["apt-get", "update", "-q"]);
        let mut install = vec!["apt-get", "install", "-y", "-q", "--no-install-recommends"];
        install.extend(["-o", "DPkg::Lock::Timeout=120"]);
        install.extend(&packages);
        as_root(&install)?;
        for (package, service) in STARTED {
            if packages.contains(package) {
                stop_installed(service);
            }
        }
    }
    let left: Vec<&str> = self::missing(needs)
        .iter()
        .map(|&(program, _)| program)
        .collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("not found: {}", left.join(", ")).into())
    }
}

fn missing(needs: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    needs
        .iter()
        .copied()
        .filter(|(program, _)| find_program(program).is_none())
        .collect()
}

/// Adds rustfmt and clippy where rustup manages the toolchain and they were left out.
fn install_components() {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let found = cargo(&[command, "--version"])
            .output()
            .is_ok_and(|out| out.status.success());
        if !found && find_program("rustup").is_some() {
            let mut add = Command::new("rustup");
            add.args(["component", "add", component]);
            // What is still missing shows in the lint step, with cargo's own advice.
            let _ = run::lines(add, Limit::None, |_, line| println!("{line}"));
        }
    }
}

/// Runs a command as root: directly, or through sudo.
fn as_root(args: &[&str]) -> Result<(), Failure> {
    let mut words = Vec::new();
    if !rustix::process::geteuid().is_root() {
        if find_program("sudo").is_none() {
            return Err(format!("needs root: {}", args.join(" ")).into());
        }
        words.extend(["sudo", "-n"]);
    }
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive"]);
    words.extend(args);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    let end = run::lines(command, Limit::None, |_, line| println!("{line}"))?;
    if end.is_success() {
        Ok(())
    } else {
        Err(format!("failed: {}", args.join(" ")).into())
    }
}

/// Debian starts a server when it installs one; the tests start their own on ports of their own.
fn stop_installed(service: &str) {
    if find_program("systemctl").is_some() {
        let _ = as_root(&["systemctl", "disable", "--now", service]);
    } else if find_program("service").is_some() {
        let _ = as_root(&["service", service, "stop"]);
    }
}

/// Lets children open as many files as the hard limit allows: a server under test needs one
/// descriptor per connection.
pub fn raise_limits() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    for resource in [Resource::Nofile, Resource::Memlock] {
        let maximum = getrlimit(resource).maximum;
        // Where this is refused the old limit stays, and whoever meets it says so.
        let _ = setrlimit(
            resource,
            Rlimit {
                current: maximum,
                maximum,
            },
        );
    }
}
