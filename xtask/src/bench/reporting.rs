//! What telling a stats server costs the load: requests per CPU-second of the load's cores, with
//! the server that a run brings along against without any.
//!
//! Users at a fixed pace, so that both sides carry the same load whatever the server under test
//! has left of its processor, which the reporting shares. Rounds of both, the order changing from
//! round to round; the figure is the middle ratio.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::Failure;
use crate::bench::client::Scratch;
use crate::bench::options::{pairs, value};
use crate::bench::server::Server;
use crate::bench::spread::Spread;
use crate::project::release_binary;
use crate::run;

pub const USAGE: &str = "\
cargo xtask bench reporting [OPTIONS]

  --rounds N           pairs of runs (8)
  --seconds S          length of each run (10)
  --users N            users that make 100 requests a second each (150)
  --cpu K              the core that generates load (the last)
  --server-cpu K       the core that the server under test is pinned to (0)";

/// What a run may take beyond its seconds: starting, draining, delivering.
const SLACK: Duration = Duration::from_secs(60);
/// The least ratio wanted.
const RATIO_MIN: f64 = 0.98;
const SCRIPT: &str = "return { main = function(user) user:get(\"/\") end }\n";

/// What to run.
pub struct Settings {
    rounds: usize,
    seconds: u64,
    users: u64,
    cpu: usize,
    server_cpu: usize,
}

impl Settings {
    /// Reads the options; `None` when help is asked for.
    pub fn parse(args: &[&str]) -> Result<Option<Settings>, Failure> {
        let Some(pairs) = pairs(args)? else {
            return Ok(None);
        };
        let cores = std::thread::available_parallelism()?.get();
        let mut settings = Settings {
            rounds: 8,
            seconds: 10,
            users: 150,
            cpu: cores - 1,
            server_cpu: 0,
        };
        for (name, text) in pairs {
            match name {
                "--rounds" => settings.rounds = value(name, text)?,
                "--seconds" => settings.seconds = value(name, text)?,
                "--users" => settings.users = value(name, text)?,
                "--cpu" => settings.cpu = value(name, text)?,
                "--server-cpu" => settings.server_cpu = value(name, text)?,
                _ => return Err(format!("{name} {text}: unknown option\n\n{USAGE}").into()),
            }
        }
        if settings.rounds == 0 || settings.seconds < 2 {
            return Err("--rounds: at least 1; --seconds: at least 2".into());
        }
        Ok(Some(settings))
    }
}

/// What a run came to.
struct Measured {
    requests: u64,
    cpu_s: f64,
    lag_p99_us: u64,
    verdict: String,
}

impl Measured {
    fn per_cpu_s(&self) -> f64 {
        self.requests as f64 / self.cpu_s
    }
}

/// Runs everything and prints what was found.
pub fn run(settings: &Settings) -> Result<(), Failure> {
    println!("{}", super::machine());
    let server = Server::mistress(settings.server_cpu)?;
    let scratch = Scratch::new("reporting")?;
    let mut ratios = Vec::new();
    println!(
        "\n{:>5}{:>14}{:>14}{:>8}{:>12}{:>12}  verdicts",
        "round", "off req/cpu-s", "on req/cpu-s", "ratio", "off lag p99", "on lag p99"
    );
    for round in 0..settings.rounds {
        let one = |stats| measure(settings, &server, &scratch, stats);
        let (off, on) = if round % 2 == 0 {
            let off = one("off")?;
            (off, one("auto")?)
        } else {
            let on = one("auto")?;
            (one("off")?, on)
        };
        let ratio = on.per_cpu_s() / off.per_cpu_s();
        ratios.push(ratio);
        println!(
            "{:>5}{:>14.0}{:>14.0}{ratio:>8.4}{:>10}us{:>10}us  {} {}",
            round + 1,
            off.per_cpu_s(),
            on.per_cpu_s(),
            off.lag_p99_us,
            on.lag_p99_us,
            off.verdict,
            on.verdict
        );
    }
    let Some(spread) = Spread::of(ratios) else {
        return Err("no round".into());
    };
    println!(
        "\nwith reporting / without: {:.4} ({:.4} to {:.4}), wanted >= {RATIO_MIN}: {}",
        spread.median,
        spread.min,
        spread.max,
        if spread.median >= RATIO_MIN {
            "met"
        } else {
            "MISSED"
        }
    );
    Ok(())
}

fn measure(
    settings: &Settings,
    server: &Server,
    scratch: &Scratch,
    stats: &str,
) -> Result<Measured, Failure> {
    std::fs::write(scratch.file("p.lua"), SCRIPT)?;
    let profile = format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"{}\"\ncores = [{}]\ndrain = \"1s\"\n\
         [[load]]\nmodel = \"closed\"\npacing = \"10ms\"\nscenarios = {{ main = 1 }}\n\
         phases = [{{ users = {}, for = \"{}s\" }}]\n",
        server.url(),
        settings.cpu,
        settings.users,
        settings.seconds,
    );
    std::fs::write(scratch.file("p.toml"), profile)?;
    let result = scratch.file("result.json");
    let mut command = Command::new(release_binary("mistress"));
    command.arg("run").arg(scratch.file("p.toml"));
    command
        .args(["--stats", stats, "--quiet", "--json"])
        .arg(&result);
    command.env("MISTRESS_DATA", scratch.file("data"));
    let captured = run::capture(command, Duration::from_secs(settings.seconds) + SLACK)?;
    if stats == "auto" && !captured.stdout.contains("live: http://") {
        return Err(format!("no stats server:\n{}", captured.stdout).into());
    }
    let result: Value = serde_json::from_str(&std::fs::read_to_string(&result)?)?;
    read(&result).ok_or_else(|| format!("no figures in the result:\n{}", captured.stdout).into())
}

/// The figures of a result.
fn read(result: &Value) -> Option<Measured> {
    let duration_s = result["run"]["duration_s"].as_f64()?;
    let cores = result["generator"]["cores"].as_array()?;
    let busy: f64 = cores
        .iter()
        .filter_map(|core| core["busy_share"].as_f64())
        .sum();
    Some(Measured {
        requests: result["totals"]["ok"].as_u64()?,
        cpu_s: busy * duration_s,
        lag_p99_us: result["lag"]["p99_us"].as_u64()?,
        verdict: result["verdict"]["state"].as_str()?.to_owned(),
    })
}
