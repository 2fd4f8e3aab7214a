//! The Debian package: where its files go, what it depends on, what it says of itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Parts, files, step};
use crate::Failure;
use crate::bench::client::Scratch;
use crate::project::root;

const DOCUMENTS: &str = "usr/share/doc/mistress";
const DESCRIPTION: &str = "\
load-testing tool for server-side applications
 Users are Lua code, a TOML profile describes the load, and all cores generate
 it. Latency counts from the moment a request was due, and every run ends with
 a verdict on the generator itself.
 .
 Needs Linux 6.1 or later with io_uring; `mistress doctor` checks the machine.";

/// Makes the package.
///
/// # Errors
/// `dpkg-deb` is missing (Debian package `dpkg`), or a step fails.
pub fn pack(parts: &Parts, out: &Path, scratch: &Scratch) -> Result<PathBuf, Failure> {
    let architecture = step(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let top = scratch.file("deb");
    fill(parts, &top)?;
    let bytes: u64 = files::below(&top)?
        .iter()
        .filter_map(|file| file.metadata().ok())
        .map(|data| data.len())
        .sum();
    let control = format!(
        "Package: mistress\nVersion: {}\nArchitecture: {architecture}\n\
         Maintainer: The Mistress authors <mistress@localhost>\n\
         Section: net\nPriority: optional\nInstalled-Size: {}\nDepends: {}\n\
         Description: {DESCRIPTION}\n",
        parts.version,
        bytes.div_ceil(1024),
        depends(&parts.binary)?
    );
    std::fs::create_dir_all(top.join("DEBIAN"))?;
    std::fs::write(top.join("DEBIAN/control"), control)?;
    let path = out.join(format!("mistress_{}_{architecture}.deb", parts.version));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zgzip", "--build"]);
    step(pack.arg(&top).arg(&path))?;
    Ok(path)
}

/// Puts every file where Debian has such files.
fn fill(parts: &Parts, top: &Path) -> Result<(), Failure> {
    files::put(&parts.binary, &top.join("usr/bin/mistress"))?;
    for (shell, path) in &parts.completions {
        let place = match *shell {
            "bash" => "usr/share/bash-completion/completions/mistress",
            "zsh" => "usr/share/zsh/vendor-completions/_mistress",
            _ => "usr/share/fish/vendor_completions.d/mistress.fish",
        };
        files::put(path, &top.join(place))?;
    }
    for page in &parts.pages {
        let place = top.join("usr/share/man/man1").join(files::name(page));
        files::put(page, &place)?;
        step(Command::new("gzip").arg("-9n").arg(&place))?;
    }
    let documents = top.join(DOCUMENTS);
    files::put_documents(&documents)?;
    files::put(&root().join("LICENSE"), &documents.join("copyright"))?;
    files::put(&parts.licences, &documents.join("THIRD-PARTY-LICENCES.txt"))
}

/// The packages that the program's shared libraries come from.
///
/// # Errors
/// It needs a library that is not known here.
fn depends(binary: &Path) -> Result<String, Failure> {
    let read = step(Command::new("readelf").arg("-dVW").arg(binary))?;
    let mut packages = vec![format!("libc6 (>= {})", glibc_version(&read))];
    for library in read.lines().filter(|line| line.contains("(NEEDED)")) {
        let name = library.split(['[', ']']).nth(1).unwrap_or_default();
        match name.split(".so").next().unwrap_or_default() {
            "libc" | "libm" | "libdl" | "libpthread" | "librt" => {}
            start if start.starts_with("ld-linux") => {}
            "libgcc_s" => packages.push("libgcc-s1".to_owned()),
            _ => return Err(format!("{name}: not known which package has it").into()),
        }
    }
    Ok(packages.join(", "))
}

/// The newest version of glibc that a symbol asks for, from what `readelf -V` prints.
fn glibc_version(read: &str) -> String {
    let versions = read.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let text = &rest[..end.unwrap_or(rest.len())];
        let mut numbers = text.split('.').map(|part| part.parse::<u32>().ok());
        Some((numbers.next()??, numbers.next()??))
    });
    let (major, minor) = versions.max().unwrap_or((2, 36));
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_decides() {
        let read = "Name: GLIBC_2.9  Flags\n Name: GLIBC_2.34\n GLIBC_2.2.5\nGLIBC_PRIVATE";
        assert_eq!(glibc_version(read), "2.34");
    }
}
