//! Resident memory per user at rest, and whether it comes back when users end.
//!
//! Users fetch a page and sleep for one to two seconds, so at any time nearly all hold a connection
//! and wait. The server runs in a process of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::bench::client::Scratch;
use crate::bench::options::{pairs, value};
use crate::bench::server::Server;
use crate::bench::spread::Spread;
use crate::bench::usage::{self, Memory};
use crate::project::{release_binary, root};
use crate::run::Background;

pub const USAGE: &str = "\
cargo xtask bench memory [OPTIONS]

  --seconds S          length of each run (20)
  --waves N            waves of users that come and go (2)
  --cpu K              the core that the tool is pinned to (0)
  --server-cpu K       the core that the server is pinned to (the last)";

const USERS_FEW: u64 = 1_000;
const USERS_MANY: u64 = 10_000;
/// Resident bytes per user, wanted at `USERS_MANY`.
const BYTES_PER_USER_MAX: f64 = 10.0 * 1024.0;
/// Growth of resident memory from one wave's end to the next's, wanted.
const GROWTH_MAX: f64 = 0.02;
/// How long a wave lasts, and the pause after it, in which one user stays: users sleep for 2 s at
/// most, so the others are gone well before the pause ends.
const WAVE_S: u64 = 8;
const PAUSE_S: u64 = 6;
/// Memory is sampled this often.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// What to run.
pub struct Settings {
    seconds: u64,
    waves: u64,
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
            seconds: 20,
            waves: 2,
            cpu: 0,
            server_cpu: cores - 1,
        };
        for (name, text) in pairs {
            match name {
                "--seconds" => settings.seconds = value(name, text)?,
                "--waves" => settings.waves = value(name, text)?,
                "--cpu" => settings.cpu = value(name, text)?,
                "--server-cpu" => settings.server_cpu = value(name, text)?,
                _ => return Err(format!("{name} {text}: unknown option\n\n{USAGE}").into()),
            }
        }
        if settings.seconds < 8 {
            return Err("--seconds: at least 8, as users start and sleep first".into());
        }
        if settings.waves < 2 {
            return Err("--waves: at least 2, to compare them".into());
        }
        Ok(Some(settings))
    }
}

/// Runs everything and prints what was found.
pub fn run(settings: &Settings) -> Result<(), Failure> {
    println!("{}", super::machine());
    let server = Server::mistress(settings.server_cpu)?;
    let bench = Bench {
        settings,
        server: &server,
        scratch: Scratch::new("memory")?,
    };
    let one = bench.steady(1)?;
    let few = bench.steady(USERS_FEW)?;
    let many = bench.steady(USERS_MANY)?;
    print_users(&[(1, one), (USERS_FEW, few), (USERS_MANY, many)]);
    print_waves(&bench.waves()?);
    Ok(())
}

fn print_users(sizes: &[(u64, Memory); 3]) {
    println!(
        "\n{:>8}{:>12}{:>12}{:>18}{:>18}",
        "users", "RSS MiB", "PSS MiB", "RSS B/user", "PSS B/user"
    );
    for (users, memory) in sizes {
        println!(
            "{users:>8}{:>12.2}{:>12.2}{:>18.0}{:>18.0}",
            mib(memory.rss),
            mib(memory.pss),
            memory.rss as f64 / *users as f64,
            memory.pss as f64 / *users as f64
        );
    }
    let [_, (_, few), (_, many)] = sizes;
    let each = (many.rss as f64 - few.rss as f64) / (USERS_MANY - USERS_FEW) as f64;
    println!(
        "each further user: {each:.0} bytes of RSS ({:.2} KiB)",
        each / 1024.0
    );
    let total = many.rss as f64 / USERS_MANY as f64;
    println!(
        "at {USERS_MANY} users, all of the process: {:.2} KiB of RSS per user (<= {:.0} KiB: {})",
        total / 1024.0,
        BYTES_PER_USER_MAX / 1024.0,
        verdict(total <= BYTES_PER_USER_MAX)
    );
}

/// Resident bytes in the pause after each wave. What is lost grows with every wave; what is only
/// kept for later use does not.
fn print_waves(rss: &[u64]) {
    let shown: Vec<String> = rss.iter().map(|&rss| format!("{:.2}", mib(rss))).collect();
    println!(
        "\nMiB of RSS after each wave of {USERS_MANY} users: {}",
        shown.join(", ")
    );
    let growth = rss[1] as f64 / rss[0] as f64 - 1.0;
    println!(
        "from the first to the second: {:+.2} % (<= {:.0} %: {})",
        growth * 100.0,
        GROWTH_MAX * 100.0,
        verdict(growth <= GROWTH_MAX)
    );
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "not met" }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What all runs share.
struct Bench<'a> {
    settings: &'a Settings,
    server: &'a Server,
    scratch: Scratch,
}

