//! Every test of the workspace, summed up in one last line.

use std::fmt;
use std::time::{Duration, Instant};

use crate::project::cargo;
use crate::run::{self, Limit};
use crate::{Failure, lint, setup};

/// In CI nobody watches: tests that hang are killed this long after the start.
const CI_LIMIT: Duration = Duration::from_secs(42 * 60);

/// One call of cargo: what it is and its arguments.
///
/// The libraries run with debug assertions. The root package measures time, so it runs optimized
/// and one test after the other.
const SUITES: &[&[&str]] = &[
    &[
        "test",
        "--workspace",
        "--exclude",
        "mistress",
        "--no-fail-fast",
        "--",
        "--show-output",
    ],
    &[
        "test",
        "--profile",
        "tests",
        "--package",
        "mistress",
        "--no-fail-fast",
        "--",
        "--show-output",
        "--test-threads=1",
    ],
];

/// Sets up, lints, tests; prints the sum as its last line. True when all is well.
pub fn test(ci: bool) -> bool {
    let limit = if ci {
        Limit::At(Instant::now() + CI_LIMIT)
    } else {
        Limit::None
    };
    let mut tally = Tally::default();
    if let Err(error) = setup::install_missing() {
        println!("setup: {error}; tests that need it will say so");
    }
    match lint::lint() {
        Ok(failed) => tally.failed += u64::from(failed),
        Err(error) => tally.fail(&format!("lint: {error}")),
    }
    for suite in SUITES {
        match run_suite(suite, ci, limit) {
            Ok(sum) => tally.add(&sum),
            Err(error) => tally.fail(&error.to_string()),
        }
    }
    let is_good = tally.failed == 0 && (tally.skipped == 0 || !ci);
    if ci && tally.skipped > 0 {
        println!("in CI a skipped test is a failure");
    }
    println!("{tally}");
    is_good
}

/// Runs one call of cargo, echoing what it prints.
fn run_suite(suite: &[&str], ci: bool, limit: Limit) -> Result<Tally, Failure> {
    println!("== cargo {}", suite.join(" "));
    let mut command = cargo(suite);
    if ci {
        command.env("CI", "1").env("CARGO_INCREMENTAL", "0");
    }
    let mut tally = Tally::default();
    let end = run::lines(command, limit, |_, line| {
        println!("{line}");
        tally.read(line);
    })?;
    tally.settle();
    match end {
        run::End::TimedOut => tally.fail("stopped: the time for all tests is over"),
        _ if end.is_success() && tally.results == 0 => tally.fail("no test ran"),
        // It did not build, or a test program died before its sum.
        _ if !end.is_success() && tally.failed == 0 => tally.fail("cargo failed"),
        _ => {}
    }
    Ok(tally)
}

/// Tests counted so far.
#[derive(Default, Clone, PartialEq, Eq, Debug)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    /// Sums of test programs that were read.
    results: u64,
    /// Lines `SKIPPED: ..` of tests, until `settle`.
    told: u64,
}

impl Tally {
    /// Takes in one line of a test program's output.
    fn read(&mut self, line: &str) {
        if let Some(sum) = parse_result(line) {
            self.results += 1;
            self.passed += sum.passed;
            self.failed += sum.failed;
            self.skipped += sum.skipped;
        } else if line.trim_start().starts_with("SKIPPED:") || line.contains("... SKIPPED:") {
            self.told += 1;
        }
    }

    /// Moves the tests that said they were skipped: each returned early, so its program counts it
    /// as passed.
    fn settle(&mut self) {
        self.passed = self.passed.saturating_sub(self.told);
        self.skipped += std::mem::take(&mut self.told);
    }

    fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Counts something that failed and is not a test.
    fn fail(&mut self, what: &str) {
        println!("FAILED: {what}");
        self.failed += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; ...`.
fn parse_result(line: &str) -> Option<Tally> {
    let (_, counts) = line
        .trim_start()
        .strip_prefix("test result: ")?
        .split_once(". ")?;
    let count = |word: &str| {
        let part = counts
            .split(';')
            .map(str::trim)
            .find(|part| part.ends_with(word))?;
        part.split(' ').next()?.parse::<u64>().ok()
    };
    Some(Tally {
        passed: count(" passed")?,
        failed: count(" failed")?,
        skipped: count(" ignored")?,
        ..Tally::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum after a program that printed `lines`.
    fn sum(lines: &[&str]) -> String {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        tally.settle();
        tally.to_string()
    }

    #[test]
    fn sums_of_several_programs_add_up() {
        let lines = [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; in 0.1s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; in 1s",
        ];
        assert_eq!(sum(&lines), "13 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_tells_of_its_skip_is_not_passed() {
        let lines = [
            "  SKIPPED: io_uring is not allowed here",
            "the word SKIPPED: within a line is not a skip",
            "test a_test ... SKIPPED: no root",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; in 0.1s",
        ];
        assert_eq!(sum(&lines), "1 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn other_lines_count_for_nothing() {
        let lines = [
            "test result: ok. many passed; 0 failed; 0 ignored",
            "1 passed, 2 failed",
            "",
        ];
        assert_eq!(sum(&lines), "0 passed, 0 failed, 0 skipped");
    }
}
