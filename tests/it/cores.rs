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
fn open(rate: &str, length: &str) -> String {
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

/// What a filter of the kernel answers to the system calls of io_uring.
const WITHOUT_RING: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def line(code, yes, no, k):
    return struct.pack("HBBI", code, yes, no, k)
# load the number; 425 to 427 are io_uring's: the errno, else allow
program = b"".join([line(0x20, 0, 0, 0), line(0x35, 0, 2, int(sys.argv[2])), line(0x25, 1, 0, 427),
    line(0x06, 0, 0, 0x00050000 | int(sys.argv[1])), line(0x06, 0, 0, 0x7fff0000)])
buffer = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
filter = Program(len(program) // 8, ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(filter), 0, 0):
    sys.exit("no filter: errno %d" % ctypes.get_errno())
os.execv(sys.argv[3], sys.argv[3:])
"#;

/// The command as it runs where the kernel refuses io_uring's calls from number `first` on.
fn without_ring(scratch: &Scratch, errno: i32, first: u32, arguments: &[&str]) -> Command {
    scratch.write("without.py", WITHOUT_RING);
    let program = mistress(arguments);
    let mut command = Command::new("python3");
    command
        .arg(scratch.path("without.py"))
        .args([errno.to_string(), first.to_string()])
        .arg(program.get_program())
        .args(arguments)
        .env("MISTRESS_STATS", "off");
    command
}

/// EPERM and ENOSYS for all calls, and a ring that can be made but not entered.
const REFUSALS: [(i32, u32); 3] = [(1, 425), (38, 425), (1, 426)];

#[test]
fn without_io_uring_no_command_panics_and_the_message_names_the_fix() {
    if !need(
        "python3 (apt-get install python3)",
        program("python3").is_some(),
    ) {
        return;
    }
    let load = open("20/s", "100ms");
    let own = Scratch::new("stats = false", &load, ONE_REQUEST);
    let elsewhere = "[run]\nscript = \"p.lua\"\ntarget = \"http://127.0.0.1:9\"\nstats = false\n";
    let other = Scratch::of(&format!("{elsewhere}{load}"), ONE_REQUEST);
    let (own_profile, other_profile) = (own.profile(), other.profile());
    let ringless: [&[&str]; 5] = [
        &["run", &own_profile],
        &["run", &other_profile],
        &["check", &own_profile],
        &["check", &other_profile],
        &["target", "--listen", "127.0.0.1:0"],
    ];
    for (errno, first) in REFUSALS {
        for arguments in ringless {
            let done = Program::start(without_ring(&own, errno, first, arguments)).finish();
            let said = format!("{errno} {first} {arguments:?}:\n{}\n{}", done.out, done.err);
            assert_eq!(done.code, Some(3), "{said}");
            assert!(!said.contains("panicked"), "{said}");
            let errors: Vec<&str> = done.err.lines().filter(|l| l.contains("error")).collect();
            assert_eq!(errors.len(), 1, "{said}");
            let named = ["io_uring", "kernel.io_uring_disabled=0", "seccomp"];
            assert!(named.iter().all(|part| errors[0].contains(part)), "{said}");
        }
        let done = Program::start(without_ring(&own, errno, first, &["doctor"])).finish();
        let done = done
            .expect(3)
            .says(&["FAIL  io_uring", "not fit to generate load"]);
        assert!(!done.err.contains("panicked"), "{}", done.err);
    }
}

/// Commands that need no ring work without one.
#[test]
fn without_io_uring_the_other_commands_work() {
    if !need(
        "python3 (apt-get install python3)",
        program("python3").is_some(),
    ) {
        return;
    }
    let scratch = Scratch::new("stats = false", &open("20/s", "100ms"), ONE_REQUEST);
    let (data, socket) = (scratch.argument("data"), scratch.argument("none.sock"));
    let spool = scratch.argument("spool");
    let rows: [(&[&str], i32); 5] = [
        (&["--version"], 0),
        (&["report", "none"], 2),
        (&["compare", "none", "none"], 2),
        (&["control", &socket, "status"], 3),
        (&["push", &spool], 2),
    ];
    for (arguments, code) in rows {
        let run = |mut command: Command| {
            command.env("MISTRESS_DATA", &data);
            Program::start(command).finish()
        };
        let done = run(without_ring(&scratch, 1, 425, arguments));
        let plain = run(mistress(arguments));
        assert_eq!(
            (&done.out, &done.err),
            (&plain.out, &plain.err),
            "{arguments:?}"
        );
        assert_eq!(
            (done.code, plain.code),
            (Some(code), Some(code)),
            "{arguments:?}"
        );
        assert!(!done.err.contains("panicked"), "{}", done.err);
    }
    let serve = ["serve", "--bind", "127.0.0.1:0", "--data", &data];
    let mut server = Program::start(without_ring(&scratch, 1, 425, &serve));
    server.until("serving http://");
    server.signal(rustix::process::Signal::TERM);
    let done = server.finish();
    assert!(!done.err.contains("panicked"), "{}", done.err);
}

/// One processor, no home, a data folder that cannot be written: the run is carried out all the
/// same, and what is amiss is said once.
#[test]
fn a_poor_machine_is_told_of_once() {
    let Some(_alone) = measuring() else { return };
    let scratch = Scratch::new("", &open("20/s", "200ms"), ONE_REQUEST);
    scratch.write("file", "no folder can be made below a file");
    let nowhere = scratch.argument("file/data");
    let one_cpu = engine::allowed_cpus()[0].to_string();
    // the environment, and how often stderr speaks of it
    type Environment<'a> = &'a [(&'a str, Option<&'a str>)];
    let rows: [(Environment<'_>, bool); 3] = [
        (&[("MISTRESS_STATS", Some("off"))], false),
        (
            &[
                ("HOME", None),
                ("MISTRESS_DATA", None),
                ("XDG_DATA_HOME", None),
                ("MISTRESS_STATS", None),
            ],
            true,
        ),
        (
            &[("MISTRESS_DATA", Some(&nowhere)), ("MISTRESS_STATS", None)],
            true,
        ),
    ];
    for (environment, is_amiss) in rows {
        let run = scratch.run_command(&["--quiet"]);
        let mut command = Command::new("taskset");
        command
            .args(["-c", &one_cpu])
            .arg(run.get_program())
            .args(run.get_args());
        for (key, value) in environment {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        let done = Program::start(command).finish().expect(0);
        let result = scratch.result();
        conserved(&result);
        assert_eq!(count(&result, "/totals/ok"), 4, "{}", done.err);
        let lines = done.err.lines().count();
        assert_eq!(
            lines,
            usize::from(is_amiss),
            "{environment:?}: {}",
            done.err
        );
        assert!(!done.err.contains("panicked"), "{}", done.err);
    }
}
