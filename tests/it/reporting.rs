//! Runs that are told to a stats server: one that they bring along, one that dies, one that
//! stalls, one whose disk is full. What was measured is there afterwards, once.

use crate::binary::{Done, Program, Scratch, can_run, count, mistress};
use crate::harness::{ONE_REQUEST, measuring};
use crate::requests::ask;
use rustix::process::Signal;
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A load of `seconds`: 8 users that make 50 requests a second each.
fn load(seconds: u64) -> String {
    format!(
        "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\npacing = \"20ms\"\n\
         phases = [{{ users = 8, for = \"{seconds}s\" }}]\n"
    )
}

/// A stats server on a port of its own, which it keeps when it is started again.
struct Stats {
    data: PathBuf,
    port: u16,
    program: Option<Program>,
}

impl Stats {
    fn at(data: PathBuf) -> Stats {
        // free a moment ago; another process that takes it shows as a failed start
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let mut stats = Stats {
            data,
            port,
            program: None,
        };
        stats.start();
        stats
    }

    fn start(&mut self) {
        let data = self.data.to_str().expect("the path is text");
        let bind = format!("127.0.0.1:{}", self.port);
        let mut program = Program::start(mistress(&["serve", "--bind", &bind, "--data", data]));
        program.until("serving http://");
        self.program = Some(program);
    }

    fn signal(&self, signal: Signal) {
        if let Some(program) = &self.program {
            program.signal(signal);
        }
    }

    fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.program = None;
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn get(&self, path: &str) -> Value {
        let text = self.text(path);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e} in {text}"))
    }

    /// The body of an answer.
    fn text(&self, path: &str) -> String {
        let answer = ask(self.port, &format!("GET {path}"), "", "");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(" 200 "), "{path}: {answer}");
        body.to_owned()
    }
}

/// The id of the run, from the line that names its page.
fn id_of(out: &str) -> String {
    let line = out.lines().find_map(|line| line.strip_prefix("live: "));
    let (_, id) = line
        .and_then(|line| line.rsplit_once("/r/"))
        .expect("a page");
    id.to_owned()
}

fn run_with(scratch: &Scratch, data: &Path, server: &str) -> Command {
    let mut command = scratch.run_command(&["--quiet", "--cores", "1", "--stats", server]);
    command.env("MISTRESS_DATA", data).env("MISTRESS_PORT", "0");
    command
}

/// Fails unless the server has each second of the run once, and with it what the result says.
fn is_complete(stats: &Stats, id: &str, result: &Value) {
    let run = stats.get(&format!("/api/v1/runs/{id}"));
    assert_eq!(run["card"]["state"], "done", "{}", run["card"]);
    for key in [
        "sent",
        "ok",
        "failed",
        "unfinished",
        "bytes_in",
        "bytes_out",
    ] {
        let pointer = format!("/totals/{key}");
        assert_eq!(
            count(&run["summary"], &pointer),
            count(result, &pointer),
            "{key}"
        );
    }
    for pointer in ["/latency", "/service_time", "/lag"] {
        let (kept, told) = (run["summary"].pointer(pointer), result.pointer(pointer));
        let (kept, told) = (kept.expect("it is kept"), told.expect("it is told"));
        for key in ["count", "min_us", "p50_us", "p99_us", "max_us"] {
            assert_eq!(kept[key], told[key], "{pointer}/{key}");
        }
    }
    let series = stats.get(&format!("/api/v1/runs/{id}/series?points=100000"));
    let times: Vec<u64> = list(&series["time_s"]);
    let wanted: Vec<u64> = (0..times.len() as u64).collect();
    assert_eq!(times, wanted, "each second is there once");
    let sent: u64 = list(&series["sent"]).iter().sum();
    assert_eq!(sent, count(result, "/totals/sent"), "the seconds add up");
}

fn list(values: &Value) -> Vec<u64> {
    let values = values.as_array().expect("a column");
    values
        .iter()
        .map(|v| v.as_f64().unwrap_or(0.0).round() as u64)
        .collect()
}

