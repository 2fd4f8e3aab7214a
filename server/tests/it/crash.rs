//! What is acknowledged outlives a kill and a full disk.

use crate::client::{self, PASSWORD};
use crate::nodes::{Outcome, await_state, get, latencies, post, serve, start, whole_run};
use mistress_server::access::{Accounts, EVERY_PROJECT, Role};
use stats::Histogram;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const NAMES: [&str; 2] = ["a", "b"];
/// The folder of a server in a child process.
const CHILD: &str = "MISTRESS_TEST_SERVER";

/// Not a test of its own: a server for the others to kill, when they ask for one.
#[test]
fn a_server_to_be_killed() -> Outcome {
    let Some(dir) = std::env::var_os(CHILD) else {
        return Ok(());
    };
    let server = serve(Path::new(&dir))?;
    println!("\nat {}", server.addr());
    std::io::stdout().flush()?;
    // until the parent is gone, should it forget
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(())
}

/// A server in a child process.
pub fn child(dir: &Path) -> Result<(Child, SocketAddr), Box<dyn std::error::Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["it::crash::a_server_to_be_killed", "--exact", "--nocapture"])
        .env(CHILD, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    for line in lines {
        if let Some(addr) = line?.strip_prefix("at ") {
            return Ok((child, addr.parse()?));
        }
    }
    Err("the server did not start".into())
}

#[test]
fn every_acknowledged_second_outlives_kills() -> Outcome {
    let dir = tempfile::tempdir()?;
    let all = whole_run("killed", 0, 300, &NAMES);
    let mut next = 0;
    // kills between, and in the middle of, commits and the making of chunks
    for round in 0..6_usize {
        let (mut server, addr) = child(dir.path())?;
        let stop = next + 23 + 11 * round;
        let sender = std::thread::scope(|scope| {
            let (all, sent) = (
                &all,
                scope.spawn(|| {
                    let mut through = next;
                    for batch in &all[next..] {
                        match post(addr, batch) {
                            Ok((200, ack)) => through = ack.accepted_through as usize,
                            _ => break,
                        }
                        if through == stop {
                            return through;
                        }
                    }
                    through
                }),
            );
            let _ = all;
            let wait = std::time::Duration::from_millis(40 + 60 * round as u64);
            std::thread::sleep(wait);
            let killed = server.kill();
            let through = sent.join().map_err(|_| "the sender panicked")?;
            killed?;
            server.wait()?;
            Ok::<usize, Box<dyn std::error::Error>>(through)
        });
        next = sender?;
    }
    let server = serve(dir.path())?;
    let before = get(server.addr(), "/api/v1/runs/killed")?;
    let kept = before["length_s"].as_u64().ok_or("no length")?;
    assert!(kept >= next as u64, "{kept} seconds of {next} acknowledged");
    // what was kept without an acknowledgement is sent again, and is no second one
    for batch in &all[next..] {
        assert_eq!(post(server.addr(), batch)?.0, 200);
    }
    await_state(server.addr(), "killed", "done")?;
    let detail = get(server.addr(), "/api/v1/runs/killed")?;
    let mut sum = Histogram::new();
    for time_s in 0..300 {
        (0..NAMES.len()).for_each(|name| sum.add(&latencies(0, time_s, name)));
    }
    assert_eq!(detail["summary"]["latency"]["count"], sum.count());
    assert_eq!(detail["summary"]["latency"]["p99_us"], sum.value_at(0.99));
    assert_eq!(detail["summary"]["totals"]["planned"], 3 * 300);
    let series = get(server.addr(), "/api/v1/runs/killed/series?points=300")?;
    assert!(
        series["planned"]
            .as_array()
            .is_some_and(|p| p.iter().all(|n| *n == 3)),
        "{series}"
    );
    Ok(())
}

