//! Tags of requests from the script to the report, thresholds on them, and a kept run of them.

use crate::binary::{Program, Scratch, conserved, count, mistress};
use crate::harness::{measuring, number};
use serde_json::{Value, json};

/// Requests with tags of their own, of a stretch and of both, in a branch and after a redirect.
const SCRIPT: &str = "return { main = function(user)\n\
    user:get('/delay/50', { name = 'slow', tags = { kind = 'api', area = 'api' } })\n\
    user:with_tags({ area = 'shop' }, function()\n\
      user:get('/')\n\
      user:post('/logout')\n\
      user:get('/status/503', { tags = { kind = 'broken' } })\n\
      user:get('/', { tags = { area = 'other' } })\n\
      user:parallel { function() user:get('/', { name = 'branch' }) end }\n\
    end)\n\
    user:get('/')\n\
  end }";

/// A run of fifty users with these thresholds.
fn scratch(thresholds: &[String]) -> Scratch {
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
                phases = [{ rate = \"50/s\", for = \"1s\" }]\n";
    let rules = thresholds
        .iter()
        .map(|rule| format!("[[threshold]]\n{rule}\n"));
    let load = rules.fold(load.to_owned(), |load, rule| load + &rule);
    Scratch::new("drain = \"10s\"", &load, SCRIPT)
}

fn rule(metric: &str, tag: &str, stat: &str, is: &str) -> String {
    let stat = match stat {
        "" => String::new(),
        stat => format!("stat = \"{stat}\"\n"),
    };
    format!("metric = \"{metric}\"\ntag = \"{tag}\"\n{stat}is = \"{is}\"")
}

/// The thresholds on tags, and whether each holds.
fn rules() -> Vec<(String, bool)> {
    let rows = [
        ("latency", "kind:api", "p95", "< 10s", true),
        ("latency", "kind:api", "min", "< 40ms", false),
        ("latency", "kind:api", "mean", ">= 50ms", true),
        ("service_time", "kind:api", "max", ">= 50ms", true),
        ("failures", "kind:broken", "", "< 100%", false),
        ("failures", "area:shop", "", "<= 20%", true),
        ("failures", "area:shop", "count", "<= 49", false),
        ("rate", "kind:api", "", ">= 20/s", true),
        ("requests", "area:shop", "", ">= 200", true),
        ("requests", "area:shop", "", "> 200", false),
        ("latency", "kind:none", "max", "< 10s", false),
    ];
    rows.map(|(metric, tag, stat, is, met)| (rule(metric, tag, stat, is), met))
        .into()
}

fn tag<'a>(result: &'a Value, name: &str) -> &'a Value {
    let mut names = result["names"].as_array().expect("a list").iter();
    let found = names.find(|one| one["kind"] == "tag" && one["name"] == name);
    found.unwrap_or_else(|| panic!("no tag {name}"))
}

#[test]
fn requests_count_under_their_tags_and_thresholds_hold_for_one() {
    let Some(_alone) = measuring() else { return };
    let rules = rules();
    let texts: Vec<String> = rules.iter().map(|(text, _)| text.clone()).collect();
    let scratch = scratch(&texts);
    let told = "no request of the script seems to have the tag \"kind:none\", which a threshold is \
                on\n";
    let data = scratch.argument("data");
    let (csv, junit) = (scratch.argument("s.csv"), scratch.argument("r.xml"));
    let mut command = scratch.run_command(&[
        "--quiet", "--cores", "1", "--stats", "auto", "--csv", &csv, "--junit", &junit,
    ]);
    command
        .env("MISTRESS_DATA", &data)
        .env("MISTRESS_PORT", "0");
    let done = Program::start(command).finish().expect(1);
    let done = done.complains(&[told]);
    let result = scratch.result();
    crate::schema::check(&result);
    conserved(&result);
    counted(&result);
    let judged = result["thresholds"].as_array().expect("a list");
    let met: Vec<bool> = judged[..rules.len()]
        .iter()
        .map(|one| one["met"] == true)
        .collect();
    let expected: Vec<bool> = rules.iter().map(|(_, met)| *met).collect();
    assert_eq!(met, expected, "{judged:#?}");
    assert_eq!(
        (&judged[0]["tag"], &judged[0]["name"]),
        (&json!("kind:api"), &Value::Null)
    );
    assert!(judged[10]["value"].is_null(), "{}", judged[10]);
    let shown = done.says(&[
        "met     latency p95 of tag \"kind:api\" < 10s: ",
        "MISSED  failures of tag \"kind:broken\" < 100%: 100 %",
        "MISSED  latency max of tag \"kind:none\" < 10s: ",
    ]);
    let row = |line: &&str| line.starts_with("area:shop ") && line.contains(" 200 ");
    assert!(shown.out.lines().any(|line| row(&line)), "{}", shown.out);
    // what is kept says the same, byte for byte
    for (format, file) in [("json", "r.json"), ("csv", "s.csv"), ("junit", "r.xml")] {
        let report = mistress(&["report", "latest", "--data", &data, "--format", format]);
        let kept = Program::start(report).finish().expect(0).out;
        let fresh = std::fs::read_to_string(scratch.path(file)).expect("it is written");
        assert!(fresh == kept, "{format}:\n{fresh}\nis not\n{kept}");
    }
    let report = mistress(&["report", "latest", "--data", &data, "--format", "html"]);
    let page = Program::start(report).finish().expect(0).out;
    for part in ["\"kind\":\"tag\"", "\"kind:broken\"", "\"area:shop\""] {
        assert!(page.contains(part), "no {part}");
    }
}

/// The counts that fifty users make.
fn counted(result: &Value) {
    let counts = |name: &str| {
        let tag = tag(result, name);
        ["sent", "ok", "failed"].map(|key| count(tag, &format!("/{key}")))
    };
    assert_eq!(counts("kind:api"), [50, 50, 0]);
    assert_eq!(counts("area:api"), [50, 50, 0]);
    // the page, the form and what it leads to, the failure and the branch
    assert_eq!(counts("area:shop"), [250, 200, 50]);
    assert_eq!(counts("kind:broken"), [50, 0, 50]);
    assert_eq!(counts("area:other"), [50, 50, 0]);
    let names = result["names"].as_array().expect("a list").iter();
    assert_eq!(names.filter(|one| one["kind"] == "tag").count(), 5);
    // tags are in no total
    assert_eq!(count(result, "/totals/sent"), 400);
    assert_eq!(count(result, "/latency_all/count"), 400);
    let api = tag(result, "kind:api");
    assert!(number(api, "/latency/min_us") >= 50_000.0, "{api}");
    let slow = crate::harness::name(result, "slow");
    for key in [
        "latency",
        "service_time",
        "first_byte",
        "histogram",
        "status",
        "per_s",
    ] {
        assert_eq!(api[key], slow[key], "{key}");
    }
    assert_eq!(
        tag(result, "area:shop")["failures"],
        json!({ "status": 50 })
    );
}

#[test]
fn tags_are_shown_by_check() {
    if !crate::binary::can_run() {
        return;
    }
    let scratch = scratch(&[]);
    let check = Program::start(mistress(&["check", &scratch.profile()])).finish();
    check.says(&[
        "slow  area:api  kind:api  200 ok",
        "GET /  area:shop  200 ok",
    ]);
}
