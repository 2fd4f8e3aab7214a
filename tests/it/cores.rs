//! Cores on machines that take the processor away: late, never asleep for ever.

use crate::binary::{Program, Scratch, conserved, count, mistress};
use crate::harness::{ONE_REQUEST, measuring};
use std::process::Command;
use testkit::need::{need, program};

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
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
                phases = [{ rate = \"20/s\", for = \"500ms\" }]\n";
    let scratch = Scratch::new("stats = false", load, ONE_REQUEST);
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
