//! What the numbers of a run mean, on servers that refuse, hang and fall silent.

use crate::binary::{Done, Scratch, count};
use crate::harness::{measuring, name, number, run_table};
use serde_json::Value;
use std::time::Duration;
use testkit::origin::{Behaviour, Origin};

/// A run of `main` in `script` with this `[run]` line, load and thresholds.
fn scratch(url: &str, run: &str, load: &str, thresholds: &[&str], script: &str) -> Scratch {
    let mut profile = run_table(url) + run + "\n[[load]]\n" + load + "\n";
    for threshold in thresholds {
        profile += &format!("[[threshold]]\n{threshold}\n");
    }
    Scratch::of(&profile, script)
}

fn even(phases: &str, scenarios: &str) -> String {
    format!("model = \"open\"\narrivals = \"even\"\nscenarios = {scenarios}\nphases = [{phases}]")
}

fn run(scratch: &Scratch, exit: i32) -> (Done, Value) {
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(exit);
    let result = scratch.result();
    crate::binary::conserved(&result);
    (done, result)
}

const BUILTIN: &str = "builtin";

/// 50/s for 2 s, one of them answered after 4 s: the drain is in no rate.
#[test]
fn a_rate_is_that_of_the_load() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user)\n\
        user:get(user.id == 50 and '/delay/3000' or '/')\n\
      end }";
    let load = even("{ rate = \"50/s\", for = \"2s\" }", "\"main\"");
    let rate = "metric = \"rate\"\nis = \">= 45/s\"";
    let scratch = scratch(BUILTIN, "", &load, &[rate], script);
    let (done, result) = run(&scratch, 0);
    assert!(number(&result, "/run/duration_s") >= 3.9, "{}", done.out);
    let load = &result["throughput"];
    assert_eq!(load["load_s"], 2.0, "{load}");
    // the one that was late, and those that the last turn answers after the end
    let ended = count(load, "/ok");
    assert!((97..=99).contains(&ended), "{load}");
    assert_eq!(number(load, "/requests_per_s"), ended as f64 / 2.0);
    done.says(&[&format!("{} requests/s", ended as f64 / 2.0)]);
}

/// Arrivals in the first and the fourth second: what is silent has no latency.
#[test]
fn a_silent_second_has_no_latency() {
    let Some(_alone) = measuring() else { return };
    let origin = Origin::start(Behaviour::fixed(Duration::from_millis(1)));
    let phases = "{ rate = \"5/s\", for = \"1s\" }, { pause = \"1s\" }, \
                  { rate = \"5/s\", for = \"1s\" }";
    let script = "return { main = function(user) user:get('/') end }";
    let scratch = scratch(&origin.url(), "", &even(phases, "\"main\""), &[], script);
    let csv = scratch.argument("s.csv");
    let done = scratch.run(&["--cores", "1", "--csv", &csv]).expect(0);
    let result = scratch.result();
    let silent = &result["series"][1];
    assert_eq!(
        (count(silent, "/sent"), &silent["latency"]["count"]),
        (0, &0.into())
    );
    for key in ["latency", "latency_failed", "latency_all", "lag"] {
        for figure in ["p50_us", "p99_us", "max_us"] {
            assert!(silent[key][figure].is_null(), "{key} {figure}: {silent}");
        }
    }
    let table = std::fs::read_to_string(scratch.path("s.csv")).expect("the CSV is written");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    let column = |head: &str| {
        rows[0]
            .iter()
            .position(|name| *name == head)
            .expect("a column")
    };
    for head in [
        "latency_p50_us",
        "latency_all_max_us",
        "latency_failed_p99_us",
        "lag_max_us",
    ] {
        assert_eq!(rows[2][column(head)], "", "{head} in {table}");
    }
    assert_ne!(rows[1][column("latency_p50_us")], "", "{table}");
    assert_eq!(rows[1][column("latency_failed_p50_us")], "", "{table}");
    let line = done
        .out
        .lines()
        .find(|line| line.trim_start().starts_with("2s "));
    let line = line.expect("a line for the second second");
    assert!(
        line.contains("p50      -") && line.contains("p99      -"),
        "{line}"
    );
}

#[test]
fn no_errors_are_none_and_not_unknown() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user)\n\
        local reply = user:get('/')\n\
        if not reply.ok then user:count('errors'); user:check('repaired', false) end\n\
        user:sleep(0.05)\n\
      end }";
    let load = "model = \"closed\"\nscenarios = \"main\"\nphases = [{ users = 1, for = \"1s\" }]";
    let custom = |stat: &str, is: &str| {
        format!("metric = \"custom\"\nname = \"errors\"\nstat = \"{stat}\"\nis = \"{is}\"")
    };
    let rules = [
        custom("count", "< 10"),
        custom("rate", "< 1/s"),
        "metric = \"checks\"\nstat = \"count\"\nis = \"<= 0\"".to_owned(),
        custom("p99", "< 10"),
        custom("count", "> 0"),
        "metric = \"checks\"\nis = \">= 99%\"".to_owned(),
    ];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let scratch = scratch(BUILTIN, "", load, &rules, script);
    let (_, result) = run(&scratch, 1);
    let thresholds = result["thresholds"].as_array().expect("a list");
    let own = thresholds.iter().filter(|one| one["fail_on"].is_null());
    let met: Vec<bool> = own.map(|one| one["met"] == true).collect();
    assert_eq!(
        met,
        [true, true, true, false, false, false],
        "{thresholds:?}"
    );
    assert_eq!(thresholds[0]["value"], 0.0);
    assert!(thresholds[3]["value"].is_null(), "{}", thresholds[3]);
}

