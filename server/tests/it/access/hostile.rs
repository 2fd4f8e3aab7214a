//! Names from scripts and profiles are hostile; they are text wherever they come out.

use crate::client::{Reply, Result, Served, send};
use crate::nodes::{second, start};
use mistress_server::access::ROUTES;
use prost::Message;
use wire::{Batch, CheckRow, EventRow, VERSION};

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "<script>alert(1)</script>",
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "\"><script>alert(1)</script>",
        "'><script>alert(1)</script>",
        "' onmouseover='alert(1)",
        "\" onfocus=\"alert(1)\" autofocus=\"",
        "javascript:alert(1)",
        "<!--<script>alert(1)//-->",
        "]]><script>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "{{ 7 * 7 }}{% block x %}",
        "${alert(1)}`",
        "\\u003cscript\\u003ealert(1)",
        "a\u{0}b",
        "a\r\nset-cookie: evil=1\r\n\r\n<script>alert(1)</script>",
        "\u{202e}txt.exe",
        "\u{2028}\u{2029}alert(1)",
        "\u{feff}\u{200b}name",
        "\u{fffd}\u{fffd} lossy",
        "\u{1b}[31mred\u{7}",
        "'; DROP TABLE run; --",
        "\" OR 1=1 --",
        "../../../../etc/passwd",
        "%00%2e%2e%2f",
        "=cmd|'/C calc'!A1",
        "Z\u{330}\u{31a}\u{342}a\u{30d}lgo\u{334}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("<b>".repeat(3_400));
    names
}

/// A run in which everything that has a name has this one.
fn batch(name: &str, id: &str) -> Batch {
    let mut start = start();
    start.project = name.to_owned();
    start.name = name.to_owned();
    start.target = name.to_owned();
    start.profile = name.to_owned();
    let mut second = second(0, 0, &[name]);
    second.checks = vec![CheckRow {
        name: name.to_owned(),
        passed: 1,
        failed: 1,
    }];
    Batch {
        version: VERSION,
        run_id: id.to_owned(),
        node_name: name.to_owned(),
        epoch: 1,
        sequence: 1,
        start: Some(Box::new(start)),
        seconds: vec![second],
        events: vec![EventRow {
            time_us: 1,
            kind: "message".to_owned(),
            text: name.to_owned(),
        }],
        ..Batch::default()
    }
}

fn deliver(served: &Served, batch: &Batch) -> Result<u16> {
    let body = zstd::encode_all(batch.encode_to_vec().as_slice(), 1)?;
    let bearer = format!("Bearer {}", served.running.token());
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-encoding", "zstd"),
    ];
    Ok(send(served.addr(), "POST", "/ingest/v1/batch", &headers, &body)?.status)
}

/// Data is JSON and said to be; a page has nothing of the name that a browser would act on.
fn is_text(path: &str, reply: &Reply) {
    assert_eq!(
        reply.header("x-content-type-options"),
        Some("nosniff"),
        "{path}"
    );
    assert!(
        reply.header("set-cookie").is_none(),
        "{path}: {}",
        reply.head
    );
    let kind = reply.header("content-type").unwrap_or_default();
    if kind.starts_with("application/json") {
        let parsed = serde_json::from_slice::<serde_json::Value>(&reply.body);
        assert!(parsed.is_ok(), "{path}: {}", reply.text());
        return;
    }
    assert!(kind.starts_with("text/html"), "{path}: {kind}");
    let text = reply.text();
    for part in [
        "<script>",
        "<img src=x",
        "<svg/onload",
        "<b><b>",
        " onmouseover='",
        " onfocus=\"alert",
    ] {
        assert!(!text.contains(part), "{path}: {part}\n{text}");
    }
}

#[test]
fn hostile_names_come_out_as_text() -> Result {
    let served = Served::with_accounts()?;
    let root = served.sign_in("root")?;
    let get = |path: &str| send(served.addr(), "GET", path, &[("cookie", &root)], b"");
    for (place, name) in names().iter().enumerate() {
        let id = format!("hostile-{place}");
        assert_eq!(deliver(&served, &batch(name, &id))?, 200, "{name:?}");
        let json = [
            ("cookie", root.as_str()),
            ("content-type", "application/json"),
        ];
        let tag: String = name.chars().take(12).collect();
        let said = serde_json::json!({ "comment": name.chars().take(900).collect::<String>(),
            "tags": [tag] });
        let run = format!("/api/v1/runs/{id}");
        let body = said.to_string();
        let patched = send(served.addr(), "PATCH", &run, &json, body.as_bytes())?;
        assert_eq!(patched.status, 200, "{name:?}: {}", patched.text());
        for part in [
            "",
            "/series",
            "/names",
            "/failures",
            "/events",
            "/checks",
            "/heatmap",
        ] {
            let path = format!("{run}{part}");
            let reply = get(&path)?;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            is_text(&path, &reply);
        }
        is_text(&id, &get(&format!("/r/{id}"))?);
        // By its bytes in a path: refused or absent, and text all the same.
        let bytes: String = name
            .bytes()
            .take(600)
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        for path in [format!("/r/{bytes}"), format!("/sign-in?next={bytes}")] {
            is_text(&path, &get(&path)?);
        }
    }
    for path in [
        "/report/list",
        "/admin",
        "/api/v1/runs?limit=500",
        "/api/v1/projects",
    ] {
        is_text(path, &get(path)?);
    }
    let detail: serde_json::Value = serde_json::from_slice(&get("/api/v1/runs/hostile-0")?.body)?;
    assert_eq!(detail["card"]["name"], "<script>alert(1)</script>");
    Ok(())
}

#[test]
fn a_page_of_another_site_changes_nothing() -> Result {
    let served = Served::with_accounts()?;
    assert_eq!(served.deliver(start(), "run")?.status, 200);
    let root = served.sign_in("root")?;
    let evil: [&[(&str, &str)]; 4] = [
        &[
            ("origin", "http://evil.net"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[
            ("origin", "http://localhost:1"),
            ("sec-fetch-site", "same-site"),
        ],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
    ];
    let changes = ROUTES.iter().filter(|route| route.method != "GET");
    let changes: Vec<(&str, String)> = changes
        .map(|route| (route.method, route.path.replace("{id}", "run")))
        .collect();
    assert!(changes.len() > 15, "{changes:?}");
    for from in evil {
        for (method, path) in &changes {
            let mut headers = vec![
                ("cookie", root.as_str()),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            headers.extend(from);
            let body = b"kind=read&name=x&project=*";
            let reply = send(served.addr(), method, path, &headers, body)?;
            assert!(
                reply.status == 403 && reply.text().contains("another site"),
                "{path} {from:?}"
            );
        }
    }
    assert!(served.accounts.tokens()?.is_empty());
    let own = [
        ("cookie", root.as_str()),
        ("origin", "http://localhost"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(
        send(served.addr(), "DELETE", "/api/v1/runs/run", &own, b"")?.status,
        200
    );
    Ok(())
}
