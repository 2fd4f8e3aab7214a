//! A backup taken while batches come in, and what is restored of it.

use crate::client::{PASSWORD, sign_in};
use crate::nodes::{Outcome, await_state, get, post, serve, whole_run};
use mistress_server as server;
use server::Archive;
use server::access::{Accounts, EVERY_PROJECT, Role};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Everything that is told of a run, of a store that no server needs to have open.
fn told(data: &Path, id: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut out = Vec::new();
    Archive::open(data)?.export(id, server::Format::Csv, true, &mut out)?;
    Ok(String::from_utf8(out)?)
}

#[test]
fn a_backup_beside_a_busy_server_restores_runs_and_accounts() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (data, archive) = (dir.path().join("data"), dir.path().join("all.tar.zst"));
    let running = serve(&data)?;
    let addr = running.addr();
    for batch in &whole_run("done", 0, 65, &["GET /", "GET /cart"]) {
        post(addr, batch)?;
    }
    await_state(addr, "done", "done")?;
    let live = whole_run("live", 0, 40, &["GET /"]);
    for batch in &live[..10] {
        post(addr, batch)?;
    }
    let sender = std::thread::spawn(move || {
        for batch in &live[10..] {
            post(addr, batch).map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    });
    let mut steps = Vec::new();
    let summary = Archive::backup(&data, &archive, &mut |done, all| steps.push((done, all)))?;
    sender.join().map_err(|_| "the sender panicked")??;
    assert_eq!((summary.runs, summary.damaged.len()), (2, 0), "{summary:?}");
    assert_eq!(steps, [(0, 2), (1, 2), (2, 2)]);
    let mode = std::fs::metadata(&archive)?.permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let accounts = Accounts::open(&data)?;
    accounts.add("root", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    std::fs::remove_file(&archive)?;
    Archive::backup(&data, &archive, &mut |_, _| {})?;
    let expected = told(&data, "done")?;
    running.stop();

    let other = dir.path().join("other");
    assert_eq!(Archive::restore(&archive, &other, false)?.runs, 2);
    assert_eq!(told(&other, "done")?, expected);
    let mode = |name: &str| -> std::io::Result<u32> {
        Ok(std::fs::metadata(other.join(name))?.permissions().mode() & 0o777)
    };
    assert_eq!(
        (
            mode("runs")?,
            mode("runs/done.sqlite")?,
            mode("meta.sqlite")?
        ),
        (0o700, 0o600, 0o600)
    );
    let running = serve(&other)?;
    let reply = sign_in(running.addr(), "root", PASSWORD)?;
    assert!(reply.cookie().is_some(), "{reply:?}");
    Ok(())
}

#[test]
fn a_restore_checks_before_it_changes_anything() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (data, archive) = (dir.path().join("data"), dir.path().join("all.tar.zst"));
    let running = serve(&data)?;
    for batch in &whole_run("old", 0, 3, &["GET /"]) {
        post(running.addr(), batch)?;
    }
    await_state(running.addr(), "old", "done")?;
    Archive::backup(&data, &archive, &mut |_, _| {})?;
    let says = |result: Result<server::BackupSummary, server::Error>| {
        result.map(drop).expect_err("it is refused").to_string()
    };
    // a server is there; something is there; it is there already
    assert!(says(Archive::restore(&archive, &data, true)).contains("another stats server"));
    for batch in &whole_run("new", 0, 3, &["GET /"]) {
        post(running.addr(), batch)?;
    }
    await_state(running.addr(), "new", "done")?;
    running.stop();
    assert!(says(Archive::restore(&archive, &data, false)).contains("--replace"));
    assert!(says(Archive::backup(&data, &archive, &mut |_, _| {})).contains("exists"));
    // a damaged archive changes nothing
    let bytes = std::fs::read(&archive)?;
    let broken = dir.path().join("broken.tar.zst");
    for damaged in [
        &bytes[..bytes.len() / 2],
        &bytes[..bytes.len() - 4],
        b"text",
        b"",
    ] {
        std::fs::write(&broken, damaged)?;
        assert!(Archive::restore(&broken, &data, true).is_err());
    }
    let running = serve(&data)?;
    let list = get(running.addr(), "/api/v1/runs")?;
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(2), "{list}");
    running.stop();
    Archive::restore(&archive, &data, true)?;
    let running = serve(&data)?;
    let list = get(running.addr(), "/api/v1/runs")?;
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["runs"][0]["id"], "old");
    let left: Vec<_> = std::fs::read_dir(&data)?
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().starts_with('.')),
        "{left:?}"
    );
    Ok(())
}

#[test]
fn a_damaged_run_does_not_keep_the_others_from_a_backup() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (data, archive) = (dir.path().join("data"), dir.path().join("all.tar.zst"));
    let running = serve(&data)?;
    for id in ["good", "bad"] {
        for batch in &whole_run(id, 0, 3, &["GET /"]) {
            post(running.addr(), batch)?;
        }
        await_state(running.addr(), id, "done")?;
    }
    running.stop();
    std::fs::write(data.join("runs/bad.sqlite"), "no file of SQLite")?;
    let summary = Archive::backup(&data, &archive, &mut |_, _| {})?;
    assert_eq!(summary.runs, 1);
    assert!(summary.damaged[0].starts_with("bad: "), "{summary:?}");
    assert_eq!(
        Archive::restore(&archive, &dir.path().join("other"), false)?.runs,
        1
    );
    Ok(())
}
