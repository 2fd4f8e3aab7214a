//! The log of `mistress serve` as its reader has it: a JSON object per line, with what happened and
//! without secrets.

use crate::binary::{Program, mistress};
use crate::requests::ask;
use rustix::process::Signal;
use serde_json::Value;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const PASSWORD: &str = "correct-horse-battery";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

fn serve(data: &Path, more: &[&str]) -> Command {
    let mut command = mistress(&["serve", "--data", data.to_str().unwrap()]);
    command.args(more).env_remove("RUST_LOG");
    command
}

fn add_admin(data: &Path) {
    let file = data.with_file_name("password");
    std::fs::write(&file, PASSWORD).unwrap();
    let mut command = serve(data, &["--add-admin", "root"]);
    command.stdin(File::open(&file).unwrap());
    Program::start(command).finish().expect(0);
}

/// Asks for what is refused, in every way that carries a secret; the cookie of a session.
fn strange_requests(port: u16) -> String {
    let sign_in = |name: &str, password: &str| {
        let body = format!("name={name}&password={password}");
        ask(port, "POST /sign-in", FORM, &body)
    };
    let answer = sign_in("ro%0Aot%22%1B%5B31m", "SECRET-PASSWORD");
    assert!(answer.contains(" 401 "), "{answer}");
    let answer = sign_in("root", PASSWORD);
    let cookie = answer.split("mistress_session=").nth(1).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let bearer = "authorization: Bearer SECRET-TOKEN\r\n";
    let session = format!("cookie: mistress_session={cookie}\r\n");
    let foreign = format!("{session}origin: http://other.example\r\n");
    let html = "accept: text/html\r\n";
    for (line, headers, status) in [
        ("GET /api/v1/runs/a%0Ab%22%1B", bearer, 401),
        ("POST /ingest/v1/batch", bearer, 401),
        ("GET /share/SECRET-LINK", html, 404),
        ("POST /share/SECRET-LINK", &foreign, 405),
        ("GET /share/SECRET-LINK/", &session, 404),
        ("GET /sign-in?next=SECRET-NEXT", "", 200),
        ("POST /admin/tokens", &foreign, 403),
    ] {
        let answer = ask(port, line, headers, "");
        let expected = format!("HTTP/1.0 {status} ");
        assert!(answer.starts_with(&expected), "{line}: {answer}");
    }
    cookie
}

/// What has this message.
fn said<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    let said = lines.iter().filter(|line| line["message"] == message);
    said.collect()
}

#[test]
fn each_line_of_the_log_is_json_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data\n\"folder");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let options = ["--bind", "127.0.0.1:0", "--log-format", "json"];
    // at this level, whatever libraries say would be there too
    let mut server = Program::start(serve(
        &data,
        &[&options[..], &["--log-level", "trace"]].concat(),
    ));
    let line = server.until("serving http://");
    let (_, rest) = line.rsplit_once(':').unwrap();
    let port: u16 = rest.split('/').next().unwrap().parse().unwrap();
    // without accounts, this machine may send
    let answer = ask(port, "POST /ingest/v1/batch", "", "no batch");
    assert!(answer.starts_with("HTTP/1.0 415 "), "{answer}");
    add_admin(&data);
    let cookie = strange_requests(port);
    server.signal(Signal::TERM);
    let log = server.finish().expect(0).err;
    for secret in ["SECRET", PASSWORD, &cookie] {
        assert!(!log.contains(secret), "{secret} is in:\n{log}");
    }
    assert!(log.bytes().all(|b| b == b'\n' || b >= b' '), "{log:?}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for line in &lines {
        let words = ["timestamp", "level", "message"].map(|key| line[key].as_str());
        assert!(
            words.iter().all(|word| word.is_some_and(|w| !w.is_empty())),
            "{line}"
        );
        // only what has something to tell
        assert!(line["reason"] != "" && line["suppressed"] != 0, "{line}");
    }
    let listening = said(&lines, "listening");
    assert_eq!(listening[0]["data"], data.to_str().unwrap());
    assert_eq!(listening[0]["address"], format!("127.0.0.1:{port}"));
    let notices = said(&lines, "access to the data folder");
    assert_eq!(notices[0]["level"], "WARN", "the folder was open to others");
    let sign_ins = said(&lines, "sign in");
    let facts = sign_ins
        .iter()
        .map(|line| (&line["account"], &line["outcome"]));
    let facts: Vec<_> = facts.collect();
    assert_eq!(facts[0].0, "ro\not\"\u{1b}[31m");
    assert_eq!(
        (facts[0].1, facts[1].1),
        (&"refused".into(), &"signed in".into())
    );
    let batches = said(&lines, "batch refused");
    assert_eq!((batches.len(), &batches[0]["status"]), (1, &415.into()));
    let refused = said(&lines, "request refused");
    let paths: Vec<_> = refused.iter().map(|line| &line["path"]).collect();
    // what is logged by itself is not there twice
    assert_eq!(
        paths,
        [
            "/api/v1/runs/a%0Ab%22%1B",
            "/ingest/v1/batch",
            "/admin/tokens"
        ]
    );
    assert_eq!(said(&lines, "stopping").len(), 1);
    assert_eq!(lines[lines.len() - 1]["message"], "stopped");
}
