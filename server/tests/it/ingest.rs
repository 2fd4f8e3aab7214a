//! What is taken, once and exactly, and what is refused.

use crate::nodes::{
    Outcome, await_state, batch, get, half_run, latencies, post, post_packed, second, send, serve,
    start, whole_run,
};
use prost::Message;
use stats::Histogram;
use wire::{Batch, Kind};

const NAMES: [&str; 6] = ["GET /", "GET /cart", "POST /buy", "a", "b", "c"];
/// Their places.
const ALL: [usize; 6] = [0, 1, 2, 3, 4, 5];

/// The figures of a merged histogram are those of the JSON.
fn same(shown: &serde_json::Value, sum: &Histogram) {
    assert_eq!(shown["count"], sum.count(), "{shown}");
    assert_eq!(shown["min_us"], sum.min_us(), "{shown}");
    assert_eq!(shown["p50_us"], sum.value_at(0.5), "{shown}");
    assert_eq!(shown["p99_us"], sum.value_at(0.99), "{shown}");
    assert_eq!(shown["p999_us"], sum.value_at(0.999), "{shown}");
    assert_eq!(shown["max_us"], sum.max_us(), "{shown}");
    let mean = (sum.mean_us() * 1_000.0).round() / 1_000.0;
    assert_eq!(shown["mean_us"], mean, "{shown}");
}

fn merged(nodes: u32, seconds: std::ops::Range<u64>, names: &[usize]) -> Histogram {
    let mut sum = Histogram::new();
    for node in 0..nodes {
        for time_s in seconds.clone() {
            names
                .iter()
                .for_each(|name| sum.add(&latencies(node, time_s, *name)));
        }
    }
    sum
}

#[test]
fn any_window_is_an_exact_merge_of_two_nodes() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    let seconds = 1_310;
    // seconds come by the minute, so that the test is quick
    for node in 0..2 {
        let all = half_run("r1", node, seconds, &NAMES);
        for (place, group) in all.chunks(47).enumerate() {
            let mut batch = group[0].clone();
            batch.sequence = place as u64 + 1;
            batch.seconds = group.iter().flat_map(|b| b.seconds.clone()).collect();
            batch.end = group.iter().find_map(|b| b.end.clone());
            let (status, ack) = post(addr, &batch)?;
            assert_eq!(
                (status, ack.accepted_through),
                (200, batch.sequence),
                "{}",
                ack.error
            );
        }
        if node == 0 {
            // half of the run: rows in memory and in chunks
            windows(
                addr,
                1,
                &[(0, 1_310), (3, 100), (1_200, 1_310), (17, 1_303)],
            )?;
            columns(addr, 1, seconds)?;
        }
    }
    let some = [
        (0, 1_310),
        (0, 600),
        (1, 2),
        (59, 61),
        (599, 1_201),
        (7, 1_309),
        (600, 1_200),
    ];
    windows(addr, 2, &some)?;
    await_state(addr, "r1", "done")?;
    windows(addr, 2, &some)?;
    columns(addr, 2, seconds)?;
    let summary = get(addr, "/api/v1/runs/r1")?["summary"].clone();
    same(&summary["latency"], &merged(2, 0..seconds, &ALL));
    assert_eq!(summary["totals"]["planned"], 2 * 3 * seconds);
    assert_eq!(summary["totals"]["users_max"], 8);
    assert_eq!(summary["failures"]["timeout"], 2 * 6 * seconds);
    assert_eq!(summary["checks"][0]["passed"], 2 * 2 * seconds);
    let series = get(addr, "/api/v1/runs/r1/series?from=0&to=1310&points=30")?;
    assert_eq!(series["step_s"], 60);
    let p99 = merged(2, 120..180, &ALL).value_at(0.99);
    assert_eq!(series["latency"]["p99"][2], p99);
    assert_eq!(series["planned"][2], 6);
    // after another start of the server the same
    drop(server);
    let server = serve(dir.path())?;
    columns(server.addr(), 2, seconds)?;
    windows(server.addr(), 2, &some)
}

