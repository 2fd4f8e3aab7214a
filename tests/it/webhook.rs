//! A run that misses a threshold, told to a stats server that posts what happened to a webhook.

use crate::binary::{Program, Scratch, can_run, mistress};
use crate::harness::ONE_REQUEST;
use crate::requests::{JSON, ask};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const LOAD: &str = "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\npacing = \"20ms\"\n\
                    phases = [{ users = 2, for = \"2s\" }]\n\
                    [[threshold]]\nmetric = \"latency\"\nstat = \"p99\"\nis = \"< 1us\"\n";
const LIMIT: Duration = Duration::from_secs(20);

/// A URL, and the JSON of what is posted to it.
fn receiver() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (sender, messages) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let message = received(stream);
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/hook"), messages)
}

/// The body of a request, which is answered.
fn received(mut stream: TcpStream) -> Value {
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        .expect("it is answered");
    serde_json::from_slice(&body).expect("JSON")
}

/// Adds a webhook for all projects.
fn add_webhook(port: u16, url: &str) {
    let body = serde_json::json!({ "url": url }).to_string();
    let answer = ask(port, "POST /api/v1/projects/*/webhooks", JSON, &body);
    assert!(answer.contains(" 200 "), "{answer}");
}

#[test]
fn a_run_is_posted_at_its_start_its_missed_threshold_and_its_end() {
    if !can_run() {
        return;
    }
    let scratch = Scratch::new("", LOAD, ONE_REQUEST);
    let data = scratch.path("server");
    let data = data.to_str().expect("the path is text");
    let serve = ["serve", "--bind", "127.0.0.1:0", "--data", data];
    let mut server = Program::start(mistress(&serve));
    let line = server.until("serving http://");
    let (_, rest) = line.rsplit_once(':').expect("a port");
    let port: u16 = rest
        .split('/')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let (url, messages) = receiver();
    add_webhook(port, &url);
    let stats = format!("http://127.0.0.1:{port}");
    let run = scratch.run_command(&["--quiet", "--cores", "1", "--stats", &stats]);
    let done = Program::start(run).finish();
    done.expect(1);
    let result = scratch.result();
    let told: Vec<Value> = (0..3)
        .map(|_| messages.recv_timeout(LIMIT).expect("a message"))
        .collect();
    let types: Vec<&str> = told.iter().filter_map(|one| one["type"].as_str()).collect();
    assert_eq!(types, ["run.started", "run.threshold_missed", "run.ended"]);
    for message in &told {
        assert_eq!(message["data"]["id"], result["run"]["id"], "{message}");
    }
    assert_eq!(told[1]["data"]["threshold"]["met"], false, "{}", told[1]);
    let end = &told[2]["data"];
    assert_eq!(end["state"], "done", "{end}");
    assert_eq!(end["result"], "missed", "{end}");
    for key in ["sent", "ok", "failed"] {
        assert_eq!(end["totals"][key], result["totals"][key], "{key}: {end}");
    }
    server.signal(Signal::TERM);
    server.finish().expect(0);
}
