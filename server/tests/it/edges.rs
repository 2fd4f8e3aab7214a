//! What a server does at its edges: two on one folder, health, errors, access that ends.

use crate::client::{self, Result, Served};
use crate::nodes::{Outcome, await_state, batch, get, post, send, serve, start, whole_run};
use mistress_server as server;
use server::access::TokenKind;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use wire::{FileText, Marker};

#[test]
fn a_second_server_on_one_folder_is_refused() -> Outcome {
    let dir = tempfile::tempdir()?;
    let first = serve(dir.path())?;
    let error = serve(dir.path()).map(drop).expect_err("one is there");
    assert!(matches!(error, server::Error::InUse(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("another stats server uses this folder"),
        "{text}"
    );
    first.stop();
    serve(dir.path())?.stop();
    Ok(())
}

#[test]
fn the_folder_is_its_owners_alone() -> Outcome {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    std::fs::create_dir(&data)?;
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755))?;
    let server = serve(&data)?;
    assert_eq!(server.notices().len(), 1);
    for batch in &whole_run("private", 0, 2, &["GET /"]) {
        post(server.addr(), batch)?;
    }
    await_state(server.addr(), "private", "done")?;
    let mode = |path: &str| -> std::io::Result<u32> {
        Ok(std::fs::metadata(data.join(path))?.permissions().mode() & 0o777)
    };
    assert_eq!(
        (mode("")?, mode("runs")?, mode("meta.sqlite")?),
        (0o700, 0o700, 0o600)
    );
    drop(server);
    assert!(serve(&data)?.notices().is_empty());
    Ok(())
}

