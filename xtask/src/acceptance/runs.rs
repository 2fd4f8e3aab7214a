//! What the rows are measured with: the program, its target, and oha, on a host or on this machine.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::namespaces::Host;

use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::{cargo, release_binary, root};
use crate::run::{self, Background, Limit};

/// A user that makes one request.
const ONE_REQUEST: &str = "return { main = function(user) user:get('/') end }";
/// How long a server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// The longest run, with all that goes before and after.
const RUN_LIMIT: Duration = Duration::from_secs(300);
/// How often a run is looked at. A worker of the kernel stays for seconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a run came to.
pub struct Ran {
    /// Its JSON result.
    pub result: Value,
    /// What it wrote to stderr.
    pub said: String,
    /// The most threads of the kernel that worked for it at one moment.
    pub workers: u64,
}

/// A built-in target.
pub struct Target {
    /// Such as `http://10.99.0.2:4711`.
    pub url: String,
    _process: Background,
}

/// Starts `mistress target` on the first processor.
pub fn target(host: Option<&Host>, ip: IpAddr) -> Result<Target, Failure> {
    let mut command = on(host, release_binary("mistress"));
    let listen = SocketAddr::new(ip, 0).to_string();
    command.args(["target", "--listen", &listen, "--cpu", "0"]);
    let process = Background::start(command)?;
    let line = process.line_with("listening on http://", START_LIMIT)?;
    let place = line.find("http://").unwrap_or_default();
    Ok(Target {
        url: line[place..].trim().trim_end_matches('/').to_owned(),
        _process: process,
    })
}

/// An open, even load of users with one request each; `more` are further tables of the profile.
pub fn profile(target: &str, (per_s, seconds): (u64, u64), more: &str) -> String {
    format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"{target}\"\nstats = false\n{more}\n\
         [[load]]\nmodel = \"open\"\narrivals = \"even\"\nscenarios = \"main\"\n\
         phases = [{{ rate = \"{per_s}/s\", for = \"{seconds}s\" }}]\n"
    )
}

/// Runs a profile on the last processor.
pub fn mistress(host: Option<&Host>, profile: &str) -> Result<Ran, Failure> {
    let scratch = Scratch::new("acceptance")?;
    std::fs::write(scratch.file("p.toml"), profile)?;
    std::fs::write(scratch.file("p.lua"), ONE_REQUEST)?;
    let mut command = on(host, release_binary("mistress"));
    command.env("MISTRESS_STATS", "off");
    command.arg("run").arg(scratch.file("p.toml"));
    command
        .args(["--quiet", "--cores", "1", "--json"])
        .arg(scratch.file("r.json"));
    let log = scratch.file("stderr");
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    command.stderr(std::fs::File::create(&log)?);
    let mut child = command.spawn()?;
    let deadline = Instant::now() + RUN_LIMIT;
    let mut workers = 0;
    while child.try_wait()?.is_none() {
        workers = workers.max(kernel_workers(child.id()));
        if Instant::now() > deadline {
            child.kill()?;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let said = std::fs::read_to_string(&log)?;
    let text = std::fs::read_to_string(scratch.file("r.json"));
    let text = text.map_err(|e| format!("no result: {e}\n{said}"))?;
    Ok(Ran {
        result: serde_json::from_str(&text)?,
        said,
        workers,
    })
}

/// The 99th percentile of oha's latency at a rate, with a connection for each request.
pub fn oha_p99_ms(
    host: Option<&Host>,
    url: &str,
    (per_s, seconds): (u64, u64),
) -> Result<f64, Failure> {
    let mut command = Command::new("taskset");
    let last = std::thread::available_parallelism()?.get() - 1;
    command.args(["-c", &last.to_string()]);
    let mut oha = on(host, oha()?);
    oha.args([
        "--no-tui",
        "--output-format",
        "json",
        "--disable-keepalive",
        "--latency-correction",
    ]);
    oha.args([
        "-c",
        "50",
        "-q",
        &per_s.to_string(),
        "-z",
        &format!("{seconds}s"),
        url,
    ]);
    command.arg(oha.get_program()).args(oha.get_args());
    let captured = run::capture(command, RUN_LIMIT)?;
    let result: Value = serde_json::from_str(&captured.stdout)?;
    let p99_s = result["latencyPercentiles"]["p99"].as_f64();
    Ok(p99_s.ok_or("oha tells no p99")? * 1e3)
}

/// The program, installed below `target/tools` when it is not there.
fn oha() -> Result<PathBuf, Failure> {
    let folder = root().join("target/tools");
    let program = folder.join("bin/oha");
    if !program.is_file() {
        let mut install = cargo(&["install", "oha", "--locked", "--root"]);
        install.arg(&folder);
        let end = run::lines(install, Limit::None, |_, line| eprintln!("{line}"))?;
        if !end.is_success() {
            return Err("oha could not be installed".into());
        }
    }
    Ok(program)
}

/// A command on a host, or on this machine.
fn on(host: Option<&Host>, program: impl AsRef<OsStr>) -> Command {
    match host {
        Some(host) => host.command(program),
        None => Command::new(program),
    }
}

/// Threads of a process that are the kernel's, for what io_uring could not do at once.
fn kernel_workers(process: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    let names = tasks.into_iter().flatten().flatten().filter_map(name);
    names.filter(|name| name.starts_with("iou-wrk")).count() as u64
}
