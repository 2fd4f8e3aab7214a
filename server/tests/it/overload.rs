//! A server under overload: held connections, slow heads, broken batches and guessed passwords, all at
//! once. An admin gets in, and the batches of a run are all stored.
//!
//! The long form, of `cargo xtask acceptance server`, is chosen by a variable.

use crate::client::{self, PASSWORD, Reply, Result};
use crate::crash::child;
use crate::nodes::whole_run;
use mistress_server::access::{Accounts, EVERY_PROJECT, Role, TokenKind};
use prost::Message;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Chooses the long form.
const LONG: &str = "MISTRESS_OVERLOAD";

/// How large the overload is.
struct Size {
    held: usize,
    heads: usize,
    batches: usize,
    addresses: u8,
    seconds: u64,
}

const SHORT_OVERLOAD: Size = Size {
    held: 300,
    heads: 200,
    batches: 100,
    addresses: 10,
    seconds: 10,
};
const LONG_OVERLOAD: Size = Size {
    held: 10_000,
    heads: 3_000,
    batches: 6_000,
    addresses: 100,
    seconds: 60,
};

/// A connection from an address of this machine.
fn connect(from: u8, addr: SocketAddr) -> Result<TcpStream> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, from), 0)))?;
        socket.connect(addr).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// Guesses passwords of root from one address, until told to stop; how often it got in.
fn guess(from: u8, addr: SocketAddr, stops: &AtomicBool, guessed: &AtomicU32) {
    let body = "name=root&password=not+the+right+one";
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    while !stops.load(Ordering::Relaxed) {
        let asked = connect(from, addr).and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            Ok(reply)
        });
        let is_in = asked.is_ok_and(|reply| reply.starts_with("HTTP/1.1 303"));
        guessed.fetch_add(u32::from(is_in), Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn post(addr: SocketAddr, token: &str, packed: &[u8]) -> Result<Reply> {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "zstd"),
    ];
    client::send(addr, "POST", "/ingest/v1/batch", &headers, packed)
}

/// Sends broken batches; how many were answered with an error of the server's own.
fn broken(addr: SocketAddr, token: &str, count: usize) -> Result<usize> {
    let plain = whole_run("broken", 0, 1, &["GET /"])[0].encode_to_vec();
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below.max(1)
    };
    let mut failed = 0;
    for number in 0..count {
        let mut bytes = plain.clone();
        for _ in 0..=next(8) {
            let at = next(bytes.len());
            bytes[at] ^= 1 << next(8);
        }
        let mut packed = zstd::bulk::compress(&bytes, 1)?;
        if number % 3 == 0 {
            let at = next(packed.len());
            packed[at] ^= 1 << next(8);
        }
        let status = post(addr, token, &packed)?.status;
        failed += usize::from(status == 500);
    }
    Ok(failed)
}

/// Shows a row to whoever measures, and fails when it does not hold.
fn row(name: &str, expected: &str, measured: impl std::fmt::Display, holds: bool) {
    println!("\nrow|{name}|{expected}|{measured}|{holds}");
    assert!(holds, "{name}: expected {expected}, measured {measured}");
}

/// Connections that ask nothing, and such with a head that does not end.
fn held(size: &Size, addr: SocketAddr) -> Result<Vec<TcpStream>> {
    let mut held = Vec::new();
    for number in 0..size.held + size.heads {
        let is_head = number >= size.held;
        let mut stream = connect(if is_head { 3 } else { 2 }, addr)?;
        if is_head {
            stream.write_all(b"GET /report/list HTTP/1.1\r\nhost: local")?;
        }
        held.push(stream);
    }
    Ok(held)
}

/// The admin gets in, and a batch of each second was taken.
fn judge(size: &Size, addr: SocketAddr, stored: u64, reply: &Reply, took: Duration) -> Result {
    let expected = size.seconds.to_string();
    let is_whole = stored == size.seconds;
    row("overload: batches stored", &expected, stored, is_whole);
    let status = reply.status;
    row(
        "overload: sign-in of the admin",
        "303",
        status,
        status == 303,
    );
    let seconds = took.as_secs_f64();
    let shown = format!("{seconds:.2} s");
    row(
        "overload: time of that sign-in",
        "at most 20 s",
        shown,
        seconds < 20.0,
    );
    let cookie = reply.cookie().ok_or("no session")?;
    let path = "/api/v1/runs/good";
    let shown = client::send(addr, "GET", path, &[("cookie", &cookie)], b"")?;
    let shown: serde_json::Value = serde_json::from_slice(&shown.body)?;
    let planned = shown["summary"]["totals"]["planned"].as_u64();
    assert_eq!(planned, Some(3 * size.seconds), "{shown}");
    Ok(())
}

#[test]
fn an_overload_keeps_neither_admins_nor_batches_out() -> Result {
    let size = match std::env::var_os(LONG) {
        Some(_) => LONG_OVERLOAD,
        None => SHORT_OVERLOAD,
    };
    let dir = tempfile::tempdir()?;
    let accounts = Accounts::open(dir.path())?;
    accounts.add("root", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    let token = accounts.add_token(TokenKind::Ingest, "ci", EVERY_PROJECT, "root", None)?;
    let (mut server, addr) = child(dir.path()).map_err(|error| error.to_string())?;
    let held = held(&size, addr)?;
    let (stops, guessed) = (AtomicBool::new(false), AtomicU32::new(0));
    let outcome = std::thread::scope(|scope| {
        for address in 0..size.addresses {
            let (stops, guessed) = (&stops, &guessed);
            scope.spawn(move || guess(10 + address, addr, stops, guessed));
        }
        let token = token.as_str();
        let fuzzed = scope
            .spawn(move || broken(addr, token, size.batches).map_err(|error| error.to_string()));
        let work = || {
            let mut stored = 0;
            for batch in whole_run("good", 0, size.seconds, &["GET /"]) {
                let packed = zstd::bulk::compress(&batch.encode_to_vec(), 1)?;
                stored += u64::from(post(addr, token, &packed)?.status == 200);
            }
            let began = Instant::now();
            let reply = client::sign_in(addr, "root", PASSWORD)?;
            Ok::<_, Box<dyn std::error::Error>>((stored, reply, began.elapsed()))
        };
        let worked = work().map_err(|error| error.to_string());
        stops.store(true, Ordering::Relaxed);
        let failed = fuzzed.join().map_err(|_| "the sender panicked")??;
        Ok::<_, String>((worked?, failed))
    });
    let ((stored, reply, took), failed) = outcome?;
    drop(held);
    judge(&size, addr, stored, &reply, took)?;
    row(
        "overload: batches that broke something",
        "0",
        failed,
        failed == 0,
    );
    let guessed = guessed.load(Ordering::Relaxed);
    row("overload: passwords guessed", "0", guessed, guessed == 0);
    server.kill()?;
    server.wait()?;
    Ok(())
}
