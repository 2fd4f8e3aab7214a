//! The pages of the stats server in a real browser, with runs of the real program. The steps are
//! in `tests/browser/suite.mjs`; this starts the server and the browser and reads the outcome.

use crate::binary::{Program, mistress};
use crate::harness::measuring;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testkit::need::{need, program};

/// Where the steps are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// Pictures of every page are kept when this variable is set; most of the time nobody looks at them.
const SHOTS: &str = "MISTRESS_SHOTS";

/// Where screenshots go.
fn shots() -> std::io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Node, when everything the steps need is here.
fn node() -> Option<PathBuf> {
    let node = program("node");
    let chromium = program("chromium");
    let packages = folder().join("node_modules/playwright-core").is_dir();
    let all = need("node (apt-get install nodejs)", node.is_some())
        && need("chromium (apt-get install chromium)", chromium.is_some())
        && need("npm ci in tests/browser", packages);
    node.filter(|_| all)
}

#[test]
fn the_pages_do_in_a_browser_what_their_users_need() -> Result<(), Box<dyn std::error::Error>> {
    let Some(node) = node() else { return Ok(()) };
    let Some(_alone) = measuring() else {
        return Ok(());
    };
    let scratch = tempfile::tempdir()?;
    let data = scratch.path().join("data");
    let data = data
        .to_str()
        .ok_or("the scratch folder has a name of text")?;
    let mut server = Program::start(mistress(&[
        "serve",
        "--bind",
        "127.0.0.1:0",
        "--data",
        data,
    ]));
    let line = server.until("serving ");
    let base = line
        .split_whitespace()
        .find_map(|word| word.strip_suffix("/report/list"))
        .ok_or("the server says where it is")?;
    let shots = shots()?;
    let mut suite = Command::new(node);
    if std::env::var_os(SHOTS).is_some() {
        suite.env("SHOTS", &shots);
    }
    let output = suite
        .arg(folder().join("suite.mjs"))
        .env("BASE", base)
        .env("MISTRESS", env!("CARGO_BIN_EXE_mistress"))
        .env("DATA", data)
        .env("OUT", &shots)
        .env("WORK", scratch.path())
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    // past the harness, which keeps back what a test that passes prints
    writeln!(
        std::io::stderr(),
        "\n{said}screenshots: {}",
        shots.display()
    )?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    Ok(())
}
