//! Runs under CPU quotas and beside programs that compute: late, never stuck, conserved.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::quota::QuotaGroup;

use super::runs;
use super::table::Table;
use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::release_binary;
use crate::run::{self, Limit};

/// Milliseconds of each 20.
const QUOTAS_MS: [u64; 3] = [3, 4, 10];
/// Programs that compute without a pause, and for how long at most.
const LOOPS: usize = 4;
const LOOPS_LIMIT_S: &str = "1800";
/// Runs of each kind; 200 in all.
const RUNS: u64 = 50;
/// A run takes 2 s, its drain, and what the quota adds to both.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// The verdict names a quota that stops a program in a twentieth of a second's periods; a run has
/// seconds in which it does less.
const STOPPED_SHARE: f64 = 0.1;
const ONE_REQUEST: &str = "return { main = function(user) user:get('/') end }";

/// What the runs of one kind came to.
#[derive(Default)]
struct Sum {
    ended: u64,
    conserved: u64,
    suspect: u64,
    /// Runs that the quota stopped in at least [`STOPPED_SHARE`] of their periods.
    stopped: u64,
    /// Those of them whose verdict names the quota.
    stopped_named: u64,
    share_max: f64,
}

/// The rows of `cargo xtask acceptance quota`.
///
/// # Errors
/// No target can be started, or no group made.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    let target = runs::target(None, std::net::Ipv4Addr::LOCALHOST.into())?;
    let profile = runs::profile(&target.url, (2_000, 2), "");
    for quota_ms in QUOTAS_MS {
        let name = format!("quota of {quota_ms} ms");
        if table.wants(&name) {
            let group =
                QuotaGroup::new(quota_ms).ok_or("no group with a quota can be made here")?;
            let within = |command| group.command(&command);
            let sum = runs_of(&profile, within, || group.periods())?;
            rows(table, &name, &sum);
            let named = format!("{name}: named in runs it stopped");
            table.same(&named, sum.stopped, sum.stopped_named);
        }
    }
    if table.wants("busy loops") {
        let _loops = Loops::start()?;
        let sum = runs_of(&profile, |command| command, || (0, 0))?;
        rows(table, "busy loops", &sum);
    }
    Ok(())
}

fn rows(table: &mut Table, name: &str, sum: &Sum) {
    table.same(&format!("{name}: not stuck"), RUNS, sum.ended);
    table.same(&format!("{name}: conserved"), RUNS, sum.conserved);
    table.row(&format!("{name}: suspect"), "told", sum.suspect, true);
    table.at_most(&format!("{name}: share of time"), 1.0, sum.share_max, "");
}

/// Makes the runs; `periods` tells all periods so far, and those in which the quota stopped them.
fn runs_of(
    profile: &str,
    within: impl Fn(Command) -> Command,
    periods: impl Fn() -> (u64, u64),
) -> Result<Sum, Failure> {
    let mut sum = Sum::default();
    for seed in 0..RUNS {
        let scratch = Scratch::new("quota")?;
        std::fs::write(scratch.file("p.toml"), profile)?;
        std::fs::write(scratch.file("p.lua"), ONE_REQUEST)?;
        let mut command = Command::new(release_binary("mistress"));
        command.env("MISTRESS_STATS", "off");
        command.arg("run").arg(scratch.file("p.toml"));
        command.args(["--quiet", "--seed", &seed.to_string(), "--json"]);
        command.arg(scratch.file("r.json"));
        let limit = Limit::At(Instant::now() + RUN_LIMIT);
        let before = periods();
        let end = run::lines(within(command), limit, |from, line| {
            if from == run::From::Stderr {
                eprintln!("{line}");
            }
        })?;
        if !end.is_success() {
            continue;
        }
        sum.ended += 1;
        let text = std::fs::read_to_string(scratch.file("r.json"))?;
        let (all, stopped) = periods();
        let (all, stopped) = (all - before.0, stopped - before.1);
        let is_stopped = stopped > 0 && stopped as f64 >= STOPPED_SHARE * all as f64;
        sum.take(&serde_json::from_str(&text)?, is_stopped);
    }
    Ok(sum)
}

impl Sum {
    fn take(&mut self, result: &Value, is_stopped: bool) {
        let n = |key: &str| result["totals"][key].as_u64().unwrap_or(u64::MAX / 8);
        let is_conserved = n("planned") == n("started") + n("dropped")
            && n("sent") == n("ok") + n("failed") + n("unfinished");
        self.conserved += u64::from(is_conserved);
        let verdict = &result["verdict"];
        self.suspect += u64::from(verdict["state"] == "suspect");
        let reasons = verdict["reasons"].as_array();
        let mut reasons = reasons.into_iter().flatten();
        let is_named = reasons.any(|reason| reason["kind"] == "cpu_quota");
        self.stopped += u64::from(is_stopped);
        self.stopped_named += u64::from(is_stopped && is_named);
        let seconds = result["series"].as_array().into_iter().flatten();
        let cores = seconds.flat_map(|second| second["cores"].as_array().into_iter().flatten());
        for core in cores {
            let shares = ["busy_share", "waited_share"].map(|key| core[key].as_f64());
            let most = shares.into_iter().flatten().fold(0.0, f64::max);
            self.share_max = self.share_max.max(most);
        }
    }
}

/// Shells in a loop, ended when this is dropped.
struct Loops(Vec<Child>);

impl Loops {
    fn start() -> Result<Loops, Failure> {
        let one = || {
            let mut command = Command::new("timeout");
            command.args([LOOPS_LIMIT_S, "sh", "-c", "while :; do :; done"]);
            command.stdin(Stdio::null()).spawn()
        };
        let children: Result<Vec<Child>, _> = (0..LOOPS).map(|_| one()).collect();
        Ok(Loops(children?))
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // `timeout` passes it on to the shell
            let id = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}
