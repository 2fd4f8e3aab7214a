//! What the server tells of itself in `/metrics`: well formed, counted, and not told to everybody.

use crate::client::{Reply, Result, Served, deliver, send, sign_in};
use crate::nodes::start;
use mistress_server::access::{EVERY_PROJECT, TokenKind};
use std::collections::{BTreeMap, HashMap};

/// Values by name and labels, as they stand in the text.
type Samples = HashMap<String, f64>;

fn asked(served: &Served, header: (&str, &str)) -> Result<Reply> {
    send(served.addr(), "GET", "/metrics", &[header], b"")
}

/// The samples of a text in Prometheus' format.
///
/// # Errors
/// When it is not well formed: each family has HELP and TYPE, once and before its samples.
fn samples(text: &str) -> Result<Samples> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut family, mut found) = ("", Samples::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, said) = help.split_once(' ').ok_or("no text of help")?;
            let kind = lines
                .next()
                .and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
            let kind = kind.ok_or_else(|| format!("no TYPE behind: {line}"))?;
            assert!(said.ends_with('.'), "{line}");
            assert!(kinds.insert(name, kind).is_none(), "twice: {name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            let is_ours = name.starts_with("mistress_") || name.starts_with("process_");
            let is_word = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(is_ours && name.bytes().all(is_word), "{name}");
            family = name;
            continue;
        }
        let (key, value) = line.rsplit_once(' ').ok_or(line)?;
        let name = key.split('{').next().unwrap_or_default();
        let part = name.strip_prefix(family).ok_or(line)?;
        let allowed: &[&str] = match kinds[family] {
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["", "_sum", "_count"],
            "counter" | "gauge" => &[""],
            kind => return Err(format!("{family}: {kind}").into()),
        };
        assert!(allowed.contains(&part), "{line}");
        let before = found.insert(key.to_owned(), value.parse()?);
        assert!(before.is_none(), "twice: {key}");
    }
    Ok(found)
}

/// The sum of the samples whose name and labels contain all parts.
fn sum(samples: &Samples, parts: &[&str]) -> f64 {
    let fits = samples
        .iter()
        .filter(|(key, _)| parts.iter().all(|part| key.contains(part)));
    fits.map(|(_, value)| value).sum()
}

#[test]
fn requests_batches_and_sign_ins_are_counted() -> Result {
    let served = Served::with_accounts()?;
    let cookie = served.sign_in("root")?;
    let told = || samples(&asked(&served, ("cookie", &cookie))?.text());
    let before = told()?;
    let mut hostile = start();
    hostile.name = "a \"name\\\nof two".to_owned();
    for _ in 0..2 {
        assert_eq!(served.deliver(hostile.clone(), "counted")?.status, 200);
    }
    let token = format!("Bearer {}", served.running.token());
    let headers = [("authorization", token.as_str())];
    let junk = send(
        served.addr(),
        "POST",
        "/ingest/v1/batch",
        &headers,
        b"no batch",
    )?;
    assert_eq!(junk.status, 415);
    let stranger = deliver(served.addr(), "not a token", start(), "counted")?;
    assert_eq!(stranger.status, 401);
    assert_eq!(sign_in(served.addr(), "guest", "not the one")?.status, 401);
    let no_page = send(served.addr(), "GET", "/no/such/page", &[], b"")?;
    assert_eq!(no_page.status, 404);
    let after = told()?;
    let requests = "mistress_server_request_seconds_count";
    let rows: [(&[&str], f64); 12] = [
        (&["server_batches_stored_total"], 1.0),
        (&["server_batches_duplicate_total"], 1.0),
        (&["server_batches_refused_total"], 2.0),
        (&["server_store_writes_total"], 2.0),
        (&["server_sign_ins_failed_total"], 1.0),
        (&[requests, "/ingest/v1/batch", "status=\"200\""], 2.0),
        (&[requests, "/ingest/v1/batch", "status=\"401\""], 1.0),
        (&[requests, "route=\"unknown\"", "status=\"404\""], 1.0),
        (&[requests, "route=\"/metrics\"", "status=\"200\""], 1.0),
        (&["request_seconds_bucket", "batch", "+Inf"], 4.0),
        (&["mistress_runs_live"], 1.0),
        (&["server_connections_accepted_total"], 7.0),
    ];
    for (parts, rise) in rows {
        let found = sum(&after, parts) - sum(&before, parts);
        assert!((found - rise).abs() < 1e-9, "{parts:?}: rose by {found}");
    }
    assert!(sum(&after, &["server_batch_bytes_total"]) > 10.0);
    assert!(sum(&after, &["process_resident_memory_bytes"]) > 1e6);
    assert!(sum(&after, &["server_disk_free_bytes"]) > 0.0);
    for (key, value) in &before {
        let falls = ["_open", "_fds", "_bytes", "_queue", "_running", "_waiting"];
        let is_gauge = falls.iter().any(|end| key.ends_with(end));
        assert!(is_gauge || after[key] >= *value, "{key} fell");
    }
    let named = r#"name="a \"name\\\nof two""#;
    assert!(sum(&after, &["mistress_requests_sent_total", named]) == 0.0);
    assert!(after.keys().any(|key| key.contains(named)), "{after:?}");
    Ok(())
}

#[test]
fn who_sees_all_projects_sees_the_server() -> Result {
    let served = Served::with_accounts()?;
    assert_eq!(served.deliver(start(), "seen")?.status, 200);
    let token = |kind, project| -> Result<String> {
        let token = served
            .accounts
            .add_token(kind, "ci", project, "root", None)?;
        Ok(format!("Bearer {token}"))
    };
    let (all, shop, bank) = (
        token(TokenKind::Read, EVERY_PROJECT)?,
        token(TokenKind::Read, "shop")?,
        token(TokenKind::Read, "bank")?,
    );
    let ingest = token(TokenKind::Ingest, EVERY_PROJECT)?;
    let mut rows = vec![
        (("authorization", all), 200, true, true),
        (("authorization", shop), 200, true, false),
        (("authorization", bank), 200, false, false),
        (
            ("authorization", "Bearer none".to_owned()),
            401,
            false,
            false,
        ),
        (("accept", "*/*".to_owned()), 401, false, false),
    ];
    for (name, sees_run, sees_server) in [
        ("root", true, true),
        ("guest", true, false),
        ("admin", true, false),
        ("stranger", false, false),
    ] {
        let cookie = served.sign_in(name)?;
        rows.push((("cookie", cookie), 200, sees_run, sees_server));
    }
    for ((header, value), status, sees_run, sees_server) in rows {
        let reply = asked(&served, (header, &value))?;
        let text = reply.text();
        assert_eq!(reply.status, status, "{header}: {text}");
        assert_eq!(text.contains("run=\"seen\""), sees_run, "{header}: {text}");
        let is_told = text.contains("mistress_server_") || text.contains("process_");
        assert_eq!(is_told, sees_server, "{header}: {text}");
        if status == 200 {
            samples(&text)?;
            let kind = reply.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        }
    }
    assert_ne!(asked(&served, ("authorization", &ingest))?.status, 200);
    Ok(())
}