/// The 99th percentile of the lag of a run that nobody disturbs, in µs.
fn lag_undisturbed() -> u64 {
    static LAG: OnceLock<u64> = OnceLock::new();
    *LAG.get_or_init(|| {
        let scratch = Scratch::new("", &load(6), ONE_REQUEST);
        let stats = Stats::at(scratch.path("server"));
        let run = run_with(&scratch, &scratch.path("data"), &stats.url());
        let done = Program::start(run).finish().expect(0);
        assert!(!done.err.contains("mistress push"), "{}", done.err);
        count(&scratch.result(), "/lag/p99_us")
    })
}

/// Fails when the reporting was felt by the load. Ten waits of `d` in 14 s make
/// `10 * (d - x) / 14 s` of the requests later than `x`. With `x` = 10 ms that is one in a
/// hundred, which moves the 99th percentile, from `d` = 24 ms on: a quarter of the sender's
/// shortest wait for a server that is gone, and far less than the 5 s it waits for an answer. One
/// wait of 90 ms does the same to a run of 6 s. Servers that start take the processor from the
/// load for slices of 3 ms, which stays below.
fn untouched(result: &Value) {
    let (lag, quiet) = (count(result, "/lag/p99_us"), lag_undisturbed());
    println!("lag p99: {lag} us, {quiet} us when nothing disturbs");
    let lags = &result["lag"];
    assert!(lag <= quiet + 10_000, "{lags}, undisturbed {quiet} us");
    let reasons = result["verdict"]["reasons"].as_array().expect("a list");
    let felt = [
        "core_blocked",
        "lag_blocked",
        "ring_overflow",
        "conservation",
    ];
    let felt = reasons
        .iter()
        .find(|reason| felt.iter().any(|kind| reason["kind"] == *kind));
    assert!(felt.is_none(), "{reasons:?}");
}

fn push(scratch: &Scratch, out: &str) -> Done {
    let dir = out
        .split("mistress push ")
        .nth(1)
        .expect("it says how to deliver the rest");
    let dir = dir.lines().next().unwrap_or_default().trim();
    assert!(scratch.path("data").exists());
    Program::start(mistress(&["push", dir])).finish()
}

#[test]
fn a_run_brings_a_server_along_that_serve_and_report_find_again() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("", &load(3), ONE_REQUEST);
    let data = scratch.path("data");
    let mut run = run_with(&scratch, &data, "auto");
    // the log of the server that it brings is not for who looks at a run
    run.env("RUST_LOG", "trace");
    let done = Program::start(run).finish().expect(0);
    for word in ["listening", "stopped", "INFO", "DEBUG", "TRACE"] {
        assert!(!done.err.contains(word), "{}", done.err);
    }
    let id = id_of(&done.out);
    assert!(
        done.out.contains("later with: mistress serve"),
        "{}",
        done.out
    );
    assert!(!done.err.contains("stats:"), "{}", done.err);
    let result = scratch.result();
    assert_eq!(result["run"]["id"], id.as_str());
    let stats = Stats::at(data.clone());
    is_complete(&stats, &id, &result);
    for (format, part) in [
        ("csv", "time_s,"),
        ("hlog", "#[Histogram log format version 1.3]"),
        ("junit", "<testsuites"),
        ("json", "\"series\""),
    ] {
        let text = stats.text(&format!("/api/v1/runs/{id}/export/{format}"));
        assert!(text.contains(part), "{format}: {text}");
    }
    assert!(stats.text("/metrics").contains("mistress_runs_live 0"));
    let data = data.to_str().expect("the path is text");
    for asked in ["latest", &id, &id[..30]] {
        let report = Program::start(mistress(&["report", asked, "--data", data])).finish();
        report
            .expect(0)
            .says(&["CLOSED MODEL", &id, "latency", "GET /"]);
    }
    let twice = mistress(&["compare", "latest", &id, "--data", data]);
    Program::start(twice)
        .finish()
        .expect(2)
        .complains(&["latest and", "are the same run"]);
    let none = Program::start(mistress(&["report", "none", "--data", data])).finish();
    none.expect(2).complains(&["no run has this id or name"]);
}

