//! Requests that ended ok apart from those that failed, in everything that shows a latency, and
//! rates of the time of load.

use crate::nodes::{Outcome, await_state, batch, end, get, post, send, serve, start};
use serde_json::Value;
use stats::Histogram;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use wire::{Batch, Count, Kind, NameRow, RunStart, SecondRow};

/// Of which the plan's load takes all but the drain.
const SECONDS: u64 = 130;
const LOAD_S: u64 = 100;
/// In each second.
const OK: u64 = 10;
const FAILED: u64 = 30;

/// Slow ones that end ok, and quick ones that fail: 200 ms and 2 ms, to the second.
fn latencies(time_s: u64) -> (Histogram, Histogram) {
    let (mut ok, mut failed) = (Histogram::new(), Histogram::new());
    (0..OK).for_each(|_| ok.record(200_000 + time_s * 1_000));
    (0..FAILED).for_each(|_| failed.record(2_000 + time_s));
    (ok, failed)
}

fn second(time_s: u64) -> SecondRow {
    let (ok, failed) = latencies(time_s);
    let mut all = ok.clone();
    all.add(&failed);
    let is_last = time_s + 1 == SECONDS;
    let name = NameRow {
        kind: Kind::Request as i32,
        name: "page".to_owned(),
        sent: OK + FAILED + u64::from(is_last),
        ok: OK,
        failed: FAILED,
        unfinished: u64::from(is_last),
        failures: vec![Count {
            name: "status".to_owned(),
            count: FAILED,
        }],
        histograms: vec![
            all.to_row("latency"),
            failed.to_row("latency_failed"),
            failed.to_row("lag"),
        ],
        ..NameRow::default()
    };
    SecondRow {
        time_s,
        seconds: 1,
        users_max: 2,
        names: vec![name],
        ..SecondRow::default()
    }
}

fn run(id: &str) -> Batch {
    Batch {
        seconds: (0..SECONDS).map(second).collect(),
        start: Some(Box::new(RunStart {
            planned_s: LOAD_S as f64,
            ..start()
        })),
        end: Some(Box::new(end(SECONDS))),
        ..batch(id, 0, 1)
    }
}

fn kept(addr: SocketAddr, id: &str) -> Outcome {
    let (status, ack) = post(addr, &run(id))?;
    assert_eq!(status, 200, "{}", ack.error);
    await_state(addr, id, "done")
}

/// What is expected of a kind in some seconds.
fn merged(of: &str, seconds: std::ops::Range<u64>) -> Histogram {
    let mut sum = Histogram::new();
    for time_s in seconds {
        let (ok, failed) = latencies(time_s);
        if of != "failed" {
            sum.add(&ok);
        }
        if of != "ok" {
            sum.add(&failed);
        }
    }
    sum
}

fn same(shown: &Value, expected: &Histogram) {
    assert_eq!(shown["count"], expected.count(), "{shown}");
    assert_eq!(shown["p50_us"], expected.value_at(0.5), "{shown}");
    assert_eq!(shown["p99_us"], expected.value_at(0.99), "{shown}");
    assert_eq!(shown["max_us"], expected.max_us(), "{shown}");
}

