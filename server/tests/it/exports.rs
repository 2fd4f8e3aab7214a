//! Exports: what they cost, and that runs are as long as their rows.

use crate::nodes::{Outcome, await_state, batch, end, get, post, second, send, serve, start};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const FORMATS: [&str; 5] = ["json", "csv", "hlog", "junit", "html"];

fn export(addr: SocketAddr, run: &str, format: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let path = format!("/api/v1/runs/{run}/export/{format}");
    send(addr, &format!("GET {path} HTTP/1.1"), b"")
}

/// Two seconds of requests, a month apart.
#[test]
fn seconds_without_rows_cost_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    let last = 31 * 24 * 3_600;
    let mut whole = batch("sparse", 0, 1);
    whole.start = Some(Box::new(start()));
    whole.seconds = vec![second(0, 0, &["GET /"]), second(0, last, &["GET /"])];
    whole.end = Some(Box::new(end(last + 1)));
    let (status, ack) = post(addr, &whole)?;
    assert_eq!(status, 200, "{}", ack.error);
    await_state(addr, "sparse", "done")?;
    let began = Instant::now();
    for format in FORMATS {
        let (status, body) = export(addr, "sparse", format)?;
        assert_eq!(status, 200, "{format}");
        // a page has all it needs to be shown, and columns of its plots without a value
        let most = if format == "html" { 4 << 20 } else { 64 << 10 };
        assert!(body.len() < most, "{format}: {} bytes", body.len());
    }
    let (_, csv) = export(addr, "sparse", "csv")?;
    let csv = String::from_utf8(csv)?;
    let times = csv.lines().skip(1).map(|line| line.split(',').next());
    let last = last.to_string();
    assert_eq!(times.collect::<Vec<_>>(), [Some("0"), Some(&*last)]);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    Ok(())
}

#[test]
fn seconds_that_cannot_have_been_are_refused() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    let mut first = batch("now", 0, 1);
    let mut now = start();
    now.started_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
    first.start = Some(Box::new(now));
    first.seconds = vec![second(0, 0, &["GET /"])];
    assert_eq!(post(addr, &first)?.0, 200);
    let mut far = batch("now", 0, 2);
    far.seconds = vec![second(0, 1, &["GET /"]), second(0, 2_678_399, &["GET /"])];
    let (status, ack) = post(addr, &far)?;
    assert_eq!(status, 400);
    assert!(
        ack.error.starts_with("second 2678399: the run began "),
        "{}",
        ack.error
    );
    assert_eq!(get(addr, "/api/v1/runs/now")?["length_s"], 1);
    // it is refused as a whole, and another may come in its place
    far.seconds.truncate(1);
    assert_eq!(post(addr, &far)?.0, 200);
    assert_eq!(get(addr, "/api/v1/runs/now")?["length_s"], 2);
    Ok(())
}

#[test]
fn a_run_that_is_not_there_is_told_before_anything_is_sent() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    for format in FORMATS {
        let (status, body) = export(server.addr(), "nothing", format)?;
        assert_eq!(status, 404, "{format}");
        assert_eq!(&*body, br#"{"error":"there is no such run"}"#, "{format}");
    }
    Ok(())
}