impl Bench<'_> {
    /// The largest memory seen while `users` users run, from the middle of the run to its end.
    fn steady(&self, users: u64) -> Result<Memory, Failure> {
        let seconds = self.settings.seconds;
        let process = self.start(&[(users, seconds)])?;
        let middle = Duration::from_secs(seconds / 2);
        let samples = sample(process.id(), &[(middle, Duration::from_secs(seconds - 1))])?;
        process.finish(Duration::from_secs(60))?;
        self.check_result(users)?;
        let largest = |part: fn(&Memory) -> u64| samples[0].iter().map(part).max();
        let (rss, pss) = (largest(|memory| memory.rss), largest(|memory| memory.pss));
        Ok(Memory {
            rss: rss.ok_or("no sample")?,
            pss: pss.ok_or("no sample")?,
        })
    }

    /// Resident bytes at the end of the pause after each of equal waves of users.
    fn waves(&self) -> Result<Vec<u64>, Failure> {
        let wave = [(USERS_MANY, WAVE_S), (1, PAUSE_S)];
        let process = self.start(&wave.repeat(self.settings.waves as usize))?;
        let end_of = |wave: u64| {
            let end = (WAVE_S + PAUSE_S) * wave;
            (
                Duration::from_secs(end - 2),
                Duration::from_millis(end * 1000 - 500),
            )
        };
        let pauses: Vec<_> = (1..=self.settings.waves).map(end_of).collect();
        let samples = sample(process.id(), &pauses)?;
        process.finish(Duration::from_secs(60))?;
        self.check_result(USERS_MANY)?;
        let rss = |pause: &Vec<Memory>| {
            let spread = Spread::of(pause.iter().map(|memory| memory.rss as f64));
            Ok(spread.ok_or("no sample in a pause")?.median as u64)
        };
        samples.iter().map(rss).collect()
    }

    /// Starts a run with phases of (users, seconds) and returns once its traffic begins.
    fn start(&self, phases: &[(u64, u64)]) -> Result<Background, Failure> {
        let profile = self.scratch.file("memory.toml");
        std::fs::write(&profile, self.profile(phases))?;
        let mut command = Command::new("taskset");
        command.args(["-c", &self.settings.cpu.to_string()]);
        command
            .arg(release_binary("mistress"))
            .arg("run")
            .arg(profile);
        command.arg("--json").arg(self.result());
        let before_s = self.server.cpu_s()?;
        let mut process = Background::start(command)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        // The server works as soon as the first users connect.
        while self.server.cpu_s()? <= before_s && process.is_running() {
            if Instant::now() > deadline {
                return Err("no traffic within 30 s of the start".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(process)
    }

    fn result(&self) -> PathBuf {
        self.scratch.file("result.json")
    }

    /// `benches/scenarios/memory.toml` with the numbers of one run.
    fn profile(&self, phases: &[(u64, u64)]) -> String {
        let script = root().join("benches/scenarios/memory.lua");
        let phases: Vec<String> = phases
            .iter()
            .map(|(users, seconds)| format!("{{ users = {users}, for = \"{seconds}s\" }}"))
            .collect();
        format!(
            "[run]\nname = \"memory\"\nscript = {script:?}\ntarget = \"{}\"\ncores = [{}]\n\
             stats = false\ndrain = \"5s\"\n\n[[load]]\nmodel = \"closed\"\n\
             scenarios = {{ poll = 1 }}\nphases = [{}]\n",
            self.server.url(),
            self.settings.cpu,
            phases.join(", ")
        )
    }

    /// Holds that so many users did run at a time, and that nothing failed.
    fn check_result(&self, users: u64) -> Result<(), Failure> {
        let text = std::fs::read_to_string(self.result())?;
        let result: serde_json::Value = serde_json::from_str(&text)?;
        let total = |name: &str| {
            let number = result["totals"][name].as_u64();
            number.ok_or_else(|| format!("totals.{name}: missing in the result"))
        };
        if total("users_max")? != users || total("failed")? != 0 || total("ok")? < users {
            return Err(format!(
                "{users} users: not what was asked for: {}",
                result["totals"]
            )
            .into());
        }
        Ok(())
    }
}

/// Samples a process's memory within each of the given spans of time from now.
fn sample(pid: u32, spans: &[(Duration, Duration)]) -> Result<Vec<Vec<Memory>>, Failure> {
    let start = Instant::now();
    let mut samples = Vec::new();
    for &(from, to) in spans {
        std::thread::sleep(from.saturating_sub(start.elapsed()));
        let mut span = Vec::new();
        while start.elapsed() < to {
            let memory = usage::memory(pid);
            span.push(memory.map_err(|error| format!("the run ended early: {error}"))?);
            std::thread::sleep(SAMPLE_EVERY);
        }
        samples.push(span);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_span_is_sampled() {
        let span = |from, to| (Duration::from_millis(from), Duration::from_millis(to));
        let samples = sample(std::process::id(), &[span(0, 100), span(300, 900)]).unwrap();
        assert_eq!(samples.len(), 2);
        assert!(samples.iter().all(|span| !span.is_empty()), "{samples:?}");
    }

    #[test]
    fn options_are_read_and_refused() {
        let settings = Settings::parse(&["--seconds", "9"]).unwrap().unwrap();
        assert_eq!(settings.seconds, 9);
        assert!(Settings::parse(&["--seconds", "7"]).is_err());
        assert!(Settings::parse(&["--waves", "1"]).is_err());
        assert!(Settings::parse(&["--users", "7"]).is_err());
    }
}
