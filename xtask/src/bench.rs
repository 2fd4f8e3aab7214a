//! Measurements behind what the project claims about speed and memory.

pub mod client;
mod feeder;
mod https;
mod memory;
mod options;
mod reporting;
pub mod server;
mod spread;
mod usage;
mod versus;

use crate::Failure;
use crate::project::cargo;
use crate::run::{self, Limit};

/// Requests per CPU-second, beside wrk and a bare io_uring loop.
pub fn versus(options: &[&str]) -> Result<(), Failure> {
    let Some(options) = versus::Settings::parse(options)? else {
        println!("{}", versus::USAGE);
        return Ok(());
    };
    build(options.needs_product())?;
    versus::run(&options)
}

/// The same with TLS, full handshakes, and the cost of a content coding nobody looks at.
pub fn https(options: &[&str]) -> Result<(), Failure> {
    let Some(options) = https::Settings::parse(options)? else {
        println!("{}", https::USAGE);
        return Ok(());
    };
    build(true)?;
    https::run(&options)
}

/// Resident memory per user, and whether it is given back.
pub fn memory(options: &[&str]) -> Result<(), Failure> {
    let Some(options) = memory::Settings::parse(options)? else {
        println!("{}", memory::USAGE);
        return Ok(());
    };
    build(true)?;
    memory::run(&options)
}

/// Rows handed out of a file of a gigabyte.
pub fn feeder() -> Result<(), Failure> {
    build(true)?;
    feeder::run()
}

/// What telling a stats server costs the load's cores.
pub fn reporting(options: &[&str]) -> Result<(), Failure> {
    let Some(options) = reporting::Settings::parse(options)? else {
        println!("{}", reporting::USAGE);
        return Ok(());
    };
    build(true)?;
    reporting::run(&options)
}

/// What the stats server takes in, and how quickly it answers; `what` is the part of it.
pub fn store(what: &str) -> Result<(), Failure> {
    build(true)?;
    let mut nodes = std::process::Command::new(crate::project::release_binary("nodes"));
    nodes
        .arg(what)
        .arg(crate::project::release_binary("mistress"));
    let end = run::lines(nodes, Limit::None, |_, line| println!("{line}"))?;
    if end.is_success() {
        Ok(())
    } else {
        Err("a figure is missed".into())
    }
}

/// Builds the clients to compare with and, where it takes part, the product; optimized.
fn build(needs_product: bool) -> Result<(), Failure> {
    crate::setup::raise_limits();
    let mut args = vec!["build", "--release", "--package", "mistress-benches"];
    if needs_product {
        args.extend(["--package", "mistress"]);
    }
    let end = run::lines(cargo(&args), Limit::None, |_, line| eprintln!("{line}"))?;
    if end.is_success() {
        Ok(())
    } else {
        Err("the release build failed".into())
    }
}

/// One line on the machine a number comes from.
pub fn machine() -> String {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}, Linux {}", kernel.trim())
}
