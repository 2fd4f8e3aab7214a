//! New connections between two hosts: local ports by plan, how connections are closed, and that
//! the kernel hands none of it to its workers.

use crate::binary::{Program, Scratch, conserved, count, mistress};
use crate::harness::{ONE_REQUEST, failures, measuring, run_table, server_cpu};
use crate::wait_meter::WaitMeter;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;
use testkit::namespaces::{self, Host, Network};

/// Seconds of each load.
const SECONDS: u64 = 4;
/// A core that is stopped for longer than this, by itself, stalls.
const TURN_MAX: Duration = Duration::from_millis(50);

/// What a run came to.
struct RunOutcome {
    result: Value,
    said: String,
    /// The longest turn without the longest time that the core was kept from its processor.
    turn: Duration,
    /// Threads of the kernel that worked for the program.
    workers: BTreeSet<String>,
}

impl RunOutcome {
    fn ok(&self) -> u64 {
        count(&self.result, "/totals/ok")
    }
}

/// Two hosts, the first with a thousand ports.
fn hosts() -> Option<Network> {
    let network = namespaces::pair()?;
    let near = network.host(0);
    near.set("net.ipv4.ip_local_port_range", "20000 20999");
    Some(network)
}

/// Runs single requests at an even rate from one host to a built-in target on the other.
fn run(network: &Network, server: std::net::IpAddr, connections: &str, per_s: u64) -> RunOutcome {
    let target = serve(network.host(1), server);
    let profile = format!(
        "{}[connections]\n{connections}\n[[load]]\nmodel = \"open\"\narrivals = \"even\"\n\
         scenarios = \"main\"\nphases = [{{ rate = \"{per_s}/s\", for = \"{SECONDS}s\" }}]\n",
        run_table(&target.1)
    );
    let scratch = Scratch::of(&profile, ONE_REQUEST);
    let command = scratch.run_command(&["--quiet", "--cores", "1"]);
    let (done, core, workers) = network.host(0).within(|| {
        let program = Program::start(command);
        let core = WaitMeter::of(program.id(), "core-");
        let workers = watch_workers(program.id());
        (program.finish(), core, workers)
    });
    let workers = workers.join().expect("it only reads");
    let longest_wait = core.end().longest;
    let done = done.expect(0);
    let result = scratch.result();
    conserved(&result);
    assert_eq!(count(&result, "/totals/planned"), per_s * SECONDS);
    assert_eq!(count(&result, "/totals/dropped"), 0);
    let cores = result["generator"]["cores"]
        .as_array()
        .expect("a list of cores");
    let turns = cores.iter().filter_map(|core| core["turn_max_us"].as_u64());
    let turn = Duration::from_micros(turns.max().expect("a core"));
    RunOutcome {
        result,
        said: done.err,
        turn: turn.saturating_sub(longest_wait),
        workers,
    }
}

/// A target on a host, and its URL.
fn serve(host: &Host, ip: std::net::IpAddr) -> (Program, String) {
    let listen = SocketAddr::new(ip, 0).to_string();
    let mut arguments = vec!["target".to_owned(), "--listen".to_owned(), listen];
    arguments.extend(
        server_cpu()
            .into_iter()
            .flat_map(|cpu| ["--cpu".to_owned(), cpu.to_string()]),
    );
    let command = mistress(&arguments);
    let mut program = host.within(|| Program::start(command));
    let line = program.until("listening on http://");
    let url = line
        .split_once("listening on ")
        .expect("it is in the line")
        .1;
    (program, url.trim().to_owned())
}

/// Collects the kernel's workers among the threads of a process, until it has ended. A worker
/// without work stays for seconds, so one look in a while sees it.
fn watch_workers(process: u32) -> JoinHandle<BTreeSet<String>> {
    let folder = PathBuf::from(format!("/proc/{process}/task"));
    std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while let Ok(tasks) = std::fs::read_dir(&folder) {
            let mut is_alive = false;
            for task in tasks.flatten() {
                if let Ok(name) = std::fs::read_to_string(task.path().join("comm")) {
                    is_alive |= !name.is_empty() && !name.starts_with("iou-wrk");
                    seen.extend(Some(name).filter(|name| name.starts_with("iou-wrk")));
                }
            }
            if !is_alive || is_zombie(process) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        seen
    })
}

fn is_zombie(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with('Z'));
    state.unwrap_or(true)
}

/// Fails unless exactly `room` requests were served, the others failed for want of a port, and the
/// run said so before and after, and nothing stalled.
fn check_exhausted(outcome: &RunOutcome, room: u64, per_s: u64) {
    let result = &outcome.result;
    let all = per_s * SECONDS;
    assert_eq!(outcome.ok(), room, "{result}");
    assert_eq!(failures(result, "ports_exhausted"), all - room, "{result}");
    assert!(
        outcome.said.contains("ports: the plan makes"),
        "{}",
        outcome.said
    );
    assert!(
        outcome.said.contains("close = \"reset\""),
        "{}",
        outcome.said
    );
    assert_eq!(result["verdict"]["state"], "suspect");
    let first = &result["verdict"]["reasons"][0];
    assert_eq!(first["kind"], "ports_exhausted", "{}", result["verdict"]);
    assert!(outcome.turn < TURN_MAX, "a turn of {:?}", outcome.turn);
    assert_eq!(outcome.workers, BTreeSet::new());
}

/// Fails unless all requests were served, without a word about ports.
fn check_served(outcome: &RunOutcome, per_s: u64) {
    assert_eq!(outcome.ok(), per_s * SECONDS, "{}", outcome.result);
    assert!(!outcome.said.contains("ports:"), "{}", outcome.said);
    assert!(outcome.turn < TURN_MAX, "a turn of {:?}", outcome.turn);
    assert_eq!(outcome.workers, BTreeSet::new());
}

#[test]
fn ports_that_rest_are_missed_at_once_and_foreseen() {
    let Some(_alone) = measuring() else {
        return;
    };
    let Some(network) = hosts() else {
        return;
    };
    let far = network.host(1);
    check_exhausted(&run(&network, far.address(), "", 400), 1_000, 400);
    // The same over the other family, from ports that the system would not have given.
    let wide = "ports = \"30000-30999\"";
    check_exhausted(&run(&network, far.address6(), wide, 400), 1_000, 400);
}

#[test]
fn more_addresses_have_more_ports() {
    let Some(_alone) = measuring() else {
        return;
    };
    let Some(network) = hosts() else {
        return;
    };
    let sources = network.host(0).sources6(4);
    let server = network.host(1).address6();
    let named: Vec<String> = sources.iter().map(|ip| format!("{ip}")).collect();
    let outcome = run(&network, server, &format!("source = {named:?}"), 1_250);
    check_exhausted(&outcome, 4_000, 1_250);
}

#[test]
fn ports_are_used_again_where_none_rests() {
    let Some(_alone) = measuring() else {
        return;
    };
    let Some(network) = hosts() else {
        return;
    };
    let far = network.host(1).address();
    check_served(&run(&network, far, "close = \"reset\"", 1_000), 1_000);
    let far = network.host(1).address6();
    // A server that closes first keeps the port itself.
    let outcome = run(&network, far, "keep_alive = false", 400);
    assert_eq!(outcome.ok(), 400 * SECONDS, "{}", outcome.result);
    // The system lets ports be used again after a second, and so do we.
    network.host(0).set("net.ipv4.tcp_tw_reuse", "1");
    check_served(&run(&network, far, "", 400), 400);
}
