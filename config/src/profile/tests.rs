//! Profiles: the plans of valid ones, and the exact messages for invalid ones.

use super::*;

mod accepted;
mod broken;
mod fuzz;
mod inputs;
mod limits;
mod ports;
mod proxies;
mod shapes;
mod thresholds;
mod tls;
mod web;

const RUN: &str = "[run]\nscript = \"s.lua\"\ntarget = \"builtin\"\n";
const LOAD: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"a\"\n\
                    phases = [{ rate = \"1/s\", for = \"1s\" }]\n";

fn read_text(text: &str) -> Result<Plan, Errors> {
    parse(text, Path::new("p.toml"))
}

fn plan(text: &str) -> Plan {
    read_text(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The problems of `text`, `line:column: message` each.
fn problems(text: &str) -> Vec<String> {
    let errors = read_text(text).expect_err("the profile should be refused");
    let lines = errors.to_string();
    lines
        .lines()
        .map(|line| line.strip_prefix("p.toml:").unwrap().to_owned())
        .collect()
}

/// Each problem of `text` begins as expected, and there are no others.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = problems(text);
    let fits = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.starts_with(expected));
    assert!(fits, "in\n{text}\nfound {found:#?}\nexpected {expected:#?}");
}

/// As [`check`] for a `[run]` with the line `extra` as line 4.
#[track_caller]
fn check_run(extra: &str, expected: &[&str]) {
    check(&format!("{RUN}{extra}\n{LOAD}"), expected);
}

/// As [`check`] for a load alone, its lines counted from 4 on.
#[track_caller]
fn check_load(load: &str, expected: &[&str]) {
    check(&format!("{RUN}{load}\n"), expected);
}
