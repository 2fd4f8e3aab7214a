//! Random runs, as odd as runs can be: every endpoint and every export answers for every window, and
//! what is summed up is the sum of the rows that were sent.

use crate::nodes::{Outcome, await_state, batch, get, post, send, serve, start};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use stats::Histogram;
use std::net::SocketAddr;
use std::ops::Range;
use wire::{Batch, Count, Kind, NameRow, SecondRow, StatusCount};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Set to a number of runs, more are tried than in everyday tests.
const CASES: &str = "MISTRESS_RANDOM_RUNS";
/// Runs of everyday tests.
const FEW: u32 = 10;
const MONTH_S: u64 = 31 * 86_400;

/// A piece of a run.
#[derive(Debug, Clone, Copy)]
enum Piece {
    /// Seconds with requests.
    Load(u64),
    /// Seconds that nodes report, without requests.
    Pause(u64),
    /// Seconds of which nobody reports anything.
    Gap(u64),
}

#[derive(Debug, Clone)]
struct Shape {
    pieces: Vec<Piece>,
    nodes: u32,
    names: usize,
    warmup_s: u64,
    /// 0: all requests end ok; 1: some fail; 2: all fail.
    failing: u8,
    /// The last node sends a second after all have ended.
    is_late: bool,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let piece = prop_oneof![
        4 => (1..40_u64).prop_map(Piece::Load),
        2 => (1..150_u64).prop_map(Piece::Pause),
        2 => (1..150_u64).prop_map(Piece::Gap),
    ];
    let usual = (proptest::collection::vec(piece, 1..6), 1..5_usize);
    let pieces = prop_oneof![
        6 => usual,
        1 => Just((vec![Piece::Load(1)], 1)),
        1 => Just((vec![Piece::Load(1)], 2_000)),
        1 => Just((vec![Piece::Gap(70), Piece::Load(2)], 1)),
        1 => (1..MONTH_S - 10).prop_map(|gap| {
            (vec![Piece::Load(1), Piece::Gap(gap), Piece::Load(2)], 2)
        }),
    ];
    let warmup = prop_oneof![3 => Just(0), 2 => 1..30_u64, 1 => 61..200_u64];
    (pieces, 1..4_u32, warmup, 0..3_u8, any::<bool>()).prop_map(
        |((mut pieces, names), nodes, warmup_s, failing, is_late)| {
            // a run ends with a second that somebody reports
            pieces.push(Piece::Load(1));
            Shape {
                pieces,
                nodes,
                names,
                warmup_s,
                failing,
                is_late,
            }
        },
    )
}

/// What all nodes sent of a second.
#[derive(Debug, Clone, Copy)]
struct Sent {
    time_s: u64,
    ok: u64,
    failed: u64,
}

fn second(shape: &Shape, node: u32, time_s: u64, is_loaded: bool) -> (SecondRow, Sent) {
    let mut sent = Sent {
        time_s,
        ok: 0,
        failed: 0,
    };
    let names = (0..if is_loaded { shape.names } else { 0 }).map(|number| {
        let count = 1 + (time_s * 7 + u64::from(node) + number as u64) % 5;
        let failed = match shape.failing {
            0 => 0,
            1 => count / 2,
            _ => count,
        };
        let (mut all, mut lost) = (Histogram::new(), Histogram::new());
        for index in 0..count {
            let us = 100 + (time_s * 31 + index * 977 + number as u64 * 13) % 90_000;
            all.record(us);
            if index < failed {
                lost.record(us);
            }
        }
        sent.ok += count - failed;
        sent.failed += failed;
        let times = [
            ("latency", &all),
            ("latency_failed", &lost),
            ("service_time", &all),
        ];
        let named = |name: &str, count| Count {
            name: name.to_owned(),
            count,
        };
        NameRow {
            kind: Kind::Request as i32,
            name: format!("GET /{number}"),
            sent: count,
            ok: count - failed,
            failed,
            bytes_in: 10 * count,
            statuses: vec![StatusCount {
                status: 200,
                count: count - failed,
            }],
            failures: (failed > 0)
                .then(|| named("timeout", failed))
                .into_iter()
                .collect(),
            histograms: times.map(|(phase, times)| times.to_row(phase)).to_vec(),
            ..NameRow::default()
        }
    });
    let row = SecondRow {
        time_s,
        seconds: 1,
        planned: 1,
        started: 1,
        users_max: 3,
        warmup: time_s < shape.warmup_s,
        names: names.collect(),
        ..SecondRow::default()
    };
    (row, sent)
}

