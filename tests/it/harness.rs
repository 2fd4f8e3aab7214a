//! What tests that measure share: one at a time, the processors, and the figures of a result.

use crate::binary::{Done, Scratch, can_run, count};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use testkit::namespaces::{self, Network};
use testkit::truth::{Figure, Truth};

/// The script of a user that makes one request.
pub const ONE_REQUEST: &str = "return { main = function(user) user:get('/') end }";

/// Held by each test of this program that measures time or uses a whole processor.
static MEASURING: Mutex<()> = Mutex::new(());

/// Waits until no other test measures. `None` when runs are not possible here.
pub fn measuring() -> Option<MutexGuard<'static, ()>> {
    // a test that failed has left nothing behind that matters to the next
    can_run().then(|| MEASURING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The processor for a server, when the load of a run of `--cores 1` is to be alone: that takes
/// the last one that is allowed. `None` when there is only one.
pub fn server_cpu() -> Option<usize> {
    let allowed = engine::allowed_cpus();
    (allowed.len() > 1).then(|| allowed[0])
}

/// Where the server and the run of a test are placed.
pub enum Placement {
    /// On this machine, over loopback.
    Loopback,
    /// On hosts of their own, joined by a wire of MTU 1500: the run on the first, the server on
    /// the second.
    Hosts(Network),
}

impl Placement {
    /// Separate hosts; `None`, with a visible message, if there can be none.
    pub fn separate_hosts() -> Option<Placement> {
        namespaces::pair().map(Placement::Hosts)
    }

    /// Starts a server, which is told the address to listen on.
    pub fn serve<T: Send>(&self, start: impl FnOnce(IpAddr) -> T + Send) -> T {
        match self {
            Placement::Loopback => start(Ipv4Addr::LOCALHOST.into()),
            Placement::Hosts(hosts) => {
                let host = hosts.host(1);
                let ip = host.address();
                host.within(|| start(ip))
            }
        }
    }

    /// The command, where runs are.
    pub fn command(&self, command: Command) -> Command {
        let Placement::Hosts(hosts) = self else {
            return command;
        };
        let mut there = hosts.host(0).command(command.get_program());
        there.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        there
    }
}

/// How many processors this process may use.
pub fn cpus() -> usize {
    engine::allowed_cpus().len()
}

/// One even arrival at once: 1000/s during a millisecond.
pub fn one_arrival(scenario: &str) -> String {
    format!(
        "[[load]]\nmodel = \"open\"\nscenarios = \"{scenario}\"\narrivals = \"even\"\n\
         phases = [{{ rate = \"1k/s\", for = \"1ms\" }}]\n"
    )
}

/// The `[run]` table for `p.lua` and this target.
pub fn run_table(target: &str) -> String {
    format!("[run]\nscript = \"p.lua\"\ntarget = \"{target}\"\nstats = false\n")
}

/// A number at a path such as `/latency/mean_us`; NaN when there is none.
pub fn number(result: &Value, pointer: &str) -> f64 {
    result
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or(f64::NAN)
}

/// The counts of a request name; panics when it is not in the result.
pub fn name<'a>(result: &'a Value, name: &str) -> &'a Value {
    let names = result["names"].as_array().expect("names are a list");
    let found = names
        .iter()
        .find(|entry| entry["name"] == name && entry["kind"] == "request");
    found.unwrap_or_else(|| panic!("no request {name:?} in {names:?}"))
}

/// A counter of the run; 0 when it did not occur.
pub fn event(result: &Value, counter: &str) -> u64 {
    result["events"]
        .get(counter)
        .map_or(0, |n| n.as_u64().expect("counters are counts"))
}

/// How many requests failed of one kind.
pub fn failures(result: &Value, kind: &str) -> u64 {
    result["failures"]
        .get(kind)
        .map_or(0, |n| n.as_u64().expect("failures are counts"))
}

/// A figure that the generator knows; NaN for those that only the server does.
pub fn figure(result: &Value, figure: Figure) -> f64 {
    let ms = |pointer: String| number(result, &pointer) / 1e3;
    match figure {
        Figure::Latency(q) => ms(format!("/latency/{}", percentile(q))),
        Figure::LatencyMin => ms("/latency/min_us".to_owned()),
        Figure::LatencyMax => ms("/latency/max_us".to_owned()),
        Figure::LatencyMean => ms("/latency/mean_us".to_owned()),
        Figure::FailedLatency(q) => ms(format!("/latency_failed/{}", percentile(q))),
        Figure::Sent => number(result, "/totals/sent"),
        Figure::Ok => number(result, "/totals/ok"),
        Figure::TimedOut => failures(result, "timeout") as f64,
        Figure::FailedPercent => {
            let failed = number(result, "/totals/failed") + number(result, "/totals/unfinished");
            100.0 * failed / number(result, "/totals/sent")
        }
        Figure::Rate => number(result, "/throughput/requests_per_s"),
        Figure::Unfinished => number(result, "/totals/unfinished"),
        Figure::DroppedPercent => {
            100.0 * number(result, "/totals/dropped") / number(result, "/totals/planned")
        }
        _ => f64::NAN,
    }
}

/// The key of a quantile in the result.
fn percentile(q: f64) -> String {
    match q {
        0.0 => "min_us".to_owned(),
        1.0 => "max_us".to_owned(),
        0.999 => "p999_us".to_owned(),
        q => format!("p{}_us", (q * 100.0).round()),
    }
}

/// A profile with the load of `truth` and one request per iteration.
pub fn scratch_of(truth: &Truth, target: &str) -> Scratch {
    Scratch::of(&truth.profile("p.lua", "main", target, 1), ONE_REQUEST)
}

/// Fails unless the run reached its end and was paid for in full: nothing planned or sent is
/// missing from the result.
pub fn settled(done: Done, result: &Value) -> Done {
    let done = done.expect(0);
    crate::binary::conserved(result);
    assert_eq!(result["run"]["ended"], "completed", "{}", done.out);
    assert_eq!(
        count(result, "/totals/iterations/failed"),
        0,
        "{}",
        done.out
    );
    done
}

#[test]
fn quantiles_have_the_keys_of_the_result() {
    let keys = [
        (0.0, "min_us"),
        (0.5, "p50_us"),
        (0.9, "p90_us"),
        (0.99, "p99_us"),
    ];
    for (q, key) in keys
        .into_iter()
        .chain([(0.75, "p75_us"), (0.999, "p999_us"), (1.0, "max_us")])
    {
        assert_eq!(percentile(q), key);
    }
}
