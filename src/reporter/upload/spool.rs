//! Batches that are waiting for upload: files in a folder, or memory if the disk fails.
//!
//! `0000000007-0000000007.batch` holds the batch with sequence 7: 8 bytes of magic, the first 16
//! bytes of the SHA-256 of the rest, and the rest, a batch as it is posted. A file is created
//! atomically, by renaming. The name of a merged batch has the range of its sequences; a file whose
//! range lies within another's is left over from a merge and void.
//! `0000000007-0000000007.batch.refused` was rejected: it has an epoch of its own, because stored
//! later sequences do not mean that it was stored.

mod compact;

use prost::Message as _;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wire::Batch;

const MAGIC: &[u8; 8] = b"MSTSPL01";
const HEAD_LEN: usize = 24;
/// Batches are small and written once a second: the default compression level.
const LEVEL: i32 = 3;
/// Larger batches (unpacked) are invalid; 2 000 names need less. Bytes.
const BATCH_LEN_MAX: usize = 256 << 20;

/// Size limits of a spool, beyond which it merges batches.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes on the disk.
    pub disk: u64,
    /// Bytes in memory, of batches that could not be written to disk.
    pub memory: u64,
}

impl Default for Limits {
    /// On disk, hours of a run with 50 names; in memory, minutes.
    fn default() -> Self {
        Limits {
            disk: 512 << 20,
            memory: 32 << 20,
        }
    }
}

/// Batches in the order of their sequence.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    limits: Limits,
    entries: VecDeque<SpoolEntry>,
    /// The error of a failed write.
    trouble: Option<String>,
    /// Rejected files, which stay in the folder.
    rejected: u64,
}

#[derive(Debug)]
struct SpoolEntry {
    first: u64,
    last: u64,
    /// Seconds of the run that it covers; short ones are merged first.
    seconds: u64,
    len: u64,
    /// It was posted, so its content may already be stored and must not change.
    attempted: bool,
    /// It was rejected before and has an epoch of its own.
    rejected: bool,
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    Disk,
    Memory(Vec<u8>),
}

impl Spool {
    /// A new spool; the folder records `server` for a later upload.
    pub fn create(dir: &Path, limits: Limits, server: &str) -> Spool {
        let made = make_folder(dir).and_then(|()| {
            let mut file = create(&dir.join("server"))?;
            file.write_all(format!("{server}\n").as_bytes())?;
            file.sync_all()
        });
        Spool {
            trouble: made.err().map(|error| error.to_string()),
            ..Spool::empty(dir, limits)
        }
    }

    fn empty(dir: &Path, limits: Limits) -> Spool {
        Spool {
            dir: dir.to_owned(),
            limits,
            entries: VecDeque::new(),
            trouble: None,
            rejected: 0,
        }
    }

