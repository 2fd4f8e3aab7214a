//! A run of ten hours with 200 names: how long the data of its page and of its zooms takes.

use crate::model::{Random, whole_run};
use crate::server::{Client, Server};
use crate::{Failure, figure};
use std::path::Path;
use std::time::Instant;

const NAMES: u64 = 200;
const REQUESTS: u64 = 10;
const LENGTH_S: u64 = 36_000;
const ZOOMS: u64 = 30;

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
        "{LENGTH_S} s of {NAMES} names taken in {:.0} s",
        began.elapsed().as_secs_f64()
    );
    println!(
        "memory {:.0} MiB, disk {:.0} MB",
        server.memory_max_mib()?,
        server.disk_mb()?
    );
    let opens = open(&mut client)?;
    if zoom(&mut client, &mut random)? && opens {
        Ok(())
    } else {
        Err("not all figures were met".into())
    }
}

/// Whether what the page asks for first comes in time.
fn open(client: &mut Client) -> Result<bool, Failure> {
    let page = [
        "",
        "/series?points=600",
        "/heatmap?columns=200",
        "/names",
        "/events",
        "/checks",
    ];
    let opened = Instant::now();
    for path in page {
        let part = Instant::now();
        client.get(&format!("/api/v1/runs/bench{path}"))?;
        println!(
            "  open {path}: {:.0} ms",
            part.elapsed().as_secs_f64() * 1e3
        );
    }
    let took_ms = opened.elapsed().as_secs_f64() * 1e3;
    Ok(figure("page data opens", took_ms, 1_000.0, "ms"))
}

/// Whether what a zoom asks for comes in time, windows of all lengths tried.
fn zoom(client: &mut Client, random: &mut Random) -> Result<bool, Failure> {
    let mut worst = [
        ("series", 0.0),
        ("heatmap", 0.0),
        ("names", 0.0),
        ("distribution", 0.0),
    ];
    for _ in 0..ZOOMS {
        let length = (LENGTH_S as f64 * random.unit().powi(3)).max(5.0);
        let from = (LENGTH_S as f64 - length) * random.unit();
        let window = format!("from={}&to={}", from as u64, (from + length) as u64);
        for (what, most) in &mut worst {
            let part = Instant::now();
            client.get(&format!("/api/v1/runs/bench/{what}?{window}"))?;
            *most = f64::max(*most, part.elapsed().as_secs_f64() * 1e3);
        }
    }
    let mut met = true;
    for (what, most) in worst {
        met &= figure(
            &format!("slowest of {ZOOMS} zooms, {what}"),
            most,
            200.0,
            "ms",
        );
    }
    Ok(met)
}
