//! Runs without a profile of their own: a URL with options, a profile from standard input, and
//! profiles that arguments change.

use crate::binary::{Done, Program, Scratch, can_run, conserved, count, mistress};
use crate::harness::{ONE_REQUEST, measuring, one_arrival, run_table};
use serde_json::Value;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use testkit::faults::{FaultOrigin, Script, Step};

/// `mistress` in a folder of its own, as an ordinary user starts it.
fn in_folder(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = mistress(arguments);
    command.current_dir(folder);
    command
}

fn finish(command: Command) -> Done {
    Program::start(command).finish()
}

/// A target that ends with the test.
fn target() -> (Program, String) {
    let mut target = Program::start(mistress(&["target", "--listen", "127.0.0.1:0"]));
    let line = target.until("listening on ");
    let url = line.trim_start_matches("listening on ").to_owned();
    (target, url)
}

/// The result that `--json -` wrote.
fn result(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", done.out, done.err))
}

#[test]
fn a_url_is_all_that_a_run_needs() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_target, url) = target();
    let page = format!("{url}/bytes/100?x=1");
    let arguments = ["run", &page, "-u", "4", "-d", "1s"];
    let done = finish(in_folder(folder.path(), &arguments)).expect(0);
    let name = page.trim_start_matches("http://").replace("?x=1", "");
    done.says(&[
        &format!("{name} → {url}"),
        "CLOSED MODEL",
        "4 users",
        "verdict",
    ]);

    // the connections are shared, so that five hundred users need few of them
    let arguments = [
        "run",
        &page,
        "-r",
        "500/s",
        "-d",
        "1s",
        "--arrivals",
        "even",
        "--cores",
        "1",
        "--json",
        "-",
    ];
    let done = finish(in_folder(folder.path(), &arguments)).expect(0);
    let result = result(&done);
    conserved(&result);
    assert_eq!(count(&result, "/totals/ok"), 500);
    assert_eq!(result["run"]["name"], name.as_str());
    assert_eq!(result["run"]["profile"], "arguments");
    assert!(count(&result, "/totals/connections") < 100, "{result}");
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 0, "nothing is left behind");
}

#[test]
fn the_first_number_is_there_within_a_second() {
    let Some(_alone) = measuring() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_target, url) = target();
    let mut command = in_folder(folder.path(), &["run", &url, "-u", "64", "-d", "3s"]);
    let home = folder.path();
    command
        .env_remove("MISTRESS_STATS")
        .env("MISTRESS_PORT", "0");
    command
        .env("HOME", home)
        .env("MISTRESS_DATA", home.join("data"));
    let start = Instant::now();
    let mut run = Program::start(command);
    let line = run.until("req/s");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}: {line}");
    assert!(!line.contains(" 0 req/s"), "{line}");
    run.finish()
        .expect(0)
        .says(&["verdict", "64 users at most"]);
}

#[test]
fn a_number_of_requests_ends_the_run() {
    if !can_run() {
        return;
    }
    let (_target, url) = target();
    let arguments = ["run", &url, "-n", "321", "--json", "-"];
    let done = Program::start(mistress(&arguments)).finish().expect(0);
    let result = result(&done);
    assert_eq!(count(&result, "/totals/sent"), 321);
    assert!(result["run"]["duration_s"].as_f64().unwrap() < 5.0);
}

