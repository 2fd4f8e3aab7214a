//! Requests per CPU-second of this tool, wrk and a bare io_uring loop, in interleaved rounds.
//!
//! Each round runs every client once, beginning with another one each time, so that a change of
//! the machine's mood falls on all of them; ratios are taken within a round.

use std::path::PathBuf;

use crate::Failure;
use crate::bench::client::{Client, Job, Measured, Scratch, Work};
use crate::bench::options::{list, pairs, value};
use crate::bench::server::Server;
use crate::bench::spread::Spread;

pub const USAGE: &str = "\
cargo xtask bench versus [OPTIONS]

  --rounds N           interleaved rounds (5)
  --seconds S          length of each run (5)
  --connections A,B    concurrent connections (64,256)
  --clients A,B        of mistress, wrk, wrk+script, bare (all)
  --before PROGRAM     another build of mistress, as one more client
  --server NAME        target (ours) or nginx (target)
  --client-cpu K       the core that clients are pinned to (0)
  --server-cpu K       the core that the server is pinned to (the last)";

/// Which median ratio of requests per CPU-second is wanted.
const WANTED: [(Client, f64); 4] = [
    (Client::Before, 0.97),
    (Client::Wrk, 1.3),
    (Client::WrkScript, 1.6),
    (Client::Bare, 0.88),
];
/// A core busier than this has nothing left to give.
const SATURATED: f64 = 0.97;

/// What to run.
pub struct Settings {
    rounds: usize,
    seconds: u64,
    connections: Vec<usize>,
    clients: Vec<Client>,
    before: Option<PathBuf>,
    server_is_nginx: bool,
    client_cpu: usize,
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
            rounds: 5,
            seconds: 5,
            connections: vec![64, 256],
            clients: Client::ALL.to_vec(),
            before: None,
            server_is_nginx: false,
            client_cpu: 0,
            server_cpu: cores - 1,
        };
        for (name, text) in pairs {
            match name {
                "--rounds" => settings.rounds = value(name, text)?,
                "--seconds" => settings.seconds = value(name, text)?,
                "--connections" => settings.connections = list(name, text)?,
                "--clients" => {
                    settings.clients = text
                        .split(',')
                        .map(Client::from_name)
                        .collect::<Result<_, _>>()?;
                }
                "--before" => settings.before = Some(PathBuf::from(text)),
                "--server" if text == "target" => settings.server_is_nginx = false,
                "--server" if text == "nginx" => settings.server_is_nginx = true,
                "--client-cpu" => settings.client_cpu = value(name, text)?,
                "--server-cpu" => settings.server_cpu = value(name, text)?,
                _ => return Err(format!("{name} {text}: unknown option\n\n{USAGE}").into()),
            }
        }
        if settings.before.is_some() {
            settings.clients.push(Client::Before);
        }
        if settings.rounds == 0 || settings.seconds == 0 {
            return Err("--rounds and --seconds: at least 1".into());
        }
        if settings.client_cpu == settings.server_cpu {
            return Err("client and server need a core each: see --client-cpu".into());
        }
        Ok(Some(settings))
    }

    /// True when our own program takes part, as a client or as the server.
    pub fn needs_product(&self) -> bool {
        !self.server_is_nginx || self.clients.contains(&Client::Mistress)
    }
}

/// One client's runs with one number of connections, round by round.
struct Series {
    client: Client,
    runs: Vec<Measured>,
}

impl Series {
    /// The spread of one figure over the rounds.
    fn spread(&self, figure: impl Fn(&Measured) -> f64) -> Spread {
        Spread::of(self.runs.iter().map(figure)).expect("at least one round was asked for")
    }
}

/// Runs everything and prints the tables.
pub fn run(settings: &Settings) -> Result<(), Failure> {
    println!("{}", super::machine());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim());
    let server = if settings.server_is_nginx {
        Server::nginx(settings.server_cpu)?
    } else {
        Server::mistress(settings.server_cpu)?
    };
    let scratch = Scratch::new("versus")?;
    println!(
        "{} rounds of {} s each, clients on cpu {}, server ({}) on cpu {}",
        settings.rounds,
        settings.seconds,
        settings.client_cpu,
        if settings.server_is_nginx {
            "nginx"
        } else {
            "mistress target"
        },
        settings.server_cpu
    );
    for &connections in &settings.connections {
        let job = Job {
            server: &server,
            work: Work::KEPT,
            connections,
            seconds: settings.seconds,
            cpu: settings.client_cpu,
            scratch: &scratch,
            before: settings.before.as_deref(),
        };
        let series = measure(settings, &job)?;
        print_figures(connections, &series);
        print_ratios(&series);
        warn(&series);
    }
    Ok(())
}

/// All rounds with one number of connections.
fn measure(settings: &Settings, job: &Job<'_>) -> Result<Vec<Series>, Failure> {
    // The server's first requests pay for its memory and its code.
    Job { seconds: 1, ..*job }.run(*settings.clients.last().ok_or("--clients: at least one")?)?;
    let mut series: Vec<Series> = settings
        .clients
        .iter()
        .map(|&client| Series {
            client,
            runs: Vec::new(),
        })
        .collect();
    let count = series.len();
    for round in 0..settings.rounds {
        for turn in 0..count {
            let series = &mut series[(round + turn) % count];
            let measured = job.run(series.client)?;
            println!(
                "  round {} {:<10} {:>9.0} requests/CPU-s {:>9.0} requests/s {} errors",
                round + 1,
                series.client.name(),
                measured.per_cpu_s(),
                measured.per_s(),
                measured.errors
            );
            series.runs.push(measured);
        }
    }
    Ok(series)
}