/// Sends a run as its nodes would; what was sent, by second, and the second after the last.
fn kept(addr: SocketAddr, id: &str, shape: &Shape) -> Fallible<(Vec<Sent>, u64)> {
    let mut times: Vec<(u64, bool)> = Vec::new();
    let mut now_s = 0;
    for piece in &shape.pieces {
        let (length, rows) = match *piece {
            Piece::Load(s) => (s, Some(true)),
            Piece::Pause(s) => (s, Some(false)),
            Piece::Gap(s) => (s, None),
        };
        times.extend(
            rows.into_iter()
                .flat_map(|is| (now_s..now_s + length).map(move |s| (s, is))),
        );
        now_s += length;
    }
    let mut all = Vec::new();
    let mut ends: Vec<Batch> = Vec::new();
    let mut late = None;
    for node in 0..shape.nodes {
        let mut begin = start();
        begin.warmup_s = shape.warmup_s;
        begin.planned_s = now_s as f64;
        begin.segment = format!("{}/{}", node + 1, shape.nodes);
        let mut first = batch(id, node, 1);
        first.start = Some(Box::new(begin));
        let mut batches = vec![first];
        for part in times.chunks(30) {
            let mut one = batch(id, node, batches.len() as u64 + 1);
            for (time_s, is_loaded) in part {
                let (row, sent) = second(shape, node, *time_s, *is_loaded);
                one.seconds.push(row);
                all.push(sent);
            }
            batches.push(one);
        }
        let is_last = node + 1 == shape.nodes;
        if is_last && shape.is_late && batches.len() > 2 {
            late = batches.pop();
        }
        let mut end = batch(id, node, batches.len() as u64 + 1);
        let mut told = crate::nodes::end(now_s);
        told.duration_s = now_s as f64;
        end.end = Some(Box::new(told));
        ends.push(end);
        for one in &batches {
            deliver(addr, one)?;
        }
    }
    for one in &ends {
        deliver(addr, one)?;
    }
    await_state(addr, id, "done")?;
    if let Some(mut late) = late {
        late.sequence += 1;
        deliver(addr, &late)?;
    }
    Ok((all, now_s))
}

fn deliver(addr: SocketAddr, one: &Batch) -> Outcome {
    let (status, ack) = post(addr, one)?;
    if status == 200 {
        return Ok(());
    }
    Err(format!("a batch: {status}: {}", ack.error).into())
}

/// The sums of the seconds of a window: ok, failed.
fn sums(all: &[Sent], window: Range<u64>) -> (u64, u64) {
    let within = all.iter().filter(|sent| window.contains(&sent.time_s));
    within.fold((0, 0), |(ok, failed), sent| {
        (ok + sent.ok, failed + sent.failed)
    })
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}

fn same(what: &str, found: (u64, u64), expected: (u64, u64)) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: ok and failed are {found:?}, sent were {expected:?}").into())
}

/// A run, what was sent of its seconds, and the second after its last.
struct Kept<'a> {
    shape: &'a Shape,
    all: &'a [Sent],
    end_s: u64,
}

/// Figures of a window, with and without the warm-up.
fn window(addr: SocketAddr, path: &str, kept: &Kept<'_>, at: Range<u64>) -> Outcome {
    let Kept { shape, all, end_s } = kept;
    let words = format!("from={}&to={}", at.start, at.end);
    let measured = at.start.max(shape.warmup_s)..at.end;
    for (warmup, counted) in [("include", at.clone()), ("exclude", measured)] {
        let query = format!("{words}&warmup={warmup}");
        let expected = sums(all, counted);
        let found = get(addr, &format!("{path}/window?{query}"))?;
        let totals = &found["totals"];
        same(
            &query,
            (number(&totals["ok"]), number(&totals["failed"])),
            expected,
        )?;
        let latencies = (
            number(&found["latency"]["count"]),
            number(&found["latency_failed"]["count"]),
        );
        same(&format!("latency, {query}"), latencies, expected)?;
        let found = get(addr, &format!("{path}/names?{query}"))?;
        let rows = found["names"].as_array().ok_or("no names")?.iter();
        let names = rows.fold((0, 0), |(ok, failed), row| {
            (ok + number(&row["ok"]), failed + number(&row["failed"]))
        });
        same(&format!("names, {query}"), names, expected)?;
        let count = |of: &str| -> Fallible<u64> {
            let path = format!("{path}/distribution?{query}&of={of}");
            Ok(number(&get(addr, &path)?["count"]))
        };
        same(
            &format!("distribution, {query}"),
            (count("ok")?, count("failed")?),
            expected,
        )?;
        let found = get(addr, &format!("{path}/failures?{query}"))?;
        same(
            &format!("failures, {query}"),
            (expected.0, number(&found["failed"])),
            expected,
        )?;
        get(addr, &format!("{path}/checks?{query}"))?;
    }
    series(addr, path, &words, all, *end_s)
}

