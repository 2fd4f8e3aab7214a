//! Developer commands of the project: `cargo xtask` lists them.
//!
//! Plain programs in plain Rust; nothing here is part of the product, and nothing here knows more
//! of the product than its command line and its JSON result.

mod acceptance;
mod bench;
mod dist;
mod fuzz;
mod lint;
mod project;
mod run;
mod setup;
mod smoke;
mod test;
mod truth;

use std::process::ExitCode;

/// Why a command could not be carried out, told to the developer as it is.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
cargo xtask COMMAND

  test [--ci]     install what is missing, lint, run every test of the workspace; ends with one
                  line `N passed, N failed, N skipped`; with --ci (or CI set) a skip is a failure
  setup           install what building and testing need, and is missing
  lint            formatting and linting of Rust and JavaScript, warnings denied
  smoke           the quickstart, `check` and `target` of a release build, as a user runs them
  truth           the known answers about latency in full, about 20 minutes; --versus, --packets
  acceptance AREA what tests show in seconds, in its long form: expected beside measured; alone
                  it lists its areas
  dist            a stripped program, a .deb and a .tar.gz for this machine; --out DIR
  fuzz            hostile bytes for every reader, 10 minutes; --minutes N
  bench versus    requests per CPU-second against wrk and a bare io_uring loop
  bench https     the same over TLS against wrk; full handshakes; a body in gzip nobody wants
  bench memory    resident memory per user, and whether any is lost
  bench ingest    an hour of 20 nodes in a minute: nothing lost or doubled, waits, memory, disk
  bench zoom      a run of 10 hours with 200 names: how long its page and its zooms take
  bench export    a run of 24 hours with 50 names: when its exports begin, the memory they take,
                  and what a dozen at once do to other calls
  bench feeder    rows of a file of a gigabyte: per second, in which memory, each once
  bench reporting what telling a stats server costs the load's cores, in requests per CPU-second

`cargo xtask bench versus --help` lists its options, and so do the others.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(true)
        }
        ["test"] => Ok(test::test(setup::in_ci())),
        ["test", "--ci"] => Ok(test::test(true)),
        ["setup"] => setup::install_missing().map(|()| true),
        ["lint"] => lint::lint().map(|failed| failed == 0),
        ["smoke"] => smoke::smoke().map(|()| true),
        ["truth", options @ ..] => truth::truth(options),
        ["acceptance", options @ ..] => acceptance::acceptance(options),
        ["dist", options @ ..] => dist::dist(options),
        ["fuzz", options @ ..] => fuzz::fuzz(options),
        ["bench", "versus", options @ ..] => bench::versus(options).map(|()| true),
        ["bench", "https", options @ ..] => bench::https(options).map(|()| true),
        ["bench", "reporting", options @ ..] => bench::reporting(options).map(|()| true),
        ["bench", what @ ("ingest" | "zoom" | "export")] => bench::store(what).map(|()| true),
        ["bench", "feeder"] => bench::feeder().map(|()| true),
        ["bench", "memory", options @ ..] => bench::memory(options).map(|()| true),
        _ => {
            eprintln!("unknown command: {}\n\n{USAGE}", args.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
