//! Thresholds from the profile to the exit code, the report, the result and JUnit.

use crate::binary::{Scratch, count};
use crate::harness::{measuring, number};

const OPEN: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n";

/// A run against the built-in target: `phases` of one open load, and these thresholds.
fn scratch(phases: &str, thresholds: &[&str], script: &str) -> Scratch {
    let mut load = format!("{OPEN}phases = [{phases}]\n");
    for threshold in thresholds {
        load += &format!("[[threshold]]\n{threshold}\n");
    }
    Scratch::new("stats = false", &load, script)
}

const SLOW: &str = "return { main = function(user) user:get('/delay/50', { name = 'slow' }) end }";

#[test]
fn met_thresholds_end_with_0_and_missed_ones_with_1() {
    let Some(_alone) = measuring() else { return };
    let second = "{ rate = \"50/s\", for = \"1s\" }";
    // The page takes 50 ms: below 10 s for certain, and never below 40 ms.
    let met = "metric = \"latency\"\nname = \"slow\"\nstat = \"p99\"\nis = \"< 10s\"";
    let missed = "metric = \"latency\"\nname = \"slow\"\nstat = \"min\"\nis = \"< 40ms\"";
    let nobody = "metric = \"latency\"\nname = \"nobody\"\nstat = \"p50\"\nis = \"< 10s\"";
    let good = scratch(second, &[met], SLOW);
    let xml = good.argument("r.xml");
    good.run(&["--quiet", "--junit", &xml])
        .expect(0)
        .says(&["slow"]);
    let result = good.result();
    assert_eq!(
        result["thresholds"][0]["met"], true,
        "{}",
        result["thresholds"]
    );
    let value = number(&result, "/thresholds/0/value");
    assert!((50_000.0..10e6).contains(&value), "{value} us");
    let junit = std::fs::read_to_string(good.path("r.xml")).expect("JUnit is written");
    assert!(
        junit.contains("failures=\"0\"") && !junit.contains("<failure"),
        "{junit}"
    );
    let bad = scratch(second, &[met, missed, nobody], SLOW);
    let xml = bad.argument("r.xml");
    bad.run(&["--quiet", "--junit", &xml]).expect(1);
    let result = bad.result();
    let met = |index: usize| result["thresholds"][index]["met"].as_bool();
    assert_eq!(
        [met(0), met(1), met(2)],
        [Some(true), Some(false), Some(false)]
    );
    assert!(
        result["thresholds"][2]["value"].is_null(),
        "{}",
        result["thresholds"]
    );
    let junit = std::fs::read_to_string(bad.path("r.xml")).expect("JUnit is written");
    assert_eq!(junit.matches("<failure").count(), 2, "{junit}");
}

#[test]
fn a_missed_threshold_that_aborts_ends_the_load_early() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user) user:get('/status/500') end }";
    let abort = "metric = \"failures\"\nis = \"< 1%\"\nover = \"1s\"\nabort = true\ndelay = \"1s\"";
    let scratch = scratch("{ rate = \"50/s\", for = \"60s\" }", &[abort], script);
    let done = scratch.run(&[]).expect(1);
    let result = scratch.result();
    // It is seen when the second second closes, at most 3 s later; the plan has a minute.
    assert!(number(&result, "/run/duration_s") < 20.0, "{}", done.out);
    assert_eq!(
        result["thresholds"][0]["aborted"], true,
        "{}",
        result["thresholds"]
    );
    assert_eq!(count(&result, "/totals/unfinished"), 0);
    assert!(done.out.contains("failures"), "{}", done.out);
}

#[test]
fn checks_rates_and_arrivals_are_judged() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user)\n\
        local reply = user:get('/')\n\
        user:check('even', user.id % 2 == 0)\n\
      end }";
    let thresholds = [
        "metric = \"checks\"\nname = \"even\"\nis = \">= 50%\"",
        "metric = \"checks\"\nname = \"even\"\nis = \"> 50%\"",
        "metric = \"rate\"\nis = \"> 20/s\"",
        "metric = \"rate\"\nis = \"> 60/s\"",
        "metric = \"arrivals\"\nis = \">= 95%\"",
        "metric = \"failures\"\nstat = \"count\"\nis = \"< 1\"",
        "metric = \"failures\"\nname = \"GET /\"\nis = \"< 0%\"",
    ];
    // A hundred users: ids 0 to 99 or 1 to 100, so half are even.
    let scratch = scratch("{ rate = \"50/s\", for = \"2s\" }", &thresholds, script);
    scratch.run(&["--quiet"]).expect(1);
    let result = scratch.result();
    let met: Vec<bool> = result["thresholds"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|outcome| outcome["fail_on"].is_null())
        .map(|outcome| outcome["met"].as_bool().expect("a truth"))
        .collect();
    let expected = [true, false, true, false, true, true, false];
    assert_eq!(met, expected, "{}", result["thresholds"]);
}

