//! Poor surroundings: an ordinary user, low limits, one processor, no home, folders that cannot be
//! written, no io_uring. A run works there, or one message says what to change.

use crate::binary::{Done, Program, Scratch, can_run, conserved, count, mistress};
use crate::cores::open;
use crate::harness::{ONE_REQUEST, measuring};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::need::{need, program};

/// Numbers of users without rights: each command is one of its own, since the kernel counts locked
/// memory by user, and that of a program which has just ended a moment longer.
static USER: AtomicU32 = AtomicU32::new(61_000);

/// A folder that everybody may write, with the profile and a copy of the program: the folders of
/// the build may be closed to others.
struct Place {
    scratch: Scratch,
    program: PathBuf,
}

impl Place {
    fn new(run: &str, load: &str) -> Place {
        let scratch = Scratch::new(run, load, ONE_REQUEST);
        let built = Path::new(env!("CARGO_BIN_EXE_mistress"));
        let program = scratch.path("mistress");
        if fs::hard_link(built, &program).is_err() {
            fs::copy(built, &program).unwrap();
        }
        let place = Place { scratch, program };
        place.set_mode("", 0o777);
        place
    }

    fn set_mode(&self, name: &str, mode: u32) {
        let path = self.scratch.path(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The program as an ordinary user runs it, with `limits` of a shell set before
    /// (`ulimit -n 256`), in this folder.
    fn ordinary(&self, limits: &str, arguments: &[&str]) -> Command {
        let is_root = rustix::process::geteuid().is_root();
        let mut command = Command::new(if is_root { "setpriv" } else { "env" });
        if is_root {
            let user = USER.fetch_add(1, Ordering::Relaxed).to_string();
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
        }
        command
            .args(["sh", "-c", &format!("{limits}\nexec \"$0\" \"$@\"")])
            .arg(&self.program)
            .args(arguments)
            .current_dir(self.scratch.path(""))
            .env_remove("NO_COLOR")
            .env("MISTRESS_STATS", "off");
        command
    }

    /// Runs the profile; fails unless all its `planned` requests were ok.
    fn runs(&self, command: Command, planned: u64) -> Done {
        let done = Program::start(command).finish().expect(0);
        let result = self.scratch.result();
        conserved(&result);
        assert_eq!(count(&result, "/totals/ok"), planned, "{}", done.err);
        done
    }
}

const RUN: [&str; 5] = ["run", "p.toml", "--quiet", "--json", "r.json"];

#[test]
fn an_ordinary_user_runs_with_all_low_limits_that_suffice() {
    let Some(_alone) = measuring() else { return };
    let place = Place::new("stats = false\ncores = 1", &open("20/s", "200ms"));
    // a core and the built-in target: two rings of 768 KiB, where the kernel counts them
    for limits in [
        ":",
        "ulimit -l 1536",
        "ulimit -n 256",
        "ulimit -n 128; ulimit -l 1536",
    ] {
        let done = place.runs(place.ordinary(limits, &RUN), 4);
        assert_eq!(done.err, "", "{limits}");
    }
    // 300 users want more than 256 - 64 connections: said before the load, by run and doctor
    let many = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\npacing = \"1s\"\n\
        phases = [{ users = 300, for = \"200ms\" }]\n";
    let place = Place::new("stats = false\ncores = 1", many);
    let limits = "ulimit -n 256";
    let told = "the limit of 256 lets a core have 192 connections at once (64 are reserved for";
    let done = Program::start(place.ordinary(limits, &RUN)).finish();
    done.expect(0)
        .complains(&["notice: open files: a core may have 300 users, but", told]);
    let doctor = Program::start(place.ordinary(limits, &["doctor"])).finish();
    doctor.says(&[&format!("warn  open files   {told}")]);
}

#[test]
fn limits_that_are_too_low_are_one_message_before_anything_starts() {
    if !can_run() {
        return;
    }
    let place = Place::new("cores = 1", &open("20/s", "200ms"));
    let rows: [(&str, &[&str]); 3] = [
        (
            "ulimit -l 64",
            &[
                "locked memory: the limit is 64 KiB, a run",
                "KiB; raise the limit: ulimit -Hl",
            ],
        ),
        (
            "ulimit -n 100",
            &[
                "open files: the limit of 100 lets a core have 36",
                "needs a limit of 128; raise",
            ],
        ),
        (
            "ulimit -n 100; ulimit -l 64",
            &["error:\nopen files: ", "\nlocked memory: "],
        ),
    ];
    for (limits, parts) in rows {
        for command in ["run", "check"] {
            let done = Program::start(place.ordinary(limits, &[command, "p.toml"])).finish();
            let done = done.expect(3).complains(parts);
            assert_eq!(done.out, "", "{limits} {command}");
            assert_eq!(done.err.matches("error:").count(), 1, "{}", done.err);
        }
        let doctor = Program::start(place.ordinary(limits, &["doctor"])).finish();
        doctor
            .expect(3)
            .says(&["not fit to generate load", "FAIL  "]);
    }
    // who may set hard limits (CAP_SYS_RESOURCE) is not asked to
    let shell = |text: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -l 64; {text}")]);
        command
    };
    if Program::start(shell("ulimit -l 8192")).finish().code == Some(0) {
        let mut command = shell("exec \"$0\" \"$@\"");
        command.arg(&place.program).args(RUN);
        command.args(["--stats", "off"]);
        command.current_dir(place.scratch.path(""));
        place.runs(command, 4);
    }
}

/// The working folder cannot be written: a run works, and a result that was to be written there is
/// an error before the load.
#[test]
fn a_read_only_working_folder_is_enough_to_run() {
    let Some(_alone) = measuring() else { return };
    let place = Place::new("", &open("20/s", "200ms"));
    place.set_mode("", 0o555);
    let run = |arguments: &[&str], stats: Option<&str>| {
        let mut command = place.ordinary(":", arguments);
        command
            .env_remove("MISTRESS_DATA")
            .env_remove("XDG_DATA_HOME");
        command.env("HOME", place.scratch.path(""));
        match stats {
            Some(stats) => command.env("MISTRESS_STATS", stats),
            None => command.env_remove("MISTRESS_STATS"),
        };
        Program::start(command).finish()
    };
    let quiet = ["run", "p.toml", "--quiet"];
    let done = run(&quiet, Some("off")).expect(0).says(&["4 ok"]);
    assert_eq!(done.err, "");
    // the home folder cannot be written either: the run is not stored, which is said once
    let done = run(&quiet, None).expect(0).says(&["4 ok"]);
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    if !rustix::process::geteuid().is_root() || program("setpriv").is_some() {
        let done = run(&RUN, Some("off")).expect(2).complains(&["r.json"]);
        assert_eq!(done.out, "");
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
    place.set_mode("", 0o777);
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

const FORBIDDEN: &str = "the container's seccomp filter forbids it, as Docker's default does";
const MISSING: &str = "this kernel has none, or the container's seccomp filter hides it";
const FIX: &str =
    "`mistress doctor --seccomp >seccomp.json`, then docker or podman run --security-opt";

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
            assert_eq!(done.out, "", "{said}");
            let cause = if errno == 1 { FORBIDDEN } else { MISSING };
            let named = ["error: io_uring: ", cause, FIX];
            assert!(named.iter().all(|part| errors[0].contains(part)), "{said}");
        }
        let done = Program::start(without_ring(&own, errno, first, &["doctor"])).finish();
        let done = done
            .expect(3)
            .says(&["FAIL  io_uring", FIX, "not fit to generate load"]);
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

/// Every system call that a run makes is allowed by the profile that is shipped for containers.
#[test]
fn the_seccomp_profile_allows_all_that_a_run_does() {
    let Some(_alone) = measuring() else { return };
    let Some(strace) = program("strace") else {
        need("strace (apt-get install strace)", false);
        return;
    };
    let done = Program::start(mistress(&["doctor", "--seccomp"])).finish();
    let profile: serde_json::Value = serde_json::from_str(&done.expect(0).out).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let mut allowed = Vec::new();
    for rule in profile["syscalls"].as_array().unwrap() {
        let names = rule["names"].as_array().unwrap().iter();
        allowed.extend(names.map(|name| name.as_str().unwrap()));
    }
    for name in [
        "mount",
        "ptrace",
        "bpf",
        "unshare",
        "setns",
        "kexec_load",
        "reboot",
    ] {
        assert!(!allowed.contains(&name), "{name}");
    }
    let scratch = Scratch::new("", &open("20/s", "200ms"), ONE_REQUEST);
    let run = scratch.run_command(&["--quiet"]);
    let mut command = Command::new(strace);
    command.args(["-f", "-qq", "-c", "-S", "name", "-U", "name", "-o"]);
    command.arg(scratch.path("calls")).arg(run.get_program());
    command.args(run.get_args());
    command.env("MISTRESS_DATA", scratch.path("data"));
    Program::start(command).finish().expect(0);
    let calls = fs::read_to_string(scratch.path("calls")).unwrap();
    let made: Vec<&str> = calls.lines().skip(2).map(str::trim).collect();
    assert!(made.contains(&"io_uring_enter"), "{calls}");
    let is_name = |call: &&&str| call.starts_with(|c: char| c.is_ascii_lowercase());
    for call in made.iter().filter(is_name).filter(|call| **call != "total") {
        assert!(allowed.contains(call), "{call} is not allowed");
    }
}
