//! Fixed runs to report.

use crate::render::outline::{LoadOutline, Outline};
use stats::report::{Ending, RunFacts};
use stats::{
    Aggregator, Counter, FailureKind, Model, NameId, Recorder, RunReport, Sample, Summary, Window,
};
use std::path::Path;

const MS: u64 = 1_000_000;
/// A name as a hostile script would give it: colours, a second line, reversed writing.
pub const HOSTILE: &str = "GET /\x1b[31m\r\nverdict CLEAN\u{202e}";

/// A closed run of 3 s on one core, without anything special.
pub fn closed() -> Summary {
    let mut aggregator = Aggregator::new(1, Model::Closed);
    let (mut recorder, mut source) = Recorder::link(0, 4);
    let home = recorder.request_name("GET /");
    let check = recorder.check_name("status is 200");
    recorder.users(64);
    recorder.connections(64);
    recorder.count(Counter::ConnectionOpened, 64);
    recorder.count(Counter::ConnectionReused, 2_936);
    (0..64).for_each(|_| recorder.connected(home, MS / 5));
    for second in 0..3 {
        for k in 0..1_000 {
            request(&mut recorder, home, &ok(MS + k * 1_000, 20_000));
            recorder.check(check, true);
            recorder.iteration_finished();
        }
        time(&mut recorder, 960);
        if second < 2 {
            recorder.roll(second + 1);
        }
    }
    while let Some(window) = source.pop() {
        aggregator.add(&window);
    }
    summary(aggregator, vec![recorder.finish()])
}

/// An open run of 4 s on two cores: hostile and long names, failures, dropped arrivals, a core
/// that is blocked in second 2.
pub fn troubled() -> Summary {
    let mut aggregator = Aggregator::new(2, Model::Open);
    let mut last = Vec::new();
    for core in 0..2 {
        let (mut recorder, mut source) = Recorder::link(core, 4);
        for second in 0..4 {
            trouble(&mut recorder, core, second);
            if second < 3 {
                recorder.roll(second + 1);
            }
        }
        while let Some(window) = source.pop() {
            aggregator.add(&window);
        }
        last.push(recorder.finish());
    }
    summary(aggregator, last)
}

fn trouble(recorder: &mut Recorder, core: u32, second: u64) {
    let home = recorder.request_name(HOSTILE);
    let long = recorder.request_name("POST /api/v2/customers/by-region/orders/confirm-and-pay");
    let login = recorder.transaction_name("login");
    let check = recorder.check_name("contains \"Welcome\"");
    recorder.users(40 + second as u32);
    recorder.connections(38);
    recorder.arrivals_planned(500);
    (0..499).for_each(|_| recorder.arrival_started());
    recorder.arrival_dropped();
    for k in 0..500 {
        let blocked = core == 1 && second == 2 && k < 100;
        let lag = if blocked { 200 * MS - k * MS } else { 40_000 };
        request(recorder, home, &ok(lag + 2 * MS + k * 10_000, lag));
        recorder.check(check, k % 50 != 0);
        recorder.transaction(login, lag + 5 * MS, k % 50 != 0);
        if k % 100 == 0 {
            let failure = Some(FailureKind::Timeout);
            let sample = Sample {
                latency_ns: 10_000 * MS,
                failure,
                ..Sample::default()
            };
            request(recorder, long, &sample);
        } else {
            let mut sample = ok(lag + 30 * MS, lag);
            if k % 25 == 0 {
                sample.status = 503;
                sample.failure = Some(FailureKind::Status);
            }
            request(recorder, long, &sample);
        }
        recorder.iteration_finished();
    }
    recorder.iteration_failed();
    if second == 3 {
        recorder.sent(long);
        recorder.request_unfinished(long, 700 * MS);
        recorder.iteration_unfinished();
    }
    recorder.count(Counter::StaleRetry, 1);
    time(recorder, 300 + 100 * u64::from(core));
    if core == 1 && second == 2 {
        recorder.turn(200 * MS);
    }
}

fn ok(latency_ns: u64, lag_ns: u64) -> Sample {
    Sample {
        latency_ns,
        service_ns: latency_ns - lag_ns,
        lag_ns,
        first_byte_ns: (latency_ns - lag_ns) / 2,
        receive_ns: 0,
        status: 200,
        failure: None,
        bytes_in: 12_345,
        bytes_out: 234,
    }
}

fn request(recorder: &mut Recorder, name: NameId, sample: &Sample) {
    recorder.sent(name);
    recorder.request(name, sample);
}

/// One second, busy for so many milliseconds.
fn time(recorder: &mut Recorder, busy_ms: u64) {
    (0..busy_ms).for_each(|_| recorder.turn(MS));
    recorder.processor(busy_ms * MS, 1_000 * MS);
}

fn summary(mut aggregator: Aggregator, last: Vec<Window>) -> Summary {
    last.iter().for_each(|window| aggregator.add(window));
    while aggregator.take_rest().is_some() {}
    aggregator.summary()
}

/// Facts to go with either run.
pub fn facts(ended: Ending, cores: Vec<usize>, duration_s: f64) -> RunFacts {
    RunFacts {
        name: "shop".into(),
        id: "20261122T224506Z-shop".into(),
        start: "2026-11-22T22:45:06Z".into(),
        duration_s,
        planned_s: 40.0,
        warmup_s: 0,
        ended: Some(ended),
        seed: 1,
        target: "http://127.0.0.1:8080".into(),
        proxy: String::new(),
        insecure: false,
        script: "scenarios/shop.lua".into(),
        script_sha256: "ab".repeat(32),
        profile: "scenarios/shop.toml".into(),
        profile_sha256: "cd".repeat(32),
        cores,
        segment: None,
        nodes: Vec::new(),
        loads: Vec::new(),
        overrides: Vec::new(),
        changes: Vec::new(),
        version: "0.1.0".into(),
    }
}

/// A report of a run of a profile with these loads.
pub fn report(mut run: RunFacts, loads: &str, summary: Summary) -> RunReport {
    let outline = outline(loads);
    run.loads = outline.loads.iter().map(LoadOutline::facts).collect();
    RunReport::new(run, Vec::new(), summary)
}

/// The outline of a profile with these loads.
pub fn outline(loads: &str) -> Outline {
    let head =
        "[run]\nname = \"shop\"\nscript = \"shop.lua\"\ntarget = \"http://127.0.0.1:8080\"\n";
    let plan = config::parse(&format!("{head}{loads}"), Path::new("shop.toml"));
    Outline::of(&plan.expect("a valid profile"), "http://127.0.0.1:8080")
}

/// 64 users for a minute.
pub const CLOSED: &str = r#"
[[load]]
model = "closed"
scenarios = { poll = 1 }
phases = [{ users = 64, for = "1m" }]
"#;

/// Arrivals with a ramp and a cap.
pub const OPEN: &str = r#"
[[load]]
model = "open"
scenarios = { browse = 7, buy = 3 }
arrivals = "poisson"
users_max = 20000
phases = [
  { rate = "100/s", for = "10s" },
  { rate = ["100/s", "2k/s"], for = "30s" },
]
"#;
