//! Backup of a data folder while a server uses it, and restoring it.
//!
//! A backup is a tar archive, compressed with zstd: `meta.sqlite`, `runs/ID.sqlite`, each as SQLite
//! copied it within one transaction, and last `backup.json` with the sizes and hashes of both.

mod restore;

use crate::store::{is_id, make_folder, run_file};
use crate::{Archive, Error};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version of the archive's form.
const FORMAT: u32 = 1;
/// The list of runs, accounts and the audit log.
const META: &str = "meta.sqlite";
/// The list of the archive's files, its last one.
const MANIFEST: &str = "backup.json";
/// Levels above the default cost more time than they save space: chunks are compressed.
const LEVEL: i32 = 3;
/// How long a copy waits for another process that changes a file's form.
const BUSY: Duration = Duration::from_secs(10);

/// What an archive holds, as its last file says.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    program: String,
    files: BTreeMap<String, FileFacts>,
}

/// Size and hash of a file of an archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct FileFacts {
    bytes: u64,
    sha256: String,
}

/// What was written or restored.
#[derive(Debug, Default)]
pub struct BackupSummary {
    /// Runs in the archive.
    pub runs: usize,
    /// Size of the files before compression, in bytes.
    pub bytes: u64,
    /// Size of the archive, in bytes.
    pub archive_bytes: u64,
    /// Runs that could not be copied, with the reason; they are listed in the archive without data.
    pub damaged: Vec<String>,
}

impl Archive {
    /// Writes a backup of a data folder to `out`, which must not exist, while a server may use the
    /// folder; then reads it back. `progress` is called with the number of files written and the
    /// number of all.
    ///
    /// # Errors
    /// When there is no data in the folder, `out` exists or cannot be written, or what was written
    /// cannot be read back.
    pub fn backup(
        data_dir: &Path,
        out: &Path,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<BackupSummary, Error> {
        if !data_dir.join(META).is_file() {
            let text = format!("{}: no runs are stored there", data_dir.display());
            return Err(Error::Refused(text));
        }
        if out.exists() {
            let text = format!("{}: exists; remove it, or name another file", out.display());
            return Err(Error::Refused(text));
        }
        let folder = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let place = Scratch::new(folder, "backup")?;
        let archive = place.0.join("archive");
        let mut summary = write(data_dir, &place.0, &archive, progress)?;
        let written = read(&archive, None)?;
        summary.bytes = written.files.values().map(|file| file.bytes).sum();
        summary.archive_bytes = at(&archive, fs::metadata(&archive))?.len();
        at(out, fs::rename(&archive, out))?;
        at(folder, File::open(folder).and_then(|dir| dir.sync_all()))?;
        Ok(summary)
    }
}

/// An error with the path that it is of.
fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, Error> {
    result.map_err(|source| Error::Data {
        path: path.to_owned(),
        source,
    })
}

/// A private folder for unfinished files; removed with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(within: &Path, word: &str) -> Result<Scratch, Error> {
        at(within, make_folder(within))?;
        let path = within.join(format!(".{word}-{}", std::process::id()));
        at(&path, fs::DirBuilder::new().mode(0o700).create(&path))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // what is left is private, and named as what it is
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The archive, and what has been written to it.
struct ArchiveWriter {
    tar: tar::Builder<zstd::stream::write::Encoder<'static, File>>,
    manifest: Manifest,
}

fn write(
    data_dir: &Path,
    place: &Path,
    archive: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<BackupSummary, Error> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let file = at(archive, options.open(archive))?;
    let packed = zstd::stream::write::Encoder::new(file, LEVEL).map_err(Error::Write)?;
    let mut made = ArchiveWriter {
        tar: tar::Builder::new(packed),
        manifest: Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            files: BTreeMap::new(),
        },
    };
    // the list before the runs: what is missing in it is added from the files at the next start
    let meta = place.join(META);
    copy(&data_dir.join(META), &meta)?;
    let mut summary = BackupSummary::default();
    let ids = ids(data_dir)?;
    let copied = place.join("run");
    for (number, id) in ids.iter().enumerate() {
        progress(number, ids.len());
        let source = run_file::path(data_dir, id);
        match copy(&source, &copied) {
            Ok(()) => made.add(&format!("runs/{id}.sqlite"), &copied)?,
            // it was deleted meanwhile
            Err(_) if !source.exists() => forget(&meta, id)?,
            Err(error @ Error::Sqlite(_)) if !is_full(&error) => {
                summary.damaged.push(format!("{id}: {error}"));
            }
            Err(error) => return Err(error),
        }
        // it is there unless nothing was copied
        let _ = fs::remove_file(&copied);
    }
    progress(ids.len(), ids.len());
    summary.runs = made.manifest.files.len();
    made.add(META, &meta)?;
    made.finish()?;
    Ok(summary)
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::Sqlite(e)
        if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
}

