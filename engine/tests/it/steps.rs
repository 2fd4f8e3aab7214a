//! A run driven step by step from outside, as whoever spreads it over processes does.

use crate::runs::target;
use mistress_engine::{Control, Event, Outcome, Ready, RunSpec, Segment, Target, prepare};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const SCRIPT: &str = "local s = {}
function s.setup() log('setup') return { token = 't1' } end
function s.teardown(_, data) log('teardown ' .. data.token) end
function s.main(user, data) log(data.token) user:get('/') end
return s
";
const PROFILE: &str = "[[load]]\nmodel = \"open\"\narrivals = \"even\"\nscenarios = \"main\"\n\
    phases = [{ rate = \"20/s\", for = \"1s\" }]\n";
/// Users of the whole run.
const USERS: usize = 20;

/// One process's part of the run.
struct Part {
    ready: Ready,
    events: Receiver<Event>,
    _folder: tempfile::TempDir,
}

fn part(target: &Target, segment: Segment) -> Part {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.lua"), SCRIPT).unwrap();
    let profile = folder.path().join("p.toml");
    let run = format!(
        "[run]\nscript = \"s.lua\"\ntarget = \"http://{}\"\n{PROFILE}",
        target.address()
    );
    std::fs::write(&profile, run).unwrap();
    let plan = config::load(&profile).unwrap_or_else(|e| panic!("{e}"));
    let config::Target::Http(origin) = plan.target.clone() else {
        panic!("an address")
    };
    let (events_out, events) = sync_channel(1_000);
    let ready = prepare(RunSpec {
        id: "a-run".to_owned(),
        plan: Arc::new(plan),
        segment,
        origin,
        cpus: vec![mistress_engine::allowed_cpus()[0]],
        recorders: vec![stats::Recorder::link(0, 4).0],
        events: events_out,
        traced: mistress_engine::Traced::Nothing,
        only: None,
        control: Control::new(),
    });
    Part {
        ready: ready.unwrap_or_else(|e| panic!("{e}")),
        events,
        _folder: folder,
    }
}

/// The lines logged so far.
fn logged(events: &Receiver<Event>) -> Vec<String> {
    let text = |event| match event {
        Event::Log { text, .. } => Some(text),
        Event::First(_) => None,
        other => panic!("only logs: {other:?}"),
    };
    events.try_iter().filter_map(text).collect()
}

fn no_error(outcome: &Outcome) {
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert!(outcome.lost.is_empty(), "{:?}", outcome.lost);
}

#[test]
fn each_step_waits_to_be_called() {
    let target = target();
    let mut part = part(&target, Segment::WHOLE);
    assert_eq!(logged(&part.events), [""; 0]);
    let data = part.ready.setup().unwrap();
    assert_eq!(data, json!({ "token": "t1" }));
    assert_eq!(logged(&part.events), ["setup"]);

    let at = Instant::now() + Duration::from_millis(300);
    let mut running = part.ready.start(at, json!({ "token": "t2" }));
    let off = running.start().max(at) - running.start().min(at);
    assert!(off < Duration::from_millis(1), "starts {off:?} off");
    assert!(!running.is_finished());
    let outcome = running.wait();
    no_error(&outcome);
    assert!(running.is_finished());
    // The last of the even arrivals comes 25 ms before the end of the second.
    assert!(outcome.end >= at + Duration::from_millis(950));
    assert_eq!(logged(&part.events), ["t2"; USERS]);

    running.teardown().unwrap();
    assert_eq!(logged(&part.events), ["teardown t2"]);
    running.end().unwrap();
}

#[test]
fn processes_share_one_setup_and_start_at_one_moment() {
    let target = target();
    let segment = |index| Segment::of(index, &[1.0, 1.0]).unwrap();
    let mut parts = [1, 2].map(|index| part(&target, segment(index)));
    let data: Value = parts[0].ready.setup().unwrap();
    let at = Instant::now() + Duration::from_millis(200);
    let running: Vec<_> = parts
        .into_iter()
        .map(|part| (part.ready.start(at, data.clone()), part.events))
        .collect();
    let mut tokens = 0;
    let mut hooks = Vec::new();
    for (index, (mut running, events)) in running.into_iter().enumerate() {
        no_error(&running.wait());
        if index == 0 {
            running.teardown().unwrap();
        }
        running.end().unwrap();
        let lines = logged(&events);
        tokens += lines.iter().filter(|line| *line == "t1").count();
        hooks.extend(lines.into_iter().filter(|line| line != "t1"));
    }
    assert_eq!(tokens, USERS);
    assert_eq!(hooks, ["setup", "teardown t1"]);
}

#[test]
fn a_run_that_is_never_started_ends_its_cores() {
    let target = target();
    let part = part(&target, Segment::WHOLE);
    drop(part.ready);
    // The cores hold the other ends of the channel.
    let ended = part.events.recv_timeout(Duration::from_secs(10));
    assert_eq!(
        ended.unwrap_err(),
        std::sync::mpsc::RecvTimeoutError::Disconnected
    );
}
