//! Shapes of load at the server: steps, pauses, spikes, offsets, and users of several passes.

use crate::binary::{Scratch, conserved, count};
use crate::harness::measuring;

const OPEN: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n";
const SCRIPT: &str = "return { main = function(user) user:get('/') end }";

/// Arrivals planned in each second of a run of `load`.
fn planned(load: &str) -> Vec<u64> {
    let scratch = Scratch::new("stats = false", load, SCRIPT);
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    let series = result["series"].as_array().expect("a list");
    let mut seconds = vec![0; series.len()];
    for row in series {
        assert_eq!(count(row, "/seconds"), 1, "{row}");
        seconds[count(row, "/time_s") as usize] = count(row, "/planned");
    }
    while seconds.last() == Some(&0) {
        seconds.pop();
    }
    seconds
}

/// Fails unless each second has what was expected, but for one arrival at its edges.
fn check(load: &str, expected: &[u64]) {
    let found = planned(load);
    assert_eq!(found.len(), expected.len(), "{load}: {found:?}");
    assert_eq!(
        found.iter().sum::<u64>(),
        expected.iter().sum::<u64>(),
        "{load}: {found:?}"
    );
    for (second, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(a.abs_diff(*b) <= 1, "{load}: second {second}: {found:?}");
    }
}

#[test]
fn each_shape_plans_what_it_says() {
    let Some(_alone) = measuring() else { return };
    let phases = |phases: &str| format!("{OPEN}phases = [{phases}]\n");
    check(
        &phases("{ steps = [\"10/s\", \"30/s\"], each = \"1s\" }"),
        &[10, 30],
    );
    check(
        &phases(
            "{ rate = \"20/s\", for = \"1s\" }, { pause = \"1s\" }, { rate = \"20/s\", for = \"1s\" }",
        ),
        &[20, 0, 20],
    );
    check(
        &phases("{ spike = [\"10/s\", \"50/s\"], for = \"3s\" }"),
        &[10, 50, 10],
    );
    // A whole period of a sine has its mean as its mean; its first half more, its second less.
    let sine = planned(&phases(
        "{ sine = { mean = \"50/s\", amplitude = \"50/s\", period = \"2s\" }, for = \"2s\" }",
    ));
    let wanted = 50.0 + 2.0 * 50.0 / std::f64::consts::PI;
    assert_eq!(sine.iter().sum::<u64>(), 100, "{sine:?}");
    assert!(
        (sine[0] as f64 - wanted).abs() < 2.0,
        "{sine:?}, wanted {wanted}"
    );
}

#[test]
fn loads_start_at_their_offsets_and_users_make_their_passes() {
    let Some(_alone) = measuring() else { return };
    let late = format!("{OPEN}start = \"1s\"\nphases = [{{ rate = \"20/s\", for = \"1s\" }}]\n");
    check(&late, &[0, 20]);
    let passes = format!("{OPEN}iterations = 3\nphases = [{{ rate = \"20/s\", for = \"1s\" }}]\n");
    let scratch = Scratch::new("stats = false", &passes, SCRIPT);
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/started"), 20);
    assert_eq!(count(&result, "/totals/iterations/finished"), 60);
    assert_eq!(count(&result, "/totals/sent"), 60);
}

#[test]
fn jittered_arrivals_stay_in_their_slots() {
    let Some(_alone) = measuring() else { return };
    let load = format!("{OPEN}phases = [{{ rate = \"100/s\", for = \"2s\" }}]\n")
        .replace("\"even\"", "\"jittered\"");
    // Arrival k is due between k and k + 1 hundredths: no second gains or loses one.
    let found = planned(&load);
    assert_eq!(found, [100, 100]);
}