#[test]
fn health_is_told_to_anybody_by_any_name() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    for path in ["/healthz", "/readyz"] {
        let mut stream = TcpStream::connect(server.addr())?;
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: pod-7.cluster\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
        assert!(reply.ends_with(r#"{"status":"ok"}"#), "{reply}");
    }
    Ok(())
}

#[test]
fn every_error_of_the_api_is_json() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let run = &whole_run("r", 0, 1, &["GET /"])[0];
    post(server.addr(), run)?;
    let json = "content-type: application/json";
    let rows = [
        ("GET /api/v1/runs?limit=many", "", 400),
        ("GET /api/v1/runs/r/series?points=-1", "", 400),
        ("GET /api/v1/runs/r/names?of=some", "", 400),
        ("GET /api/v1/nothing", "", 404),
        ("PUT /api/v1/runs", "", 405),
        ("PATCH /api/v1/runs/r", "{", 400),
        ("PATCH /api/v1/runs/r", r#"{"comment":7}"#, 422),
        ("PATCH /api/v1/runs/r", r#"{"nothing":7}"#, 422),
        ("GET /api/v1/runs/%ff", "", 400),
        ("GET /api/v1/runs/r/series?kind=phase", "", 400),
        ("GET /api/v1/projects/none/trend", "", 404),
        ("GET /api/v1/runs/none/links", "", 404),
        ("DELETE /api/v1/runs/r/links/7", "", 404),
        ("PUT /api/v1/projects/shop/retention", "[null,null]", 422),
        ("POST /api/v1/runs/r/links", r#"{"days":7}"#, 422),
    ];
    for (line, body, expected) in rows {
        let head = format!("{line} HTTP/1.1\r\n{json}");
        let (status, reply) = send(server.addr(), &head, body.as_bytes())?;
        let reply: serde_json::Value =
            serde_json::from_slice(&reply).map_err(|error| format!("{line}: {status}: {error}"))?;
        assert_eq!(status, expected, "{line}: {reply}");
        assert!(
            reply["error"].as_str().is_some_and(|text| text.len() > 3),
            "{line}: {reply}"
        );
    }
    Ok(())
}

#[test]
fn whole_numbers_may_have_a_decimal_point_and_limits_are_conflicts() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    post(server.addr(), &whole_run("r", 0, 1, &["GET /"])[0])?;
    let ask = |line: &str, body: &str| {
        let head = format!("{line} HTTP/1.1\r\ncontent-type: application/json");
        send(server.addr(), &head, body.as_bytes())
    };
    let keep = "PUT /api/v1/projects/shop/retention";
    let (status, reply) = ask(keep, r#"{"days":455.0}"#)?;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&reply));
    assert_eq!(ask(keep, r#"{"days":455.5}"#)?.0, 422);
    let hook = "POST /api/v1/projects/shop/webhooks";
    let url = r#"{"url":"https://hooks.example/"}"#;
    for number in 1..=21 {
        let (status, reply) = ask(hook, url)?;
        let expected = if number <= 20 { 200 } else { 409 };
        let reply = String::from_utf8_lossy(&reply);
        assert_eq!(status, expected, "webhook {number}: {reply}");
    }
    Ok(())
}

#[test]
fn markers_of_a_run_are_bounded() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    let mut many = batch("many", 0, 1);
    let mut start = start();
    start.markers = (0..5_000)
        .map(|time_s| Marker {
            time_s: f64::from(time_s),
            label: "é".repeat(500),
        })
        .collect();
    many.start = Some(Box::new(start));
    assert_eq!(post(server.addr(), &many)?.0, 200);
    let run = get(server.addr(), "/api/v1/runs/many")?;
    let markers = run["markers"].as_array().ok_or("no markers")?;
    assert_eq!(markers.len(), 1_000);
    assert_eq!(markers[999]["label"], "é".repeat(127));
    Ok(())
}

#[test]
fn live_updates_end_with_the_right_to_see_them() -> Result {
    let served = Served::with_accounts()?;
    served.deliver(start(), "live")?;
    let listen = || -> Result<TcpStream> {
        let accounts = &served.accounts;
        let token = accounts.add_token(TokenKind::Read, "ci", "shop", "root", Some(30))?;
        let mut stream = TcpStream::connect(served.addr())?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let head = format!(
            "GET /api/v1/runs/live/live HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        assert!(stream.read(&mut [0; 1_024])? > 0, "it begins");
        Ok(stream)
    };
    let revoked = listen()?;
    let id = served.accounts.tokens()?[0].id;
    served.accounts.revoke_token(id)?;
    let expired = listen()?;
    served.expire_token()?;
    let began = Instant::now();
    for mut stream in [revoked, expired] {
        let mut part = [0; 1_024];
        while stream.read(&mut part)? > 0 {}
    }
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    Ok(())
}

#[test]
fn share_links_work_side_by_side_and_show_no_script_unless_they_say_so() -> Result {
    let served = Served::with_accounts()?;
    let root = served.sign_in("root")?;
    let mut cookies = Vec::new();
    for (id, body) in [("one", "{}"), ("two", r#"{"script":true}"#)] {
        let mut start = start();
        start.profile = "[run]".to_owned();
        start.files = vec![FileText {
            name: "main.lua".to_owned(),
            text: "secret recipe".to_owned(),
        }];
        served.deliver(start, id)?;
        let headers = [
            ("cookie", root.as_str()),
            ("content-type", "application/json"),
        ];
        let path = format!("/api/v1/runs/{id}/links");
        let made = client::send(served.addr(), "POST", &path, &headers, body.as_bytes())?;
        let made: serde_json::Value = serde_json::from_slice(&made.body)?;
        let path = made["path"].as_str().ok_or("no path")?;
        let opened = client::send(served.addr(), "GET", path, &[], b"")?;
        cookies.push(opened.cookie().ok_or("no cookie")?);
    }
    let cookies = cookies.join("; ");
    let get = |path: &str| client::send(served.addr(), "GET", path, &[("cookie", &cookies)], b"");
    for (id, shows) in [("one", false), ("two", true)] {
        for path in ["", "/export/html"] {
            let reply = get(&format!("/api/v1/runs/{id}{path}"))?;
            assert_eq!(reply.status, 200, "{id}{path}");
            let text = reply.text();
            assert_eq!(text.contains("secret recipe"), shows, "{id}{path}");
        }
    }
    Ok(())
}