/// A small disk, mounted while it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let options = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "mistress-test"])
            .arg(dir.path())
            .output()?;
        if mount.status.success() {
            return Ok(SmallDisk(dir));
        }
        Err(String::from_utf8_lossy(&mount.stderr).into_owned().into())
    }

    fn resize(&self, size: &str) -> Outcome {
        let options = format!("remount,size={size}");
        let mount = Command::new("mount")
            .args(["-o", &options])
            .arg(self.0.path())
            .status()?;
        if mount.success() {
            Ok(())
        } else {
            Err("the disk cannot grow".into())
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
    }
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() -> Outcome {
    let disk = match SmallDisk::mount("4m") {
        Ok(disk) => disk,
        Err(error) => {
            println!("skipped: a small disk cannot be mounted, which takes root: {error}");
            return Ok(());
        }
    };
    let server = serve(disk.0.path())?;
    let all = whole_run("full", 0, 4_000, &["x", "y", "z"]);
    let mut through = 0;
    let refused = loop {
        let (status, ack) = post(server.addr(), &all[through])?;
        if status != 200 {
            break (status, ack.error);
        }
        through = ack.accepted_through as usize;
        if through == 3_900 {
            return Err("the disk did not fill".into());
        }
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.contains("full"), "{}", refused.1);
    disk.resize("64m")?;
    let end = through + 50;
    for batch in &all[through..end] {
        let (status, ack) = post(server.addr(), batch)?;
        assert_eq!(status, 200, "{}", ack.error);
    }
    let series = get(server.addr(), "/api/v1/runs/full/distribution")?;
    let expected: u64 = (0..end as u64)
        .map(|s| (0..3).map(|n| latencies(0, s, n).count()).sum::<u64>())
        .sum();
    assert_eq!(series["count"], expected);
    Ok(())
}

/// Takes what is left of a disk.
fn fill(path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    for len in [64 << 10, 4_096] {
        while file.write_all(&vec![7; len]).is_ok() {}
    }
    Ok(())
}

#[test]
fn a_full_disk_lets_an_admin_in_and_a_run_be_deleted() -> Outcome {
    let disk = match SmallDisk::mount("8m") {
        Ok(disk) => disk,
        Err(error) => {
            println!("skipped: a small disk cannot be mounted, which takes root: {error}");
            return Ok(());
        }
    };
    let data = disk.0.path().join("data");
    let server = serve(&data)?;
    let addr = server.addr();
    for run in ["small", "other"] {
        for batch in &whole_run(run, 0, 3, &NAMES) {
            assert_eq!(post(addr, batch)?.0, 200);
        }
        await_state(addr, run, "done")?;
    }
    Accounts::open(&data)?.add("root", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    fill(&disk.0.path().join("foreign"))?;
    let token = server.token().to_owned();
    let late = client::deliver(addr, &token, start(), "late")?;
    assert_eq!(late.status, 503, "{late:?}");
    // until there is room, what the reserve had goes to nobody but the admin
    let late = client::deliver(addr, &token, start(), "late")?;
    assert_eq!(late.status, 503, "{late:?}");
    let signed_in = client::sign_in(addr, "root", PASSWORD)?;
    let cookie = signed_in.cookie().ok_or(format!("{signed_in:?}"))?;
    let path = "/api/v1/runs/small";
    let cookie = [("cookie", cookie.as_str())];
    let deleted = client::send(addr, "DELETE", path, &cookie, b"")?;
    assert!(deleted.status < 300, "{deleted:?}");
    assert_eq!(client::send(addr, "GET", path, &cookie, b"")?.status, 404);
    assert!(!data.join("runs").join("small.sqlite").exists());
    let other = client::send(addr, "GET", "/api/v1/runs/other", &cookie, b"")?;
    assert_eq!(other.status, 200, "{other:?}");
    std::fs::remove_file(disk.0.path().join("foreign"))?;
    let late = client::deliver(addr, &token, start(), "late")?;
    assert_eq!(late.status, 200, "{late:?}");
    Ok(())
}

#[test]
fn a_damaged_file_costs_its_own_run_only() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = serve(dir.path())?;
    for run in ["good", "broken"] {
        assert_eq!(
            post(server.addr(), &whole_run(run, 0, 2, &NAMES)[0])?.0,
            200
        );
    }
    server.stop();
    let path = dir.path().join("runs").join("broken.sqlite");
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    std::fs::write(&path, vec![0xa5; 40_000])?;
    let server = serve(dir.path())?;
    assert_eq!(
        post(server.addr(), &whole_run("good", 0, 2, &NAMES)[1])?.0,
        200
    );
    let (status, ack) = post(server.addr(), &whole_run("broken", 0, 2, &NAMES)[1])?;
    assert_eq!(status, 500, "{}", ack.error);
    let list = get(server.addr(), "/api/v1/runs")?;
    let state = |id: &str| {
        let runs = list["runs"].as_array().into_iter().flatten();
        let card = runs.into_iter().find(|card| card["id"] == id);
        card.map(|card| card["state"].clone())
    };
    assert_eq!(state("good"), Some("done".into()), "{list}");
    assert_eq!(state("broken"), Some("not a run".into()), "{list}");
    Ok(())
}
