//! The same profile and seed give the same run, however many cores carry it.

use crate::binary::{Program, Scratch, conserved, count};
use crate::harness::{cpus, failures, measuring, number, run_table};
use std::time::Duration;
use testkit::faults::{FaultOrigin, Script};
use testkit::origin::{Behaviour, Origin};

/// Each user tells the server who it is, what it was chosen for, and what it drew.
const TELLING: &str = "local s = {}
local function tell(user, what)
  local a, b, c = user:random(), user:random(1, 1000000), math.random(6)
  user:get(string.format('/%s/%d/%.17g/%d/%d', what, user.id, a, b, c))
end
function s.red(user) tell(user, 'red') end
function s.green(user) tell(user, 'green') end
function s.blue(user)
  user:parallel {
    function() user:sleep(0, 0.02) tell(user, 'blue') end,
    function() user:sleep(0, 0.02) user:parallel { function() tell(user, 'blue2') end } end,
  }
end
return s
";

/// Fewer requests than the server keeps heads of, and connections than it takes: 450 users are
/// expected, 20 of the second load with a pass or two each.
const LOADS: &str = "[[load]]
model = \"open\"
scenarios = { red = 5, green = 3, blue = 2 }
phases = [{ rate = [\"100/s\", \"200/s\"], for = \"2s\" }, { rate = \"300/s\", for = \"500ms\" }]

[[load]]
model = \"closed\"
scenarios = { red = 1, green = 1 }
pacing = \"700ms\"
phases = [{ users = [0, 20], for = \"2s\" }]
";

/// What the users of a run told, in order.
fn requested_paths(seed: u64, cores: usize) -> Vec<String> {
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let scratch = Scratch::of(&(run_table(&origin.url()) + LOADS), TELLING);
    let (seed, cores) = (seed.to_string(), cores.to_string());
    let command = scratch.run_command(&["--quiet", "--seed", &seed, "--cores", &cores]);
    let done = Program::start(command).finish().expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/failed"), 0, "{}", done.out);
    let report = origin.report();
    assert_eq!(
        report.heads.len() as u64,
        count(&result, "/totals/sent"),
        "{}",
        done.out
    );
    let path = |head: &String| head.split(' ').nth(1).expect("a request line").to_owned();
    let mut paths: Vec<String> = report.heads.iter().map(path).collect();
    paths.sort();
    paths
}

#[test]
fn users_choices_and_draws_do_not_depend_on_the_number_of_cores() {
    let Some(_alone) = measuring() else { return };
    if !testkit::need::need("two processors", cpus() >= 2) {
        return;
    }
    let one = requested_paths(5, 1);
    assert_eq!(
        one,
        requested_paths(5, 2),
        "another number of cores gave another run"
    );
    assert_eq!(
        one,
        requested_paths(5, 1),
        "the same run came out differently"
    );
    let other = requested_paths(6, 1);
    let same = one.iter().filter(|path| other.contains(path)).count();
    assert_eq!(
        same,
        0,
        "of {} and {} with another seed",
        one.len(),
        other.len()
    );
    for scenario in ["/red/", "/green/", "/blue/", "/blue2/"] {
        assert!(
            one.iter().any(|path| path.starts_with(scenario)),
            "nobody went {scenario}"
        );
    }
}

/// Arrival times at the server in milliseconds since the first, and the generator's own lateness
/// at its median.
fn arrivals(seed: u64, cores: usize) -> (Vec<f64>, f64) {
    let origin = Origin::start(Behaviour::fixed(Duration::ZERO));
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\n\
                phases = [{ rate = \"400/s\", for = \"2s\" }]\n";
    let scratch = Scratch::of(
        &(run_table(&origin.url()) + load),
        crate::harness::ONE_REQUEST,
    );
    let (seed, cores) = (seed.to_string(), cores.to_string());
    scratch
        .run(&["--quiet", "--seed", &seed, "--cores", &cores])
        .expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(failures(&result, "timeout"), 0);
    let report = origin.stop();
    let times = report
        .served
        .iter()
        .map(|served| served.arrived_ns as f64 / 1e6)
        .collect();
    (times, number(&result, "/lag/p50_us") / 1e3)
}

/// How far apart the arrivals of two runs are, at the median, when each is taken from the median
/// of all: the lateness of the first one of a run, which is time 0 of it, cancels out.
fn apart_ms(one: &[f64], other: &[f64]) -> f64 {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let differences: Vec<f64> = one.iter().zip(other).map(|(a, b)| a - b).collect();
    let middle = median(differences.clone());
    median(
        differences
            .iter()
            .map(|difference| (difference - middle).abs())
            .collect(),
    )
}

#[test]
fn arrival_times_do_not_depend_on_the_number_of_cores() {
    let Some(_alone) = measuring() else { return };
    if !testkit::need::need("two processors", cpus() >= 2) {
        return;
    }
    let ((one, lag_one), (two, lag_two)) = (arrivals(5, 1), arrivals(5, 2));
    assert_eq!(one.len(), two.len());
    let apart = apart_ms(&one, &two);
    // half of the requests are late by no more than the median lag, and a way to the server of
    // up to 0.3 ms comes to it, once for each run
    let limit = lag_one + lag_two + 0.6;
    assert!(apart < limit, "{apart:.3} ms apart, {limit:.3} allowed");
    // 800 Poisson arrivals of another seed stray by sqrt(800) gaps of 2.5 ms, 70 ms
    let (other, _) = arrivals(6, 1);
    let astray = apart_ms(&one, &other);
    assert!(
        astray > 5.0 * limit,
        "another seed is only {astray:.3} ms apart, {limit:.3} allowed"
    );
}

#[test]
fn one_user_of_a_run_can_be_repeated() {
    let Some(_alone) = measuring() else { return };
    let script = "local s = {}
    local function tell(user, what)
      local row = user:row('rows')
      user:get(string.format('/%s/%d/%.17g/%s', what, user.id, user:random(), row.id))
    end
    function s.red(user) tell(user, 'red') end
    function s.green(user) tell(user, 'green') end
    return s";
    let loads = "[[load]]\nmodel = \"open\"\nscenarios = { red = 1, green = 1 }\narrivals = \"even\"\n\
                 iterations = 2\nphases = [{ rate = \"400/s\", for = \"500ms\" }]\n\
                 [[load]]\nmodel = \"closed\"\nscenarios = { red = 1, green = 1 }\npacing = \"1h\"\n\
                 phases = [{ users = 40, for = \"500ms\" }]\n\
                 [data.rows]\nfile = \"rows.csv\"\norder = \"shuffled\"\n";
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let scratch = Scratch::of(&(run_table(&origin.url()) + loads), script);
    let rows: String = (0..5000).map(|n| format!("{n}\n")).collect();
    scratch.write("rows.csv", &("id\n".to_owned() + &rows));
    let command = scratch.run_command(&["--quiet", "--seed", "9"]);
    Program::start(command).finish().expect(0);
    let heads = origin.report().heads;
    let of_user = |user: &str| {
        let paths = heads
            .iter()
            .map(|head| head.split(' ').nth(1).expect("a path"));
        let own = paths.filter(|path| path.split('/').nth(2) == Some(user));
        own.map(str::to_owned).collect::<Vec<_>>()
    };
    // Number 137 is only in the first load, 17 in both.
    let profile = scratch.argument("p.toml");
    let check = |more: &[&str]| {
        let arguments = [&["check", &profile, "--no-color", "--seed", "9"], more].concat();
        Program::start(crate::binary::mistress(&arguments))
            .finish()
            .expect(0)
            .out
    };
    let (many, few) = (of_user("137"), of_user("17"));
    assert_eq!((many.len(), few.len()), (2, 3), "{many:?} {few:?}");
    let out = check(&["--user", "137"]);
    for path in &many {
        assert!(out.contains(path.as_str()), "no {path} in\n{out}");
    }
    let out = check(&["--user", "17", "--load", "2"]) + &check(&["--user", "17"]);
    for path in &few {
        assert!(out.contains(path.as_str()), "no {path} in\n{out}");
    }
    let refused = crate::binary::mistress(&["check", &profile, "--user", "40", "--load", "2"]);
    let told = "--user: found 40, but load 2 has at most 40, counted from 0";
    Program::start(refused)
        .finish()
        .expect(2)
        .complains(&[told]);
}
