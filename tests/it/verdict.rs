//! The verdict on the generator: clean when it was alone, suspect beside a busy neighbour.

use crate::binary::{Scratch, conserved};
use crate::harness::{ONE_REQUEST, cpus, measuring, number};
use crate::wait_meter::WaitMeter;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LOAD: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n";

/// A program that computes without a pause on one processor, for a bounded time.
struct Neighbour(Child);

impl Neighbour {
    fn on(cpu: usize) -> Neighbour {
        let cpu = cpu.to_string();
        let arguments = [
            "-c",
            &cpu,
            "timeout",
            "30",
            "sh",
            "-c",
            "while :; do :; done",
        ];
        let mut command = Command::new("taskset");
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Neighbour(command.spawn().expect("taskset is part of util-linux"))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // `timeout` passes it on to the shell; killed, it would leave that running.
        let id = Pid::from_child(&self.0);
        let _ = kill_process(id, Signal::TERM);
        let _ = self.0.wait();
    }
}

/// The result of one core's run of `phases`, with the built-in target on a processor of its own;
/// and the longest time that a thread of the core was kept waiting.
fn run(phases: &str) -> (Value, Duration) {
    let scratch = Scratch::new(
        "stats = false",
        &format!("{LOAD}phases = [{phases}]\n"),
        ONE_REQUEST,
    );
    let program = crate::binary::Program::start(scratch.run_command(&["--quiet", "--cores", "1"]));
    let core = WaitMeter::of(program.id(), "core-");
    program.finish().expect(0);
    let result = scratch.result();
    conserved(&result);
    (result, core.end().longest)
}

#[test]
fn an_idle_correct_run_is_clean_ten_times_out_of_ten() {
    let Some(_alone) = measuring() else { return };
    // A run whose core the machine kept waiting is rightly doubted, and says nothing here; of the
    // others every one is clean.
    let undisturbed = Duration::from_millis(20);
    let mut clean = 0;
    for _ in 0..30 {
        let (result, longest) = run("{ rate = \"500/s\", for = \"2s\" }");
        if longest < undisturbed {
            let verdict = &result["verdict"];
            assert_eq!(
                verdict["state"], "clean",
                "kept waiting for {longest:?}: {verdict}"
            );
            clean += 1;
        }
        if clean == 10 {
            return;
        }
    }
    panic!("only {clean} of 30 runs were left undisturbed by the machine");
}

#[test]
fn a_busy_neighbour_makes_the_run_suspect_where_it_was() {
    let Some(_alone) = measuring() else { return };
    if !testkit::need::need("two processors", cpus() >= 2) {
        return;
    }
    let load = *engine::allowed_cpus().last().expect("a processor");
    let neighbour = Neighbour::on(load);
    let (result, _) = run("{ rate = \"1k/s\", for = \"5s\" }");
    drop(neighbour);
    let verdict = &result["verdict"];
    assert_eq!(verdict["state"], "suspect", "{verdict}");
    let reasons = verdict["reasons"].as_array().expect("a list");
    let reason = reasons
        .iter()
        .find(|reason| reason["kind"] == "core_shared");
    let reason = reason.unwrap_or_else(|| panic!("no core_shared in {verdict}"));
    assert_eq!(reason["cores"], serde_json::json!([0]), "{reason}");
    let windows = reason["windows"].as_array().expect("a list");
    let seconds: u64 = windows
        .iter()
        .map(|span| span[1].as_u64().expect("a second") + 1 - span[0].as_u64().expect("a second"))
        .sum();
    assert!(seconds >= 4, "{seconds} of 5 seconds: {reason}");
    let shares = result["series"].as_array().expect("a list").iter();
    let most = shares
        .map(|second| number(second, "/cores/0/waited_share"))
        .fold(0.0, f64::max);
    assert!(most >= 0.1, "waited for {most} of a second at most");
}
