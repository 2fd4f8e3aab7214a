//! Runs of several processes that meet at a stats server.

use crate::binary::{Done, Program, Scratch, conserved, count, json, mistress};
use crate::harness::{measuring, number, run_table};
use crate::requests::{self, JSON};
use rustix::process::Signal;
use serde_json::Value;
use std::fmt::Write as _;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use testkit::faults::{FaultOrigin, Script};

/// Each user tells who it is, its row, what it drew and when, with what `setup` returned.
const TELLING: &str = "local s = {}
function s.setup(run) run:get('/setup') return { word = 'w' } end
function s.teardown(run) run:get('/teardown') end
local function tell(user, data, row)
  local drawn = user:random(1, 1000000)
  user:get(string.format('/%s/%d/%s/%d?%.3f', data.word, user.index, row, drawn, time.now()))
end
function s.main(user, data) tell(user, data, '-') end
function s.rows(user, data) tell(user, data, user:row('rows').id) end
return s
";

/// A ramp below one arrival per node and second, even arrivals, and Poisson ones.
const LOADS: &str = "[[load]]
model = \"open\"
scenarios = \"main\"
phases = [{ rate = [\"1/s\", \"5/s\"], for = \"1s\" }]
[[load]]
model = \"open\"
scenarios = \"rows\"
arrivals = \"even\"
phases = [{ rate = \"100/s\", for = \"1s\" }]
[[load]]
model = \"open\"
scenarios = \"main\"
phases = [{ rate = \"50/s\", for = \"1s\" }]
[data.rows]
file = \"rows.csv\"
order = \"unique\"
";

/// A closed load whose iterations are limited over all nodes.
const LIMITED: &str = "[[load]]
model = \"closed\"
scenarios = \"main\"
phases = [{ users = 9, for = \"3s\" }]
";

/// A stats server, and a folder for it and the results of nodes.
struct Meeting {
    scratch: Scratch,
    server: Option<Program>,
    url: String,
}

impl Meeting {
    fn new(profile: &str, script: &str) -> Meeting {
        let scratch = Scratch::of(profile, script);
        let rows: String = (0..1_000).fold(String::from("id\n"), |mut rows, n| {
            let _ = writeln!(rows, "{n}");
            rows
        });
        scratch.write("rows.csv", &rows);
        let mut meeting = Meeting {
            scratch,
            server: None,
            url: String::new(),
        };
        meeting.serve("127.0.0.1:0");
        meeting
    }

    /// Starts the server.
    fn serve(&mut self, bind: &str) {
        let data = self.scratch.argument("server");
        let mut server = Program::start(mistress(&["serve", "--bind", bind, "--data", &data]));
        let line = server.until("serving http://");
        let at = line.find("localhost:").expect("an address");
        let port = line[at..].split([':', '/']).nth(1).expect("a port");
        self.url = format!("http://127.0.0.1:{port}");
        self.server = Some(server);
    }

    /// A node of `count`, from 0, of the run with this id.
    fn node(&self, id: &str, node: usize, count: usize, more: &[&str]) -> Command {
        let result = self.result_path(node);
        let profile = self.scratch.profile();
        let mut command = mistress(&["run", &profile, "--quiet", "--cores", "1"]);
        command
            .args(["--join", &self.url, "--run-id", id, "--json", &result])
            .args(more)
            .env("MISTRESS_JOIN_TOKEN", "0123456789abcdef")
            .env("MISTRESS_DATA", self.scratch.path(&format!("data-{node}")))
            .env("MISTRESS_TEST_LEASE_MS", "1500")
            .env("PMI_RANK", node.to_string())
            .env("PMI_SIZE", count.to_string());
        command
    }

    fn start(&self, id: &str, count: usize) -> Vec<Program> {
        let nodes = (0..count).map(|node| Program::start(self.node(id, node, count, &[])));
        nodes.collect()
    }

    fn result_path(&self, node: usize) -> String {
        self.scratch.argument(&format!("r-{node}.json"))
    }

    fn result(&self, node: usize) -> Value {
        json(self.result_path(node).as_ref())
    }

    /// The body of an answer of the server.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let (_, port) = self.url.rsplit_once(':').expect("a port");
        let port = port.parse().expect("a port");
        let answer = requests::ask(port, &format!("{method} {path}"), JSON, body);
        requests::body_of(&answer).to_owned()
    }

    /// Waits until the rendezvous has the run in a stage.
    fn wait_for(&self, id: &str, stage: &str) {
        for _ in 0..1_000 {
            let nodes = self.ask("GET", &format!("/api/v1/runs/{id}/nodes"), "");
            if nodes.contains(&format!("\"stage\":\"{stage}\",\"start_us\"")) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("the run is never {stage}");
    }
}

/// The id of the `number`-th run of a test.
fn id(number: u32) -> String {
    format!("017f22e2-79b0-7cc3-98c4-{number:012x}")
}

/// The paths that the target was asked for, sorted.
fn told(origin: &FaultOrigin) -> Vec<String> {
    let path = |head: &String| head.split(' ').nth(1).expect("a path").to_owned();
    let mut paths: Vec<String> = origin.report().heads.iter().map(path).collect();
    paths.sort();
    paths
}

fn without_times(told: &[String]) -> Vec<&str> {
    told.iter()
        .map(|path| path.split('?').next().unwrap_or(path))
        .collect()
}

/// When the even arrivals came, in milliseconds after the first one's time by plan.
fn lags_ms(told: &[String]) -> Vec<f64> {
    let even = told.iter().filter_map(|path| {
        let (path, at) = path.split_once('?')?;
        let index: u64 = path.split('/').nth(2)?.parse().ok()?;
        let (user, load) = (index / 3, index % 3);
        let at: f64 = at.split('&').next()?.parse().ok()?;
        (load == 1).then_some(at - user as f64 * 10.0)
    });
    even.collect()
}

#[test]
fn three_nodes_make_the_same_run_as_one_and_start_together() {
    let Some(_alone) = measuring() else { return };
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let profile = run_table(&origin.url()) + LOADS;
    let meeting = Meeting::new(&profile, TELLING);
    meeting.scratch.run(&["--quiet", "--cores", "1"]).expect(0);
    let alone = told(&origin);
    let origin = FaultOrigin::start(Script::each(Script::good()));
    meeting
        .scratch
        .write("p.toml", &(run_table(&origin.url()) + LOADS));
    // clocks that are wrong by 3 s and -1.5 s
    let node = |number: usize, wrong_ms: &str| {
        let mut command = meeting.node(&id(1), number, 3, &[]);
        command.env("MISTRESS_TEST_CLOCK_MS", wrong_ms);
        Program::start(command)
    };
    let nodes = [node(0, "0"), node(1, "3000"), node(2, "-1500")];
    nodes
        .into_iter()
        .for_each(|one| drop(one.finish().expect(0)));
    let together = told(&origin);
    assert_eq!(without_times(&together), without_times(&alone));
    assert!(
        together.iter().any(|path| path.starts_with("/w/")),
        "setup's data"
    );
    let lags = lags_ms(&together);
    let first = lags.iter().copied().fold(f64::MAX, f64::min);
    let prompt = lags.iter().filter(|lag| **lag - first < 20.0).count();
    assert!(lags.len() >= 99 && prompt >= 90, "{lags:?}");
    let result = meeting.result(0);
    let nodes = result["run"]["nodes"].as_array().expect("a list");
    for (node, wrong_us) in nodes.iter().zip([0, 3_000_000, -1_500_000]) {
        let off = node["clock_offset_us"].as_i64().expect("a number") - wrong_us;
        assert!(off.abs() < 1_000, "{node}");
        assert!(count(node, "/start_lag_us") < 20_000, "{node}");
    }
    let sent: u64 = (0..3)
        .map(|n| count(&meeting.result(n), "/totals/sent"))
        .sum();
    // without those of the hooks
    assert_eq!(sent + 2, together.len() as u64);
    let kept = meeting.ask("GET", &format!("/api/v1/runs/{}/export/json", id(1)), "");
    let kept: Value = serde_json::from_str(&kept).expect("a result");
    assert_eq!(count(&kept, "/totals/sent"), sent);
    assert_eq!(kept["run"]["nodes"][2]["segment"], "3/3");
    conserved(&kept);
}

#[test]
fn a_limit_holds_for_all_nodes_and_commands_reach_all() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user) user:get('/') user:sleep(0.01) end }";
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let profile = run_table(&origin.url());
    let meeting = Meeting::new(&format!("{profile}iterations_max = 100\n{LIMITED}"), script);
    let nodes = meeting.start(&id(1), 3);
    nodes
        .into_iter()
        .for_each(|one| drop(one.finish().expect(0)));
    assert_eq!(told(&origin).len(), 100);
    // paused, and ended long before its time
    let profile = format!("{profile}{LIMITED}").replace("3s", "1h");
    meeting.scratch.write("p.toml", &profile);
    let nodes = meeting.start(&id(2), 3);
    meeting.wait_for(&id(2), "started");
    let say = |words: &str, code: i32| {
        let arguments = ["control", &id(2), words, "--stats", &meeting.url];
        Program::start(mistress(&arguments)).finish().expect(code)
    };
    say("pause", 0).says(&["all nodes at", "pause"]);
    say("faster", 2).complains(&["expected pause, resume"]);
    say("status", 0).says(&["\"pause\"", "\"stage\":\"running\""]);
    say("drain", 0);
    nodes
        .into_iter()
        .for_each(|one| drop(one.finish().expect(0)));
    let changes = |node| meeting.result(node)["run"]["changes"].clone();
    let paused = changes(0);
    assert_eq!(paused[0]["change"], "paused", "{paused}");
    assert_eq!((changes(1), changes(2)), (paused.clone(), paused));
    assert_eq!(meeting.result(1)["run"]["ended"], "interrupted");
}

#[test]
fn what_cannot_be_one_run_is_refused_before_any_load() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user) user:get('/') end }";
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let profile = run_table(&origin.url()) + LIMITED;
    let meeting = Meeting::new(&profile, script);
    let finish = |command: Command| Program::start(command).finish();
    let refused = |done: Done, code: i32, words: &[&str]| drop(done.expect(code).complains(words));
    let alone = meeting.node(&id(1), 0, 2, &["--join-timeout", "500ms"]);
    refused(
        finish(alone),
        3,
        &["1 of 2 nodes were ready", "2/2 has not joined"],
    );
    let first = Program::start(meeting.node(&id(2), 0, 2, &["--join-timeout", "30s"]));
    meeting.wait_for(&id(2), "gathering");
    sleep(Duration::from_millis(800));
    let other = meeting.node(&id(2), 1, 2, &["--seed", "9"]);
    refused(
        finish(other),
        3,
        &["the seed differs: 2/2 on", "has 9", "has 1"],
    );
    let twice = meeting.node(&id(2), 0, 2, &[]);
    refused(finish(twice), 3, &["segment 1/2 has already joined"]);
    let mut stranger = meeting.node(&id(2), 1, 2, &[]);
    stranger.env("MISTRESS_JOIN_TOKEN", "another-token-000");
    refused(finish(stranger), 3, &["MISTRESS_JOIN_TOKEN"]);
    let mut nobody = meeting.node(&id(2), 1, 2, &[]);
    nobody.env_remove("MISTRESS_JOIN_TOKEN");
    refused(finish(nobody), 2, &["MISTRESS_JOIN_TOKEN must hold"]);
    first.signal(Signal::INT);
    refused(first.finish(), 3, &["Ctrl-C before the start"]);
    assert_eq!(told(&origin).len(), 0);
}

#[test]
fn the_loss_of_a_node_is_told_and_fails_the_run() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user) user:get('/') user:sleep(0.05) end }";
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let profile = run_table(&origin.url());
    let meeting = Meeting::new(
        &format!("{profile}on_node_loss = \"abort\"\n{LIMITED}"),
        script,
    );
    let mut nodes = meeting.start(&id(1), 3);
    meeting.wait_for(&id(1), "started");
    sleep(Duration::from_millis(1_100));
    nodes[1].signal(Signal::KILL);
    let killed = nodes.remove(1);
    for node in nodes {
        node.finish()
            .expect(3)
            .says(&["1 of 3 nodes lost", "2/3 on", "SUSPECT"]);
    }
    assert_eq!(killed.finish().code, None);
    let result = meeting.result(0);
    conserved(&result);
    assert_eq!(result["verdict"]["reasons"][0]["kind"], "nodes_lost");
    // the load of 3 s was ended soon after
    assert!(
        number(&result, "/run/duration_s") < 4.5,
        "{}",
        result["run"]
    );
    let again = Program::start(meeting.node(&id(1), 1, 3, &[])).finish();
    again
        .expect(3)
        .complains(&["2/3 of this run has already started"]);
}