/// Plots over all of a run: each column has the figures of its seconds, whatever its width.
fn columns(addr: std::net::SocketAddr, nodes: u32, length: u64) -> Outcome {
    for step in [1, 2, 5, 10, 20, 30, 60, 120, 300, 600] {
        let points = length.div_ceil(step);
        let query = format!("/api/v1/runs/r1/series?from=0&to={length}&points={points}");
        let series = get(addr, &query)?;
        assert_eq!(series["step_s"], step);
        let times = series["time_s"].as_array().expect("a list");
        assert_eq!(times.len() as u64, points);
        for (column, time_s) in times.iter().enumerate() {
            let from = time_s.as_u64().expect("a second");
            let sum = merged(nodes, from..(from + step).min(length), &ALL);
            for phase in ["latency", "service_time", "lag"] {
                let shown = |figure: &str| series[phase][figure][column].as_u64();
                assert_eq!(
                    shown("p50"),
                    Some(sum.value_at(0.5)),
                    "{from}+{step} {phase}"
                );
                assert_eq!(
                    shown("p99"),
                    Some(sum.value_at(0.99)),
                    "{from}+{step} {phase}"
                );
                assert_eq!(shown("max"), Some(sum.max_us()), "{from}+{step} {phase}");
                let mean = sum.mean_us().round() as u64;
                assert_eq!(shown("mean"), Some(mean), "{from}+{step} {phase}");
            }
        }
    }
    Ok(())
}

fn windows(addr: std::net::SocketAddr, nodes: u32, windows: &[(u64, u64)]) -> Outcome {
    for (from, to) in windows {
        let names = get(addr, &format!("/api/v1/runs/r1/names?from={from}&to={to}"))?;
        for (place, name) in NAMES.iter().enumerate() {
            let rows = names["names"].as_array().expect("a list");
            let row = rows
                .iter()
                .find(|row| row["name"] == *name)
                .expect("its row");
            let sum = merged(nodes, *from..*to, &[place]);
            same(&row["latency"], &sum);
            same(&row["service_time"], &sum);
            assert_eq!(row["sent"], sum.count());
        }
        let path = format!("/api/v1/runs/r1/distribution?from={from}&to={to}");
        let all = get(addr, &path)?;
        same(&all["figures"], &merged(nodes, *from..*to, &ALL));
    }
    Ok(())
}

#[test]
fn a_replay_changes_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let all = whole_run("twice", 0, 20, &NAMES);
    for batch in all.iter().take(15).chain(&all).chain(&all) {
        let (status, ack) = post(server.addr(), batch)?;
        assert_eq!(status, 200, "{}", ack.error);
        assert!(ack.accepted_through >= batch.sequence);
    }
    await_state(server.addr(), "twice", "done")?;
    post(server.addr(), &all[19])?;
    await_state(server.addr(), "twice", "done")?;
    let detail = get(server.addr(), "/api/v1/runs/twice")?;
    same(&detail["summary"]["latency"], &merged(1, 0..20, &ALL));
    let events = get(server.addr(), "/api/v1/runs/twice/events")?;
    assert_eq!(events["events"].as_array().map(Vec::len), Some(20));
    Ok(())
}

#[test]
fn what_cannot_be_kept_is_refused_with_its_reason() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let check = |batch: &Batch, part: &str| -> Outcome {
        let (status, ack) = post(server.addr(), batch)?;
        assert_eq!(status, 400, "{}", ack.error);
        assert!(ack.error.contains(part), "{:?} has no {part:?}", ack.error);
        Ok(())
    };
    let good = batch("r", 0, 1);
    check(
        &Batch {
            version: 9,
            ..good.clone()
        },
        "version: 9 is not supported",
    )?;
    check(
        &Batch {
            run_id: "../r".to_owned(),
            ..good.clone()
        },
        "run_id",
    )?;
    check(
        &Batch {
            run_id: String::new(),
            ..good.clone()
        },
        "run_id",
    )?;
    check(
        &Batch {
            sequence: 0,
            ..good.clone()
        },
        "sequence",
    )?;
    let with = |row| Batch {
        seconds: vec![row],
        ..good.clone()
    };
    let mut late = second(0, 0, &NAMES);
    late.time_s = u64::MAX;
    check(&with(late), "31 days")?;
    let mut broken = second(0, 0, &NAMES);
    broken.names[1].histograms[0].payload.truncate(50);
    check(&with(broken), "histogram")?;
    let mut many = second(0, 0, &NAMES);
    many.names = vec![many.names[0].clone(); 2_003];
    check(&with(many), "names: 2003, at most 2002")?;
    let mut many = second(0, 0, &NAMES);
    many.names[0].kind = Kind::Tag.into();
    many.names = vec![many.names[0].clone(); 2_003];
    check(&with(many), "tags: 2003, at most 2002")?;
    let mut unknown = second(0, 0, &NAMES);
    unknown.names[0].kind = 3;
    check(&with(unknown), "kind: 3 is none of")?;
    let plain = "POST /ingest/v1/batch HTTP/1.1\r\ncontent-type: application/x-protobuf";
    assert_eq!(send(server.addr(), plain, &good.encode_to_vec())?.0, 415);
    assert_eq!(post_packed(server.addr(), b"no zstd")?.0, 400);
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3)?;
    let (status, ack) = post_packed(server.addr(), &bomb)?;
    assert_eq!(status, 413, "{}", ack.error);
    let long = vec![0; (8 << 20) + 1];
    assert_eq!(post_packed(server.addr(), &long)?.0, 413);
    let runs = get(server.addr(), "/api/v1/runs")?;
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(0));
    Ok(())
}

