//! Batches that wait to be stored elsewhere: files of a folder, or memory where the disk refuses.
//!
//! `0000000007-0000000007.batch` holds the batch with sequence 7: 8 bytes of magic, the first 16
//! bytes of the SHA-256 of the rest, and the rest, a batch as it is posted. A file comes into
//! being whole, by renaming. A batch that others were merged into carries the range of their
//! sequences in its name; a file whose range lies within another's is left over from a merge and
//! void. `0000000007-0000000007.batch.refused` was refused: it has an epoch of its own, because
//! what was stored of later sequences does not mean that it was.

mod squeeze;

use prost::Message as _;
use sha2::{Digest, Sha256};
use stats::wire::Batch;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"MSTSPL01";
const HEAD_LEN: usize = 24;
/// Batches are small and written once a second: the default level of the format.
const LEVEL: i32 = 3;
/// A batch is refused when it is larger than this, unpacked: more than 2 000 names can fill.
const BATCH_LEN_MAX: usize = 256 << 20;

/// How much a spool keeps before it merges.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes on the disk.
    pub disk: u64,
    /// Bytes in memory, of what the disk did not take.
    pub memory: u64,
}

impl Default for Limits {
    /// Hours of a run with 50 names on the disk, minutes in memory.
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
    entries: VecDeque<Entry>,
    /// Set when a write failed: why.
    trouble: Option<String>,
    /// Files the server refused; they stay.
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    first: u64,
    last: u64,
    /// Seconds of the run that it covers, to merge short ones first.
    seconds: u64,
    len: u64,
    /// It was posted, so what it covers may be stored already and must not grow.
    attempted: bool,
    /// It was refused before and has an epoch of its own.
    refused: bool,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Disk,
    Memory(Vec<u8>),
}

impl Spool {
    /// A new spool; `server` is noted in the folder for whoever delivers it later.
    pub fn create(dir: &Path, limits: Limits, server: &str) -> Spool {
        let made = make_folder(dir).and_then(|()| {
            let mut file = File::create(dir.join("server"))?;
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
            refused: 0,
        }
    }

    /// What an earlier process left behind, refused batches among it.
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
        found.sort_by_key(|(first, last, _, refused)| (*first, std::cmp::Reverse(*last), !refused));
        let mut through = 0;
        for (first, last, len, refused) in found {
            if last <= through {
                fs::remove_file(dir.join(file_name(first, last, refused)))?;
                continue;
            }
            through = last;
            spool.entries.push_back(Entry {
                first,
                last,
                seconds: 0,
                len,
                attempted: true,
                refused,
                place: Place::Disk,
            });
        }
        Ok(spool)
    }

    /// The server noted in the folder.
    pub fn server(&self) -> Option<String> {
        let text = fs::read_to_string(self.dir.join("server")).ok()?;
        Some(text.trim().to_owned()).filter(|server| !server.is_empty())
    }

    /// Keeps a batch until it is settled; on the disk when this returns, if the disk takes it.
    pub fn put(&mut self, batch: &Batch) {
        let body = pack(batch);
        let entry = Entry {
            first: batch.sequence,
            last: batch.sequence,
            seconds: batch.seconds.iter().map(|row| row.seconds).sum(),
            len: body.len() as u64,
            attempted: false,
            refused: false,
            place: Place::Memory(body),
        };
        self.entries.push_back(entry);
        let place = self.entries.len() - 1;
        self.write_out(place);
        self.squeeze();
    }

    /// The next batch to post, encoded and compressed. One that cannot be read any more is left
    /// out.
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

    /// Everything through `sequence` of the epoch of the batch at the front is stored elsewhere.
    pub fn settle(&mut self, sequence: u64) {
        let alone = self.entries.front().is_some_and(|entry| entry.refused);
        let is_stored = |entry: &Entry| entry.last <= sequence && entry.refused == alone;
        while self.entries.front().is_some_and(is_stored) {
            if let Some(entry) = self.entries.pop_front() {
                self.remove(&entry);
            }
            if alone {
                return;
            }
        }
    }

    /// The batch at the front is not wanted: it stays in the folder, out of the way.
    pub fn refuse_front(&mut self) {
        let Some(entry) = self.entries.front() else {
            return;
        };
        if !entry.refused
            && let Ok(mut batch) = self.read(entry).and_then(|body| unpack(&body))
        {
            batch.epoch = own_epoch(&batch);
            let name = file_name(entry.first, entry.last, true);
            match write(&self.dir, &name, &pack(&batch)) {
                Ok(()) => {
                    self.remove(entry);
                    self.entries.pop_front();
                    self.refused += 1;
                    return;
                }
                Err(error) => self.trouble = Some(format!("{}: {error}", self.dir.display())),
            }
        }
        let _ = self.set_aside(0);
    }