#[test]
fn every_latency_is_of_the_requests_that_are_asked_for() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    kept(addr, "a")?;
    kept(addr, "b")?;
    for of in ["ok", "failed", "all"] {
        let whole = merged(of, 0..SECONDS);
        let ask = |path: &str| get(addr, &format!("/api/v1/runs/a{path}of={of}"));
        same(&ask("?")?["summary"]["latency"], &whole);
        same(&ask("/names?")?["names"][0]["latency"], &whole);
        same(
            &ask("/window?from=30&to=95&")?["latency"],
            &merged(of, 30..95),
        );
        let distribution = ask("/distribution?")?;
        same(&distribution["figures"], &whole);
        let counts = ask("/heatmap?")?["counts"].clone();
        let columns = counts.as_array().into_iter().flatten();
        let cells = columns.flat_map(|column| column.as_array().into_iter().flatten());
        assert_eq!(cells.filter_map(Value::as_u64).sum::<u64>(), whole.count());
        for (points, step) in [(130, 1), (26, 5), (13, 10), (3, 60)] {
            for name in ["", "&name=page"] {
                let series = ask(&format!("/series?points={points}{name}&"))?;
                assert_eq!(
                    (&series["step_s"], &series["of"]),
                    (&step.into(), &of.into())
                );
                for column in 0..SECONDS.div_ceil(step) {
                    let (from, to) = (column * step, ((column + 1) * step).min(SECONDS));
                    let at = |figure: &str| series["latency"][figure][column as usize].clone();
                    let own = merged(of, from..to);
                    assert_eq!(at("p50"), own.value_at(0.5), "{of}{name} {from} {step}");
                    assert_eq!(at("max"), own.max_us(), "{of}{name} {from} {step}");
                    assert_eq!(at("mean"), own.mean_us().round() as u64, "{of} {from}");
                    let failed = &series["latency_failed"]["p99"][column as usize];
                    assert_eq!(*failed, merged("failed", from..to).value_at(0.99));
                }
            }
        }
        let compared = get(addr, &format!("/api/v1/compare?runs=a,b&of={of}"))?;
        let metrics = compared["metrics"].as_array().cloned().unwrap_or_default();
        let value = |name: &str| {
            let metric = metrics.iter().find(|metric| metric["metric"] == name);
            metric.map_or(f64::NAN, |m| m["values"][0].as_f64().unwrap_or(f64::NAN))
        };
        // its last digit is that of a histogram
        let p50 = whole.value_at(0.5) as f64;
        assert!((value("latency_p50") - p50).abs() <= p50 / 1_000.0, "{of}");
        assert_eq!(value("throughput"), (OK + FAILED) as f64);
        let failures = (FAILED * SECONDS + 1) as f64 / ((OK + FAILED) * SECONDS + 1) as f64;
        assert_eq!(value("failed"), failures);
    }
    let (status, _) = send(addr, "GET /api/v1/runs/a/series?of=some HTTP/1.1", b"")?;
    assert_eq!(status, 400);
    Ok(())
}

#[test]
fn rates_are_of_the_time_of_load_and_the_unfinished_are_told() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    kept(addr, "a")?;
    let run = get(addr, "/api/v1/runs/a")?;
    for throughput in [&run["summary"]["throughput"], &run["card"]["throughput"]] {
        assert_eq!(throughput["load_s"], LOAD_S as f64);
        assert_eq!(throughput["requests_per_s"], (OK + FAILED) as f64);
        assert_eq!(throughput["ok_per_s"], OK as f64);
        assert_eq!(throughput["ok"], OK * LOAD_S);
    }
    let names = get(addr, "/api/v1/runs/a/names")?["names"].clone();
    assert_eq!(names[0]["requests_per_s"], (OK + FAILED) as f64);
    assert_eq!(names[0]["unfinished"], 1);
    // of a window that begins in the load and ends after it, and of one that is all drain
    let window = get(addr, "/api/v1/runs/a/window?from=90&to=110")?;
    assert_eq!(window["throughput"]["load_s"], 10.0);
    assert_eq!(window["throughput"]["requests_per_s"], (OK + FAILED) as f64);
    let drain = get(addr, "/api/v1/runs/a/names?from=100&to=110")?["names"].clone();
    assert_eq!(drain[0]["requests_per_s"], Value::Null);
    let failures = get(addr, "/api/v1/runs/a/failures")?;
    assert_eq!(
        (&failures["failed"], &failures["unfinished"]),
        (&(FAILED * SECONDS).into(), &1.into())
    );
    assert_eq!(failures["names"][0]["unfinished"], 1);
    Ok(())
}