/// Columns of a window: each is the rate of what was sent in its seconds, over those that the run has.
fn series(addr: SocketAddr, path: &str, words: &str, all: &[Sent], end_s: u64) -> Outcome {
    for points in [1, 7, 600] {
        let query = format!("{words}&points={points}");
        let found = get(addr, &format!("{path}/series?{query}"))?;
        let rows = get(addr, &format!("{path}/rows?{query}"))?;
        let times = found["time_s"].as_array().ok_or("no times")?;
        let step_s = number(&found["step_s"]);
        if rows["rows"].as_array().map(Vec::len) != Some(times.len()) {
            return Err(format!("rows are not as many as columns: {query}").into());
        }
        for (index, time) in times.iter().enumerate() {
            let from = number(time);
            let row = &rows["rows"][index];
            for (key, listed) in [("ok", "ok_per_s"), ("failed", "failed_per_s")] {
                if row[listed] != found[key][index] {
                    return Err(format!("rows are not the series: {query}").into());
                }
            }
            let rates = ["ok", "failed"].map(|key| found[key][index].as_f64());
            column(from..from + step_s, end_s, rates, all)
                .map_err(|error| format!("{query}: {error}"))?;
        }
        get(addr, &format!("{path}/series?{query}&name=GET%20/0"))?;
    }
    heat(addr, path, words, all)
}

/// Rates of a column have three decimals.
fn column(at: Range<u64>, end_s: u64, rates: [Option<f64>; 2], all: &[Sent]) -> Outcome {
    let width = (end_s.min(at.end) - at.start) as f64;
    let sums: [u64; 2] = sums(all, at.clone()).into();
    let is_reported = all.iter().any(|sent| at.contains(&sent.time_s));
    // of one that ends after the run, a tenth must be in the run
    let is_rated = is_reported && width >= (at.end - at.start) as f64 * 0.1;
    for (rate, sum) in rates.into_iter().zip(sums) {
        let holds = match rate {
            None => !is_rated,
            Some(rate) => is_rated && (rate - sum as f64 / width).abs() < 0.000_501,
        };
        if !holds {
            let seconds = format!("{at:?} of {end_s}");
            return Err(format!("seconds {seconds}: {rate:?} per second, sum {sum}").into());
        }
    }
    Ok(())
}

/// The cells of a heat map, whose columns may begin before the window and end after it.
fn heat(addr: SocketAddr, path: &str, words: &str, all: &[Sent]) -> Outcome {
    let found = get(addr, &format!("{path}/heatmap?{words}&of=all"))?;
    let cells = found["counts"].as_array().into_iter().flatten();
    let cells = cells.flat_map(|column| column.as_array().into_iter().flatten());
    let count: u64 = cells.map(number).sum();
    let times = found["time_s"].as_array().ok_or("no times")?;
    let step_s = number(&found["step_s"]);
    let covered = match times.as_slice() {
        [first, .., last] => number(first)..number(last) + step_s,
        [one] => number(one)..number(one) + step_s,
        [] => 0..0,
    };
    let (ok, failed) = sums(all, covered);
    if count == ok + failed {
        return Ok(());
    }
    Err(format!("heat map, {words}: {count} of {}", ok + failed).into())
}

/// What people write at a run, and the lists that it is in.
fn notes(addr: SocketAddr, id: &str, end_s: u64) -> Outcome {
    let path = format!("/api/v1/runs/{id}");
    let head = format!("POST {path}/annotations HTTP/1.1\r\ncontent-type: application/json");
    let note = format!(
        r#"{{"at_s":{},"until_s":{end_s},"text":"here"}}"#,
        end_s / 2
    );
    let (status, body) = send(addr, &head, note.as_bytes())?;
    if status != 200 {
        let body = String::from_utf8_lossy(&body);
        return Err(format!("an annotation: {status}: {body}").into());
    }
    let found = get(addr, &format!("{path}/annotations"))?;
    if found["annotations"][0]["text"] != "here" {
        return Err(format!("annotations: {found}").into());
    }
    for path in [
        format!("{path}/events"),
        format!("{path}/comments"),
        format!("/api/v1/runs?q={id}"),
        "/api/v1/projects/shop/trend".to_owned(),
    ] {
        get(addr, &path)?;
    }
    Ok(())
}