/// Another one for each run of the tests, or that of `MISTRESS_TEST_SEED` to see one again.
fn seed() -> u64 {
    let given = std::env::var("MISTRESS_TEST_SEED").ok();
    let given = given.map(|text| text.parse().expect("MISTRESS_TEST_SEED is a number"));
    let seed: u64 = given.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.expect("the clock is set").as_nanos() as u64 | 1
    });
    println!("MISTRESS_TEST_SEED={seed}");
    seed
}

#[test]
fn a_server_that_is_killed_ten_times_has_every_second_once() {
    let Some(_alone) = measuring() else {
        return;
    };
    let scratch = Scratch::new("", &load(14), ONE_REQUEST);
    let mut stats = Stats::at(scratch.path("server"));
    let mut run = Program::start(run_with(&scratch, &scratch.path("data"), &stats.url()));
    let live = run.until("live: ");
    let mut random = seed();
    for _ in 0..10 {
        // Marsaglia's xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(200 + random % 900));
        stats.kill();
        stats.start();
    }
    let done = run.finish().expect(0);
    assert!(!done.err.contains("mistress push"), "{}", done.err);
    let result = scratch.result();
    is_complete(&stats, &id_of(&live), &result);
    untouched(&result);
}

#[test]
fn what_a_stalled_server_did_not_take_is_delivered_later() {
    let Some(_alone) = measuring() else {
        return;
    };
    let scratch = Scratch::new("", &load(6), ONE_REQUEST);
    let stats = Stats::at(scratch.path("server"));
    let mut run = Program::start(run_with(&scratch, &scratch.path("data"), &stats.url()));
    let live = run.until("live: ");
    std::thread::sleep(Duration::from_secs(2));
    stats.signal(Signal::STOP);
    let done = run.finish().expect(0);
    stats.signal(Signal::CONT);
    let result = scratch.result();
    untouched(&result);
    push(&scratch, &done.err)
        .expect(0)
        .says(&["batches uploaded to http://127.0.0.1:"]);
    is_complete(&stats, &id_of(&live), &result);
}

/// A small disk of its own; root's.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, kib: u64) -> Option<SmallDisk> {
        std::fs::create_dir_all(&at).expect("the folder is writable");
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&at);
        let mounted = mount.status().is_ok_and(|status| status.success());
        testkit::need::need("the right to mount a small tmpfs", mounted).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // with force: the server may still hold it
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_server_with_a_full_disk_costs_the_run_nothing_but_a_push() {
    let Some(_alone) = measuring() else {
        return;
    };
    let scratch = Scratch::new("", &load(6), ONE_REQUEST);
    let Some(disk) = SmallDisk::mount(scratch.path("server"), 4_096) else {
        return;
    };
    let mut stats = Stats::at(disk.0.clone());
    let mut run = Program::start(run_with(&scratch, &scratch.path("data"), &stats.url()));
    let live = run.until("live: ");
    std::thread::sleep(Duration::from_secs(2));
    let ballast = disk.0.join("ballast");
    // it ends where the disk does
    let _ = std::fs::write(&ballast, vec![1; 4 << 20]);
    let done = run.finish().expect(0);
    std::fs::remove_file(&ballast).expect("it was written");
    let result = scratch.result();
    untouched(&result);
    if done.err.contains("mistress push") {
        // a server that met a full disk may be started anew first, as its operator would
        stats.kill();
        stats.start();
        push(&scratch, &done.err).expect(0);
    }
    is_complete(&stats, &id_of(&live), &result);
    stats.kill();
}

#[test]
fn a_spool_on_a_full_disk_does_not_keep_the_run_from_its_server() {
    let Some(_alone) = measuring() else {
        return;
    };
    let scratch = Scratch::new("", &load(4), ONE_REQUEST);
    let Some(disk) = SmallDisk::mount(scratch.path("data"), 64) else {
        return;
    };
    let _ = std::fs::write(disk.0.join("ballast"), vec![1; 64 << 10]);
    let stats = Stats::at(scratch.path("server"));
    let done = Program::start(run_with(&scratch, &disk.0, &stats.url()))
        .finish()
        .expect(0);
    assert!(!done.err.contains("stats:"), "{}", done.err);
    let result = scratch.result();
    is_complete(&stats, &id_of(&done.out), &result);
    untouched(&result);
}
