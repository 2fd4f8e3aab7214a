//! Puts the files of a backup into a data folder.

use super::{BackupSummary, META, Scratch, at, read};
use crate::store::{locked, make_folder};
use crate::{Archive, Error};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::io;
use std::path::Path;

/// What a data folder holds besides its lock.
const PARTS: [&str; 4] = [META, "meta.sqlite-wal", "meta.sqlite-shm", "runs"];

impl Archive {
    /// Restores a backup into a data folder that no server uses; a folder that holds runs is
    /// refused unless they are to be replaced. What was there is only touched once all files were
    /// checked.
    ///
    /// # Errors
    /// When a server uses the folder, it holds runs, the archive is damaged or from a newer program,
    /// or a file cannot be written.
    pub fn restore(archive: &Path, data_dir: &Path, replace: bool) -> Result<BackupSummary, Error> {
        // a folder that cannot be made or locked is found before an archive of hours is read
        let _lock = locked(data_dir)?;
        let present = PARTS.iter().find(|part| is_filled(&data_dir.join(part)));
        if let (Some(part), false) = (present, replace) {
            return Err(Error::Refused(format!(
                "{}: holds {part}; choose another folder with --data, or replace what is there \
                 with --replace",
                data_dir.display()
            )));
        }
        let place = Scratch::new(data_dir, "restore")?;
        let (new, old) = (place.0.join("new"), place.0.join("old"));
        for folder in [&new, &new.join("runs"), &old] {
            at(folder, make_folder(folder))?;
        }
        let manifest = read(archive, Some(&new))?;
        for name in manifest.files.keys() {
            check(&new.join(name), name)?;
        }
        for part in PARTS {
            replaced(&data_dir.join(part), &old.join(part))?;
            replaced(&new.join(part), &data_dir.join(part))?;
        }
        at(
            data_dir,
            fs::File::open(data_dir).and_then(|dir| dir.sync_all()),
        )?;
        Ok(BackupSummary {
            runs: manifest.files.len() - 1,
            bytes: manifest.files.values().map(|file| file.bytes).sum(),
            archive_bytes: at(archive, fs::metadata(archive))?.len(),
            damaged: Vec::new(),
        })
    }
}

/// Whether there is a file, or a folder with something in it.
fn is_filled(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.exists(),
    }
}

/// Moves what is there, if anything.
fn replaced(from: &Path, to: &Path) -> Result<(), Error> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => at(to, moved),
    }
}

/// Whether SQLite can read all of a file.
fn check(path: &Path, name: &str) -> Result<(), Error> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let said: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match said.as_str() {
        "ok" => Ok(()),
        _ => Err(Error::Format(format!("{name}: {said}"))),
    }
}