/// A run beside itself: every figure twice, and no difference.
fn beside_itself(addr: SocketAddr, id: &str) -> Outcome {
    let found = get(addr, &format!("/api/v1/compare?runs={id},{id}"))?;
    let metrics = found["metrics"].as_array().ok_or("no metrics")?;
    for metric in metrics {
        let (values, difference) = (&metric["values"], &metric["differences"][1]);
        let is_same = values[0] == values[1];
        let is_none = difference.is_null() || difference["difference"] == 0.0;
        if !is_same || !is_none {
            return Err(format!("beside itself: {metric}").into());
        }
    }
    Ok(())
}

/// All exports; those that have sums have the right ones.
fn exports(addr: SocketAddr, path: &str, shape: &Shape, all: &[Sent]) -> Outcome {
    let export = |format: &str| -> Fallible<String> {
        let (status, body) = send(addr, &format!("GET {path}/export/{format} HTTP/1.1"), b"")?;
        if status != 200 {
            return Err(format!("{format}: {status}").into());
        }
        Ok(String::from_utf8(body)?)
    };
    let measured = sums(all, shape.warmup_s..u64::MAX);
    let json: Value = serde_json::from_str(&export("json")?)?;
    let totals = &json["totals"];
    same(
        "json",
        (number(&totals["ok"]), number(&totals["failed"])),
        measured,
    )?;
    let rows = json["series"].as_array().ok_or("no series")?.iter();
    let listed = rows.fold((0, 0), |(ok, failed), row| {
        (ok + number(&row["ok"]), failed + number(&row["failed"]))
    });
    same("series of json", listed, sums(all, 0..u64::MAX))?;
    let csv = export("csv?warmup=include")?;
    let mut lines = csv.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name| {
        head.iter()
            .position(|key| *key == name)
            .ok_or("no such column")
    };
    let (ok, failed) = (column("ok")?, column("failed")?);
    let cell = |line: &str, at: usize| line.split(',').nth(at).and_then(|text| text.parse().ok());
    let listed = lines.fold((0, 0), |sum, line| {
        let add = |at| cell(line, at).unwrap_or(u64::MAX / 4);
        (sum.0 + add(ok), sum.1 + add(failed))
    });
    same("csv", listed, sums(all, 0..u64::MAX))?;
    for format in ["hlog", "junit", "html"] {
        if export(format)?.is_empty() {
            return Err(format!("{format} is empty").into());
        }
    }
    Ok(())
}

fn holds(addr: SocketAddr, id: &str, shape: &Shape) -> Outcome {
    let (all, end_s) = kept(addr, id, shape)?;
    let path = format!("/api/v1/runs/{id}");
    let run = get(addr, &path)?;
    let totals = &run["summary"]["totals"];
    let measured = sums(&all, shape.warmup_s..u64::MAX);
    same(
        "totals",
        (number(&totals["ok"]), number(&totals["failed"])),
        measured,
    )?;
    let windows = [
        0..end_s,
        0..1,
        end_s / 3..end_s / 2 + 1,
        end_s - 1..end_s + 10,
        end_s + 5..end_s + 9,
    ];
    let all = &all;
    for at in windows {
        window(addr, &path, &Kept { shape, all, end_s }, at)?;
    }
    beside_itself(addr, id)?;
    notes(addr, id, end_s)?;
    exports(addr, &path, shape, all)
}

#[test]
fn every_question_about_a_random_run_is_answered_with_the_sums_of_its_rows() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let asked = std::env::var(CASES).ok().and_then(|text| text.parse().ok());
    let config = Config {
        cases: asked.unwrap_or(FEW),
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let number = std::cell::Cell::new(0);
    let outcome = runner.run(&shapes(), |shape| {
        number.set(number.get() + 1);
        let held = holds(server.addr(), &format!("run-{}", number.get()), &shape);
        held.map_err(|error| TestCaseError::fail(error.to_string()))
    });
    outcome.map_err(|error| error.to_string().into())
}
