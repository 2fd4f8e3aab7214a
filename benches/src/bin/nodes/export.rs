//! Exports of a run of a day with 50 names: when they begin, the memory they take, and what a
//! dozen at once do to other calls and to a node that reports meanwhile.

use crate::model::{Random, batch_of, second, whole_run};
use crate::server::{Client, Server};
use crate::{Failure, figure};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const NAMES: u64 = 50;
const REQUESTS: u64 = 10;
const LENGTH_S: u64 = 86_400;
const FORMATS: [&str; 5] = ["csv", "json", "html", "hlog", "junit"];
const AT_ONCE: usize = 12;
/// Other calls come, and a second of another run is reported, every so often.
const PACE: Duration = Duration::from_millis(20);

pub fn run(mistress: &Path) -> Result<(), Failure> {
    let server = Server::start(mistress)?;
    let began = Instant::now();
    let mut client = Client::connect(server.addr)?;
    let mut random = Random::new(1);
    for packed in whole_run(&mut random, LENGTH_S, NAMES, REQUESTS) {
        client.post(&packed?)?;
    }
    server.await_done()?;
    println!(
        "{LENGTH_S} s of {NAMES} names taken in {:.0} s, disk {:.0} MB",
        began.elapsed().as_secs_f64(),
        server.disk_mb()?
    );
    let mut met = true;
    for format in FORMATS {
        met &= one(&server, format)?;
    }
    if many(&server)? && met {
        Ok(())
    } else {
        Err("not all figures were met".into())
    }
}

fn path(format: &str) -> String {
    format!("/api/v1/runs/bench/export/{format}")
}

/// Whether an export alone begins soon and takes little memory.
fn one(server: &Server, format: &str) -> Result<bool, Failure> {
    let idle = server.reset_memory_max()?;
    let mut client = Client::connect(server.addr)?;
    let began = Instant::now();
    let (first, bytes) = client.drain(&path(format))?;
    let memory = server.memory_max_mib()? - idle;
    println!(
        "{format}: {:.1} MB in {:.1} s; {idle:.0} MiB when idle",
        bytes as f64 / 1e6,
        began.elapsed().as_secs_f64()
    );
    let soon = figure("  first byte", first.as_secs_f64() * 1e3, 200.0, "ms");
    Ok(figure("  memory above idle", memory, 64.0, "MiB") && soon)
}

/// Whether a dozen at once leave other calls and a reporting node alone.
fn many(server: &Server) -> Result<bool, Failure> {
    let idle = server.reset_memory_max()?;
    let addr = server.addr;
    let is_over = AtomicBool::new(false);
    let (mut calls, mut acknowledgements) = std::thread::scope(|scope| {
        let exports: Vec<_> = (0..AT_ONCE)
            .map(|at| {
                // CSV and JSON, the large ones
                let format = FORMATS[at % 2];
                scope.spawn(move || Client::connect(addr)?.drain(&path(format)))
            })
            .collect();
        let calls = scope.spawn(|| probe(addr, &is_over));
        let reports = scope.spawn(|| report(addr, &is_over));
        let mut slowest = Duration::ZERO;
        for export in exports {
            let (first, _) = export.join().map_err(|_| "an export panicked")??;
            slowest = slowest.max(first);
        }
        is_over.store(true, Ordering::Relaxed);
        println!(
            "{AT_ONCE} at once: the last one begins after {:.1} s",
            slowest.as_secs_f64()
        );
        let calls = calls.join().map_err(|_| "the calls panicked")??;
        let reports = reports.join().map_err(|_| "the node panicked")??;
        Ok::<_, Failure>((calls, reports))
    })?;
    let memory = server.memory_max_mib()? - idle;
    let within = [
        figure(
            &format!("  p99 of {} other calls", calls.len()),
            p99_ms(&mut calls),
            100.0,
            "ms",
        ),
        figure(
            &format!("  p99 of {} acknowledgements", acknowledgements.len()),
            p99_ms(&mut acknowledgements),
            250.0,
            "ms",
        ),
        figure("  memory above idle", memory, 64.0, "MiB"),
    ];
    Ok(within.iter().all(|met| *met))
}

fn p99_ms(waits: &mut [Duration]) -> f64 {
    waits.sort();
    let p99 = waits.get((waits.len() * 99).div_ceil(100).saturating_sub(1));
    p99.map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
}

/// How long other calls take, until it is over.
fn probe(addr: SocketAddr, is_over: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let mut client = Client::connect(addr)?;
    let mut waits = Vec::new();
    let paths = [
        "/api/v1/runs",
        "/api/v1/runs/bench",
        "/api/v1/runs/bench/series?from=40000&to=40600",
        "/healthz",
    ];
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        client.get(paths[waits.len() % paths.len()])?;
        waits.push(began.elapsed());
        std::thread::sleep(PACE.saturating_sub(began.elapsed()));
    }
    Ok(waits)
}

/// How long batches of another run take to be acknowledged, until it is over.
fn report(addr: SocketAddr, is_over: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let mut client = Client::connect(addr)?;
    let mut random = Random::new(2);
    let mut waits = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let time_s = waits.len() as u64;
        let row = second(&mut random, time_s, NAMES, REQUESTS);
        let packed = batch_of("other", 0, time_s + 1, vec![row], false)?;
        let began = Instant::now();
        client.post(&packed)?;
        waits.push(began.elapsed());
        std::thread::sleep(PACE.saturating_sub(began.elapsed()));
    }
    Ok(waits)
}