/// What a server gets from `mistress check` with these arguments.
fn sent(arguments: &[&str]) -> String {
    let steps = [
        Step::ReadAny,
        Step::send(*b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        Step::AwaitClose,
    ];
    let origin = FaultOrigin::start(Script::each(steps));
    let url = format!("{}/path", origin.url());
    let done = crate::binary::run(&[&["check", &url], arguments].concat());
    let lines = done.expect(0).out;
    let lines = lines.lines().map(str::trim);
    lines
        .filter_map(|line| line.strip_prefix('>'))
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

#[test]
fn options_say_what_is_sent() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    std::fs::write(&file, "{\"from\": \"file\"}").unwrap();
    let file = format!("@{}", file.display());
    let rows: [(&[&str], &[&str]); 6] = [
        (
            &["-H", "X-Key: a b", "-H", "Host: other"],
            &["GET /path", "X-Key: a b", "other"],
        ),
        (&["-m", "purge"], &["purge /path"]),
        (&["--body", "a=1;it's"], &["POST /path", "a=1;it's"]),
        (
            &["--form", "a=1 2", "--form", "b=ü"],
            &["application/x-www-form-urlencoded", "a=1+2&b=%C3%BC"],
        ),
        (
            &["--json-body", &file, "-m", "PUT"],
            &["PUT /path", "application/json", "{\"from\": \"file\"}"],
        ),
        (
            &[
                "--json-body",
                "{\"n\": ${N}}",
                "-e",
                "N=7",
                "--basic-auth",
                "ann:secret",
            ],
            &["Basic YW5uOnNlY3JldA==", "{\"n\": 7}"],
        ),
    ];
    for (arguments, parts) in rows {
        let sent = sent(arguments);
        for part in parts {
            assert!(sent.contains(part), "{arguments:?}: no {part} in\n{sent}");
        }
    }
}

#[test]
fn the_printed_profile_runs_as_it_is() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_target, url) = target();
    let page = format!("{url}/echo");
    let arguments = [
        "run",
        &page,
        "-u",
        "2",
        "-n",
        "5",
        "--body",
        "it's\n'''\"x\"",
        "--print-profile",
    ];
    let printed = finish(in_folder(folder.path(), &arguments)).expect(0).out;
    let profile = folder.path().join("p.toml");
    std::fs::write(&profile, &printed).unwrap();
    let mut command = in_folder(folder.path(), &["run", "-", "--json", "-"]);
    command.stdin(File::open(&profile).unwrap());
    let done = finish(command).expect(0);
    let result = result(&done);
    assert_eq!(count(&result, "/totals/ok"), 5);
    assert_eq!(result["run"]["profile"], "stdin");
    let mut command = in_folder(folder.path(), &["check", "-"]);
    command.stdin(File::open(&profile).unwrap());
    finish(command)
        .expect(0)
        .says(&["stdin", "it's", "'''\"x\""]);
    let error = "p.toml, expected a URL";
    finish(in_folder(
        folder.path(),
        &["run", "p.toml", "--print-profile"],
    ))
    .expect(2)
    .complains(&[error]);
}

#[test]
fn a_profile_from_stdin_names_files_in_the_working_folder() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::of(&(run_table("builtin") + &one_arrival("main")), ONE_REQUEST);
    let folder = scratch.path("p.lua");
    let folder = folder.parent().unwrap();
    let mut command = in_folder(folder, &["run", "-", "--quiet"]);
    command.stdin(File::open(scratch.path("p.toml")).unwrap());
    finish(command)
        .expect(0)
        .says(&["stdin → http://127.0.0.1:"]);
    scratch.write("wrong.toml", "[run]\nscript = \"none.lua\"\n");
    let mut command = in_folder(folder, &["run", "-"]);
    command.stdin(File::open(scratch.path("wrong.toml")).unwrap());
    finish(command)
        .expect(2)
        .complains(&["stdin:2:10: found the script \"none.lua\""]);
}

#[test]
fn arguments_change_a_profile_and_are_kept_with_its_run() {
    if !can_run() {
        return;
    }
    let loads = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
        phases = [{ rate = \"10/s\", for = \"1m\" }, { rate = \"20/s\", for = \"1m\" }]\n\
        [[load]]\nmodel = \"closed\"\nscenarios = \"main\"\npacing = \"100ms\"\n\
        phases = [{ users = 50, for = \"2m\" }]\n";
    let scratch = Scratch::of(&(run_table("builtin") + loads), ONE_REQUEST);
    let more = [
        "--rate",
        "200/s",
        "--users",
        "3",
        "--duration",
        "1s",
        "--name",
        "other name",
        "--seed",
        "random",
        "--set",
        "load.2.pacing=200ms",
        "--set",
        "run.timeout=7s",
    ];
    let done = scratch.run(&more).expect(0);
    let result = scratch.result();
    conserved(&result);
    // half a second of 100/s and half a second of 200/s
    assert_eq!(count(&result, "/totals/planned"), 150);
    assert_eq!(result["run"]["planned_s"], 1.0);
    assert_eq!(result["run"]["name"], "other name");
    let loads = result["run"]["loads"].to_string();
    for part in [
        "100/s for 500ms",
        "200/s for 500ms",
        "3 users for 1s",
        "200ms",
    ] {
        assert!(loads.contains(part), "{part}: {loads}");
    }
    let seed = format!("--seed {}", count(&result, "/run/seed"));
    let expected = [
        "--users 3",
        "--rate 200/s",
        "--duration 1s",
        "--name 'other name'",
        &seed,
        "--set load.2.pacing=200ms",
        "--set run.timeout=7s",
    ];
    assert_eq!(result["run"]["overrides"], serde_json::json!(expected));
    done.says(&["--users 3", &seed]);
    // the seed that was chosen repeats the run
    let again = ["--duration", "1s", "--seed", &seed[7..], "-n", "9"];
    scratch.run(&again).expect(0);
    let result = scratch.result();
    assert_eq!(format!("--seed {}", count(&result, "/run/seed")), seed);
    assert_eq!(count(&result, "/totals/sent"), 9);
}

#[test]
fn the_help_subcommand_is_the_help_of_the_other() {
    let expected = crate::binary::run(&["run", "--help"]).expect(0).out;
    assert_eq!(crate::binary::run(&["help", "run"]).expect(0).out, expected);
}