/// Four of 40 hang and nothing is drained.
#[test]
fn requests_that_hang_are_seen_by_thresholds_and_table() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user)\n\
        if user.id % 10 == 0 then user:get('/delay/30000', { name = 'hang' })\n\
        else user:get('/', { name = 'fast' }) end\n\
      end }";
    let load = even("{ rate = \"20/s\", for = \"2s\" }", "\"main\"");
    let rules = [
        "metric = \"failures\"\nis = \"< 1%\"",
        "metric = \"failures\"\nstat = \"count\"\nis = \"<= 4\"",
        "metric = \"latency\"\nstat = \"max\"\nis = \"< 500ms\"",
        "metric = \"latency\"\nstat = \"max\"\nis = \"< 10s\"",
        "metric = \"latency\"\nname = \"fast\"\nstat = \"max\"\nis = \"< 500ms\"",
    ];
    let scratch = scratch(BUILTIN, "drain = \"0s\"", &load, &rules, script);
    let (done, result) = run(&scratch, 1);
    assert_eq!(count(&result, "/totals/unfinished"), 4, "{}", done.out);
    let thresholds = result["thresholds"].as_array().expect("a list");
    let own = thresholds.iter().filter(|one| one["fail_on"].is_null());
    let met: Vec<bool> = own.map(|one| one["met"] == true).collect();
    assert_eq!(met, [false, true, false, true, true], "{}", done.out);
    assert_eq!(thresholds[0]["value"], 0.1);
    // due at 0 s, and 2 s old at the end
    let age = number(&thresholds[2], "/with_unfinished");
    assert!((1.99e6..2.5e6).contains(&age), "{}", thresholds[2]);
    assert!(
        number(&thresholds[2], "/value") < 500e3,
        "{}",
        thresholds[2]
    );
    let hang = name(&result, "hang");
    assert_eq!((count(hang, "/unfinished"), count(hang, "/ok")), (4, 0));
    let done = done.says(&[
        "unfinished: 4 (10.0 %)",
        "or more with the unfinished requests",
    ]);
    let line = done.out.lines().find(|line| line.starts_with("hang"));
    let cells: Vec<&str> = line.expect("a row").split_whitespace().collect();
    let rate = "0";
    let expected = ["hang", "0", "0", "4", rate, "-", "-", "-", "-", "-"];
    assert_eq!(cells, expected);
}

/// Three of four are refused at once, the others take 200 ms.
#[test]
fn fast_refusals_make_no_good_latency() {
    let Some(_alone) = measuring() else { return };
    let origin = Origin::start(Behaviour::fixed(Duration::from_millis(200)).one_of(4));
    let script = "return { main = function(user) user:get('/', { name = 'page' }) end }";
    let rule = |of: &str| format!("metric = \"latency\"\nstat = \"p50\"\nis = \"< 100ms\"\n{of}");
    let rules = [
        rule(""),
        rule("of = \"failed\""),
        rule("of = \"all\"\nname = \"page\""),
        "metric = \"rate\"\nof = \"failed\"\nis = \"> 25/s\"".to_owned(),
        "metric = \"rate\"\nis = \"< 11/s\"".to_owned(),
    ];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let load = even("{ rate = \"40/s\", for = \"2s\" }", "\"main\"");
    let scratch = scratch(&origin.url(), "", &load, &rules, script);
    let (done, result) = run(&scratch, 1);
    let thresholds = result["thresholds"].as_array().expect("a list");
    let own = thresholds.iter().filter(|one| one["fail_on"].is_null());
    let met: Vec<bool> = own.map(|one| one["met"] == true).collect();
    assert_eq!(met, [false, true, true, true, true], "{}", done.out);
    for of in [&result, name(&result, "page")] {
        assert!(number(of, "/latency/min_us") >= 200e3, "{}", of["latency"]);
        assert!(number(of, "/latency_failed/p50_us") < 100e3, "{of}");
        let counts = ["latency", "latency_failed", "latency_all"];
        let counts = counts.map(|key| count(&of[key], "/count"));
        assert_eq!(counts, [20, 60, 80]);
    }
    done.says(&["of failed", "of all", "ok/s"]);
}
