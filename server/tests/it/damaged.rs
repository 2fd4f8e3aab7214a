//! Files of runs that are damaged, foreign or of a newer version: each is named for what it is and
//! can be deleted, and the others are as before.

use crate::client::send;
use crate::nodes::{await_state, get, post, serve, whole_run};
use rusqlite::Connection;
use std::path::Path;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Spoils a file; what it is called then.
type Spoil = (fn(&Path) -> Outcome, &'static str);

const SPOILT: [(&str, Spoil); 7] = [
    ("gone", (|path| Ok(std::fs::remove_file(path)?), "missing")),
    ("rotten", (rot, "damaged")),
    (
        "noise",
        (
            |path| Ok(std::fs::write(path, [0xa5; 40_000])?),
            "not a run",
        ),
    ),
    ("empty", (|path| Ok(std::fs::write(path, [])?), "not a run")),
    ("cut", (cut, "damaged")),
    ("newer", (newer, "newer version")),
    ("other", (other, "not a run")),
];

/// The first page and a piece of the second.
fn cut(path: &Path) -> Outcome {
    let bytes = std::fs::read(path)?;
    Ok(std::fs::write(path, &bytes[..20_000])?)
}

/// Other bytes in the rows; what leads to them is as it was.
fn rot(path: &Path) -> Outcome {
    let db = Connection::open(path)?;
    db.execute("UPDATE chunk SET data = randomblob(length(data))", [])?;
    Ok(())
}

fn newer(path: &Path) -> Outcome {
    let db = Connection::open(path)?;
    db.execute("UPDATE schema_version SET version = 9999", [])?;
    Ok(())
}

/// A file of SQLite that holds something else.
fn other(path: &Path) -> Outcome {
    std::fs::remove_file(path)?;
    Ok(Connection::open(path)?.execute_batch("CREATE TABLE letters (text TEXT)")?)
}

#[test]
fn a_damaged_list_of_runs_is_named() -> Outcome {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("meta.sqlite");
    std::fs::write(&path, [0xa5; 40_000])?;
    let error = serve(dir.path()).err().ok_or("it started")?.to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
    assert!(error.contains("restore it from a backup"), "{error}");
    Ok(())
}

#[test]
fn a_list_of_runs_of_a_newer_version_is_named() -> Outcome {
    for table in ["schema_version", "access_version"] {
        let dir = tempfile::tempdir()?;
        serve(dir.path())?.stop();
        let path = dir.path().join("meta.sqlite");
        let newer = format!("UPDATE {table} SET version = 9999");
        Connection::open(&path)?.execute(&newer, [])?;
        let error = serve(dir.path()).err().ok_or("it started")?.to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains("use the newer program"), "{error}");
    }
    Ok(())
}

/// Runs of which all but one are spoilt.
fn spoil_runs(dir: &Path) -> Outcome {
    let server = serve(dir)?;
    let ids = SPOILT.iter().map(|(id, _)| *id).chain(["good"]);
    for id in ids {
        for batch in &whole_run(id, 0, 90, &["GET /"]) {
            assert_eq!(post(server.addr(), batch)?.0, 200);
        }
        await_state(server.addr(), id, "done")?;
    }
    server.stop();
    for (id, (spoil, _)) in SPOILT {
        let path = dir.join("runs").join(format!("{id}.sqlite"));
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
        }
        spoil(&path)?;
    }
    Ok(())
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_can_be_deleted() -> Outcome {
    let dir = tempfile::tempdir()?;
    spoil_runs(dir.path())?;
    let server = serve(dir.path())?;
    let addr = server.addr();
    for (id, (_, state)) in SPOILT {
        for path in [
            "/series",
            "",
            "/names",
            "/export/csv",
            "/export/json",
            "/export/html",
            "/export/hlog",
        ] {
            let reply = send(addr, "GET", &format!("/api/v1/runs/{id}{path}"), &[], b"")?;
            let body: serde_json::Value = serde_json::from_slice(&reply.body)?;
            let error = body["error"].as_str().unwrap_or_default();
            assert_eq!(reply.status, 500, "{id}{path}: {body}");
            assert!(error.starts_with(state), "{id}{path}: {error}");
        }
        // damaged rows are found when they are read
        let list = get(addr, "/api/v1/runs")?;
        let mut cards = list["runs"].as_array().into_iter().flatten();
        let card = cards.find(|card| card["id"] == id).ok_or(id)?;
        assert_eq!(card["state"], state, "{id}: {card}");
        let problem = card["problem"].as_str().unwrap_or_default();
        assert!(
            problem.starts_with(&format!("runs/{id}.sqlite: ")),
            "{id}: {card}"
        );
        let page = send(
            addr,
            "GET",
            &format!("/report/{id}"),
            &[("accept", "text/html")],
            b"",
        )?;
        let page = String::from_utf8(page.body)?;
        assert!(
            page.contains(&format!("cannot be shown: {state}")),
            "{id}: {page}"
        );
        let deleted = send(addr, "DELETE", &format!("/api/v1/runs/{id}"), &[], b"")?;
        assert_eq!(deleted.status, 200, "{id}: {deleted:?}");
        assert!(
            !dir.path()
                .join("runs")
                .join(format!("{id}.sqlite"))
                .exists()
        );
    }
    let good = get(addr, "/api/v1/runs/good")?;
    assert_eq!(good["card"]["state"], "done", "{good}");
    assert_eq!(
        get(addr, "/api/v1/runs")?["runs"].as_array().map(Vec::len),
        Some(1)
    );
    Ok(())
}
