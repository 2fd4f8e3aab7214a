//! Cores on machines that take the processor away: late, never asleep for ever.

use crate::binary::{Program, Scratch, conserved, count, mistress};
use crate::harness::{ONE_REQUEST, measuring};
use serde_json::Value;
use std::fs;
use std::process::Command;
use testkit::need::{need, program};
use testkit::quota::QuotaGroup;

/// The test below in short: while the executor under the engine has its timer armed and before it
/// looks for tasks, the thread loses the processor for longer than any sensible timer of an
/// executor. strace delays the return of the system call that lies between the two.
const DELAY: &str = "inject=io_uring_enter:delay_exit=12000";

#[test]
fn a_core_that_loses_the_processor_in_its_executor_wakes_up() {
    let Some(_alone) = measuring() else { return };
    let Some(strace) = program("strace") else {
        need("strace (apt-get install strace)", false);
        return;
    };
    let scratch = Scratch::new("stats = false", &open("20/s", "500ms"), ONE_REQUEST);
    let run = scratch.run_command(&["--quiet", "--cores", "1"]);
    let traced = mistress::<&str>(&[]);
    let mut command = Command::new("timeout");
    // a core that sleeps for ever in its first turn is not even watched yet
    command.args(["-s", "KILL", "20"]).arg(strace);
    command.args(["-f", "-qq", "-o", "/dev/null"]);
    command.args(["-e", "trace=io_uring_enter", "-e", DELAY]);
    command.arg(traced.get_program()).args(run.get_args());
    command.env("MISTRESS_STATS", "off");
    Program::start(command).finish().expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/planned"), 10);
    assert_eq!(count(&result, "/totals/ok"), 10, "{}", result["failures"]);
}

/// An open load of `rate` for `length`.
pub fn open(rate: &str, length: &str) -> String {
    format!(
        "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
         phases = [{{ rate = \"{rate}\", for = \"{length}\" }}]\n"
    )
}

/// The short form of `cargo xtask acceptance quota`.
#[test]
fn under_a_cpu_quota_a_run_is_late_and_never_stuck() {
    let Some(_alone) = measuring() else { return };
    let Some(group) = QuotaGroup::new(4) else {
        need(
            "control groups with CPU quotas that can be made (root)",
            false,
        );
        return;
    };
    for seed in 0..2 {
        let scratch = Scratch::new("stats = false", &open("2k/s", "2s"), ONE_REQUEST);
        let run = scratch.run_command(&["--quiet", "--seed", &seed.to_string()]);
        let done = Program::start(group.command(&run)).finish().expect(0);
        let result = scratch.result();
        conserved(&result);
        let verdict = &result["verdict"];
        assert_eq!(verdict["state"], "suspect", "{verdict}");
        let reasons = verdict["reasons"].as_array().unwrap();
        let quota = reasons.iter().find(|reason| reason["kind"] == "cpu_quota");
        assert!(quota.is_some(), "{verdict}");
        assert!(done.out.contains("CPU quota"), "{}", done.out);
        assert!(!done.out.contains("other programs had"), "{}", done.out);
        // a fifth of a processor pays for one core
        let cores = result["run"]["cores"].as_array().unwrap();
        assert_eq!(cores.len(), 1, "{cores:?}");
        no_share_above_one(&result);
    }
    let doctor = Program::start(group.command(&mistress(&["doctor"]))).finish();
    assert!(
        doctor.out.contains("a CPU quota limits them to 0.20 cores"),
        "{}",
        doctor.out
    );
}

fn no_share_above_one(result: &Value) {
    for second in result["series"].as_array().unwrap() {
        for core in second["cores"].as_array().unwrap() {
            for share in ["busy_share", "waited_share"] {
                let share = core[share].as_f64().unwrap();
                assert!((0.0..=1.0).contains(&share), "{second}");
            }
        }
    }
}

/// One second at 20/s: the piece after it made "fully busy in 50.0 % of the time".
#[test]
fn a_run_of_one_second_is_not_fully_busy_at_its_last_moment() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user) user:get('/') user:sleep(0.02) end }";
    for _ in 0..3 {
        let scratch = Scratch::new("stats = false", &open("20/s", "1s"), script);
        let csv = scratch.argument("r.csv");
        let done = scratch.run(&["--cores", "1", "--csv", &csv]).expect(0);
        let result = scratch.result();
        conserved(&result);
        assert!(!done.out.contains("fully busy"), "{}", done.out);
        let series = result["series"].as_array().unwrap();
        assert_eq!(series.len(), 1, "{series:?}");
        assert_eq!(count(&series[0], "/ok"), 20);
        // 20 requests take far less than half of a second
        let busy = series[0]["cores"][0]["busy_share"].as_f64().unwrap();
        assert!(busy < 0.5, "{busy}");
        let rows = fs::read_to_string(csv).unwrap();
        assert_eq!(rows.lines().count(), 2, "{rows}");
    }
}
