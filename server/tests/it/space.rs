//! Runs beyond the space that the server may take are deleted, in the order in which they arrived.

use crate::nodes::{Outcome, await_state, get, post, send, whole_run};
use mistress_server as server;
use server::access::Accounts;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

fn serve(dir: &Path, keep_bytes: Option<u64>) -> Result<server::Running, server::Error> {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut options = server::Options::new(bind, dir);
    options.keep_bytes = keep_bytes;
    server::start(options)
}

#[test]
fn the_first_to_arrive_go_but_none_that_is_kept() -> Outcome {
    let dir = tempfile::tempdir()?;
    let running = serve(dir.path(), None)?;
    let addr = running.addr();
    for id in ["pinned", "base", "first", "second", "third"] {
        for batch in &whole_run(id, 0, 4, &["GET /"]) {
            post(addr, batch)?;
        }
        await_state(addr, id, "done")?;
    }
    post(addr, &whole_run("live", 0, 4, &["GET /"])[0])?;
    let json = "HTTP/1.1\r\ncontent-type: application/json";
    let pin = format!("PATCH /api/v1/runs/pinned {json}");
    assert_eq!(send(addr, &pin, br#"{"pinned":true}"#)?.0, 200);
    let base = format!("PUT /api/v1/projects/shop/baseline {json}");
    assert_eq!(send(addr, &base, br#"{"run":"base"}"#)?.0, 200);
    let (_, page) = send(addr, "GET /admin HTTP/1.1", b"")?;
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(page.contains("There is no limit for all"), "{page}");
    running.stop();
    let size = |id: &str| std::fs::metadata(dir.path().join(format!("runs/{id}.sqlite")));
    let (first, all) = (
        size("first")?.len(),
        std::fs::read_dir(dir.path().join("runs"))?,
    );
    let all: u64 = all
        .flatten()
        .filter_map(|file| Some(file.metadata().ok()?.len()))
        .sum();

    // one must go, and a second one for the space that the present live run takes
    let running = serve(dir.path(), Some(all - first - 1))?;
    let addr = running.addr();
    let ids = || -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let list = get(addr, "/api/v1/runs")?;
        let runs = list["runs"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = runs
            .iter()
            .filter_map(|run| Some(run["id"].as_str()?.to_owned()))
            .collect();
        ids.sort();
        Ok(ids)
    };
    let began = std::time::Instant::now();
    while ids()?.contains(&"second".to_owned()) && began.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let left = ids()?;
    assert!(
        !left.contains(&"first".to_owned()) && !left.contains(&"second".to_owned()),
        "{left:?}"
    );
    for id in ["base", "live", "pinned"] {
        assert!(left.contains(&id.to_owned()), "{left:?}");
    }
    let (_, page) = send(addr, "GET /admin HTTP/1.1", b"")?;
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(page.contains("of at most"), "{page}");
    let audit = Accounts::open(dir.path())?.audit(10, "retention")?;
    let told = audit.iter().find(|entry| entry.object == "first");
    assert_eq!(
        told.map(|entry| entry.outcome.as_str()),
        Some("size"),
        "{audit:?}"
    );
    Ok(())
}
