//! Minutes in which no request was timed: gaps in plots, nothing in figures, never a fault.

use crate::nodes::{Outcome, await_state, batch, end, get, post, second, send, serve, start};
use serde_json::Value;
use std::net::SocketAddr;
use wire::{Batch, SecondRow};

/// One node's run: requests in the seconds `busy`, users without any in all others up to `length`.
fn run(id: &str, length: u64, busy: impl Fn(u64) -> bool) -> Batch {
    let seconds = (0..length).map(|time_s| {
        let names: &[&str] = if busy(time_s) { &["GET /"] } else { &[] };
        second(0, time_s, names)
    });
    Batch {
        seconds: seconds.collect(),
        start: Some(Box::new(start())),
        end: Some(Box::new(end(length))),
        ..batch(id, 0, 1)
    }
}

fn kept(addr: SocketAddr, run: &Batch) -> Outcome {
    let (status, ack) = post(addr, run)?;
    assert_eq!(status, 200, "{}", ack.error);
    await_state(addr, &run.run_id, "done")
}

/// Whether each column of a list is a number.
fn filled(list: &Value) -> Vec<bool> {
    let list = list.as_array().expect("a list");
    list.iter().map(Value::is_u64).collect()
}

fn text(addr: SocketAddr, path: &str) -> Result<String, Box<dyn std::error::Error>> {
    let (status, body) = send(addr, &format!("GET {path} HTTP/1.1"), &[])?;
    assert_eq!(status, 200, "{path}");
    Ok(String::from_utf8(body)?)
}

#[test]
fn minutes_without_a_request_are_gaps() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    // requests, two minutes without, requests: minutes 1 and 2 hold no value
    let pause = run("pause", 200, |time_s| !(30..185).contains(&time_s));
    kept(addr, &pause)?;
    for (points, step) in [(200, 1), (100, 2), (40, 5), (20, 10), (10, 20), (4, 60)] {
        let query = format!("/api/v1/runs/pause/series?points={points}");
        let series = get(addr, &query)?;
        assert_eq!(series["step_s"], step);
        let expected: Vec<bool> = (0..200_u64.div_ceil(step))
            .map(|column| {
                let (from, to) = (column * step, (column + 1) * step);
                from < 30 || to > 185
            })
            .collect();
        for phase in ["latency", "service_time", "lag"] {
            for figure in ["p50", "p99", "max", "mean"] {
                let found = filled(&series[phase][figure]);
                assert_eq!(found, expected, "{phase} {figure} of {step} s");
            }
        }
        // rates are counts: of nothing they are 0
        let done = series["done"].as_array().expect("a list");
        assert!(done.iter().all(Value::is_number), "{done:?}");
    }
    let csv = text(addr, "/api/v1/runs/pause/export/csv")?;
    let names: Vec<&str> = csv.lines().next().unwrap_or_default().split(',').collect();
    let p99 = names.iter().position(|name| *name == "latency_p99_us");
    let p99 = p99.expect("a column of latency");
    for (time_s, line) in csv.lines().skip(1).enumerate() {
        let cell = line.split(',').nth(p99).unwrap_or_default();
        let is_busy = !(30..185).contains(&time_s);
        assert_eq!(!cell.is_empty(), is_busy, "second {time_s}: {line}");
    }
    let log = text(addr, "/api/v1/runs/pause/export/hlog")?;
    let lines = log.lines().filter(|line| !line.starts_with(['#', '"']));
    assert_eq!(lines.count(), 45, "an interval per second with a request");
    Ok(())
}

#[test]
fn a_run_without_any_request_is_shown_and_exported() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    let length = 4;
    let mut idle = run("idle", length, |_| false);
    // some have no row at all for a second in which nothing happened
    idle.seconds.push(SecondRow {
        time_s: length,
        seconds: 1,
        ..SecondRow::default()
    });
    kept(addr, &idle)?;
    let series = get(addr, "/api/v1/runs/idle/series")?;
    assert_eq!(filled(&series["latency"]["p99"]), [false; 5]);
    let shown = get(addr, "/api/v1/runs/idle")?;
    let latency = &shown["summary"]["latency"];
    assert_eq!(latency["count"], 0);
    assert_eq!(latency["p99_us"], Value::Null);
    for part in ["names", "window", "distribution", "heatmap", "failures"] {
        get(addr, &format!("/api/v1/runs/idle/{part}"))?;
    }
    for format in ["json", "csv", "hlog", "junit", "html"] {
        text(addr, &format!("/api/v1/runs/idle/export/{format}"))?;
    }
    Ok(())
}
