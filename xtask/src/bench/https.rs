//! Requests over TLS per CPU-second of this tool and of others, in interleaved rounds.
//!
//! Three tables: requests on kept connections beside wrk; full handshakes beside wrk and
//! `openssl s_time`; and this tool alone with a body in a content coding that no script looks at,
//! beside a plain reply of as many bytes, head and body. All on one nginx.

use crate::Failure;
use crate::bench::client::{Client, Job, Measured, Scratch, Work};
use crate::bench::options::{pairs, value};
use crate::bench::server::Server;
use crate::bench::spread::Spread;

pub const USAGE: &str = "\
cargo xtask bench https [OPTIONS]

  --rounds N           interleaved rounds of each table (5)
  --seconds S          length of each run (3)
  --connections N      concurrent connections (64)
  --table NAME         only kept, handshakes or gzip (all)
  --client-cpu K       the core that clients are pinned to (0)
  --server-cpu K       the core that the server is pinned to (the last)";

const SCRIPT: &str = "benches/scenarios/https.lua";

/// One way to load the server.
struct Entry {
    name: &'static str,
    client: Client,
    work: Work,
}

/// Entries that are compared: the first with each of the others.
struct Table {
    name: &'static str,
    title: &'static str,
    /// The median ratio of the first to the second that is wanted.
    wanted: Option<f64>,
    entries: Vec<Entry>,
}

fn entry(name: &'static str, client: Client, work: Work) -> Entry {
    Entry { name, client, work }
}

fn tables() -> [Table; 3] {
    let ours = |scenario| Work {
        script: SCRIPT,
        scenario,
        ..Work::KEPT
    };
    let one_each = Work {
        tls: "resume = 0.0\n",
        is_closing: true,
        ..ours("once")
    };
    [
        Table {
            name: "kept",
            title: "requests on kept connections",
            wanted: Some(1.15),
            entries: vec![
                entry("mistress", Client::Mistress, ours("get")),
                entry("wrk", Client::Wrk, Work::KEPT),
            ],
        },
        Table {
            name: "handshakes",
            title: "one full handshake for each request",
            wanted: None,
            entries: vec![
                entry("mistress", Client::Mistress, one_each),
                entry("wrk", Client::Wrk, one_each),
                entry("openssl s_time", Client::Openssl, one_each),
            ],
        },
        Table {
            name: "gzip",
            title: "a body in gzip that nobody wants, and a plain reply of as many bytes",
            wanted: Some(0.99),
            entries: vec![
                entry("gzip", Client::Mistress, ours("gzip")),
                entry("plain", Client::Mistress, ours("plain")),
            ],
        },
    ]
}

/// What to run.
pub struct Settings {
    rounds: usize,
    seconds: u64,
    connections: usize,
    /// `None`: all.
    table: Option<String>,
    client_cpu: usize,
    server_cpu: usize,
}

impl Settings {
    /// Reads the options; `None` when help is asked for.
    pub fn parse(args: &[&str]) -> Result<Option<Settings>, Failure> {
        let Some(pairs) = pairs(args)? else {
            return Ok(None);
        };
        let mut settings = Settings {
            rounds: 5,
            seconds: 3,
            connections: 64,
            table: None,
            client_cpu: 0,
            server_cpu: std::thread::available_parallelism()?.get() - 1,
        };
        for (name, text) in pairs {
            match name {
                "--rounds" => settings.rounds = value(name, text)?,
                "--seconds" => settings.seconds = value(name, text)?,
                "--connections" => settings.connections = value(name, text)?,
                "--table" if tables().iter().any(|table| table.name == text) => {
                    settings.table = Some(text.to_owned());
                }
                "--client-cpu" => settings.client_cpu = value(name, text)?,
                "--server-cpu" => settings.server_cpu = value(name, text)?,
                _ => return Err(format!("{name} {text}: unknown option\n\n{USAGE}").into()),
            }
        }
        if settings.rounds == 0 || settings.seconds == 0 || settings.connections == 0 {
            return Err("--rounds, --seconds and --connections: at least 1".into());
        }
        if settings.client_cpu == settings.server_cpu {
            return Err("client and server need a core each: see --client-cpu".into());
        }
        Ok(Some(settings))
    }
}

