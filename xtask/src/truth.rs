//! The known answers about latency and pacing, in full: expected beside measured.

mod packets;
pub mod rows;
mod versus;

use crate::Failure;
use crate::bench::machine;
use crate::project::cargo;
use crate::run::{self, Limit};

pub const USAGE: &str = "\
cargo xtask truth [ID ...] [--ci | --versus | --packets]

  (nothing)    every truth in full, about 20 minutes: a server with a known behaviour, the load,
               expected figures beside measured ones
  L2 L7 ...    only these
  --ci         the short forms, about a minute
  --versus     mistress, wrk and hey on one server that freezes: who tells the truth
  --packets    service times of the tool against the times of the packets (tcpdump, as root)

Ends with an error when a figure is outside its tolerance.";

/// Which part was asked for.
enum Part {
    Full,
    Short,
    Versus,
    Packets,
}

/// Carries it out; false when a figure was wrong.
pub fn truth(options: &[&str]) -> Result<bool, Failure> {
    let mut part = Part::Full;
    let mut ids = Vec::new();
    for option in options {
        match *option {
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(true);
            }
            "--ci" => part = Part::Short,
            "--versus" => part = Part::Versus,
            "--packets" => part = Part::Packets,
            id if id.starts_with('L') => ids.push(id),
            other => return Err(format!("unknown: {other}\n\n{USAGE}").into()),
        }
    }
    build()?;
    println!("{}", machine());
    match part {
        Part::Full => rows::run(&testkit::truth::full(), &ids),
        Part::Short => rows::run(&testkit::truth::ci(), &ids),
        Part::Versus => versus::run(),
        Part::Packets => packets::run(),
    }
}

/// Builds the program as users run it.
///
/// # Errors
/// It does not build.
pub fn build() -> Result<(), Failure> {
    crate::setup::raise_limits();
    let args = ["build", "--release", "--package", "mistress"];
    let end = run::lines(cargo(&args), Limit::None, |_, line| eprintln!("{line}"))?;
    if end.is_success() {
        Ok(())
    } else {
        Err("the release build failed".into())
    }
}
