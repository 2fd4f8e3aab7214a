//! Controlling a running test through its control socket and keys on a terminal.

use crate::binary::{Program, Scratch, conserved, count, mistress};
use crate::harness::{measuring, number};
use serde_json::Value;
use std::time::{Duration, Instant};

const SCRIPT: &str = "return { main = function(user) user:get('/') end }";
const OPEN: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n";

/// Says something to the run at `socket`.
fn say(socket: &str, words: &[&str]) -> crate::binary::Done {
    let arguments = [&["control", socket], words].concat();
    Program::start(mistress(&arguments)).finish()
}

/// Waits until the run at `socket` has had its load for `seconds`.
fn wait_for(socket: &str, seconds: f64) {
    let given_up = Instant::now() + Duration::from_secs(20);
    while Instant::now() < given_up {
        let done = say(socket, &["status"]);
        if let Ok(status) = serde_json::from_str::<Value>(&done.out)
            && number(&status, "/elapsed_s") >= seconds
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the run at {socket} does not get to {seconds} s");
}

/// Arrivals (or passes, in a closed load) of the seconds from `first` to before `end`.
fn between(result: &Value, key: &str, first: u64, end: u64) -> u64 {
    let series = result["series"].as_array().expect("a list");
    let within = series
        .iter()
        .filter(|row| (first..end).contains(&count(row, "/time_s")));
    within.map(|row| count(row, key)).sum()
}

#[test]
fn an_open_load_is_paused_scaled_and_its_phases_ended() {
    let Some(_alone) = measuring() else { return };
    let phases = "{ rate = \"100/s\", for = \"5s\" }, { rate = \"20/s\", for = \"1h\" }, \
                  { rate = \"300/s\", for = \"1s\" }";
    let scratch = Scratch::new(
        "stats = false",
        &format!("{OPEN}phases = [{phases}]\n"),
        SCRIPT,
    );
    let socket = scratch.argument("control");
    let command = scratch.run_command(&["--quiet", "--cores", "1", "--control", &socket]);
    let program = Program::start(command);
    wait_for(&socket, 1.0);
    say(&socket, &["pause"]).expect(0).says(&["paused"]);
    say(&socket, &["pause"]).expect(0).says(&["already paused"]);
    wait_for(&socket, 3.1);
    say(&socket, &["scale", "3"])
        .expect(0)
        .says(&["300 % of the plan when it is resumed"]);
    say(&socket, &["resume"]).expect(0).says(&["resumed"]);
    say(&socket, &["faster"])
        .expect(2)
        .complains(&["found \"faster\", expected status, pause"]);
    wait_for(&socket, 7.0);
    say(&socket, &["scale", "1"]).expect(0);
    say(&socket, &["next"]).expect(0).says(&["phase ended"]);
    program
        .finish()
        .expect(0)
        .says(&["changed", "paused", "phase ended"]);
    let result = scratch.result();
    conserved(&result);
    let changes = result["run"]["changes"].as_array().expect("a list");
    let factors: Vec<f64> = changes.iter().map(|one| number(one, "/factor")).collect();
    assert_eq!(factors, [0.0, 3.0, 1.0, 1.0], "{changes:?}");
    let at: Vec<f64> = changes.iter().map(|one| number(one, "/time_s")).collect();
    // What each phase and change brings, from the times at which the changes were made.
    let expected = 100.0 * at[0]
        + 300.0 * (5.0 - at[1])
        + 60.0 * (at[2] - 5.0)
        + 20.0 * (at[3] - at[2])
        + 300.0;
    let started = count(&result, "/totals/started") as f64;
    assert!(
        (started - expected).abs() <= 3.0,
        "{started} arrivals, {expected} expected"
    );
    assert_eq!(
        between(&result, "/planned", 2, 3),
        0,
        "nobody comes in a pause"
    );
    let took = number(&result, "/run/duration_s");
    assert!((took - at[3] - 1.0).abs() < 0.5, "{took} s");
    assert!(
        !scratch.path("control").exists(),
        "the socket goes with the run"
    );
    say(&socket, &["status"]).expect(3);
}

#[test]
fn a_closed_load_follows_its_factor() {
    let Some(_alone) = measuring() else { return };
    let load = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\npacing = \"100ms\"\n\
                phases = [{ users = 20, for = \"1h\" }]\n";
    let scratch = Scratch::new("stats = false", load, SCRIPT);
    let socket = scratch.argument("control");
    let program =
        Program::start(scratch.run_command(&["--quiet", "--cores", "1", "--control", &socket]));
    wait_for(&socket, 1.0);
    say(&socket, &["scale", "0.25"]).expect(0);
    wait_for(&socket, 3.1);
    say(&socket, &["scale", "2"]).expect(0);
    wait_for(&socket, 5.1);
    say(&socket, &["pause"]).expect(0);
    wait_for(&socket, 7.1);
    say(&socket, &["resume"]).expect(0);
    wait_for(&socket, 9.1);
    say(&socket, &["drain"]).expect(0).says(&["draining"]);
    program.finish().expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(result["run"]["ended"], "interrupted");
    let users = |second: u64| {
        let series = result["series"].as_array().expect("a list");
        let row = series.iter().find(|row| count(row, "/time_s") == second);
        let row = row.unwrap_or_else(|| panic!("no second {second}"));
        (count(row, "/users/min"), count(row, "/users/max"))
    };
    assert_eq!([users(0).1, users(2).1], [20, 5]);
    assert_eq!([users(4), users(6), users(8)], [(40, 40), (0, 0), (40, 40)]);
    // A user makes a pass each 100 ms.
    let passes = between(&result, "/iterations/finished", 4, 5);
    assert!((380..=420).contains(&passes), "{passes}");
}
