//! The program as its users start it, with profiles in a folder of their own.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing that is started here takes longer; what does is ended and fails its test.
const TIME_MAX: Duration = Duration::from_secs(90);

/// Whether runs are possible here; without, tests are left out loudly.
pub fn can_run() -> bool {
    testkit::need::need("io_uring of Linux 6.1 or later", engine::try_ring().is_ok())
}

/// The program with `arguments`, in the project's folder, away from the user's terminal settings
/// and store: nothing is reported unless a test asks for it.
pub fn mistress<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mistress"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
        .env_remove("NO_COLOR")
        .env("MISTRESS_STATS", "off")
        .stdin(Stdio::null());
    command
}

/// How the program ended.
#[derive(Debug)]
pub struct Done {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Fails unless it ended with `code`.
    pub fn expect(self, code: i32) -> Done {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Fails unless stdout contains all parts.
    pub fn says(self, parts: &[&str]) -> Done {
        for part in parts {
            assert!(
                self.out.contains(part),
                "no {part:?} in:\n{}\nstderr:\n{}",
                self.out,
                self.err
            );
        }
        self
    }

    /// Fails unless stderr contains all parts.
    pub fn complains(self, parts: &[&str]) -> Done {
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in:\n{}", self.err);
        }
        self
    }
}

/// Runs the program to its end.
pub fn run<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Done {
    Program::start(mistress(arguments)).finish()
}

/// The program while it runs.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    seen: String,
    errors: Option<JoinHandle<String>>,
    limit: Instant,
}

impl Program {
    pub fn start(mut command: Command) -> Program {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut err = child.stderr.take().expect("stderr is a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).expect("stderr is text");
            text
        });
        let limit = Instant::now() + TIME_MAX;
        Program {
            child,
            lines,
            seen: String::new(),
            errors: Some(errors),
            limit,
        }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads stdout up to and with a line that contains `part`.
    pub fn until(&mut self, part: &str) -> String {
        loop {
            match self.line() {
                Some(line) if line.contains(part) => return line,
                Some(_) => {}
                None => panic!("no line with {part:?} in:\n{}", self.seen),
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let left = self.limit.saturating_duration_since(Instant::now());
        let line = self.lines.recv_timeout(left).ok()?;
        self.seen.push_str(&line);
        self.seen.push('\n');
        Some(line)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is still there");
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Done {
        while self.line().is_some() {}
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status.code();
            }
            assert!(
                Instant::now() < self.limit,
                "it does not end; stdout:\n{}",
                self.seen
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        let errors = self.errors.take().expect("finished once");
        let err = errors.join().expect("stderr is text");
        Done {
            code,
            out: std::mem::take(&mut self.seen),
            err,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // it has ended, or the test has failed
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a profile and its script.
pub struct Scratch(TempDir);

impl Scratch {
    /// `p.toml` runs `p.lua` against the built-in target; `run` is the rest of its `[run]` and
    /// `load` the loads.
    pub fn new(run: &str, load: &str, script: &str) -> Scratch {
        let profile = format!("[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n{run}\n{load}\n");
        Scratch::of(&profile, script)
    }

    /// `p.toml` and `p.lua` with these texts.
    pub fn of(profile: &str, script: &str) -> Scratch {
        let scratch = Scratch(tempfile::tempdir().expect("a folder for the test"));
        scratch.write("p.toml", profile);
        scratch.write("p.lua", script);
        scratch
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("the folder is writable");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of the profile, as an argument.
    pub fn profile(&self) -> String {
        self.argument("p.toml")
    }

    pub fn argument(&self, name: &str) -> String {
        self.path(name)
            .to_str()
            .expect("the path is text")
            .to_owned()
    }

    /// `mistress run p.toml` with the JSON result written to `r.json`, and more arguments.
    pub fn run_command(&self, more: &[&str]) -> Command {
        let mut command = mistress(&["run", &self.profile(), "--json", &self.argument("r.json")]);
        command.args(more);
        command
    }

    pub fn run(&self, more: &[&str]) -> Done {
        Program::start(self.run_command(more)).finish()
    }

    /// The JSON result of the last run.
    pub fn result(&self) -> Value {
        json(&self.path("r.json"))
    }
}

pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the result is written");
    serde_json::from_str(&text).expect("the result is JSON")
}

/// A count at a path such as `/totals/sent`.
pub fn count(result: &Value, pointer: &str) -> u64 {
    let value = result
        .pointer(pointer)
        .unwrap_or_else(|| panic!("no {pointer} in {result}"));
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{pointer} is {value}"))
}

/// Fails unless planned = started + dropped, and sent = ok + failed + unfinished, in the totals
/// and in each name.
pub fn conserved(result: &Value) {
    let totals = &result["totals"];
    let n = |key: &str| count(totals, &format!("/{key}"));
    assert_eq!(n("planned"), n("started") + n("dropped"), "{totals}");
    assert_eq!(
        n("sent"),
        n("ok") + n("failed") + n("unfinished"),
        "{totals}"
    );
    for name in result["names"].as_array().expect("names are a list") {
        let n = |key: &str| count(name, &format!("/{key}"));
        assert_eq!(n("sent"), n("ok") + n("failed") + n("unfinished"), "{name}");
    }
    let mut kinds = result["failures"]
        .as_object()
        .expect("failures are a map")
        .values();
    let failures: u64 = kinds.by_ref().filter_map(Value::as_u64).sum();
    assert_eq!(failures, n("failed"), "{}", result["failures"]);
}
