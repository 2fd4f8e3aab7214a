//! The first steps of a user: examples that run at once, and what a mistake in the arguments says.

use crate::binary::{Done, Program, Scratch, can_run, mistress};
use crate::harness::{ONE_REQUEST, one_arrival, run_table};
use std::path::Path;

fn in_folder(folder: &Path, arguments: &[&str]) -> Done {
    let mut command = mistress(arguments);
    command.current_dir(folder);
    Program::start(command).finish()
}

#[test]
fn examples_run_at_once_and_never_overwrite() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (arguments, name) in [
        (&["init"][..], "shop"),
        (&["init", "--example", "api"], "api"),
        (&["init", "my.site", "--example", "browser"], "my.site"),
    ] {
        let profile = format!("{name}.toml");
        in_folder(folder, arguments)
            .expect(0)
            .says(&[&format!("mistress run {profile}")]);
        in_folder(folder, &["check", &profile]).expect(0);
        in_folder(folder, &["run", &profile, "-d", "1s", "--quiet"])
            .expect(0)
            .says(&["verdict"]);
        let before = std::fs::read(folder.join(&profile)).unwrap();
        in_folder(folder, arguments)
            .expect(2)
            .complains(&[&format!("{profile}: the file exists")]);
        assert_eq!(std::fs::read(folder.join(&profile)).unwrap(), before);
    }
    let api = std::fs::read_to_string(folder.join("mistress-api.lua")).unwrap();
    assert!(api.starts_with("---@meta"), "{api}");
    // neither file is written if the other exists
    std::fs::write(folder.join("half.lua"), "").unwrap();
    in_folder(folder, &["init", "half"])
        .expect(2)
        .complains(&["half.lua: the file exists"]);
    assert!(!folder.join("half.toml").exists());
    in_folder(folder, &["init", "../up"])
        .expect(2)
        .complains(&["\"../up\": expected a name"]);
}

const URL: &str = "http://127.0.0.1:1/";
/// Wrong arguments of `run`, and parts of what they are told; P is a profile, VARS a file.
const MISTAKES: [(&[&str], &[&str]); 36] = [
    (
        &[URL, "-r", "500"],
        &["'--rate <RATE>'", "\"500\" without a unit", "\"100/s\""],
    ),
    (
        &[URL, "-r", "500/x"],
        &["'--rate <RATE>'", "unknown unit \"/x\""],
    ),
    (&[URL, "-r", "0/s"], &["'--rate <RATE>'", "above zero"]),
    (&[URL, "-u", "0"], &["'--users <N>'", "from 1 to 10000000"]),
    (
        &[URL, "-u", "many"],
        &["'--users <N>'", "'many'", "whole number"],
    ),
    (&[URL, "-n", "0"], &["'--requests <N>'", "from 1 to"]),
    (
        &[URL, "-d", "10"],
        &["'--duration <TIME>'", "\"10\" without a unit", "\"10s\""],
    ),
    (&[URL, "-d", "0s"], &["'--duration <TIME>'", "above zero"]),
    (
        &[URL, "-d", "10sec"],
        &["'--duration <TIME>'", "unknown unit \"sec\""],
    ),
    (
        &[URL, "-u", "1", "-r", "1/s"],
        &["--users, --rate", "found both"],
    ),
    (&[URL, "--arrivals", "even"], &["--rate"]),
    (
        &[URL, "-r", "1/s", "--arrivals", "evn"],
        &["--arrivals", "'even'"],
    ),
    (&[URL, "--pool", "share"], &["--pool", "'shared'"]),
    (
        &[URL, "--http", "2"],
        &["'--http <VERSION>'", "expected 1.1"],
    ),
    (
        &[URL, "-H", "NoColon"],
        &["'--header <NAME: VALUE>'", "'NoColon'", "a colon"],
    ),
    (
        &[URL, "-H", "Bad Name: x"],
        &["--header 'Bad Name: x': found a header name"],
    ),
    (
        &[URL, "-H", "Content-Length: 5"],
        &["--header 'Content-Length: 5'", "sets itself"],
    ),
    (&[URL, "-m", "G T"], &["'--method <METHOD>'", "such as GET"]),
    (
        &[URL, "--body", "@missing"],
        &["--body @missing: cannot read the file"],
    ),
    (
        &[URL, "--body", "x", "--form", "a=1"],
        &["--body", "cannot be used with", "--form"],
    ),
    (
        &[URL, "--form", "novalue"],
        &["'--form <NAME=VALUE>'", "NAME=VALUE"],
    ),
    (
        &[URL, "--json-body", "{a:1}"],
        &["--json-body: found no JSON"],
    ),
    (
        &[URL, "--basic-auth", "ann"],
        &["--basic-auth", "NAME:PASSWORD"],
    ),
    (&[URL, "--user", "5"], &["'--user'", "'--users'"]),
    (&["http://"], &["http://: found no host", "http[s]://host"]),
    (
        &["ftp://host/x"],
        &["ftp://host/x: found the scheme \"ftp\"", "http://"],
    ),
    (
        &["localhost:8080"],
        &["did you mean http://localhost:8080?"],
    ),
    (
        &["http://h/a b"],
        &["http://h/a b: found ' '", "percent-encoded"],
    ),
    (
        &["P", "--set", "run.sead=1"],
        &["--set run.sead=1: unknown key `sead`", "`seed`"],
    ),
    (
        &["P", "--set", "rnu.seed=1"],
        &["--set rnu.seed=1: unknown table `rnu`", "`run`"],
    ),
    (
        &["P", "--set", "run.timeout"],
        &["'--set <KEY.PATH=VALUE>'", "run.timeout=5s"],
    ),
    (
        &["P", "--set", "run.timeout=5"],
        &["--set run.timeout=5: found the number 5 without"],
    ),
    (
        &["P", "--set", "load.2.start=1s"],
        &["--set load.2.start=1s: found entry 2", "1 to 1"],
    ),
    (
        &["P", "-u", "5"],
        &["--users: the profile has no closed load", "--rate"],
    ),
    (
        &["P", "-m", "POST"],
        &["--method: found a profile, expected a URL", "script"],
    ),
    (
        &["P", "--env-file", "VARS"],
        &["line 2: expected KEY=VALUE"],
    ),
];

#[test]
fn mistakes_in_arguments_say_where_why_and_what_is_near() {
    let scratch = Scratch::of(&(run_table("builtin") + &one_arrival("main")), ONE_REQUEST);
    scratch.write("vars", "A=1\nno assignment\n");
    for (arguments, parts) in MISTAKES {
        let arguments = arguments.iter().map(|one| match *one {
            "P" => scratch.profile(),
            "VARS" => scratch.argument("vars"),
            one => one.to_owned(),
        });
        let all: Vec<String> = ["run".to_owned()].into_iter().chain(arguments).collect();
        let done = crate::binary::run(&all);
        assert_eq!(done.code, Some(2), "{all:?}: {}", done.err);
        for part in parts {
            assert!(
                done.err.contains(part),
                "{all:?}: no {part:?} in\n{}",
                done.err
            );
        }
    }
}
