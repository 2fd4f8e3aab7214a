//! The pages of the target, asked for over real sockets.

use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn target() -> Target {
    let listen = "127.0.0.1:0".parse().unwrap();
    Target::start(&TargetOptions {
        listen,
        cpus: Vec::new(),
        threads: 1,
    })
    .unwrap()
}

/// Sends `request` and reads until the server closes.
fn ask(target: &Target, request: &str) -> String {
    let mut stream = TcpStream::connect(target.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn get(target: &Target, path: &str) -> String {
    ask(
        target,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
}

fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn pages_answer_as_documented() {
    let target = target();
    let table = [
        ("/", 200, "Welcome to Mistress\n"),
        ("/?a=1", 200, "Welcome to Mistress\n"),
        ("/bytes/5", 200, "mmmmm"),
        ("/bytes/0", 200, ""),
        ("/chunked/3", 200, "3\r\nmmm\r\n0\r\n\r\n"),
        ("/chunked/0", 200, "0\r\n\r\n"),
        ("/status/204", 204, ""),
        ("/status/503", 503, "status 503\n"),
        ("/close", 200, "closing\n"),
    ];
    for (path, status, text) in table {
        let reply = get(&target, path);
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {reply}"
        );
        assert_eq!(body(&reply), text, "{path}");
    }
    for path in [
        "/nothing",
        "/status/999",
        "/status/100",
        "/bytes/x",
        "/bytes/-1",
    ] {
        assert!(get(&target, path).starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[test]
fn large_bodies_are_whole() {
    let target = target();
    assert_eq!(body(&get(&target, "/bytes/1000000")).len(), 1_000_000);
    let chunked = get(&target, "/chunked/100000");
    let letters = body(&chunked).bytes().filter(|&byte| byte == b'm').count();
    assert_eq!(letters, 100_000);
}

#[test]
fn echo_returns_the_body_and_headers_the_head() {
    let target = target();
    let request =
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    assert_eq!(body(&ask(&target, &format!("{request}hello"))), "hello");
    let reply = get(&target, "/headers");
    assert!(
        body(&reply).starts_with("GET /headers HTTP/1.1\r\nHost: x\r\n"),
        "{reply}"
    );
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let target = target();
    let one = |path: &str, last: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{last}\r\n");
    let all = one("/", "") + &one("/delay/50", "") + &one("/bytes/2", "Connection: close\r\n");
    let reply = ask(&target, &all);
    let positions: Vec<usize> = ["Welcome", "late\n", "\r\n\r\nmm"]
        .iter()
        .map(|text| reply.find(text).unwrap())
        .collect();
    assert!(positions.is_sorted(), "{reply}");
    assert_eq!(reply.matches("HTTP/1.1 200").count(), 3);
}

#[test]
fn a_delay_lasts() {
    let target = target();
    let begun = Instant::now();
    assert_eq!(body(&get(&target, "/delay/60")), "late\n");
    assert!(begun.elapsed() >= Duration::from_millis(60));
}

#[test]
fn replies_to_head_have_no_body() {
    let target = target();
    for path in ["/", "/bytes/9", "/chunked/9"] {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let reply = ask(&target, &request);
        assert_eq!(body(&reply), "", "{path}: {reply}");
    }
}

#[test]
fn nonsense_is_refused() {
    let target = target();
    let mut stream = TcpStream::connect(target.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 400 "),
        "half a request: {reply}"
    );
    assert!(ask(&target, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

#[test]
fn many_connections_are_served() {
    let target = target();
    let mut streams: Vec<TcpStream> = (0..500)
        .map(|_| TcpStream::connect(target.address()).unwrap())
        .collect();
    for stream in &mut streams {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
    }
    for stream in &mut streams {
        let mut reply = [0; 15];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"HTTP/1.1 200 OK");
    }
}
