//! What is given to users: a stripped program, a Debian package and an archive, with checksums.
//!
//! The package is made by `dpkg-deb` itself, from a folder: it is on every machine that can install
//! one, and neither another program to fetch nor a format to write remains.

mod debian;
mod files;
mod licences;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::{cargo, release_binary, root};
use crate::run::{self, Limit};

const USAGE: &str = "\
cargo xtask dist [OPTIONS]

  --out DIR        where everything is put (target/dist); the folder is made
  --binary FILE    this program, instead of a new release build

Makes for this machine:
  mistress                            the program, stripped
  mistress_VERSION_ARCH.deb           with completions, manual pages, docs, scenarios and licences
  mistress-VERSION-MACHINE.tar.gz     the same, to unpack anywhere
  SHA256SUMS";

/// No step of packing takes longer.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// What the command line asks for.
struct Options {
    out: PathBuf,
    binary: Option<PathBuf>,
}

impl Options {
    /// Reads the options; `None` when help is asked for.
    fn parse(args: &[&str]) -> Result<Option<Options>, Failure> {
        let mut options = Options {
            out: root().join("target/dist"),
            binary: None,
        };
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            if matches!(arg, "--help" | "-h") {
                return Ok(None);
            }
            let value = args
                .next()
                .ok_or_else(|| format!("{arg}: no value\n\n{USAGE}"));
            match arg {
                "--out" => options.out = std::path::absolute(value?)?,
                "--binary" => options.binary = Some(std::path::absolute(value?)?),
                _ => return Err(format!("unknown option: {arg}\n\n{USAGE}").into()),
            }
        }
        Ok(Some(options))
    }
}

/// The program and all that goes with it, ready to be packed.
pub struct Parts {
    /// The stripped program.
    binary: PathBuf,
    /// Its version, `0.1.0`.
    version: String,
    /// Completion scripts: the shell and the file.
    completions: Vec<(&'static str, PathBuf)>,
    /// Manual pages.
    pages: Vec<PathBuf>,
    /// Licences of what is built into the program.
    licences: PathBuf,
}

/// Makes all of it and prints the paths.
pub fn dist(args: &[&str]) -> Result<bool, Failure> {
    let Some(options) = Options::parse(args)? else {
        println!("{USAGE}");
        return Ok(true);
    };
    std::fs::create_dir_all(&options.out)?;
    let built = match options.binary {
        Some(binary) => binary,
        None => build()?,
    };
    let scratch = Scratch::new("dist")?;
    let parts = Parts::make(&built, &options.out, &scratch)?;
    let package = debian::pack(&parts, &options.out, &scratch)?;
    let archive = archive(&parts, &options.out, &scratch)?;
    let sums = checksums(&options.out, &[&parts.binary, &package, &archive])?;
    for path in [&parts.binary, &package, &archive, &sums] {
        let bytes = std::fs::metadata(path)?.len();
        println!(
            "{:>10.2} MiB  {}",
            bytes as f64 / 1_048_576.0,
            path.display()
        );
    }
    Ok(true)
}

fn build() -> Result<PathBuf, Failure> {
    let build = cargo(&["build", "--release", "--locked"]);
    let end = run::lines(build, Limit::None, |_, line| println!("{line}"))?;
    if !end.is_success() {
        return Err("the release build failed".into());
    }
    Ok(release_binary("mistress"))
}

impl Parts {
    fn make(built: &Path, out: &Path, scratch: &Scratch) -> Result<Parts, Failure> {
        let binary = out.join("mistress");
        std::fs::copy(built, &binary)?;
        step(Command::new("strip").arg(&binary))?;
        let version = step(Command::new(&binary).arg("--version"))?;
        let version = version.trim().strip_prefix("mistress ").map(str::to_owned);
        let mut completions = Vec::new();
        for shell in ["bash", "zsh", "fish"] {
            let text = step(Command::new(&binary).args(["completions", shell]))?;
            let path = scratch.file(&format!("mistress.{shell}"));
            std::fs::write(&path, text)?;
            completions.push((shell, path));
        }
        let folder = scratch.file("man");
        step(Command::new(&binary).args(["man", "--dir"]).arg(&folder))?;
        let licences = scratch.file("THIRD-PARTY-LICENCES.txt");
        std::fs::write(&licences, licences::text()?)?;
        Ok(Parts {
            binary,
            version: version.ok_or("--version does not begin with the name")?,
            completions,
            pages: files::below(&folder)?,
            licences,
        })
    }
}

/// Packs an archive that can be unpacked anywhere.
fn archive(parts: &Parts, out: &Path, scratch: &Scratch) -> Result<PathBuf, Failure> {
    let name = format!(
        "mistress-{}-{}-linux",
        parts.version,
        std::env::consts::ARCH
    );
    let top = scratch.file(&name);
    files::put(&parts.binary, &top.join("mistress"))?;
    files::put(&parts.licences, &top.join("THIRD-PARTY-LICENCES.txt"))?;
    for (shell, path) in &parts.completions {
        let file = match *shell {
            "zsh" => "_mistress".to_owned(),
            shell => format!("mistress.{shell}"),
        };
        files::put(path, &top.join("completions").join(file))?;
    }
    for page in &parts.pages {
        files::put(page, &top.join("man/man1").join(files::name(page)))?;
    }
    files::put_project(&top)?;
    let path = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args([
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--sort=name",
        "-czf",
    ]);
    step(tar.arg(&path).arg("-C").arg(scratch.file("")).arg(&name))?;
    Ok(path)
}

/// Writes the checksums, as `sha256sum -c` reads them.
fn checksums(out: &Path, paths: &[&PathBuf]) -> Result<PathBuf, Failure> {
    let mut sum = Command::new("sha256sum");
    sum.current_dir(out)
        .args(paths.iter().map(|path| files::name(path)));
    let file = out.join("SHA256SUMS");
    std::fs::write(&file, step(&mut sum)?)?;
    Ok(file)
}

/// Runs a program of the packing to its end; what it printed.
fn step(command: &mut Command) -> Result<String, Failure> {
    let taken = std::mem::replace(command, Command::new("true"));
    Ok(run::capture(taken, STEP_LIMIT)?.stdout)
}