/// The ids of all runs that have a file.
fn ids(data_dir: &Path) -> Result<Vec<String>, Error> {
    let folder = run_file::folder(data_dir);
    let mut ids = Vec::new();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
        entries => at(&folder, entries)?,
    };
    for entry in entries {
        let name = at(&folder, entry)?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".sqlite"));
        ids.extend(id.filter(|id| is_id(id)).map(str::to_owned));
    }
    ids.sort();
    Ok(ids)
}

/// Copies a file of SQLite as of one moment, whatever others write to it.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    // a reader of a WAL file writes its index; so not read-only
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(from, flags)?;
    db.busy_timeout(BUSY)?;
    db.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    Ok(())
}

/// Takes a run that was deleted meanwhile out of a copy of the list.
fn forget(meta: &Path, id: &str) -> Result<(), Error> {
    let db = Connection::open(meta)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.execute("DELETE FROM run WHERE id = ?1", [id])?;
    Ok(())
}

impl ArchiveWriter {
    fn add(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        let file = at(path, File::open(path))?;
        let bytes = at(path, file.metadata())?.len();
        let mut hashed = Hashed::new(file);
        let mut head = header(bytes);
        self.tar.append_data(&mut head, name, &mut hashed)?;
        self.manifest.files.insert(name.to_owned(), hashed.facts());
        Ok(())
    }

    fn finish(mut self) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| Error::Format(error.to_string()))?;
        let mut head = header(text.len() as u64);
        self.tar.append_data(&mut head, MANIFEST, &text[..])?;
        let mut file = self.tar.into_inner()?.finish()?;
        file.flush()?;
        Ok(file.sync_all()?)
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut head = tar::Header::new_gnu();
    head.set_size(bytes);
    head.set_mode(0o600);
    head
}

/// Counts and hashes what is read.
struct Hashed<R> {
    inner: R,
    bytes: u64,
    sha256: Sha256,
}

impl<R> Hashed<R> {
    fn new(inner: R) -> Self {
        Hashed {
            inner,
            bytes: 0,
            sha256: Sha256::new(),
        }
    }

    fn facts(self) -> FileFacts {
        let hash = self.sha256.finalize();
        FileFacts {
            bytes: self.bytes,
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Reads an archive through, into a folder if there is one, and holds it against its manifest.
fn read(archive: &Path, into: Option<&Path>) -> Result<Manifest, Error> {
    let broken = |what: &str| Error::Format(format!("{}: {what}", archive.display()));
    let not_one = |error: io::Error| broken(&format!("not a whole backup: {error}"));
    let file = at(archive, File::open(archive))?;
    let unpacked = zstd::stream::read::Decoder::new(file).map_err(not_one)?;
    let mut tar = tar::Archive::new(unpacked);
    let mut found: BTreeMap<String, FileFacts> = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in tar.entries().map_err(not_one)? {
        let mut entry = entry.map_err(not_one)?;
        let name = entry
            .path()
            .map_err(not_one)?
            .to_string_lossy()
            .into_owned();
        if manifest.is_some() || !entry.header().entry_type().is_file() {
            return Err(broken(&format!("holds {name}, which no backup does")));
        }
        if name == MANIFEST {
            let read = serde_json::from_reader(&mut entry);
            manifest = Some(read.map_err(|error| not_one(error.into()))?);
            continue;
        }
        if !is_known(&name) {
            return Err(broken(&format!("holds {name}, which no backup does")));
        }
        let mut hashed = Hashed::new(entry);
        match into {
            None => io::copy(&mut hashed, &mut io::sink()).map_err(not_one)?,
            Some(folder) => {
                let path = folder.join(&name);
                let mut options = OpenOptions::new();
                let options = options.write(true).create_new(true).mode(0o600);
                let mut out = at(&path, options.open(&path))?;
                let count = io::copy(&mut hashed, &mut out).map_err(not_one)?;
                at(&path, out.sync_all())?;
                count
            }
        };
        found.insert(name, hashed.facts());
    }
    let manifest = manifest.ok_or_else(|| broken("not a whole backup: it has no list of files"))?;
    if manifest.format > FORMAT {
        let program = &manifest.program;
        return Err(broken(&format!(
            "of version {program}; use the newer program"
        )));
    }
    if manifest.files != found || !found.contains_key(META) {
        return Err(broken("its files are not those of its list; it is damaged"));
    }
    Ok(manifest)
}

/// Whether a backup has files of this name.
fn is_known(name: &str) -> bool {
    let run = name.strip_prefix("runs/");
    let run = run.and_then(|name| name.strip_suffix(".sqlite"));
    name == META || run.is_some_and(is_id)
}
