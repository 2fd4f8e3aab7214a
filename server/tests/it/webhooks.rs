//! Webhooks as their receivers meet them, and who may set them up.

use crate::client::{Result, Served, send};
use crate::nodes::{await_state, half_run, post, serve};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use mistress_server as server;
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use wire::{EventRow, ThresholdRow};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const PATIENCE: Duration = Duration::from_secs(30);

/// What a receiver was sent.
struct Message {
    head: String,
    body: String,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    fn json(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }

    /// As docs/server.md has it.
    fn is_signed_with(&self, secret: &str) -> Result<bool> {
        let secret = STANDARD.decode(secret.trim_start_matches("whsec_"))?;
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret)?;
        mac.update(format!("{id}.{time}.{}", self.body).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        Ok(self.header("webhook-signature") == expected)
    }
}

/// A receiver that accepts everything, after a while if `delay` is more than nothing.
fn receiver(delay: Duration) -> Result<(String, Receiver<Message>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let (sender, messages) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = Vec::new();
            let mut part = [0; 4 << 10];
            let (end, len) = loop {
                let Ok(count @ 1..) = stream.read(&mut part) else {
                    return;
                };
                bytes.extend_from_slice(&part[..count]);
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
                let len = head.split("content-length: ").nth(1);
                let len = len.and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
                if bytes.len() >= end + 4 + len.unwrap_or(0) {
                    break (end, len.unwrap_or(0));
                }
            };
            let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            let (head, body) = (text(&bytes[..end]), text(&bytes[end + 4..end + 4 + len]));
            std::thread::sleep(delay);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            if sender.send(Message { head, body }).is_err() {
                return;
            }
        }
    });
    Ok((url, messages))
}

fn thresholds() -> Vec<ThresholdRow> {
    let row = |text: &str, met| ThresholdRow {
        text: text.to_owned(),
        met,
        ..ThresholdRow::default()
    };
    vec![
        row("p95 < 1 ms", false),
        row("failed < 1 %", false),
        row("rate > 1/s", true),
    ]
}

/// Delivers `run-1`, whose nodes miss thresholds.
fn deliver_missing_run(addr: SocketAddr) -> Result {
    // both nodes miss the first threshold; the second is only judged at the end
    let halves = [0, 1].map(|node| half_run("run-1", node, 3, &["a"]));
    let mut batches = halves.concat();
    batches.sort_by_key(|batch| batch.sequence);
    for mut batch in batches {
        if batch.sequence == 2 {
            batch.events.push(EventRow {
                time_us: 1_000_000,
                kind: "missed".to_owned(),
                text: "p95 < 1 ms".to_owned(),
            });
        }
        if let Some(end) = &mut batch.end {
            end.thresholds = thresholds();
        }
        assert_eq!(post(addr, &batch)?.0, 200);
    }
    Ok(())
}

#[test]
fn a_run_is_told_of_at_its_start_its_missed_thresholds_and_its_end() -> Result {
    let dir = tempfile::tempdir()?;
    let running = serve(dir.path())?;
    let addr = running.addr();
    let (url, messages) = receiver(Duration::ZERO)?;
    let wanted = json!({ "url": url }).to_string();
    let path = "/api/v1/projects/shop/webhooks";
    let made = send(addr, "POST", path, &[JSON], wanted.as_bytes())?;
    assert_eq!(made.status, 200, "{}", made.text());
    let made: Value = serde_json::from_slice(&made.body)?;
    let secret = made["secret"].as_str().unwrap_or_default();
    assert!(secret.starts_with("whsec_"), "{made}");
    deliver_missing_run(addr)?;
    await_state(addr, "run-1", "done")?;
    let mut kinds = Vec::new();
    let mut ids = Vec::new();
    loop {
        let message = messages.recv_timeout(PATIENCE)?;
        assert!(message.is_signed_with(secret)?, "{}", message.head);
        let told = message.json()?;
        assert_eq!(told["data"]["id"], "run-1");
        assert_eq!(told["data"]["project"], "shop");
        let page = format!("http://localhost:{}/report/run-1", addr.port());
        assert_eq!(told["data"]["url"], page.as_str());
        assert!(
            told["text"]
                .as_str()
                .is_some_and(|text| text.contains(&page))
        );
        let threshold = told["data"]["threshold"]["text"].as_str().unwrap_or("");
        kinds.push(format!(
            "{} {threshold}",
            told["type"].as_str().unwrap_or("")
        ));
        ids.push(message.header("webhook-id").to_owned());
        if told["type"] == "run.ended" {
            assert_eq!(told["data"]["result"], "missed");
            assert_eq!(told["data"]["verdict"], "clean");
            assert!(told["data"]["totals"]["sent"].as_u64() > Some(0), "{told}");
            assert!(
                told["data"]["latency"]["p95_us"].as_u64() > Some(0),
                "{told}"
            );
            break;
        }
    }
    let expected = [
        "run.started ",
        "run.threshold_missed p95 < 1 ms",
        "run.threshold_missed failed < 1 %",
        "run.ended ",
    ];
    assert_eq!(kinds, expected);
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert!(messages.recv_timeout(Duration::from_millis(50)).is_err());
    let listed = send(addr, "GET", path, &[], b"")?.text();
    assert!(
        listed.contains("\"state\":\"delivered\"") && !listed.contains(secret),
        "{listed}"
    );
    Ok(())
}

