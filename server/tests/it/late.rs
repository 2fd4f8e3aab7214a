//! Batches after the end of a run: late ones of its own are told, others refused.

use crate::nodes::{Outcome, batch, get, post, second, send, serve, whole_run};
use serde_json::Value;
use std::net::SocketAddr;

fn totals(addr: SocketAddr) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(get(addr, "/api/v1/runs/over")?["summary"]["totals"].clone())
}

/// The texts of events about late batches.
fn told(addr: SocketAddr) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let events = get(addr, "/api/v1/runs/over/events")?["events"].clone();
    let events = events.as_array().ok_or("no list of events")?.iter();
    let late = events.filter(|event| event["kind"] == "late");
    Ok(late
        .map(|event| event["text"].as_str().unwrap_or_default().to_owned())
        .collect())
}

#[test]
fn a_finished_run_takes_nothing_of_others() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    for batch in &whole_run("over", 0, 3, &["GET /"]) {
        assert_eq!(post(addr, batch)?.0, 200);
    }
    let before = totals(addr)?;
    let mut forged = Vec::new();
    for (node, epoch) in [(0, 6), (1, 5), (7, 7)] {
        let mut one = batch("over", node, 1);
        one.epoch = epoch;
        one.seconds = vec![second(node, 1, &["GET /"])];
        forged.push(one);
    }
    // nor does it change its name or project
    let mut renamed = forged[0].clone();
    let mut start = crate::nodes::start();
    start.name = "other".to_owned();
    renamed.start = Some(Box::new(start));
    forged.push(renamed);
    for one in &forged {
        let (status, ack) = post(addr, one)?;
        assert_eq!(status, 409, "node {}, epoch {}", one.node, one.epoch);
        assert!(
            ack.error.starts_with("the run has ended, and this node"),
            "{}",
            ack.error
        );
    }
    assert_eq!(totals(addr)?, before);
    let card = get(addr, "/api/v1/runs/over")?["card"].clone();
    assert_eq!(
        (&card["state"], &card["name"]),
        (&"done".into(), &"evening".into())
    );
    assert!(told(addr)?.is_empty());

    // one of its own that comes late is taken, and told
    let mut own = batch("over", 0, 4);
    own.seconds = vec![second(0, 1, &["GET /"])];
    assert_eq!(post(addr, &own)?.0, 200);
    assert_eq!(totals(addr)?["planned"], 12);
    let texts = told(addr)?;
    assert!(
        matches!(&texts[..], [text] if text.starts_with("second 1 of node 0 arrived ")),
        "{texts:?}"
    );
    assert_eq!(get(addr, "/api/v1/runs/over")?["card"]["state"], "done");

    // until somebody opens it again
    let head = "PATCH /api/v1/runs/over HTTP/1.1\r\ncontent-type: application/json";
    assert_eq!(send(addr, head, br#"{"reopen":true}"#)?.0, 200);
    let mut last = forged[1].clone();
    last.end = Some(Box::new(crate::nodes::end(3)));
    assert_eq!(post(addr, &last)?.0, 200);
    assert_eq!(totals(addr)?["planned"], 15);
    assert_eq!(told(addr)?.len(), 2);
    Ok(())
}
