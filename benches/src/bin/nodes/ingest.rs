//! An hour of 20 nodes with 50 names each, 25 000 requests a second in all, in a minute.

use crate::model::{Random, batch, second};
use crate::server::{Client, Server};
use crate::{Failure, figure};
use std::path::Path;
use std::time::{Duration, Instant};

const NODES: u32 = 20;
const NAMES: u64 = 50;
const REQUESTS: u64 = 25;
const SECONDS: u64 = 3_600;
/// A second of the run every so often.
const PACE: Duration = Duration::from_micros(1_000_000 / 60);

pub fn run(mistress: &Path) -> Result<(), Failure> {
    println!("making {} batches", u64::from(NODES) * SECONDS);
    let nodes = make()?;
    let bytes: usize = nodes.iter().flatten().map(Vec::len).sum();
    println!("{:.1} MB as sent", bytes as f64 / 1e6);
    let server = Server::start(mistress)?;
    let began = Instant::now() + Duration::from_millis(100);
    let addr = server.addr;
    let mut waits = Vec::new();
    let mut behind = Duration::ZERO;
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..NODES)
            .zip(&nodes)
            .map(|(node, batches)| {
                // nodes do not tick at the same moment
                let began = began + PACE * node / NODES;
                scope.spawn(move || send(addr, began, batches))
            })
            .collect();
        for sender in senders {
            let (own, late) = sender.join().map_err(|_| "a node panicked")??;
            waits.extend(own);
            behind = behind.max(late);
        }
        Ok::<(), Failure>(())
    })?;
    let took = began.elapsed();
    server.await_done()?;
    judge(&server, &mut waits, took, behind)
}

fn make() -> Result<Vec<Vec<Vec<u8>>>, Failure> {
    let of_node = |node: u32| -> Result<Vec<Vec<u8>>, Failure> {
        let mut random = Random::new(u64::from(node) + 1);
        let seconds = (0..SECONDS).map(|time_s| {
            let row = second(&mut random, time_s, NAMES, REQUESTS);
            Ok(batch(node, time_s + 1, vec![row], time_s + 1 == SECONDS)?)
        });
        seconds.collect()
    };
    std::thread::scope(|scope| {
        let halves = [0..NODES / 2, NODES / 2..NODES];
        let makers = halves.map(|half| {
            scope.spawn(move || half.map(of_node).collect::<Result<Vec<_>, Failure>>())
        });
        let mut all = Vec::new();
        for maker in makers {
            all.extend(maker.join().map_err(|_| "a maker panicked")??);
        }
        Ok(all)
    })
}

/// Sends on time; how long each acknowledgement took, and how late the last batch went out.
fn send(
    addr: std::net::SocketAddr,
    began: Instant,
    batches: &[Vec<u8>],
) -> Result<(Vec<Duration>, Duration), Failure> {
    let mut client = Client::connect(addr)?;
    let mut waits = Vec::with_capacity(batches.len());
    let mut late = Duration::ZERO;
    for (index, packed) in (0_u32..).zip(batches) {
        let due = began + PACE * index;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        late = due.elapsed();
        let sent = Instant::now();
        let ack = client.post(packed)?;
        waits.push(sent.elapsed());
        if ack.accepted_through != u64::from(index) + 1 {
            return Err(
                format!("batch {index} was acknowledged as {}", ack.accepted_through).into(),
            );
        }
    }
    Ok((waits, late))
}

fn judge(
    server: &Server,
    waits: &mut [Duration],
    took: Duration,
    behind: Duration,
) -> Result<(), Failure> {
    waits.sort();
    let ms = |wait: Duration| wait.as_secs_f64() * 1e3;
    let share = |part: usize| ms(waits[(waits.len() - 1) * part / 1_000]);
    println!(
        "{} batches sent and acknowledged in {:.1} s, the last one {:.0} ms late",
        waits.len(),
        took.as_secs_f64(),
        ms(behind)
    );
    println!(
        "acknowledgement: p50 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms",
        share(500),
        share(999),
        share(1_000)
    );
    let p99 = figure("acknowledgement p99", share(990), 250.0, "ms");
    let memory = figure("memory", server.memory_max_mib()?, 300.0, "MiB");
    let disk = figure("disk", server.disk_mb()?, 120.0, "MB");
    let mut client = Client::connect(server.addr)?;
    let names: serde_json::Value =
        serde_json::from_slice(&client.get("/api/v1/runs/bench/names")?)?;
    let rows = names["names"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let counted: u64 = rows
        .iter()
        .filter_map(|row| row["latency"]["count"].as_u64())
        .sum();
    let expected = u64::from(NODES) * NAMES * REQUESTS * SECONDS;
    let series = client.get("/api/v1/runs/bench/series?points=2000")?;
    let series: serde_json::Value = serde_json::from_slice(&series)?;
    let even = u64::from(NODES) * NAMES * REQUESTS;
    let is_even = series["sent"]
        .as_array()
        .is_some_and(|sent| sent.iter().all(|n| *n == even));
    let batch = (NAMES * REQUESTS) as i64;
    let off = (counted as i64 - expected as i64) / batch;
    println!(
        "batches lost: {}, doubled: {}; each second whole: {is_even}",
        (-off).max(0),
        off.max(0)
    );
    if p99 && memory && disk && is_even && counted == expected {
        Ok(())
    } else {
        Err("not all figures were met".into())
    }
}