fn print_figures(connections: usize, series: &[Series]) {
    println!(
        "\n{connections} connections\n{:<12}{:^30}{:^30}{:>12}{:>14}{:>13}",
        "",
        "requests per CPU-second",
        "requests per second",
        "µs/request",
        "server's",
        "of its core"
    );
    print!("{:<12}", "");
    for _ in 0..2 {
        print!("{:>10}{:>10}{:>10}", "min", "median", "max");
    }
    println!("{:>12}{:>14}{:>13}", "(median)", "(median)", "(median)");
    for series in series {
        print!("{:<12}", series.client.name());
        for spread in [
            series.spread(Measured::per_cpu_s),
            series.spread(Measured::per_s),
        ] {
            print!(
                "{:>10.0}{:>10.0}{:>10.0}",
                spread.min, spread.median, spread.max
            );
        }
        println!(
            "{:>12.2}{:>14.2}{:>12.0}%",
            series.spread(Measured::client_us).median,
            series.spread(Measured::server_us).median,
            series.spread(|run| run.server_cpu_s / run.seconds).median * 100.0
        );
    }
    let requests: u64 = series
        .iter()
        .flat_map(|s| &s.runs)
        .map(|run| run.requests)
        .sum();
    let errors: u64 = series
        .iter()
        .flat_map(|s| &s.runs)
        .map(|run| run.errors)
        .sum();
    println!("checksum: {requests} requests answered, {errors} errors");
}

/// Ratios of requests per CPU-second and per second, ours to each other client's.
fn print_ratios(series: &[Series]) {
    let Some(ours) = series
        .iter()
        .find(|series| series.client == Client::Mistress)
    else {
        return;
    };
    println!(
        "\n{:<22}{:>8}{:>8}{:>8}   {:<22}{:>24}",
        "ratio per CPU-second", "min", "median", "max", "wanted", "median ratio per second"
    );
    for (client, wanted) in WANTED {
        let Some(theirs) = series.iter().find(|series| series.client == client) else {
            continue;
        };
        let ratio = paired(ours, theirs, Measured::per_cpu_s);
        let verdict = if ratio.median >= wanted {
            "met"
        } else {
            "not met"
        };
        println!(
            "{:<22}{:>8.3}{:>8.3}{:>8.3}   {:<22}{:>24.3}",
            format!("mistress / {}", client.name()),
            ratio.min,
            ratio.median,
            ratio.max,
            format!(">= {wanted:.2}: {verdict}"),
            paired(ours, theirs, Measured::per_s).median
        );
    }
    println!();
}

/// The spread of the ratios within each round.
fn paired(ours: &Series, theirs: &Series, figure: impl Fn(&Measured) -> f64) -> Spread {
    let ratios = ours
        .runs
        .iter()
        .zip(&theirs.runs)
        .map(|(a, b)| figure(a) / figure(b));
    Spread::of(ratios).expect("at least one round was asked for")
}

/// Says where the server, not the client, was the limit, and where something failed.
fn warn(series: &[Series]) {
    for series in series {
        let name = series.client.name();
        let client_us = series.spread(Measured::client_us).median;
        let server_us = series.spread(Measured::server_us).median;
        if server_us >= client_us {
            println!(
                "warning: with {name} the server costs {server_us:.2} µs per request, \
                 the client {client_us:.2}"
            );
        }
        let server_busy = series.spread(|run| run.server_cpu_s / run.seconds).median;
        let client_busy = series.spread(|run| run.client_cpu_s / run.seconds).median;
        if server_busy > SATURATED && client_busy < server_busy {
            println!(
                "warning: with {name} the server's core was the limit: {:.0} % busy, \
                 the client's {:.0} %",
                server_busy * 100.0,
                client_busy * 100.0
            );
        }
        let errors: u64 = series.runs.iter().map(|run| run.errors).sum();
        if errors > 0 {
            println!("warning: {name} had {errors} errors");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(client: Client, requests: &[u64]) -> Series {
        let run = |&requests| Measured {
            requests,
            errors: 0,
            seconds: 1.0,
            client_cpu_s: 0.5,
            server_cpu_s: 0.25,
        };
        Series {
            client,
            runs: requests.iter().map(run).collect(),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let ours = series(Client::Mistress, &[100, 400, 300]);
        let theirs = series(Client::Wrk, &[100, 200, 100]);
        let expected = Spread {
            min: 1.0,
            median: 2.0,
            max: 3.0,
        };
        assert_eq!(paired(&ours, &theirs, Measured::per_cpu_s), expected);
    }

    #[test]
    fn figures_are_per_second_and_per_cpu_second() {
        let run = series(Client::Bare, &[1000]).runs[0];
        assert_eq!(run.per_s(), 1000.0);
        assert_eq!(run.per_cpu_s(), 2000.0);
        assert_eq!(run.client_us(), 500.0);
        assert_eq!(run.server_us(), 250.0);
    }

    #[test]
    fn options_are_read_and_refused() {
        let parse = |args: &[&str]| Settings::parse(args);
        let cpus = ["--client-cpu", "0", "--server-cpu", "1"];
        let with = |args: &[&'static str]| [&cpus, args].concat();
        let settings = parse(&with(&["--rounds", "2", "--connections", "1,8"]))
            .unwrap()
            .unwrap();
        assert_eq!((settings.rounds, settings.connections), (2, vec![1, 8]));
        assert!(parse(&["--help"]).unwrap().is_none());
        for bad in [
            &["--rounds", "0"][..],
            &["--rounds"],
            &["--rate", "1"],
            &["--clients", "ab"],
        ] {
            assert!(parse(&with(bad)).is_err(), "{bad:?}");
        }
        assert!(parse(&["--client-cpu", "1", "--server-cpu", "1"]).is_err());
    }
}
