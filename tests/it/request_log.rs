//! What a run writes besides its result: the log of requests, and the script's own summary.

use crate::binary::{Done, Program, Scratch, can_run, count};
use serde_json::Value;
use std::fs;

/// Twelve iterations of two requests, one of which fails.
const SCRIPT: &str = "return { main = function(user)\n\
    user:get('/', { headers = { ['x-auth-token'] = 'hidden-1' } })\n\
    user:post('/status/503', { body = 'the cart', name = 'pay', tags = { kind = 'buy' } })\n\
    end }";
const LOAD: &str = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
                    phases = [{ users = 2, for = \"5s\" }]\n";

fn logged(log: &str, file: &str) -> (Scratch, Done) {
    let scratch = Scratch::new("stats = \"off\"\niterations_max = 12", LOAD, SCRIPT);
    let path = scratch.argument(file);
    let command = scratch.run_command(&["--quiet", "--log", log, "--log-file", &path]);
    let done = Program::start(command).finish().expect(0);
    (scratch, done)
}

#[test]
fn failed_requests_are_logged_as_json_lines() {
    if !can_run() {
        return;
    }
    let (scratch, done) = logged("requests=failed", "log.jsonl");
    assert!(
        done.out.contains("requests     12 logged in "),
        "{}",
        done.out
    );
    let text = fs::read_to_string(scratch.argument("log.jsonl")).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 12);
    for line in &lines {
        assert_eq!(line["name"], "pay");
        assert_eq!(line["tags"], serde_json::json!({ "kind": "buy" }));
        assert_eq!(
            (&line["status"], &line["failure"]),
            (&503.into(), &"status".into())
        );
        assert_eq!(line["request"]["body"], "the cart");
        assert!(
            line["url"].as_str().unwrap().ends_with("/status/503"),
            "{line}"
        );
        assert!(
            line["latency_ms"].as_f64() >= line["service_ms"].as_f64(),
            "{line}"
        );
    }
    assert_eq!(count(&scratch.result(), "/totals/failed"), 12);
}

#[test]
fn all_requests_are_logged_as_har_without_credentials() {
    if !can_run() {
        return;
    }
    let (scratch, _) = logged("requests=all", "log.har");
    let text = fs::read_to_string(scratch.argument("log.har")).unwrap();
    assert!(!text.contains("hidden-1"), "{text}");
    let har: Value = serde_json::from_str(&text).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 24);
    let pays = entries
        .iter()
        .filter(|entry| entry["response"]["status"] == 503);
    assert_eq!(pays.count(), 12);
}

#[test]
fn what_cannot_be_logged_is_said() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("stats = \"off\"\niterations_max = 1", LOAD, SCRIPT);
    let run = |log: &[&str]| Program::start(scratch.run_command(log)).finish();
    run(&["--log", "failed"])
        .expect(2)
        .complains(&["allowed are requests=failed and requests=all"]);
    run(&["--log", "requests=all", "--log-file", "/nowhere/x"])
        .expect(2)
        .complains(&["/nowhere/x: No such file"]);
    run(&[
        "--quiet",
        "--log",
        "requests=all",
        "--log-file",
        "/dev/full",
    ])
    .expect(3)
    .complains(&["/dev/full: only 0 requests were logged: No space left"]);
}

#[test]
fn the_scripts_own_summary_is_written() {
    if !can_run() {
        return;
    }
    let script = "return { main = function(user) user:get('/') end,\n\
        summary = function(result)\n\
        return { stdout = 'OWN ' .. result.totals.ok .. '\\n', [OUT] = result.run.name }\n\
        end }";
    let scratch = Scratch::new("stats = \"off\"\niterations_max = 3", LOAD, "");
    let path = scratch.argument("own.txt");
    scratch.write("p.lua", &script.replace("OUT", &format!("'{path}'")));
    scratch.run(&["--quiet"]).expect(0).says(&["OWN 3\n"]);
    assert_eq!(fs::read_to_string(path).unwrap(), "p");
    scratch.write("p.lua", &script.replace("OUT", "'/nowhere/x'"));
    scratch
        .run(&["--quiet"])
        .expect(3)
        .complains(&["/nowhere/x: "]);
    scratch.write("p.lua", &script.replace("OUT", "7"));
    scratch
        .run(&["--quiet"])
        .expect(3)
        .complains(&["the script's summary: summary returned"]);
}