    /// Opens the spool of an earlier process, including rejected batches.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(dir: &Path) -> io::Result<Spool> {
        let mut spool = Spool::empty(dir, Limits::default());
        let mut found: Vec<(u64, u64, u64, bool)> = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((first, last)) = range_of(&name) else {
                continue;
            };
            let len = entry.metadata()?.len();
            found.push((first, last, len, name.ends_with(REFUSED)));
        }
        found.sort_by_key(|(first, last, _, rejected)| {
            (*first, std::cmp::Reverse(*last), !rejected)
        });
        let mut through = 0;
        for (first, last, len, rejected) in found {
            if last <= through {
                fs::remove_file(dir.join(file_name(first, last, rejected)))?;
                continue;
            }
            through = last;
            spool.entries.push_back(SpoolEntry {
                first,
                last,
                seconds: 0,
                len,
                attempted: true,
                rejected,
                storage: Storage::Disk,
            });
        }
        Ok(spool)
    }

    /// The server recorded in the folder.
    pub fn server(&self) -> Option<String> {
        let text = fs::read_to_string(self.dir.join("server")).ok()?;
        Some(text.trim().to_owned()).filter(|server| !server.is_empty())
    }

    /// Keeps a batch until it is settled; on disk when this returns, if the disk works.
    pub fn put(&mut self, batch: &Batch) {
        let body = pack(batch);
        let entry = SpoolEntry {
            first: batch.sequence,
            last: batch.sequence,
            seconds: batch.seconds.iter().map(|row| row.seconds).sum(),
            len: body.len() as u64,
            attempted: false,
            rejected: false,
            storage: Storage::Memory(body),
        };
        self.entries.push_back(entry);
        let index = self.entries.len() - 1;
        self.write_out(index);
        self.compact();
    }

    /// The next batch to post, encoded and compressed. Unreadable batches are skipped.
    pub fn front(&mut self) -> Option<Vec<u8>> {
        loop {
            let entry = self.entries.front_mut()?;
            entry.attempted = true;
            let entry = &self.entries[0];
            match self.read(entry) {
                Ok(body) => return Some(body),
                Err(error) => {
                    self.trouble = Some(format!("{}: {error}", self.path(entry).display()));
                    let _ = self.set_aside(0);
                }
            }
        }
    }

    /// Everything up to `sequence` of the epoch of the front batch is stored by the server.
    pub fn settle(&mut self, sequence: u64) {
        let alone = self.entries.front().is_some_and(|entry| entry.rejected);
        let is_stored = |entry: &SpoolEntry| entry.last <= sequence && entry.rejected == alone;
        while self.entries.front().is_some_and(is_stored) {
            if let Some(entry) = self.entries.pop_front() {
                self.remove(&entry);
            }
            if alone {
                return;
            }
        }
    }

    /// Rejects the front batch: it stays in the folder under another name.
    pub fn reject_front(&mut self) {
        let Some(entry) = self.entries.front() else {
            return;
        };
        if !entry.rejected
            && let Ok(mut batch) = self.read(entry).and_then(|body| unpack(&body))
        {
            batch.epoch = own_epoch(&batch);
            let name = file_name(entry.first, entry.last, true);
            match write(&self.dir, &name, &pack(&batch)) {
                Ok(()) => {
                    self.remove(entry);
                    self.entries.pop_front();
                    self.rejected += 1;
                    return;
                }
                Err(error) => self.trouble = Some(format!("{}: {error}", self.dir.display())),
            }
        }
        let _ = self.set_aside(0);
    }

    /// Deletes all waiting batches.
    pub fn discard(&mut self) {
        while let Some(entry) = self.entries.pop_front() {
            self.remove(&entry);
        }
    }

    /// Number of waiting batches.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Number of rejected batches.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Why batches are in memory or missing, if any are.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The spool folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Tries a last time to write the batches in memory to disk, for a later upload; returns how
    /// many are still only in memory.
    pub fn persist(&mut self) -> usize {
        for index in 0..self.entries.len() {
            self.write_out(index);
        }
        let lost = |entry: &&SpoolEntry| matches!(entry.storage, Storage::Memory(_));
        self.entries.iter().filter(lost).count()
    }

    /// Removes the folder if it is empty.
    pub fn close(self) {
        if self.entries.is_empty() && self.rejected == 0 {
            let _ = fs::remove_file(self.dir.join("server"));
            // fails if there are other files in it
            let _ = fs::remove_dir(&self.dir);
        }
    }

    fn write_out(&mut self, index: usize) {
        let entry = &self.entries[index];
        let Storage::Memory(body) = &entry.storage else {
            return;
        };
        let name = file_name(entry.first, entry.last, entry.rejected);
        match write(&self.dir, &name, body) {
            Ok(()) => self.entries[index].storage = Storage::Disk,
            Err(error) => self.trouble = Some(format!("{}: {error}", self.dir.display())),
        }
    }

    fn read(&self, entry: &SpoolEntry) -> io::Result<Vec<u8>> {
        match &entry.storage {
            Storage::Memory(body) => Ok(body.clone()),
            Storage::Disk => checked(fs::read(self.path(entry))?),
        }
    }

    fn path(&self, entry: &SpoolEntry) -> PathBuf {
        self.dir
            .join(file_name(entry.first, entry.last, entry.rejected))
    }

    fn remove(&self, entry: &SpoolEntry) {
        if matches!(entry.storage, Storage::Disk) {
            // a file that stays is posted again, which is harmless
            let _ = fs::remove_file(self.path(entry));
        }
    }

    fn set_aside(&mut self, index: usize) -> io::Result<()> {
        let Some(entry) = self.entries.remove(index) else {
            return Ok(());
        };
        self.rejected += 1;
        let name = file_name(entry.first, entry.last, true);
        match &entry.storage {
            Storage::Disk => fs::rename(self.path(&entry), self.dir.join(name)),
            Storage::Memory(body) => write(&self.dir, &name, body),
        }
    }
}

/// Suffix of the file names of rejected batches.
const REFUSED: &str = ".refused";

fn file_name(first: u64, last: u64, rejected: bool) -> String {
    let ending = if rejected { REFUSED } else { "" };
    format!("{first:010}-{last:010}.batch{ending}")
}

/// A different, deterministic epoch for the same sender: what is sent twice is still stored once.
fn own_epoch(batch: &Batch) -> u64 {
    let spread = batch.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (batch.epoch ^ spread) & (u64::MAX >> 1)
}

/// Creates a folder and its parents durably.
fn make_folder(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new(""));
    make_folder(parent)?;
    // what the target answered is nobody else's
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    File::open(parent)?.sync_all()
}

/// A new file that only this user can read.
fn create(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

fn range_of(name: &str) -> Option<(u64, u64)> {
    let name = name.strip_suffix(REFUSED).unwrap_or(name);
    let (first, last) = name.strip_suffix(".batch")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// A batch as it is posted.
fn pack(batch: &Batch) -> Vec<u8> {
    let bytes = batch.encode_to_vec();
    // compressing into memory only fails without memory
    zstd::bulk::compress(&bytes, LEVEL).unwrap_or_default()
}

fn unpack(body: &[u8]) -> io::Result<Batch> {
    let bytes = zstd::bulk::decompress(body, BATCH_LEN_MAX)?;
    Batch::decode(bytes.as_slice()).map_err(io::Error::other)
}

fn write(dir: &Path, name: &str, body: &[u8]) -> io::Result<()> {
    let beside = dir.join(format!(".{name}"));
    let written = create(&beside).and_then(|mut file| {
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(body)[..HEAD_LEN - MAGIC.len()])?;
        file.write_all(body)?;
        file.sync_all()?;
        fs::rename(&beside, dir.join(name))?;
        File::open(dir)?.sync_all()
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn checked(mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "not a complete batch");
    let (head, body) = bytes.split_at_checked(HEAD_LEN).ok_or_else(broken)?;
    let sum = &Sha256::digest(body)[..HEAD_LEN - MAGIC.len()];
    if &head[..MAGIC.len()] != MAGIC || &head[MAGIC.len()..] != sum {
        return Err(broken());
    }
    Ok(bytes.split_off(HEAD_LEN))
}