    /// Nothing that waits is wanted anywhere.
    pub fn discard(&mut self) {
        while let Some(entry) = self.entries.pop_front() {
            self.remove(&entry);
        }
    }

    /// Batches that wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Batches that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Why batches are in memory or missing, if some are.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Where batches wait.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A last attempt to put on the disk what is in memory, for whoever delivers it later. What
    /// was left is told by the number of batches that are only in memory.
    pub fn persist(&mut self) -> usize {
        for place in 0..self.entries.len() {
            self.write_out(place);
        }
        let lost = |entry: &&Entry| matches!(entry.place, Place::Memory(_));
        self.entries.iter().filter(lost).count()
    }

    /// Removes the folder when nothing is left in it.
    pub fn close(self) {
        if self.entries.is_empty() && self.refused == 0 {
            let _ = fs::remove_file(self.dir.join("server"));
            // fails when somebody else has put something there
            let _ = fs::remove_dir(&self.dir);
        }
    }

    fn write_out(&mut self, place: usize) {
        let entry = &self.entries[place];
        let Place::Memory(body) = &entry.place else {
            return;
        };
        let name = file_name(entry.first, entry.last, entry.refused);
        match write(&self.dir, &name, body) {
            Ok(()) => self.entries[place].place = Place::Disk,
            Err(error) => self.trouble = Some(format!("{}: {error}", self.dir.display())),
        }
    }

    fn read(&self, entry: &Entry) -> io::Result<Vec<u8>> {
        match &entry.place {
            Place::Memory(body) => Ok(body.clone()),
            Place::Disk => checked(fs::read(self.path(entry))?),
        }
    }

    fn path(&self, entry: &Entry) -> PathBuf {
        self.dir
            .join(file_name(entry.first, entry.last, entry.refused))
    }

    fn remove(&self, entry: &Entry) {
        if matches!(entry.place, Place::Disk) {
            // a file that stays is posted again, which does no harm
            let _ = fs::remove_file(self.path(entry));
        }
    }

    fn set_aside(&mut self, place: usize) -> io::Result<()> {
        let Some(entry) = self.entries.remove(place) else {
            return Ok(());
        };
        self.refused += 1;
        let name = file_name(entry.first, entry.last, true);
        match &entry.place {
            Place::Disk => fs::rename(self.path(&entry), self.dir.join(name)),
            Place::Memory(body) => write(&self.dir, &name, body),
        }
    }
}

/// What the name of a refused batch has behind it.
const REFUSED: &str = ".refused";

fn file_name(first: u64, last: u64, refused: bool) -> String {
    let ending = if refused { REFUSED } else { "" };
    format!("{first:010}-{last:010}.batch{ending}")
}

/// Another epoch of the same sender, the same each time: what is sent twice is still stored once.
fn own_epoch(batch: &Batch) -> u64 {
    let spread = batch.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (batch.epoch ^ spread) & (u64::MAX >> 1)
}

/// Makes a folder and those above it that outlast the machine's power.
fn make_folder(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new(""));
    make_folder(parent)?;
    fs::create_dir_all(dir)?;
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    File::open(parent)?.sync_all()
}

fn range_of(name: &str) -> Option<(u64, u64)> {
    let name = name.strip_suffix(REFUSED).unwrap_or(name);
    let (first, last) = name.strip_suffix(".batch")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// A batch as it is posted.
fn pack(batch: &Batch) -> Vec<u8> {
    let bytes = batch.encode_to_vec();
    // compressing into memory fails only for want of it
    zstd::bulk::compress(&bytes, LEVEL).unwrap_or_default()
}

fn unpack(body: &[u8]) -> io::Result<Batch> {
    let bytes = zstd::bulk::decompress(body, BATCH_LEN_MAX)?;
    Batch::decode(bytes.as_slice()).map_err(io::Error::other)
}

fn write(dir: &Path, name: &str, body: &[u8]) -> io::Result<()> {
    let beside = dir.join(format!(".{name}"));
    let written = File::create(&beside).and_then(|mut file| {
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
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "not a whole batch");
    let (head, body) = bytes.split_at_checked(HEAD_LEN).ok_or_else(broken)?;
    let sum = &Sha256::digest(body)[..HEAD_LEN - MAGIC.len()];
    if &head[..MAGIC.len()] != MAGIC || &head[MAGIC.len()..] != sum {
        return Err(broken());
    }
    Ok(bytes.split_off(HEAD_LEN))
}
