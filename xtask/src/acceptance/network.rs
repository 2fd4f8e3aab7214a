//! New connections between two hosts, which are network namespaces joined by veth.

use std::time::Duration;

use serde_json::Value;
use testkit::namespaces::{self, Host};

use super::table::Table;
use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::release_binary;
use crate::run::Background;

/// A user that makes one request.
const ONE_REQUEST: &str = "return { main = function(user) user:get('/') end }";
/// How long a server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// What a run may take beyond its load: starting, draining, reporting.
const SLACK: Duration = Duration::from_secs(60);

/// Measures the rows of the area.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    let network = namespaces::pair().ok_or("the hosts could not be made")?;
    let (near, far) = (network.host(0), network.host(1));
    if table.wants("reachable") {
        let server = target(far, &format!("{}:0", far.address()))?;
        let result = mistress(near, &profile(&server.url, 100, 2, ""))?;
        table.same(
            "reachable: ok",
            "200".to_owned(),
            result["totals"]["ok"].to_string(),
        );
        let median_ms = result["latency"]["p50_us"].as_f64().unwrap_or(f64::NAN) / 1e3;
        table.at_most("reachable: p50", 1.0, median_ms, "ms");
    }
    super::pool::measure(table, &network)?;
    super::truths::measure(table, &network)
}

/// A built-in target on a host.
pub(super) struct Target {
    /// Such as `http://10.99.0.2:4711`.
    pub(super) url: String,
    _process: Background,
}

/// Starts `mistress target` on a host, on the first processor.
pub(super) fn target(host: &Host, listen: &str) -> Result<Target, Failure> {
    let mut command = host.command(release_binary("mistress"));
    command.args(["target", "--listen", listen, "--cpu", "0"]);
    let process = Background::start(command)?;
    let line = process.line_with("listening on http://", START_LIMIT)?;
    let place = line.find("http://").unwrap_or_default();
    Ok(Target {
        url: line[place..].trim().trim_end_matches('/').to_owned(),
        _process: process,
    })
}

/// An open, even load of users with one request each; `more` are further lines of the profile.
pub(super) fn profile(target: &str, per_s: u32, seconds: u32, more: &str) -> String {
    format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"{target}\"\nstats = false\n{more}\n\
         [[load]]\nmodel = \"open\"\narrivals = \"even\"\nscenarios = \"main\"\n\
         phases = [{{ rate = \"{per_s}/s\", for = \"{seconds}s\" }}]\n"
    )
}

/// Runs a profile on a host, on the last processor; its result, whatever its verdict.
pub(super) fn mistress(host: &Host, profile: &str) -> Result<Value, Failure> {
    let scratch = Scratch::new("acceptance")?;
    std::fs::write(scratch.file("p.toml"), profile)?;
    std::fs::write(scratch.file("p.lua"), ONE_REQUEST)?;
    let mut command = host.command(release_binary("mistress"));
    command.env("MISTRESS_STATS", "off");
    command.arg("run").arg(scratch.file("p.toml"));
    command
        .args(["--quiet", "--cores", "1", "--json"])
        .arg(scratch.file("r.json"));
    let mut process = Background::start(command)?;
    let deadline = std::time::Instant::now() + Duration::from_secs(600) + SLACK;
    while process.is_running() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(serde_json::from_str(&std::fs::read_to_string(
        scratch.file("r.json"),
    )?)?)
}