/// Runs everything and prints the tables.
pub fn run(settings: &Settings) -> Result<(), Failure> {
    println!("{}", super::machine());
    let server = Server::nginx_tls(settings.server_cpu)?;
    let scratch = Scratch::new("https")?;
    println!(
        "{} rounds of {} s each, {} connections, clients on cpu {}, server (nginx) on cpu {}",
        settings.rounds,
        settings.seconds,
        settings.connections,
        settings.client_cpu,
        settings.server_cpu
    );
    let asked = |table: &Table| settings.table.as_deref().is_none_or(|t| t == table.name);
    for table in tables().iter().filter(|table| asked(table)) {
        let mut runs: Vec<Vec<Measured>> = table.entries.iter().map(|_| Vec::new()).collect();
        for round in 0..settings.rounds {
            for turn in 0..table.entries.len() {
                let place = (round + turn) % table.entries.len();
                let job = Job {
                    server: &server,
                    work: table.entries[place].work,
                    connections: settings.connections,
                    seconds: settings.seconds,
                    cpu: settings.client_cpu,
                    scratch: &scratch,
                    before: None,
                };
                runs[place].push(job.run(table.entries[place].client)?);
            }
        }
        print(table, &runs);
    }
    Ok(())
}

fn spread(runs: &[Measured], figure: impl Fn(&Measured) -> f64) -> Spread {
    Spread::of(runs.iter().map(figure)).expect("at least one round was asked for")
}

fn print(table: &Table, runs: &[Vec<Measured>]) {
    println!(
        "\n{}\n{:<16}{:>10}{:>10}{:>10}{:>12}{:>14}{:>9}",
        table.title,
        "per CPU-second",
        "min",
        "median",
        "max",
        "per second",
        "server's core",
        "errors"
    );
    for (entry, runs) in table.entries.iter().zip(runs) {
        let per_cpu_s = spread(runs, Measured::per_cpu_s);
        println!(
            "{:<16}{:>10.0}{:>10.0}{:>10.0}{:>12.0}{:>13.0}%{:>9}",
            entry.name,
            per_cpu_s.min,
            per_cpu_s.median,
            per_cpu_s.max,
            spread(runs, Measured::per_s).median,
            spread(runs, |run| run.server_cpu_s / run.seconds).median * 100.0,
            runs.iter().map(|run| run.errors).sum::<u64>()
        );
    }
    for place in 1..runs.len() {
        let ratio = paired(&runs[0], &runs[place]);
        let wanted = match table.wanted {
            Some(wanted) if ratio.median >= wanted => format!("  >= {wanted:.2}: met"),
            Some(wanted) => format!("  >= {wanted:.2}: not met"),
            None => String::new(),
        };
        println!(
            "{} / {}: min {:.3}, median {:.3}, max {:.3}{wanted}",
            table.entries[0].name, table.entries[place].name, ratio.min, ratio.median, ratio.max,
        );
    }
}

/// The spread of the ratios per CPU-second within each round.
fn paired(ours: &[Measured], theirs: &[Measured]) -> Spread {
    let ratios = ours.iter().zip(theirs);
    Spread::of(ratios.map(|(a, b)| a.per_cpu_s() / b.per_cpu_s()))
        .expect("at least one round was asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_refused() {
        let cpus = ["--client-cpu", "0", "--server-cpu", "1"];
        let parse = |args: &[&'static str]| Settings::parse(&[&cpus, args].concat());
        let settings = parse(&["--rounds", "2", "--table", "gzip"]);
        let settings = settings.unwrap().unwrap();
        assert_eq!(settings.rounds, 2);
        assert_eq!(settings.table.as_deref(), Some("gzip"));
        assert!(Settings::parse(&["--help"]).unwrap().is_none());
        for bad in [
            &["--rounds", "0"],
            &["--table", "x"],
            &["--server-cpu", "0"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_tables_ask_for_what_the_server_has() {
        for table in tables() {
            assert!(table.entries.len() > 1, "{}", table.name);
            let scripts = table.entries.iter().map(|entry| entry.work.script);
            for script in scripts {
                assert!(crate::project::root().join(script).is_file(), "{script}");
            }
        }
    }
}
