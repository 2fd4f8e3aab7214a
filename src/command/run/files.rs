//! Result files: written completely or not at all, and checked for writability before the run.

use crate::command::console::Stream;
use crate::command::exit::Failure;
use anyhow::anyhow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The destination of one result.
#[derive(Debug, PartialEq, Eq)]
pub enum OutputFile {
    /// `-`.
    Stdout,
    /// A regular file, replaced by renaming.
    Regular(PathBuf),
    /// A device or pipe, written directly.
    Special(PathBuf),
}

impl OutputFile {
    /// Checks whether `path` can be written, without changing it.
    ///
    /// # Errors
    /// It cannot.
    pub fn open(path: &Path) -> Result<OutputFile, Failure> {
        let failed = |error: io::Error| Failure::usage(anyhow!("{}: {error}", path.display()));
        if path == Path::new("-") {
            return Ok(OutputFile::Stdout);
        }
        match fs::metadata(path) {
            Ok(data) if data.is_dir() => Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(data) if !data.is_file() => Ok(OutputFile::Special(path.to_owned())),
            // a symbolic link is kept, the file it points to is replaced
            Ok(_) => fs::canonicalize(path)
                .and_then(OutputFile::try_folder)
                .map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                OutputFile::try_folder(path.to_owned()).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn try_folder(path: PathBuf) -> io::Result<OutputFile> {
        let beside = beside(&path)?;
        File::create(&beside)?;
        fs::remove_file(&beside)?;
        Ok(OutputFile::Regular(path))
    }

    /// Writes the whole text.
    ///
    /// # Errors
    /// The file could not be written; the old content is unchanged.
    pub fn write(&self, text: &str) -> Result<(), Failure> {
        match self {
            OutputFile::Stdout => Stream::Out.deliver(text),
            OutputFile::Special(path) => fs::write(path, text).map_err(|e| unwritten(path, &e)),
            OutputFile::Regular(path) => replace(path, text).map_err(|e| unwritten(path, &e)),
        }
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(anyhow!("{}: not written: {error}", path.display()))
}

/// Writes a temporary file and renames it, so that readers see the old text or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path)?;
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done
}

/// An unused name in the same folder.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.json");
        fs::write(&path, "old").unwrap();
        let file = OutputFile::open(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.write("new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        OutputFile::open(&link).unwrap().write("new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    }

    #[test]
    fn what_cannot_be_written_is_known_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().to_owned(),
            folder.path().join("none/result.json"),
        ] {
            let failure = OutputFile::open(&path).unwrap_err();
            assert!(
                failure.to_string().starts_with(&path.display().to_string()),
                "{failure}"
            );
        }
    }

    #[test]
    fn devices_are_not_replaced() {
        let null = Path::new("/dev/null");
        let file = OutputFile::open(null).unwrap();
        assert_eq!(file, OutputFile::Special(null.to_owned()));
        file.write("text").unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());
    }
}
