//! The example of a dashboard in the documentation, asked for at a server.

use crate::client::{Result, Served};
use crate::nodes::{post, send, whole_run};
use mistress_server::access::{EVERY_PROJECT, Role, TokenKind};
use serde_json::Value;
use std::path::Path;

/// Every object of the document that names a URL.
fn queries<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(map) => {
            if map.contains_key("url") {
                found.push(value);
            }
            map.values().for_each(|value| queries(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_of_the_documentation_finds_what_it_asks_for() -> Result {
    let served = Served::open()?;
    for batch in &whole_run("shown", 0, 30, &["GET /"]) {
        post(served.addr(), batch)?;
    }
    crate::nodes::await_state(served.addr(), "shown", "done")?;
    let note = "POST /api/v1/runs/shown/annotations HTTP/1.1\r\ncontent-type: application/json";
    let body = br#"{"at_s": 3, "until_s": 9, "text": "cold cache"}"#;
    assert_eq!(send(served.addr(), note, body)?.0, 200);
    let root = "root";
    let password = crate::client::PASSWORD;
    served
        .accounts
        .add(root, password, Role::Admin, EVERY_PROJECT)?;
    let token = served
        .accounts
        .add_token(TokenKind::Read, "grafana", "shop", root, None)?;

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/grafana.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let mut found = Vec::new();
    queries(&document, &mut found);
    assert_eq!(found.len(), 4);
    for query in found {
        let url = query["url"].as_str().unwrap_or_default();
        let path = url.replace("${server}", "").replace("${run}", "shown");
        let head = format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {token}");
        let (status, answer) = send(served.addr(), &head, b"")?;
        assert_eq!(status, 200, "{path}");
        let answer: Value = serde_json::from_slice(&answer)?;
        let root = query["root_selector"].as_str().unwrap_or_default();
        let rows = answer[root]
            .as_array()
            .ok_or_else(|| format!("{path}: no {root}"))?;
        assert!(!rows.is_empty(), "{path}");
        for column in query["columns"].as_array().into_iter().flatten() {
            let selector = column["selector"].as_str().unwrap_or_default();
            for row in rows {
                let value = &row[selector];
                let fits = match column["type"].as_str() {
                    Some("string") => value.is_string(),
                    Some("number") => value.is_number(),
                    // the run began in 2023, by the clock of its node
                    Some("timestamp_epoch") => value
                        .as_u64()
                        .is_some_and(|ms| (1_700_000_000_000..1_700_000_030_000).contains(&ms)),
                    _ => false,
                };
                assert!(fits, "{path}: {selector} is {value}");
            }
        }
    }
    Ok(())
}