/// The export of the run `a` in a format.
fn export(addr: SocketAddr, format: &str) -> Result<String, Box<dyn std::error::Error>> {
    let head = format!("GET /api/v1/runs/a/export/{format} HTTP/1.1");
    let (status, body) = send(addr, &head, b"")?;
    assert_eq!(status, 200, "{format}");
    Ok(String::from_utf8(body)?)
}

#[test]
fn the_json_export_tells_ok_failed_and_all_apart() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    kept(addr, "a")?;
    let result: Value = serde_json::from_str(&export(addr, "json")?)?;
    assert_eq!(result["schema"], 2);
    for (key, of) in [
        ("latency", "ok"),
        ("latency_failed", "failed"),
        ("latency_all", "all"),
    ] {
        same(&result[key], &merged(of, 0..SECONDS));
        same(&result["names"][0][key], &merged(of, 0..SECONDS));
        same(&result["series"][17][key], &merged(of, 17..18));
    }
    for (key, of) in [("histogram", "ok"), ("histogram_failed", "failed")] {
        let text = result[key].as_str().unwrap_or_default();
        let count = Histogram::from_base64(text)?.count();
        assert_eq!(count, merged(of, 0..SECONDS).count(), "{key}");
    }
    assert_eq!(
        result["series"].as_array().map(Vec::len),
        Some(SECONDS as usize)
    );
    assert_eq!(result["series"][17]["users"]["max"], 2);
    for phase in [
        "service_time",
        "queue",
        "dns",
        "connect",
        "tls",
        "send",
        "first_byte",
        "receive",
    ] {
        assert_eq!(result[phase]["count"], 0, "{phase}");
        assert_eq!(result[phase]["p50_us"], Value::Null, "{phase}");
        assert_eq!(result["names"][0][phase]["count"], 0, "{phase}");
    }
    Ok(())
}

#[test]
fn the_other_exports_tell_them_apart_too() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    kept(addr, "a")?;
    let csv = export(addr, "csv")?;
    let heads: Vec<&str> = csv.lines().next().unwrap_or_default().split(',').collect();
    let row: Vec<&str> = csv.lines().nth(18).unwrap_or_default().split(',').collect();
    for (head, of) in [
        ("latency", "ok"),
        ("latency_failed", "failed"),
        ("latency_all", "all"),
    ] {
        let place = heads
            .iter()
            .position(|one| *one == format!("{head}_p99_us"));
        let p99 = merged(of, 17..18).value_at(0.99).to_string();
        assert_eq!(place.map(|place| row[place]), Some(p99.as_str()), "{head}");
    }
    let log = export(addr, "hlog")?;
    assert_eq!(
        log.lines()
            .filter(|line| line.starts_with("Tag=failed,"))
            .count(),
        SECONDS as usize
    );
    assert!(export(addr, "junit")?.contains("<testsuites"));
    assert!(export(addr, "html")?.contains("latency_failed"));
    Ok(())
}

#[test]
fn figures_of_earlier_versions_are_made_anew() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    kept(server.addr(), "a")?;
    let meta = || rusqlite::Connection::open(dir.path().join("meta.sqlite"));
    let figures = || -> Result<String, rusqlite::Error> {
        meta()?.query_row("SELECT figures FROM run", [], |row| row.get(0))
    };
    let began = Instant::now();
    while figures()?.is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it is not settled"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(server);
    let old = r#"{"totals":{"sent":1},"latency":{"count":5200},"sparkline":[]}"#;
    meta()?.execute("UPDATE run SET figures = ?1", [old])?;
    let server = serve(dir.path())?;
    let cards = get(server.addr(), "/api/v1/runs")?;
    same(&cards["runs"][0]["latency"], &merged("ok", 0..SECONDS));
    while figures()? == old {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it is not renewed"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let cards = get(server.addr(), "/api/v1/runs")?;
    same(&cards["runs"][0]["latency"], &merged("ok", 0..SECONDS));
    Ok(())
}
