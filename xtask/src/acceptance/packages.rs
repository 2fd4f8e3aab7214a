//! The packages on clean systems: installed and unpacked in roots that debootstrap makes, and run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::table::Table;
use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::release_binary;
use crate::{run, setup};

/// The release of the clean systems: the oldest whose kernel is new enough.
const RELEASE: &str = "bookworm";
/// Making a root downloads some 60 MB.
const ROOT_LIMIT: Duration = Duration::from_secs(900);
const STEP_LIMIT: Duration = Duration::from_secs(120);
const PROFILE: &str = "[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\n\
    [[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
    phases = [{ rate = \"50/s\", for = \"2s\" }]\n";
const SCRIPT: &str = "return { main = function(user) user:get('/') end }\n";

/// Measures the rows.
pub fn measure(table: &mut Table) -> Result<(), Failure> {
    setup::install(&[("debootstrap", "debootstrap")])?;
    let scratch = Scratch::new("packages")?;
    let out = scratch.file("out");
    let binary = release_binary("mistress");
    let options = [
        "--out",
        &out.to_string_lossy(),
        "--binary",
        &binary.to_string_lossy(),
    ];
    crate::dist::dist(&options)?;
    let clean = scratch.file("clean");
    make_root(&clean)?;
    let file = |end: &str| find(&out, end);
    if table.wants("deb") {
        let root = copy_of(&clean, &scratch.file("deb"))?;
        let package = file(".deb")?;
        std::fs::copy(&package, root.join("tmp/mistress.deb"))?;
        let done = inside(&root, &["dpkg", "-i", "/tmp/mistress.deb"]);
        table.row("deb: dpkg -i", "installed", told(&done), done.is_ok());
        works(table, "deb", &root, "mistress");
        let page = inside(
            &root,
            &["test", "-s", "/usr/share/man/man1/mistress-run.1.gz"],
        );
        table.row("deb: a manual page", "there", told(&page), page.is_ok());
        let done = inside(&root, &["dpkg", "-r", "mistress"]);
        table.row("deb: dpkg -r", "removed", told(&done), done.is_ok());
    }
    if table.wants("tar") {
        let root = copy_of(&clean, &scratch.file("tar"))?;
        let archive = file(".tar.gz")?;
        let mut unpack = Command::new("tar");
        unpack
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(root.join("opt"));
        run::capture(unpack, STEP_LIMIT)?;
        let folder = find(&root.join("opt"), "-linux")?;
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        works(table, "tar", &root, &format!("/opt/{name}/mistress"));
        let check = [&format!("/opt/{name}/mistress"), "check"].map(str::to_owned);
        let shipped = format!("/opt/{name}/scenarios/quickstart.toml");
        let done = inside(&root, &[&check[0], &check[1], &shipped]);
        table.row("tar: check quickstart", "ok", told(&done), done.is_ok());
    }
    Ok(())
}

/// The rows of a program that is in place.
fn works(table: &mut Table, row: &str, root: &Path, program: &str) {
    let version = inside(root, &[program, "--version"]);
    let expected = format!("mistress {}", env!("CARGO_PKG_VERSION"));
    table.same(&format!("{row}: --version"), expected, told(&version));
    let doctor = inside(root, &[program, "doctor"]);
    let is_fit = doctor
        .as_ref()
        .is_ok_and(|text| text.contains("fit to generate load"));
    table.row(
        &format!("{row}: doctor"),
        "fit to generate load",
        told(&doctor),
        is_fit,
    );
    let write = |name: &str, text| std::fs::write(root.join("tmp").join(name), text);
    let written = write("p.toml", PROFILE).and_then(|()| write("p.lua", SCRIPT));
    let ran = written.map_err(Failure::from).and_then(|()| {
        inside(
            root,
            &[
                program,
                "run",
                "/tmp/p.toml",
                "--json",
                "/tmp/r.json",
                "--stats",
                "off",
            ],
        )
    });
    table.row(
        &format!("{row}: run"),
        "exit code 0",
        told(&ran),
        ran.is_ok(),
    );
    let text = std::fs::read_to_string(root.join("tmp/r.json")).unwrap_or_default();
    let result: Value = serde_json::from_str(&text).unwrap_or_default();
    let ok = result.pointer("/totals/ok").and_then(Value::as_u64);
    table.same(&format!("{row}: requests ok"), 100, ok.unwrap_or(0));
    let failed = result.pointer("/totals/failed").and_then(Value::as_u64);
    table.same(
        &format!("{row}: requests failed"),
        0,
        failed.unwrap_or(u64::MAX),
    );
}

/// Makes a clean system from the mirror that this machine uses.
fn make_root(folder: &Path) -> Result<(), Failure> {
    let mut make = Command::new("debootstrap");
    make.args(["--variant=minbase", RELEASE])
        .arg(folder)
        .args(mirror());
    run::capture(make, ROOT_LIMIT).map(drop)
}

/// The mirror of this machine's apt; none leaves it to debootstrap.
fn mirror() -> Option<String> {
    let mut urls = Command::new("apt-get");
    urls.args([
        "indextargets",
        "--format",
        "$(SITE) $(RELEASE)",
        "Created-By: Packages",
    ]);
    let listed = run::capture(urls, STEP_LIMIT).ok()?.stdout;
    let fits = |line: &str| {
        let (site, release) = line.split_once(' ')?;
        (release == RELEASE).then(|| site.to_owned())
    };
    listed.lines().find_map(fits)
}

/// A copy of a root, with the files of the kernel that programs read.
fn copy_of(root: &Path, to: &Path) -> Result<PathBuf, Failure> {
    let mut copy = Command::new("cp");
    copy.arg("-a").arg(root).arg(to);
    run::capture(copy, STEP_LIMIT)?;
    Ok(to.to_owned())
}

/// Runs a command inside a root, with /proc, /sys and /dev of this machine in a mount namespace of
/// its own, so that nothing stays mounted.
fn inside(root: &Path, words: &[&str]) -> Result<String, Failure> {
    const ENTER: &str = "mount -t proc proc \"$0/proc\" && mount --rbind /sys \"$0/sys\" && \
        mount --rbind /dev \"$0/dev\" && exec chroot \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", ENTER])
        .arg(root)
        .args(words);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(run::capture(command, STEP_LIMIT)?.stdout)
}

/// The last line that was printed, or the first of the error.
fn told(done: &Result<String, Failure>) -> String {
    match done {
        Ok(text) => text.lines().last().unwrap_or("").to_owned(),
        Err(error) => error
            .to_string()
            .lines()
            .take(3)
            .collect::<Vec<_>>()
            .join(" | "),
    }
}

/// The entry of a folder whose name has this end.
fn find(folder: &Path, end: &str) -> Result<PathBuf, Failure> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(end) {
            return Ok(path);
        }
    }
    Err(format!("{}: nothing ends with {end}", folder.display()).into())
}
