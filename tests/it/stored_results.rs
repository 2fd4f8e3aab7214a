//! Results of a stored run: they equal those that the run itself wrote.

use crate::binary::{Program, Scratch, mistress};
use crate::harness::{measuring, run_table};
use crate::schema;

/// What a run writes itself and what is made of it when it is kept: the same, byte for byte.
#[test]
fn kept_and_fresh_results_say_the_same() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user)\n\
        user:transaction('visit', function()\n\
          user:check(user:get('/', { name = 'page', tags = { kind = 'page' } }), { status = 200 })\n\
          user:get('/status/429', { name = 'busy' })\n\
        end)\n\
        user:count('orders', 2)\n\
        user:trend('size', user.id)\n\
        if user.id % 10 == 0 then\n\
          user:with_tags({ kind = 'slow' }, function() user:get('/delay/30000') end)\n\
        end\n\
      end }";
    let load = "model = \"open\"\narrivals = \"even\"\nscenarios = \"main\"\n\
                phases = [{ rate = \"20/s\", for = \"2s\" }]";
    let rules = [
        "metric = \"latency\"\nstat = \"p99\"\nis = \"< 10s\"",
        "metric = \"latency\"\nof = \"all\"\nstat = \"max\"\nis = \"< 1ms\"",
        "metric = \"failures\"\nis = \"< 1%\"",
        "metric = \"rate\"\nis = \"> 1k/s\"",
        "metric = \"latency\"\ntag = \"kind:slow\"\nstat = \"p99\"\nis = \"< 1ms\"",
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
    let ran = Program::start(command).finish().expect(1);
    let kept = |format: &str| {
        let report = mistress(&["report", "latest", "--data", &data, "--format", format]);
        Program::start(report).finish().expect(0).out
    };
    let read = |name: &str| std::fs::read_to_string(scratch.path(name)).expect("it is written");
    for (format, file) in [("json", "r.json"), ("csv", "s.csv"), ("junit", "r.xml")] {
        let (fresh, kept) = (read(file), kept(format));
        let differs = fresh.bytes().zip(kept.bytes()).position(|(a, b)| a != b);
        let at = differs.unwrap_or(fresh.len().min(kept.len()));
        let around = |text: &str| {
            text.get(at.saturating_sub(60)..).unwrap_or("")[..]
                .chars()
                .take(120)
                .collect::<String>()
        };
        let (mine, theirs) = (around(&fresh), around(&kept));
        assert!(fresh == kept, "{format} at {at}:\n{mine}\n{theirs}");
    }
    let fresh = scratch.result();
    schema::check(&fresh);
    assert_eq!(fresh["totals"]["unfinished"], 4);
    let done = Program::start(mistress(&["report", "latest", "--data", &data])).finish();
    let text = done.expect(0).out;
    // the run's own summary, with the page instead of the id at its end
    let summary = ran.out.split("\npage  ").next().expect("a summary");
    let (_, summary) = summary.split_once(" → ").expect("a head");
    assert!(text.contains(summary), "{text}\nis not\n{summary}");
}