#[test]
fn messages_are_counted_before_they_take_memory() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    // empty messages take some hundred times as much memory as bytes: seconds, their names, and
    // the histograms of one name
    let nested = |inner: Vec<u8>, tag: u8| {
        let mut outer = vec![tag << 3 | 2];
        prost::encode_length_delimiter(inner.len(), &mut outer)?;
        outer.extend(inner);
        Ok::<Vec<u8>, prost::EncodeError>(outer)
    };
    let empty = |tag: u8| [tag << 3 | 2, 0].repeat(8 << 20);
    let names = [0x8a, 1, 0].repeat(8 << 20);
    let mut name = vec![0x8a, 1];
    prost::encode_length_delimiter(empty(11).len(), &mut name)?;
    name.extend(empty(11));
    for body in [empty(8), empty(9), nested(names, 8)?, nested(name, 8)?] {
        let (status, ack) = post_packed(server.addr(), &zstd::bulk::compress(&body, 1)?)?;
        assert_eq!(status, 400, "{}", ack.error);
        assert!(ack.error.contains("more than"), "{}", ack.error);
    }
    Ok(())
}

#[test]
fn names_beyond_the_bound_become_other() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    for part in 0..3 {
        let mut row = second(0, part, &["one"]);
        let one = row.names[0].clone();
        let named = |n| wire::NameRow {
            name: format!("name {part} {n}"),
            histograms: vec![latencies(0, 0, 0).to_row("latency")],
            ..one.clone()
        };
        row.names = (0..1_000).map(named).collect();
        let mut batch = batch("many", 0, part + 1);
        batch.seconds = vec![row];
        assert_eq!(post(server.addr(), &batch)?.0, 200);
    }
    let names = get(server.addr(), "/api/v1/runs/many/names")?;
    let rows = names["names"].as_array().expect("a list");
    assert_eq!(rows.len(), 2_001);
    let other = rows
        .iter()
        .find(|row| row["name"] == "(other)")
        .expect("its row");
    assert_eq!(other["sent"], 1_000 * latencies(0, 2, 0).count());
    Ok(())
}

#[test]
fn hostile_names_come_back_as_they_were() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let names = [
        "<script>alert(1)</script>",
        "a\0b",
        "'; DROP TABLE run; --",
        "\u{202e}evil",
        "%",
        "\"",
    ];
    let mut batch = batch("hostile", 0, 1);
    let mut start = start();
    start.name = names[0].to_owned();
    start.project = names[2].to_owned();
    batch.start = Some(Box::new(start));
    batch.seconds = vec![second(0, 0, &names)];
    assert_eq!(post(server.addr(), &batch)?.0, 200);
    let shown = get(server.addr(), "/api/v1/runs/hostile/names")?;
    let shown = shown["names"].as_array().expect("a list");
    for name in names {
        assert!(shown.iter().any(|row| row["name"] == name), "{name:?}");
    }
    let runs = get(server.addr(), "/api/v1/runs?q=%3Cscript")?;
    assert_eq!(runs["runs"][0]["project"], names[2]);
    Ok(())
}