#[test]
fn a_wrong_threshold_is_told_with_its_place() {
    let rows = [
        (
            "metric = \"latencyy\"\nstat = \"p99\"\nis = \"< 1s\"",
            "latency",
        ),
        ("metric = \"latency\"\nstat = \"p99\"\nis = \"< 1\"", "unit"),
        (
            "metric = \"latency\"\nstat = \"p101\"\nis = \"< 1s\"",
            "p101",
        ),
        ("metric = \"failures\"\nis = \"1%\"", "1%"),
        (
            "metric = \"failures\"\nis = \"< 1%\"\nover = \"0s\"",
            "over",
        ),
        (
            "metric = \"failures\"\nis = \"< 1%\"\nabrot = true",
            "abort",
        ),
    ];
    for (threshold, part) in rows {
        let scratch = scratch("{ rate = \"50/s\", for = \"1s\" }", &[threshold], SLOW);
        scratch.run(&[]).expect(2).complains(&["p.toml:", part]);
    }
}

#[test]
fn metrics_of_a_script_are_reported_and_judged() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user)\n\
      user:count('orders', 2, { country = 'de' })\n\
      user:gauge('level', user.id - 10)\n\
      user:rate('even', user.id % 2 == 0)\n\
      user:trend('size', user.id)\n\
    end }";
    let custom = |name: &str, stat: &str, is: &str| {
        format!("metric = \"custom\"\nname = \"{name}\"\nstat = \"{stat}\"\nis = \"{is}\"")
    };
    let rules = [
        custom("orders{country=de}", "count", ">= 200"),
        custom("even", "share", ">= 50%"),
        custom("size", "p90", "< 90"),
        custom("level", "max", "<= 89"),
        custom("size", "max", "< 99"),
        custom("orders{country=de}", "p50", "< 99"),
    ];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let run = scratch("{ rate = \"100/s\", for = \"1s\" }", &rules, script);
    run.run(&["--quiet", "--cores", "1"]).expect(1).says(&[
        "orders{country=de}",
        "counter",
        "gauge",
        "trend",
    ]);
    let result = run.result();
    let met: Vec<_> = (0..rules.len())
        .map(|index| result["thresholds"][index]["met"] == true)
        .collect();
    // The largest of users 0 to 99 is 99; a counter has no median.
    assert_eq!(met, [true, true, true, true, false, false]);
    let metric = |name: &str| {
        let metrics = result["metrics"].as_array().expect("a list");
        let found = metrics.iter().find(|metric| metric["name"] == name);
        found
            .unwrap_or_else(|| panic!("{name} in {metrics:?}"))
            .clone()
    };
    let orders = metric("orders{country=de}");
    assert_eq!(
        (orders["sum"].as_f64(), orders["count"].as_u64()),
        (Some(200.0), Some(100))
    );
    assert_eq!(metric("even")["share"].as_f64(), Some(0.5));
    let level = metric("level");
    assert_eq!(
        (level["min"].as_f64(), level["mean"].as_f64()),
        (Some(-10.0), Some(39.5))
    );
    assert_eq!(level["max"].as_f64(), Some(89.0));
    let size = metric("size");
    assert_eq!(
        (size["mean"].as_f64(), size["max"].as_f64()),
        (Some(49.5), Some(99.0))
    );
    // Three digits of a histogram in thousandths.
    let median = size["p50"].as_f64().expect("a median");
    assert!((49.0..=49.1).contains(&median), "{median}");
}

const BROKEN: &str = "return { main = function(user) local none; none.x = 1 end }";
const REFUSED: &str = "return { main = function(user) user:get('/status/503') end }";

/// A run that proves nothing does not pass, unless the profile or the command says that it may.
#[test]
fn script_errors_and_a_target_without_success_fail_a_run() {
    let Some(_alone) = measuring() else { return };
    let load = "{ rate = \"50/s\", for = \"200ms\" }";
    let rows = [
        (BROKEN, "fail_on script_errors", "10 script errors"),
        (REFUSED, "fail_on no_success", "no request ended ok"),
    ];
    for (script, rule, finding) in rows {
        let run = scratch(load, &[], script);
        let xml = run.argument("r.xml");
        let line = format!("MISSED  {rule}: {finding}");
        run.run(&["--quiet", "--junit", &xml])
            .expect(1)
            .says(&[&line]);
        let result = run.result();
        crate::schema::check(&result);
        let rules = result["thresholds"].as_array().expect("a list");
        let missed: Vec<&str> = rules
            .iter()
            .filter(|rule| rule["met"] == false)
            .filter_map(|rule| rule["text"].as_str())
            .collect();
        assert_eq!((missed, rules.len()), (vec![rule], 2));
        let junit = std::fs::read_to_string(run.path("r.xml")).expect("JUnit is written");
        assert!(junit.contains("tests=\"2\" failures=\"1\""), "{junit}");
        assert!(junit.contains(&format!("message=\"{finding}\"")), "{junit}");
        let done = run.run(&["--quiet", "--fail-on", "none"]).expect(0);
        assert!(!done.out.contains("MISSED"), "{}", done.out);
        run.run(&["--quiet", "--fail-on", "failed_checks"])
            .expect(0);
        run.run(&["--fail-on", "scripterrors"])
            .expect(2)
            .complains(&["--fail-on", "did you mean \"script_errors\"?"]);
    }
    let load = format!("{OPEN}phases = [{load}]\n");
    let off = Scratch::new("stats = false\nfail_on = []", &load, BROKEN);
    off.run(&["--quiet"]).expect(0);
    assert_eq!(off.result()["thresholds"], serde_json::json!([]));
    off.run(&["--quiet", "--fail-on", "script_errors"])
        .expect(1);
}
