//! Results of a stored run: they equal those that the run itself wrote.

use crate::binary::{Program, Scratch, mistress};
use crate::harness::{measuring, run_table};
use serde_json::Value;

/// What a run writes itself and what is made of it when it is kept: the same, to rounding.
#[test]
fn kept_and_fresh_results_say_the_same() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user)\n\
        user:transaction('visit', function()\n\
          user:check(user:get('/', { name = 'page' }), { status = 200 })\n\
          user:get('/status/429', { name = 'busy' })\n\
        end)\n\
        user:count('orders', 2)\n\
        user:trend('size', user.id)\n\
        if user.id % 10 == 0 then user:get('/delay/30000', { name = 'hang' }) end\n\
      end }";
    let load = "model = \"open\"\narrivals = \"even\"\nscenarios = \"main\"\n\
                phases = [{ rate = \"20/s\", for = \"2s\" }]";
    let rules = [
        "metric = \"latency\"\nstat = \"p99\"\nis = \"< 10s\"",
        "metric = \"latency\"\nof = \"all\"\nstat = \"max\"\nis = \"< 1ms\"",
        "metric = \"failures\"\nis = \"< 1%\"",
        "metric = \"rate\"\nis = \"> 1k/s\"",
        "metric = \"latency\"\nname = \"nobody\"\nstat = \"p99\"\nis = \"< 1s\"",
    ];
    let profile = run_table("builtin").replace("stats = false\n", "drain = \"0s\"\n");
    let rules: Vec<String> = rules
        .iter()
        .map(|rule| format!("[[threshold]]\n{rule}\n"))
        .collect();
    let scratch = Scratch::of(
        &format!("{profile}[[load]]\n{load}\n{}", rules.concat()),
        script,
    );
    let (csv, junit) = (scratch.argument("s.csv"), scratch.argument("r.xml"));
    let more = [
        "--quiet", "--cores", "1", "--stats", "auto", "--csv", &csv, "--junit", &junit,
    ];
    let mut command = scratch.run_command(&more);
    let data = scratch.argument("data");
    command
        .env("MISTRESS_DATA", &data)
        .env("MISTRESS_PORT", "0");
    Program::start(command).finish().expect(1);
    let kept = |format: &str| {
        let report = mistress(&["report", "latest", "--data", &data, "--format", format]);
        Program::start(report).finish().expect(0).out
    };
    let read = |name: &str| std::fs::read_to_string(scratch.path(name)).expect("it is written");
    assert_eq!(kept("junit"), read("r.xml"));
    let (mine, theirs) = (read("s.csv"), kept("csv"));
    assert_eq!(
        mine.lines().count(),
        theirs.lines().count(),
        "{mine}\n{theirs}"
    );
    for (mine, theirs) in mine.lines().zip(theirs.lines()) {
        let cells = mine.split(',').zip(theirs.split(','));
        assert!(
            cells.into_iter().all(|(a, b)| alike(a, b)),
            "{mine}\n{theirs}"
        );
        assert_eq!(mine.matches(',').count(), theirs.matches(',').count());
    }
    let kept: Value = serde_json::from_str(&kept("json")).expect("the result is JSON");
    same("", &scratch.result(), &kept);
    let report = mistress(&["report", "latest", "--data", &data]);
    let parts = ["of failed", "receive", "first byte", "4 unfinished"];
    let shown = Program::start(report).finish().expect(0);
    let phases = scratch.result()["receive"]["count"] != 0;
    shown.says(if phases { &parts } else { &parts[2..] });
}

/// Equal texts, or numbers that differ by rounding only.
fn alike(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    a == b || matches!((number(a), number(b)), (Some(a), Some(b)) if (a - b).abs() <= 0.001)
}

/// Fails where two results differ; a store does not keep which cores were late for a second.
fn same(path: &str, fresh: &Value, kept: &Value) {
    match (fresh, kept) {
        (Value::Object(fresh), Value::Object(kept)) => {
            let keys = |map: &serde_json::Map<String, Value>| {
                let mut keys: Vec<String> = map.keys().cloned().collect();
                keys.retain(|key| key != "gaps" && key != "late");
                keys.sort();
                keys
            };
            assert_eq!(keys(fresh), keys(kept), "{path}");
            for key in keys(fresh) {
                same(&format!("{path}/{key}"), &fresh[&key], &kept[&key]);
            }
        }
        (Value::Array(fresh), Value::Array(kept)) => {
            assert_eq!(fresh.len(), kept.len(), "{path}");
            for (index, (fresh, kept)) in fresh.iter().zip(kept).enumerate() {
                same(&format!("{path}/{index}"), fresh, kept);
            }
        }
        _ => assert!(
            alike(&fresh.to_string(), &kept.to_string()),
            "{path}: {fresh} fresh, {kept} kept"
        ),
    }
}
