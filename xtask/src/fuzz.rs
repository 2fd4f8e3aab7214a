//! Fuzzing for minutes: each target in a process of its own, one after the other.

use std::time::{Duration, Instant};

use testkit::fuzz::SECONDS;

use crate::Failure;
use crate::project::cargo;
use crate::run::{self, Limit};

/// Package and full name of each test that fuzzes.
const TARGETS: [(&str, &str); 8] = [
    ("mistress-engine", "http::tests::fuzz::response_heads"),
    ("mistress-engine", "http::tests::fuzz::chunked_bodies"),
    ("mistress-engine", "http::tests::fuzz::cookies"),
    ("mistress-engine", "http::tests::fuzz::content_codings"),
    (
        "mistress-engine",
        "http::tests::fuzz::challenges_and_locations",
    ),
    ("mistress-engine", "http::tests::fuzz::urls"),
    (
        "mistress-engine",
        "transport::tunnel::tests::answers_of_any_kind",
    ),
    (
        "mistress-config",
        "profile::tests::fuzz::profiles_of_any_kind",
    ),
];
/// Minutes of all targets together, unless told otherwise.
const MINUTES: f64 = 10.0;
/// What a target may take beyond its seconds: building it, first of all.
const SLACK: Duration = Duration::from_secs(900);

/// Runs all targets; true when none failed. `options` is empty or `--minutes N`.
pub fn fuzz(options: &[&str]) -> Result<bool, Failure> {
    let minutes = match options {
        [] => MINUTES,
        ["--minutes", text] => text
            .parse()
            .ok()
            .filter(|minutes| (0.01..=1e4).contains(minutes))
            .ok_or_else(|| format!("--minutes: {text:?} is not a fitting number"))?,
        _ => return Err("cargo xtask fuzz [--minutes N]".into()),
    };
    let seconds = (minutes * 60.0 / TARGETS.len() as f64).ceil() as u64;
    let mut failed = Vec::new();
    for (package, name) in TARGETS {
        let mut command = cargo(&["test", "--quiet", "--package", package, "--lib", "--"]);
        command.args(["--exact", name, "--nocapture"]);
        command.env(SECONDS, seconds.to_string());
        let limit = Limit::At(Instant::now() + Duration::from_secs(seconds) + SLACK);
        let mut told = false;
        let end = run::lines(command, limit, |_, line| {
            told |= line.starts_with("fuzz ");
            if !line.is_empty() {
                println!("{line}");
            }
        })?;
        // Without its line the test was not there.
        if !end.is_success() || !told {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    Ok(failed.is_empty())
}
