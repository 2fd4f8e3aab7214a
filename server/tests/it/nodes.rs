//! Load nodes for tests: batches with known content, posted as a node posts them.

use mistress_server as server;
use prost::Message;
use stats::Histogram;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use wire::{
    Ack, Batch, Count, EventRow, Kind, NameRow, RunEnd, RunStart, SecondRow, StatusCount, VERSION,
};

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A server on a free port.
pub fn serve(dir: &Path) -> Result<server::Running, server::Error> {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    server::start(server::Options::new(bind, dir))
}

/// The latencies of a name in one second: the same for every call.
pub fn latencies(node: u32, time_s: u64, name: usize) -> Histogram {
    let mut values = Histogram::new();
    let mut state = time_s * 7_919 + u64::from(node) * 104_729 + name as u64 * 1_299_709 + 1;
    for _ in 0..20 + (time_s + name as u64) % 7 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        values.record(200 + (state >> 33) % 9_000 * (1 + name as u64 % 3));
    }
    values
}

/// One second of a node with so many names.
pub fn second(node: u32, time_s: u64, names: &[&str]) -> SecondRow {
    let rows = names.iter().enumerate().map(|(place, name)| {
        let values = latencies(node, time_s, place);
        NameRow {
            kind: Kind::Request as i32,
            name: (*name).to_owned(),
            sent: values.count(),
            ok: values.count() - 1,
            failed: 1,
            bytes_in: 100,
            statuses: vec![StatusCount {
                status: 200,
                count: values.count(),
            }],
            failures: vec![Count {
                name: "timeout".to_owned(),
                count: 1,
            }],
            histograms: ["latency", "service_time", "lag"]
                .map(|phase| values.to_row(phase))
                .to_vec(),
            ..NameRow::default()
        }
    });
    SecondRow {
        time_s,
        seconds: 1,
        planned: 3,
        started: 3,
        users_min: 1,
        users_max: 4,
        names: rows.collect(),
        checks: vec![wire::CheckRow {
            name: "ok".to_owned(),
            passed: 2,
            failed: 1,
        }],
        ..SecondRow::default()
    }
}

/// A batch without anything in it.
pub fn batch(run: &str, node: u32, sequence: u64) -> Batch {
    Batch {
        version: VERSION,
        run_id: run.to_owned(),
        node,
        node_name: format!("node-{node}"),
        epoch: 5,
        sequence,
        ..Batch::default()
    }
}

/// Batches of whole seconds `0..seconds`, the first with a start, the last with an end.
pub fn whole_run(run: &str, node: u32, seconds: u64, names: &[&str]) -> Vec<Batch> {
    let batches = (0..seconds).map(|time_s| Batch {
        seconds: vec![second(node, time_s, names)],
        start: (time_s == 0).then(|| Box::new(start())),
        end: (time_s + 1 == seconds).then(|| Box::new(end(seconds))),
        events: vec![EventRow {
            time_us: time_s as i64 * 1_000_000,
            kind: "message".to_owned(),
            text: "said".to_owned(),
        }],
        ..batch(run, node, time_s + 1)
    });
    batches.collect()
}

/// As [`whole_run`], of a run of two nodes.
pub fn half_run(run: &str, node: u32, seconds: u64, names: &[&str]) -> Vec<Batch> {
    let mut batches = whole_run(run, node, seconds, names);
    for start in batches.iter_mut().filter_map(|batch| batch.start.as_mut()) {
        start.segment = format!("{}/2", node + 1);
    }
    batches
}

pub fn start() -> RunStart {
    RunStart {
        project: "shop".to_owned(),
        name: "evening".to_owned(),
        started_us: 1_700_000_000_000_000,
        model: "open".to_owned(),
        ..RunStart::default()
    }
}

pub fn end(seconds: u64) -> RunEnd {
    RunEnd {
        ended: "completed".to_owned(),
        duration_s: seconds as f64,
        verdict: "clean".to_owned(),
        ..RunEnd::default()
    }
}

/// Sends a request with a body; the status and the body of the reply.
pub fn send(addr: SocketAddr, head: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let port = addr.port();
    let len = body.len();
    let fixed = format!("host: localhost:{port}\r\nconnection: close\r\ncontent-length: {len}");
    let head = head.trim_end();
    stream.write_all(format!("{head}\r\n{fixed}\r\n\r\n").as_bytes())?;
    // a server that refuses may close before it has read all
    let _ = stream.write_all(body);
    let mut reply = Vec::new();
    let read = stream.read_to_end(&mut reply);
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else {
        return Err(read
            .err()
            .unwrap_or(std::io::ErrorKind::UnexpectedEof.into()));
    };
    let head = String::from_utf8_lossy(&reply[..end]).into_owned();
    let status = head.get(9..12).and_then(|code| code.parse().ok());
    let mut body = reply[end + 4..].to_vec();
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        body = joined(&body);
    }
    Ok((status.unwrap_or(0), body))
}

/// The chunks of a body in one.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = usize::from_str_radix(&size, 16).unwrap_or(0);
        if size == 0 || end + 2 + size > rest.len() {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    body
}

/// Posts a batch; the status and the acknowledgement.
pub fn post(addr: SocketAddr, batch: &Batch) -> Result<(u16, Ack), Box<dyn std::error::Error>> {
    let packed = zstd::bulk::compress(&batch.encode_to_vec(), 1)?;
    post_packed(addr, &packed)
}

/// Posts the bytes of a body.
pub fn post_packed(
    addr: SocketAddr,
    packed: &[u8],
) -> Result<(u16, Ack), Box<dyn std::error::Error>> {
    let head = "POST /ingest/v1/batch HTTP/1.1\r\ncontent-type: application/x-protobuf\r\n\
                content-encoding: zstd";
    let (status, body) = send(addr, head, packed)?;
    Ok((status, Ack::decode(body.as_slice())?))
}

/// Asks for JSON.
pub fn get(addr: SocketAddr, path: &str) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let (status, body) = send(addr, &format!("GET {path} HTTP/1.1"), b"")?;
    if status != 200 {
        return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(serde_json::from_slice(&body)?)
}

/// Waits until a run is in a state; a run of tests takes far less than the limit.
pub fn await_state(addr: SocketAddr, run: &str, state: &str) -> Outcome {
    let began = Instant::now();
    loop {
        let detail = get(addr, &format!("/api/v1/runs/{run}"))?;
        if detail["card"]["state"] == state {
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(60) {
            return Err(format!("{run} is not {state}: {}", detail["card"]).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