#[test]
fn curves_come_from_files_and_from_the_script() {
    let Some(_alone) = measuring() else { return };
    let script = "return {
      main = function(user) user:get('/') end,
      rates = { saw = function(second) return 10 + 20 * (second % 2) end },
    }";
    let phases = "{ file = \"day.csv\" }, { lua = \"saw\", for = \"3s\" }";
    let scratch = Scratch::new(
        "stats = false",
        &format!("{OPEN}phases = [{phases}]\n"),
        script,
    );
    scratch.write("day.csv", "time,rate\n0,0/s\n1,40\n1,100\n2,100\n");
    scratch.run(&["--quiet"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    // A ramp to 40/s in a second has 20, then 100, then the function's 10, 30 and 10.
    assert_eq!(count(&result, "/totals/started"), 170);
    let series = result["series"].as_array().expect("a list");
    let second = |k: usize| count(&series[k], "/planned");
    assert!(
        second(1).abs_diff(100) <= 1 && second(3).abs_diff(30) <= 1,
        "{series:?}"
    );
    let wrong = [
        (
            "{ lua = \"sow\", for = \"3s\" }",
            "found no function \"sow\"; the script's rates are saw",
        ),
        ("{ file = \"none.csv\" }", "cannot be read"),
        ("{ file = \"bad.csv\" }", "line 2: found"),
    ];
    for (phases, expected) in wrong {
        let load = format!("{OPEN}phases = [{phases}]\n");
        let scratch = Scratch::new("stats = false", &load, script);
        scratch.write("bad.csv", "0,1\n1,many\n");
        scratch
            .run(&["--quiet"])
            .expect(2)
            .complains(&[expected, "p.toml:"]);
    }
}

#[test]
fn limits_end_the_run_before_its_phases() {
    let Some(_alone) = measuring() else { return };
    let closed = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
                  phases = [{ users = 7, for = \"1h\" }]\n";
    let open = format!("{OPEN}phases = [{{ rate = \"200/s\", for = \"1h\" }}]\n");
    let two = "return { main = function(user) user:get('/') user:get('/') end }";
    for cores in ["1", "2"] {
        if cores == "2" && !testkit::need::need("two processors", crate::harness::cpus() >= 2) {
            return;
        }
        let run = |limit: &str, load: &str, script: &str| {
            let scratch = Scratch::new(&format!("stats = false\n{limit}"), load, script);
            let arguments = ["--quiet", "--cores", cores];
            scratch.run(&arguments).expect(0);
            let result = scratch.result();
            conserved(&result);
            assert_eq!(result["run"]["ended"], "completed");
            result
        };
        for load in [closed, &open] {
            let result = run("iterations_max = 101", load, SCRIPT);
            assert_eq!(count(&result, "/totals/iterations/finished"), 101, "{load}");
            // An iteration of one request: the limit of requests is exact.
            let result = run("requests_max = 101", load, SCRIPT);
            assert_eq!(count(&result, "/totals/sent"), 101, "{load}");
            // Of two: the last one ends in its middle.
            let result = run("requests_max = 101", load, two);
            assert_eq!(count(&result, "/totals/sent"), 101, "{load}");
            assert_eq!(count(&result, "/totals/ok"), 101, "{load}");
        }
        let result = run("time_max = \"1s\"", &open, SCRIPT);
        assert_eq!(count(&result, "/totals/started"), 200);
    }
}

#[test]
fn a_warm_up_is_in_the_series_and_in_no_total() {
    let Some(_alone) = measuring() else { return };
    // The page takes 300 ms: requests are under way when the warm-up ends.
    let script = "return { main = function(user)\n\
      user:get(os.clock() < 1 and '/status/404' or '/delay/300', { name = 'page' })\n\
      user:count('seen') user:check('there', true)\n\
    end }";
    let load = format!("{OPEN}phases = [{{ rate = \"50/s\", for = \"3s\" }}]\n");
    let threshold = "[[threshold]]\nmetric = \"failures\"\nis = \"<= 0%\"\n\
                     [[threshold]]\nmetric = \"rate\"\nis = \">= 30/s\"\n";
    let scratch = Scratch::new(
        "stats = false\nwarmup = \"1s\"",
        &(load + threshold),
        script,
    );
    scratch
        .run(&["--quiet", "--cores", "1"])
        .expect(0)
        .says(&["without 1s of warm-up"]);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/planned"), 100);
    assert_eq!(count(&result, "/totals/failed"), 0);
    assert_eq!(count(&result, "/checks/0/passed"), 100);
    let series = result["series"].as_array().expect("a list");
    assert_eq!(
        (count(&series[0], "/failed"), &series[0]["warmup"]),
        (50, &true.into())
    );
    assert!(series[1].get("warmup").is_none());
    // The same where requests are under way at the end of the warm-up.
    let slow = script.replace(
        "os.clock() < 1 and '/status/404' or '/delay/300'",
        "'/delay/300'",
    );
    let load = format!("{OPEN}phases = [{{ rate = \"50/s\", for = \"3s\" }}]\n");
    let scratch = Scratch::new("stats = false\nwarmup = \"1s\"", &load, &slow);
    scratch.run(&["--quiet", "--cores", "1"]).expect(0);
    let result = scratch.result();
    conserved(&result);
    // Those of the last 300 ms of the warm-up end after it, 15 of them, give or take the edge.
    let sent = count(&result, "/totals/sent");
    assert!((114..=117).contains(&sent), "{sent}");
}
