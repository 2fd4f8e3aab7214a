//! The warm-up is in no figure unless it is asked for; and rates are of the time that there was.

use crate::nodes::{
    Outcome, await_state, batch, end, get, latencies, post, second, send, serve, start,
};
use serde_json::{Value, json};
use std::net::SocketAddr;

const LENGTH_S: u64 = 40;
const WARMUP_S: u64 = 7;
/// It ends in the middle of its last second.
const LASTED_S: f64 = 39.5;

fn kept(addr: SocketAddr, id: &str, without: &[u64]) -> Outcome {
    kept_of(addr, id, LENGTH_S, LASTED_S, without)
}

fn kept_of(addr: SocketAddr, id: &str, length_s: u64, lasted_s: f64, without: &[u64]) -> Outcome {
    let mut whole = batch(id, 0, 1);
    let mut start = start();
    start.warmup_s = WARMUP_S;
    start.planned_s = length_s as f64;
    whole.start = Some(Box::new(start));
    let seconds = (0..length_s).filter(|time_s| !without.contains(time_s));
    whole.seconds = seconds
        .map(|time_s| second(0, time_s, &["GET /"]))
        .collect();
    for row in &mut whole.seconds {
        row.warmup = row.time_s < WARMUP_S;
    }
    let mut end = end(length_s);
    end.duration_s = lasted_s;
    whole.end = Some(Box::new(end));
    let (status, ack) = post(addr, &whole)?;
    assert_eq!(status, 200, "{}", ack.error);
    await_state(addr, id, "done")
}

/// How many requests of the run ended in these seconds.
fn ended(seconds: std::ops::Range<u64>) -> u64 {
    seconds.map(|time_s| latencies(0, time_s, 0).count()).sum()
}

fn text(addr: SocketAddr, path: &str) -> Result<String, Box<dyn std::error::Error>> {
    let (status, body) = send(addr, &format!("GET {path} HTTP/1.1"), b"")?;
    assert_eq!(status, 200, "{path}");
    Ok(String::from_utf8(body)?)
}

#[test]
fn the_warmup_is_in_no_figure_unless_it_is_asked_for() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    kept(addr, "warm", &[])?;
    let measured = ended(WARMUP_S..LENGTH_S);
    let load_s = LASTED_S - WARMUP_S as f64;
    let rate = (measured as f64 / load_s * 1e3).round() / 1e3;

    let run = get(addr, "/api/v1/runs/warm")?;
    let listed = get(addr, "/api/v1/runs")?["runs"][0].clone();
    for shown in [&run["summary"], &run["card"], &listed] {
        assert_eq!(
            shown["totals"]["ok"],
            measured - (LENGTH_S - WARMUP_S),
            "{shown}"
        );
        assert_eq!(shown["throughput"]["requests_per_s"], rate, "{shown}");
    }
    let json: Value = serde_json::from_str(&text(addr, "/api/v1/runs/warm/export/json")?)?;
    assert_eq!(json["throughput"]["requests_per_s"], rate);
    assert_eq!(json["names"][0]["per_s"], rate);
    let series = json["series"].as_array().ok_or("no series")?;
    let marked = series.iter().filter(|row| row["warmup"] == true);
    assert_eq!((series.len(), marked.count()), (40, 7));

    let ask = |what: &str, word: &str| get(addr, &format!("/api/v1/runs/warm/{what}?{word}"));
    for (word, from) in [
        ("", WARMUP_S),
        ("from=0&to=40", WARMUP_S),
        ("warmup=include", 0),
    ] {
        let all = ended(from..LENGTH_S);
        let names = ask("names", word)?;
        assert_eq!(names["names"][0]["sent"], all, "{word}");
        assert_eq!(ask("window", word)?["totals"]["sent"], all, "{word}");
        assert_eq!(
            ask("distribution", &format!("{word}&of=all"))?["count"],
            all,
            "{word}"
        );
        assert_eq!(ask("failures", word)?["failed"], LENGTH_S - from, "{word}");
        assert_eq!(
            ask("checks", word)?["checks"][0]["passed"],
            2 * (LENGTH_S - from),
            "{word}"
        );
    }
    // a window within it has nothing, unless it is asked for
    assert_eq!(ask("window", "from=1&to=3")?["totals"]["sent"], 0);
    assert_eq!(
        ask("window", "from=1&to=3&warmup=include")?["totals"]["sent"],
        ended(1..3)
    );
    assert!(ask("names", "warmup=some").is_err());

    kept(addr, "again", &[])?;
    let compared = get(addr, "/api/v1/compare?runs=warm,again")?;
    assert_eq!(compared["metrics"][0]["metric"], "throughput");
    for value in compared["metrics"][0]["values"]
        .as_array()
        .ok_or("no values")?
    {
        let value = value.as_f64().ok_or("no number")?;
        assert!((value - rate).abs() < 1e-3, "{value} {rate}");
    }
    Ok(())
}