#[test]
fn retention_spares_pins_and_baselines() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    for (place, id) in ["old", "pinned", "baseline", "new"].iter().enumerate() {
        let mut all = whole_run(id, 0, 2, &NAMES);
        if let Some(start) = &mut all[0].start {
            start.started_us += place as u64;
        }
        for batch in &all {
            assert_eq!(post(addr, batch)?.0, 200);
        }
        await_state(addr, id, "done")?;
    }
    let change = |line: &str, body: &str| -> Outcome {
        let head = format!("{line} HTTP/1.1\r\ncontent-type: application/json");
        let (status, body) = send(addr, &head, body.as_bytes())?;
        assert_eq!(status, 200, "{line}: {}", String::from_utf8_lossy(&body));
        Ok(())
    };
    change(
        "PATCH /api/v1/runs/pinned",
        r#"{"pinned": true, "comment": "keep", "tags": ["a"]}"#,
    )?;
    change(
        "PUT /api/v1/projects/shop/baseline",
        r#"{"run": "baseline"}"#,
    )?;
    change("PUT /api/v1/projects/shop/retention", r#"{"runs": 1}"#)?;
    drop(server);
    // the job runs when the server starts, and then once a minute
    let server = serve(dir.path())?;
    let began = std::time::Instant::now();
    let left = loop {
        let runs = get(server.addr(), "/api/v1/runs")?;
        let runs = runs["runs"].as_array().cloned().unwrap_or_default();
        let left: Vec<String> = runs.iter().map(|run| run["id"].to_string()).collect();
        if left.len() == 3 || began.elapsed().as_secs() > 30 {
            break left;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!(left, [r#""new""#, r#""baseline""#, r#""pinned""#]);
    let tagged = get(server.addr(), "/api/v1/runs?tag=a&q=KEEP")?;
    assert_eq!(tagged["runs"][0]["id"], "pinned");
    let old = dir.path().join("runs/old.sqlite");
    while old.exists() && began.elapsed().as_secs() < 30 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(!old.exists());
    Ok(())
}

#[test]
fn lists_of_counts_stay_short_whatever_nodes_send() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    for node in 0..4_u32 {
        let mut row = second(node, 0, &["one"]);
        let counted = |n| wire::Count {
            name: format!("kind {node} {n}"),
            count: u64::MAX / 4,
        };
        row.names[0].failures = (0..1_000).map(counted).collect();
        let status = |n| wire::StatusCount {
            status: node * 1_000 + n,
            count: 1,
        };
        row.names[0].statuses = (0..1_000).map(status).collect();
        row.names[0].sent = u64::MAX;
        let mut batch = batch("lists", node, 1);
        batch.seconds = vec![row];
        assert_eq!(post(server.addr(), &batch)?.0, 200);
    }
    let mut last = batch("lists", 0, 2);
    last.end = Some(Box::new(crate::nodes::end(1)));
    assert_eq!(post(server.addr(), &last)?.0, 200);
    let names = get(server.addr(), "/api/v1/runs/lists/names")?;
    let one = &names["names"][0];
    let len = |key: &str| one[key].as_object().map(serde_json::Map::len);
    assert_eq!((len("failures"), len("status")), (Some(2_001), Some(2_000)));
    assert_eq!(one["sent"], u64::MAX);
    Ok(())
}

#[test]
fn a_run_whose_end_was_acknowledged_is_done_at_once() -> Outcome {
    let dir = tempfile::tempdir()?;
    let seconds = 130;
    let whole = |server: &mistress_server::Running| -> Outcome {
        let detail = get(server.addr(), "/api/v1/runs/over")?;
        let list = get(server.addr(), "/api/v1/runs")?;
        for card in [&detail["card"], &list["runs"][0]] {
            assert_eq!(card["state"], "done", "{card}");
            assert_eq!(card["verdict"], "clean");
            assert_eq!(card["duration_s"], seconds as f64);
            assert_eq!(card["totals"]["planned"], 3 * seconds);
            let spark = card["sparkline"].as_array();
            assert!(spark.is_some_and(|points| points.len() > 20), "{card}");
        }
        same(&detail["summary"]["latency"], &merged(1, 0..seconds, &ALL));
        Ok(())
    };
    let server = serve(dir.path())?;
    for batch in &whole_run("over", 0, seconds, &NAMES) {
        assert_eq!(post(server.addr(), batch)?.0, 200);
    }
    // chunks are made meanwhile, and a replay of the end opens the run again
    for _ in 0..10 {
        whole(&server)?;
    }
    let all = whole_run("over", 0, seconds, &NAMES);
    post(server.addr(), &all[seconds as usize - 1])?;
    whole(&server)?;
    server.stop();
    whole(&serve(dir.path())?)
}

#[test]
fn a_list_that_cannot_be_written_doubles_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let of_node = |node| half_run("once", node, 2, &NAMES);
    assert_eq!(post(server.addr(), &of_node(0)[0])?.0, 200);
    let meta = rusqlite::Connection::open(dir.path().join("meta.sqlite"))?;
    meta.busy_timeout(std::time::Duration::from_secs(10))?;
    meta.execute_batch(
        "CREATE TRIGGER stuck BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'stuck'); END",
    )?;
    // one notes its start in the list, one ends the run there
    let (status, ack) = post(server.addr(), &of_node(1)[0])?;
    assert_eq!((status, ack.error.contains("stuck")), (500, true));
    assert_eq!(post(server.addr(), &of_node(0)[1])?.0, 500);
    meta.execute_batch("DROP TRIGGER stuck")?;
    for batch in [&of_node(0)[1], &of_node(1)[0], &of_node(1)[1]] {
        assert_eq!(post(server.addr(), batch)?.0, 200);
    }
    let detail = get(server.addr(), "/api/v1/runs/once")?;
    assert_eq!(detail["card"]["state"], "done");
    same(&detail["summary"]["latency"], &merged(2, 0..2, &ALL));
    Ok(())
}
