//! What users install: the Debian package and the archive, made from the program under test.

use crate::binary::{Program, Scratch};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::need::{need, program};

/// What a command prints; fails unless it succeeds.
fn printed(command: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(command);
    command.args(arguments);
    Program::start(command).finish().expect(0).out
}

/// The file of a folder whose name has this end.
fn file(folder: &Path, end: &str) -> PathBuf {
    let mut paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let found = paths.find(|path| path.to_string_lossy().ends_with(end));
    found.unwrap_or_else(|| panic!("nothing ends with {end}"))
}

/// The paths in a listing of tar, without folders.
fn paths(listing: &str) -> BTreeSet<&str> {
    let paths = listing
        .lines()
        .filter_map(|line| line.split_whitespace().last());
    paths.filter(|path| !path.ends_with('/')).collect()
}

#[test]
fn packages_hold_the_program_and_all_that_goes_with_it() {
    if !need(
        "dpkg-deb (apt-get install dpkg)",
        program("dpkg-deb").is_some(),
    ) {
        return;
    }
    let scratch = Scratch::of("", "");
    let out = scratch.argument("out");
    // as a developer calls it: another setting would build it anew
    let mut dist = Command::new(env!("CARGO"));
    dist.args([
        "run",
        "--quiet",
        "--package",
        "xtask",
        "--",
        "dist",
        "--out",
        &out,
    ]);
    dist.args(["--binary", env!("CARGO_BIN_EXE_mistress")]);
    dist.env_remove("CARGO_INCREMENTAL")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    Program::start(dist).finish().expect(0);
    let out = Path::new(&out);
    the_package(&file(out, ".deb"));
    the_archive(&scratch, &file(out, ".tar.gz"));
    let mut sums = Command::new("sha256sum");
    sums.args(["-c", "SHA256SUMS"]).current_dir(out);
    let sums = Program::start(sums).finish().expect(0).out;
    assert_eq!(sums.matches(": OK").count(), 3, "{sums}");
}

fn the_package(package: &Path) {
    let package = package.to_str().unwrap();
    let field = |name: &str| {
        printed("dpkg-deb", &["-f", package, name])
            .trim()
            .to_owned()
    };
    assert_eq!(field("Package"), "mistress");
    assert_eq!(field("Version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(
        field("Architecture"),
        printed("dpkg", &["--print-architecture"]).trim()
    );
    let depends = field("Depends");
    assert!(depends.starts_with("libc6 (>= 2."), "{depends}");
    assert!(field("Description").starts_with("load-testing tool"));
    let listing = printed("dpkg-deb", &["-c", package]);
    let program = listing
        .lines()
        .find(|line| line.ends_with("/usr/bin/mistress"));
    assert!(
        program.unwrap().starts_with("-rwxr-xr-x root/root"),
        "{listing}"
    );
    let found = paths(&listing);
    for path in [
        "bash-completion/completions/mistress",
        "zsh/vendor-completions/_mistress",
        "fish/vendor_completions.d/mistress.fish",
        "man/man1/mistress.1.gz",
        "man/man1/mistress-run.1.gz",
        "doc/mistress/copyright",
        "doc/mistress/THIRD-PARTY-LICENCES.txt",
        "doc/mistress/README.md",
        "doc/mistress/docs/profile.md",
        "doc/mistress/scenarios/quickstart.toml",
        "doc/mistress/packaging/seccomp.json",
    ] {
        let path = format!("./usr/share/{path}");
        assert!(found.contains(&*path), "no {path} in\n{listing}");
    }
    for line in listing.lines() {
        assert!(line.contains(" root/root "), "{line}");
        let mode = &line[..10];
        assert!(
            ["drwxr-xr-x", "-rwxr-xr-x", "-rw-r--r--"].contains(&mode),
            "{line}"
        );
    }
}

fn the_archive(scratch: &Scratch, archive: &Path) {
    printed(
        "tar",
        &[
            "-xzf",
            archive.to_str().unwrap(),
            "-C",
            &scratch.argument(""),
        ],
    );
    let folder = file(&scratch.path(""), "-linux");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let licences = read("THIRD-PARTY-LICENCES.txt");
    // a library of Rust, the sources in C, and a text of each
    for part in [
        "\nrustls 0.",
        "\nluajit-src ",
        "\nlibsqlite3-sys ",
        "\nuPlot: MIT",
        "Permission is hereby granted",
        "Mike Pall",
        "Apache License",
    ] {
        assert!(licences.contains(part), "no {part:?}");
    }
    for own in ["mistress-engine", "mistress-testkit", "proptest"] {
        assert!(!licences.contains(own), "{own}");
    }
    for name in [
        "LICENSE",
        "README.md",
        "completions/_mistress",
        "man/man1/mistress.1",
    ] {
        assert!(!read(name).is_empty(), "{name}");
    }
    let unpacked = folder.join("mistress");
    let version = printed(unpacked.to_str().unwrap(), &["--version"]);
    assert_eq!(version, format!("mistress {}\n", env!("CARGO_PKG_VERSION")));
    let checked = folder.join("scenarios/quickstart.toml");
    let outline = printed(unpacked.to_str().unwrap(), &["completions", "bash"]);
    assert!(outline.contains("_mistress") && checked.is_file());
}