#[test]
fn the_warmup_is_in_files_when_it_is_asked_for() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    kept(addr, "warm", &[])?;
    let rows = |word: &str| -> Result<(usize, usize), Box<dyn std::error::Error>> {
        let csv = text(addr, &format!("/api/v1/runs/warm/export/csv{word}"))?;
        let log = text(addr, &format!("/api/v1/runs/warm/export/hlog{word}"))?;
        let lines = log
            .lines()
            .filter(|line| !line.starts_with(['#', '"', 'T']));
        Ok((csv.lines().count() - 1, lines.count()))
    };
    assert_eq!(rows("")?, (33, 33));
    assert_eq!(rows("?warmup=include")?, (40, 40));
    let csv = text(addr, "/api/v1/runs/warm/export/csv?warmup=include")?;
    let flags: Vec<Option<&str>> = csv.lines().map(|line| line.rsplit(',').next()).collect();
    assert_eq!(flags[..2], [Some("warmup"), Some("1")]);
    assert_eq!(flags[8], Some("0"));
    Ok(())
}

#[test]
fn the_last_column_is_of_the_time_that_there_was() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    kept(addr, "cut", &[20])?;
    let series = get(addr, "/api/v1/runs/cut/series?points=40")?;
    let sent = series["sent"].as_array().ok_or("no rates")?;
    let requests = |time_s| latencies(0, time_s, 0).count();
    assert_eq!(sent[38], requests(38));
    assert_eq!(sent[39], requests(39) * 2, "half a second");
    // a second of which nobody told is a gap
    assert_eq!(sent[20], json!(null));
    assert_eq!(series["planned"][20], json!(null));
    assert_eq!(series["failures"]["timeout"][39], 2);
    // of wider columns likewise
    let series = get(addr, "/api/v1/runs/cut/series?points=2")?;
    assert_eq!(series["step_s"], 20);
    let last = ((ended(21..40) as f64) / 19.5 * 1e3).round() / 1e3;
    assert_eq!(series["sent"][1], last);
    let card = get(addr, "/api/v1/runs/cut")?["card"].clone();
    let spark = card["sparkline"].as_array().ok_or("no sparkline")?;
    assert_eq!((spark.len(), &spark[39]), (40, &json!(requests(39) * 2)));
    Ok(())
}

/// Blocks of ten seconds, the warm-up ends within one.
#[test]
fn long_runs_are_compared_from_the_end_of_their_warmup() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    for id in ["one", "two"] {
        kept_of(server.addr(), id, 200, 200.0, &[])?;
    }
    let compared = get(server.addr(), "/api/v1/compare?runs=one,two")?;
    let rate = ended(WARMUP_S..200) as f64 / (200 - WARMUP_S) as f64;
    let found = compared["metrics"][0]["values"][0]
        .as_f64()
        .ok_or("no value")?;
    assert!((found - rate).abs() < 1e-3, "{found} {rate}");
    Ok(())
}
