//! Scripts in the style of other tools: each works against the target, and has as many lines as
//! the documentation says.

use crate::binary::{Program, can_run, count, json, mistress};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The tools, and how many scripts each has at least.
const TOOLS: [&str; 4] = ["k6", "locust", "gatling", "wrk"];
const SCRIPTS_MIN: usize = 8;
const ALL_MIN: usize = 40;
/// So many are checked at once: most of their time they sleep.
const AT_ONCE: usize = 12;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/coming-from")
}

/// The profiles of a tool.
fn profiles(tool: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(scripts().join(tool)).expect("each tool has its folder");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    found.sort();
    assert!(found.len() >= SCRIPTS_MIN, "{tool}: {}", found.len());
    found
}

/// Lines that are neither empty nor comments.
fn lines(path: &Path) -> usize {
    let text = fs::read_to_string(path).expect("a profile has its script beside it");
    let is_code = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("--") && !line.starts_with('#')
    };
    text.lines().filter(is_code).count()
}

#[test]
fn every_script_works() {
    if !can_run() {
        return;
    }
    let mut target = Program::start(mistress(&["target", "--listen", "0.0.0.0:0"]));
    let address = target.until("listening on http://");
    let port = address.rsplit(':').next().expect("an address has a port");
    let all: Vec<PathBuf> = TOOLS.iter().flat_map(|tool| profiles(tool)).collect();
    assert!(all.len() >= ALL_MIN, "{}", all.len());
    for some in all.chunks(AT_ONCE) {
        let start = |profile: &PathBuf| {
            let is_named = profile.ends_with("wrk/addr.toml");
            let host = if is_named {
                "several.example"
            } else {
                "127.0.0.1"
            };
            let mut check = mistress(&["check", "--target", &format!("http://{host}:{port}")]);
            check.arg(profile);
            (profile.clone(), Program::start(check))
        };
        let started: Vec<_> = some.iter().map(start).collect();
        for (profile, program) in started {
            let done = program.finish();
            let shown = profile.display();
            assert_eq!(done.code, Some(0), "{shown}:\n{}\n{}", done.out, done.err);
        }
    }
    // one as a run: it ends by itself after a hundred requests
    let folder = tempfile::tempdir().expect("a folder for the test");
    let result = folder.path().join("r.json");
    let mut run = mistress(&[
        "run",
        "--quiet",
        "--target",
        &format!("http://127.0.0.1:{port}"),
    ]);
    run.arg(scripts().join("wrk/stop.toml"))
        .arg("--json")
        .arg(&result);
    Program::start(run).finish().expect(0);
    assert_eq!(count(&json(&result), "/totals/ok"), 100);
}

#[test]
fn the_documentation_counts_the_lines_of_every_script() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/coming-from.md");
    let text = fs::read_to_string(document).expect("the document is there");
    // `| [k6/http_get](../scenarios/…) | what | 8 | 4, examples/http_get.js |`
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells
            .get(1)?
            .strip_prefix('[')?
            .split_once(']')?
            .0
            .to_owned();
        let ours: usize = cells.get(3)?.parse().ok()?;
        let theirs: usize = cells.get(4)?.split([' ', ',']).next()?.parse().ok()?;
        (theirs > 0).then_some((name, ours))
    };
    let told: BTreeMap<String, usize> = text.lines().filter_map(row).collect();
    let mut found = BTreeMap::new();
    for tool in TOOLS {
        for profile in profiles(tool) {
            let name = profile.file_stem().unwrap().to_string_lossy().into_owned();
            let both = lines(&profile) + lines(&profile.with_extension("lua"));
            found.insert(format!("{tool}/{name}"), both);
        }
    }
    assert_eq!(told, found);
}
