//! What comes from outside of a profile's text: variables, secrets, changes by arguments.

use std::time::Duration;

use super::*;
use crate::variables::VariableSource;

const SCRIPT: &str = "[run]\nscript_text = 'return ${X}'\ntarget = \"builtin\"\n";

fn change(path: &str, value: &str) -> Override {
    Override {
        path: path.to_owned(),
        value: value.to_owned(),
        label: format!("--set {path}={value}"),
    }
}

/// A text read with these changes and variables.
fn read_with(text: &str, changes: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Plan, String> {
    let mut variables = Variables::default();
    for (name, value) in set {
        variables.set(name, value, VariableSource::Environment);
    }
    let options = ReadOptions {
        variables,
        overrides: changes
            .iter()
            .map(|(path, value)| change(path, value))
            .collect(),
        ..ReadOptions::default()
    };
    let read = options.read(text.as_bytes(), Path::new("p.toml"));
    read.map_err(|errors| errors.to_string())
}

#[test]
fn a_script_can_be_in_the_profile() {
    let plan = read_with(&format!("{SCRIPT}{LOAD}"), &[], &[]).unwrap();
    assert_eq!(plan.script_text.as_deref(), Some("return ${X}"));
    assert_eq!(plan.script, Path::new("script_text"));
    let both = format!("{RUN}script_text = ''\n{LOAD}");
    let error = read_with(&both, &[], &[]).unwrap_err();
    assert_eq!(
        error,
        "p.toml:4:15: found both `script` and `script_text`, expected one of them"
    );
}

#[test]
fn changes_take_the_place_of_values() {
    let two = format!("{SCRIPT}timeout = \"1s\"\n{LOAD}{LOAD}");
    let changes = [
        ("run.timeout", "7s"),
        ("run.cores", "[2, 3]"),
        ("connections.pool", "\"shared\""),
        ("connections.timeouts.connect", "2s"),
        ("load.2.phases.1.rate", "[\"1/s\", \"9/s\"]"),
        ("load.1.scenarios", "{ a = 1, b = 2 }"),
        ("hosts.\"a.example\"", "\"127.0.0.1\""),
    ];
    let plan = read_with(&two, &changes, &[]).unwrap();
    assert_eq!(plan.timeout, Duration::from_secs(7));
    assert_eq!(plan.cores, crate::Cores::List(vec![2, 3]));
    assert_eq!(plan.loads[0].scenarios.len(), 2);
    assert_eq!(plan.loads[1].model.curve().max(), 9.0);
    let one = read_with(&format!("{SCRIPT}{LOAD}"), &[("load.start", "3s")], &[]).unwrap();
    assert_eq!(one.loads[0].start, Duration::from_secs(3));
}

#[test]
fn wrong_changes_are_told_at_their_argument() {
    let two = format!("{SCRIPT}{LOAD}{LOAD}");
    let rows = [
        (
            "run.sead",
            "1",
            "unknown key `sead` in `[run]`; did you mean `seed`?",
        ),
        ("rnu.seed", "1", "unknown table `rnu`; did you mean `run`?"),
        ("run.timeout", "5", "found the number 5 without a unit"),
        (
            "load.start",
            "1s",
            "`load` has 2 entries, expected one of load.1 to load.2",
        ),
        (
            "load.3.start",
            "1s",
            "found entry 3 of `load`, expected 1 to 2",
        ),
        (
            "run.target.x",
            "1",
            "found `run.target.x`, but `target` is a value",
        ),
        ("run..x", "1", "found the key \"run..x\", expected a path"),
        ("", "1", "found the key \"\", expected a path"),
    ];
    for (path, value, message) in rows {
        let error = read_with(&two, &[(path, value)], &[]).unwrap_err();
        let expected = format!("--set {path}={value}: {message}");
        assert!(error.starts_with(&expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn variables_stand_for_numbers_where_they_are_expected() {
    let text = "[run]\nname = \"${N}\"\nscript_text = ''\ntarget = \"http://${HOST}\"\n\
        seed = \"${N}\"\ncores = \"${CORES:-2}\"\n\
        [[load]]\nmodel = \"closed\"\nscenarios = { a = \"${W:-1.5}\" }\n\
        phases = [{ users = [0, \"${N}\"], for = \"${N}s\" }]\n\
        [connections]\nkeep_alive = \"${KEEP:-false}\"\n";
    let plan = read_with(text, &[], &[("N", "7"), ("HOST", "h")]).unwrap();
    assert_eq!((plan.name.as_str(), plan.seed), ("7", 7));
    assert_eq!(plan.cores, crate::Cores::Count(2));
    assert_eq!(plan.loads[0].scenarios[0].weight, 1.5);
    assert_eq!(plan.loads[0].model.curve().max(), 7.0);
    assert!(!plan.connections.keep_alive);
    assert_eq!(plan.profile_text, text, "kept as it was written");
    let error = read_with(text, &[], &[("N", "x"), ("HOST", "h")]).unwrap_err();
    assert!(
        error.starts_with("p.toml:5:8: found \"x\", expected a whole number"),
        "{error}"
    );
    // only what comes from a variable
    let quoted = format!("{SCRIPT}seed = \"7\"\n{LOAD}");
    assert!(read_with(&quoted, &[], &[]).is_err());
}

#[test]
fn secrets_are_not_in_messages() {
    let text =
        format!("{SCRIPT}timeout = \"${{KEY}}\"\n{LOAD}[secrets]\nKEY = \"env\"\nB-D = \"env\"\n");
    let error = read_with(&text, &[], &[("KEY", "hidden value")]).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert!(
        lines[0].starts_with("p.toml:4:11: found \"***\", expected a duration"),
        "{error}"
    );
    assert!(
        lines[1].starts_with("p.toml:11:1: found the name \"B-D\""),
        "{error}"
    );
    let error = read_with(&text, &[], &[]).unwrap_err();
    assert!(
        error.contains("found no value of the secret `KEY`"),
        "{error}"
    );
}