#[test]
fn a_node_without_its_rendezvous_ends_its_load_unless_it_comes_back() {
    let Some(_alone) = measuring() else { return };
    let script = "return { main = function(user) user:get('/') user:sleep(0.05) end }";
    let origin = FaultOrigin::start(Script::each(Script::good()));
    let mut meeting = Meeting::new(&(run_table(&origin.url()) + LIMITED), script);
    let nodes = meeting.start(&id(1), 2);
    meeting.wait_for(&id(1), "started");
    sleep(Duration::from_millis(1_200));
    // killed and started again within the lease
    let server = meeting.server.take().expect("it runs");
    server.signal(Signal::KILL);
    server.finish();
    let bind = meeting.url.trim_start_matches("http://").to_owned();
    meeting.serve(&bind);
    for node in nodes {
        node.finish().expect(0);
    }
    assert!(number(&meeting.result(0), "/run/duration_s") > 2.9);
    // gone for good
    let nodes = meeting.start(&id(2), 2);
    meeting.wait_for(&id(2), "started");
    sleep(Duration::from_millis(1_200));
    let server = meeting.server.take().expect("it runs");
    server.signal(Signal::KILL);
    server.finish();
    for node in nodes {
        node.finish()
            .expect(3)
            .says(&["lost contact with the others"]);
    }
    assert!(number(&meeting.result(1), "/run/duration_s") < 2.9);
}
