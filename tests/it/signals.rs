//! Ctrl-C and SIGTERM: the first drains, the second stops; the report comes in any case.

use crate::binary::{Done, Program, Scratch, can_run, conserved, count};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Ten users for a time that no test waits for.
const TEN_USERS: &str =
    "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\nphases = [{ users = 10, for = \"10m\" }]";

/// A script whose one scenario waits for `path`.
fn waiting_for(path: &str) -> String {
    format!("return {{ main = function(user) user:get('{path}') end }}")
}

/// Runs until the first second is told, then sends the signals, each after the answer to the one
/// before; how it ended, what it wrote, and how long that took after the first signal.
fn interrupted(scratch: &Scratch, signals: &[Signal]) -> (Done, Value, Duration) {
    let mut program = Program::start(scratch.run_command(&[]));
    program.until("    1s ");
    let sent = Instant::now();
    for (signal, answer) in signals
        .iter()
        .zip(["draining for at most", "stopping at once"])
    {
        program.signal(*signal);
        program.until(answer);
    }
    let done = program.finish();
    let took = sent.elapsed();
    let result = scratch.result();
    conserved(&result);
    (done, result, took)
}

#[test]
fn the_first_signal_drains_and_reports() {
    if !can_run() {
        return;
    }
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let run = "drain = \"20s\"\ntimeout = \"20s\"";
        let scratch = Scratch::new(run, TEN_USERS, &waiting_for("/delay/200"));
        let (done, result, took) = interrupted(&scratch, &[signal]);
        done.expect(code)
            .says(&["interrupted: no new arrivals, then drained", "verdict"]);
        // what is under way takes 200 ms; the limit is far from that
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert_eq!(result["run"]["ended"], "interrupted");
        assert_eq!(count(&result, "/totals/unfinished"), 0);
        assert!(count(&result, "/totals/ok") >= 10);
    }
}

#[test]
fn the_drain_has_a_limit() {
    if !can_run() {
        return;
    }
    let run = "drain = \"1s\"\ntimeout = \"1m\"";
    let scratch = Scratch::new(run, TEN_USERS, &waiting_for("/delay/60000"));
    let (done, result, took) = interrupted(&scratch, &[Signal::INT]);
    done.expect(130).says(&["10 unfinished"]);
    assert_eq!(count(&result, "/totals/unfinished"), 10);
    // the limit passes, and then it does not wait for the target's minute
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn the_second_signal_stops_at_once_and_reports() {
    if !can_run() {
        return;
    }
    let run = "drain = \"5m\"\ntimeout = \"5m\"";
    let scratch = Scratch::new(run, TEN_USERS, &waiting_for("/delay/300000"));
    let (done, result, took) = interrupted(&scratch, &[Signal::INT, Signal::INT]);
    done.expect(130)
        .says(&["stopped at once: a partial run", "10 unfinished", "verdict"]);
    // the drain limit is five minutes
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(result["run"]["ended"], "stopped");
    assert_eq!(count(&result, "/totals/sent"), 10);
    assert_eq!(count(&result, "/totals/unfinished"), 10);
}

#[test]
fn the_first_signal_says_the_exit_code() {
    if !can_run() {
        return;
    }
    let run = "drain = \"5m\"\ntimeout = \"5m\"";
    let scratch = Scratch::new(run, TEN_USERS, &waiting_for("/delay/300000"));
    let (done, _, _) = interrupted(&scratch, &[Signal::TERM, Signal::INT]);
    done.expect(143);
}

#[test]
fn the_third_signal_does_not_wait_for_a_core_that_is_stuck() {
    if !can_run() {
        return;
    }
    let script = "return { main = function(user) while true do end end }";
    let scratch = Scratch::new("drain = \"5m\"", TEN_USERS, script);
    let mut program = Program::start(scratch.run_command(&[]));
    program.until("core 0 has been stuck for");
    for answer in ["draining for at most", "stopping at once"] {
        program.signal(Signal::INT);
        program.until(answer);
    }
    program.signal(Signal::INT);
    program.finish().expect(130);
    assert!(!scratch.path("r.json").exists(), "there is no result");
}

#[test]
fn setup_can_be_interrupted() {
    if !can_run() {
        return;
    }
    let script = "return { main = function(user) user:get('/') end,\n\
        setup = function(user) user:log('here') user:sleep(600) end }";
    let scratch = Scratch::new("", TEN_USERS, script);
    let mut program = Program::start(scratch.run_command(&[]));
    program.until("here");
    program.signal(Signal::INT);
    program.until("draining for at most");
    program.signal(Signal::INT);
    program.finish().expect(130).says(&["verdict"]);
    assert_eq!(count(&scratch.result(), "/totals/sent"), 0);
}

#[test]
fn a_check_can_be_interrupted() {
    if !can_run() {
        return;
    }
    let script = "return { main = function(user) user:log('here') user:sleep(600) end }";
    let scratch = Scratch::new("", TEN_USERS, script);
    let mut program = Program::start(crate::binary::mistress(&["check", &scratch.profile()]));
    program.until("here");
    program.signal(Signal::INT);
    program.finish().expect(130);
}