#[test]
fn a_slow_receiver_delays_no_batch() -> Result {
    let dir = tempfile::tempdir()?;
    let mut options = server::Options::new(([127, 0, 0, 1], 0).into(), dir.path());
    options.webhooks.timeout = Duration::from_millis(300);
    options.webhooks.retries.clear();
    let running = server::start(options)?;
    let addr = running.addr();
    for _ in 0..6 {
        // as many as there are threads, and more
        let (url, _) = receiver(Duration::from_secs(60))?;
        let wanted = json!({ "url": url }).to_string();
        let path = "/api/v1/projects/shop/webhooks";
        assert_eq!(
            send(addr, "POST", path, &[JSON], wanted.as_bytes())?.status,
            200
        );
    }
    let began = Instant::now();
    for run in 0..3 {
        for batch in half_run(&format!("run-{run}"), 0, 3, &["a"]) {
            assert_eq!(post(addr, &batch)?.0, 200);
        }
    }
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    Ok(())
}

#[test]
fn managers_set_up_webhooks_of_their_projects_on_a_page() -> Result {
    let served = Served::with_accounts()?;
    let addr = served.addr();
    let cookie = served.sign_in("manager")?;
    let headers = [FORM, ("cookie", cookie.as_str())];
    let page = "/projects/shop/webhooks";
    let form = b"url=https%3A%2F%2Fchat.example.com%2Fhooks%2F1&run.ended=on";
    let made = send(addr, "POST", page, &headers, form)?;
    assert!(
        made.status == 200 && made.text().contains("whsec_"),
        "{}",
        made.text()
    );
    let shown = send(addr, "GET", page, &headers, b"")?.text();
    assert!(shown.contains("https://chat.example.com/hooks/1") && !shown.contains("whsec_"));
    for (form, told) in [
        ("url=https%3A%2F%2Fa%2F", "at least one event"),
        ("url=file%3A%2F%2F%2Fetc&run.ended=on", "expected http"),
        (
            "url=http%3A%2F%2F169.254.169.254%2F&run.ended=on",
            "link-local",
        ),
        (
            "url=http%3A%2F%2F%5B%3A%3A1%5D%2F&run.ended=on",
            "this machine",
        ),
        (
            "url=http%3A%2F%2Fann%3Apw%40a%2F&run.ended=on",
            "not supported",
        ),
    ] {
        let reply = send(addr, "POST", page, &headers, form.as_bytes())?;
        assert!(
            reply.status == 400 && reply.text().contains(told),
            "{form}: {}",
            reply.text()
        );
    }
    let listed = send(addr, "GET", "/api/v1/projects/shop/webhooks", &headers, b"")?;
    let listed: Value = serde_json::from_slice(&listed.body)?;
    let id = listed["webhooks"][0]["id"].to_string();
    // the webhook of one project is none of another
    let other = served.sign_in("root")?;
    let wrong = format!("/api/v1/projects/bank/webhooks/{id}");
    assert_eq!(
        send(addr, "DELETE", &wrong, &[("cookie", &other)], b"")?.status,
        404
    );
    let test = format!("/api/v1/projects/bank/webhooks/{id}/test");
    assert_eq!(
        send(addr, "POST", &test, &[("cookie", &other)], b"")?.status,
        404
    );
    let remove = format!("{page}/{id}/remove");
    assert_eq!(send(addr, "POST", &remove, &headers, b"")?.status, 303);
    assert_eq!(send(addr, "POST", &remove, &headers, b"")?.status, 404);
    Ok(())
}
