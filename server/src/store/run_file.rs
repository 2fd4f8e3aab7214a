//! The file of one run: its schema and SQL statements.

use super::chunk::Chunk;
use super::migrate::migrate;
use crate::Error;
use prost::Message;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::Permissions;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wire::{EventRow, RunEnd, RunStart};

/// Maximum number of stored events of one run.
pub(crate) const EVENTS_MAX: u64 = 10_000;
/// Maximum length of an event's stored text, in bytes.
const EVENT_TEXT_MAX: usize = 16 << 10;

const STEPS: [&str; 2] = [
    "
CREATE TABLE node (
    node INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    start BLOB,
    finish BLOB
) STRICT;
CREATE TABLE epoch (
    node INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    through INTEGER NOT NULL,
    PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE name (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL
) STRICT;
CREATE TABLE pending (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    minute INTEGER NOT NULL,
    node INTEGER NOT NULL,
    batch BLOB NOT NULL
) STRICT;
CREATE TABLE chunk (
    level INTEGER NOT NULL,
    block INTEGER NOT NULL,
    part INTEGER NOT NULL,
    directory BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunk_place ON chunk (level, block, part);
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
",
    // from this version on histograms may be stored as deltas; older ones stay as they are
    "",
];

/// The version of the format that this program writes.
pub(crate) const VERSION: usize = STEPS.len();

/// The folder with the files of runs.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("runs")
}

/// Creates a folder and its parents durably.
pub(crate) fn make_folder(dir: &Path) -> std::io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new(""));
    make_folder(parent)?;
    let mut folders = std::fs::DirBuilder::new();
    // their contents are private
    folders.recursive(true).mode(0o700).create(dir)?;
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    // a folder's name is stored in its parent
    std::fs::File::open(parent)?.sync_all()
}

/// Removes the permissions of other users for a folder; whether they had any.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<bool> {
    let mode = std::fs::metadata(dir)?.permissions().mode();
    let is_wide = mode & 0o077 != 0;
    if is_wide {
        std::fs::set_permissions(dir, Permissions::from_mode(mode & 0o700))?;
    }
    Ok(is_wide)
}

/// The path of a run's file; [`is_id`] must have accepted the id.
pub(crate) fn path(data_dir: &Path, id: &str) -> PathBuf {
    folder(data_dir).join(format!("{id}.sqlite"))
}

/// Whether a text is a valid run id, and so safe in a file name.
pub fn is_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=64).contains(&id.len()) && id.bytes().all(allowed) && !id.starts_with('-')
}

/// Deletes the file of a run, if there is one.
pub(crate) fn remove(data_dir: &Path, id: &str) {
    if !is_id(id) {
        return;
    }
    let path = path(data_dir, id);
    for ending in ["", "-wal", "-shm"] {
        // a missing file needs no deletion
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
}

/// The space that the file of a run takes, in bytes.
pub(crate) fn bytes_of(data_dir: &Path, id: &str) -> u64 {
    let path = path(data_dir, id);
    let files = ["", "-wal", "-shm"].map(|ending| format!("{}{ending}", path.display()));
    let bytes = |file: &String| std::fs::metadata(file).map_or(0, |file| file.len());
    files.iter().map(bytes).sum()
}

/// The space that the files of all runs take, in bytes.
pub(crate) fn bytes_of_all(data_dir: &Path) -> u64 {
    let entries = std::fs::read_dir(folder(data_dir));
    let files = entries.into_iter().flatten().flatten();
    let bytes = files.map(|file| file.metadata().map_or(0, |file| file.len()));
    bytes.sum()
}

/// Opens the file for writing, creating it if absent.
pub(crate) fn open(path: &Path) -> Result<Connection, Error> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    // both only take effect on empty files
    db.pragma_update(None, "page_size", 16_384)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "journal_size_limit", 16 << 20)?;
    db.pragma_update(None, "cache_size", -4_000)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    migrate(&mut db, &name, &STEPS)?;
    Ok(db)
}

/// Opens the file for reading; `None` when there is none.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<Connection>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    // a reader of a WAL file writes its index; so not read-only
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    db.pragma_update(None, "query_only", true)?;
    Ok(Some(db))
}

/// One node, as described by itself.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Its number within the run.
    pub node: u32,
    /// Its host name; untrusted text.
    pub name: String,
    /// Its start; `None` when only a later part of its batches has arrived.
    pub start: Option<RunStart>,
    /// Its end.
    pub end: Option<RunEnd>,
}

/// All nodes, by number.
pub(crate) fn nodes(db: &Connection) -> Result<Vec<Node>, Error> {
    let mut query = db.prepare("SELECT node, name, start, finish FROM node ORDER BY node")?;
    let mut rows = query.query([])?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        let start: Option<Vec<u8>> = row.get(2)?;
        let end: Option<Vec<u8>> = row.get(3)?;
        nodes.push(Node {
            node: row.get(0)?,
            name: row.get(1)?,
            start: start.map(|bytes| read(&bytes)).transpose()?,
            end: end.map(|bytes| read(&bytes)).transpose()?,
        });
    }
    Ok(nodes)
}

fn read<M: Message + Default>(bytes: &[u8]) -> Result<M, Error> {
    M::decode(bytes).map_err(|error| Error::Format(format!("a node: {error}")))
}

/// Records a node, and its start or end if the batch has one.
pub(crate) fn put_node(
    db: &Connection,
    node: u32,
    name: &str,
    start: Option<&RunStart>,
    end: Option<&RunEnd>,
) -> Result<(), Error> {
    let sql = "INSERT INTO node VALUES (?1, ?2, ?3, ?4) ON CONFLICT (node) DO UPDATE SET \
               name = ?2, start = coalesce(?3, start), finish = coalesce(?4, finish)";
    let start = start.map(Message::encode_to_vec);
    let end = end.map(Message::encode_to_vec);
    db.prepare_cached(sql)?
        .execute(params![node, name, start, end])?;
    Ok(())
}

/// The highest sequence accepted, by node and epoch.
pub(crate) fn epochs(db: &Connection) -> Result<HashMap<(u32, u64), u64>, Error> {
    let mut query = db.prepare("SELECT node, epoch, through FROM epoch")?;
    let rows = query.query_map([], |row| {
        let (epoch, through): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(((row.get(0)?, epoch as u64), through as u64))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn put_epoch(db: &Connection, node: u32, epoch: u64, through: u64) -> Result<(), Error> {
    let sql = "INSERT INTO epoch VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET through = ?3";
    db.prepare_cached(sql)?
        .execute(params![node, epoch as i64, through as i64])?;
    Ok(())
}

/// All names: (number, kind, name).
pub(crate) fn names(db: &Connection) -> Result<Vec<(u32, i32, String)>, Error> {
    let mut query = db.prepare("SELECT id, kind, name FROM name ORDER BY id")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn put_name(db: &Connection, id: u32, kind: i32, name: &str) -> Result<(), Error> {
    let sql = "INSERT INTO name VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![id, kind, name])?;
    Ok(())
}

/// Stores a compressed batch until its minute becomes chunks; returns its number.
pub(crate) fn put_pending(
    db: &Connection,
    minute: u64,
    node: u32,
    batch: &[u8],
) -> Result<i64, Error> {
    let sql = "INSERT INTO pending (minute, node, batch) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?
        .execute(params![minute as i64, node, batch])?;
    Ok(db.last_insert_rowid())
}

/// Visits all pending batches, oldest first: number, minute, node, batch.
pub(crate) fn each_pending(
    db: &Connection,
    mut visit: impl FnMut(i64, u64, u32, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut query = db.prepare("SELECT id, minute, node, batch FROM pending ORDER BY id")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let minute: i64 = row.get(1)?;
        let batch = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        visit(row.get(0)?, minute as u64, row.get(2)?, batch)?;
    }
    Ok(())
}

/// Replaces the batches of a minute, up to number `through`, with its chunks, and discards roll-ups
/// of the minute.
pub(crate) fn put_minute(
    db: &Connection,
    minute: u64,
    through: i64,
    chunks: &[(u64, Chunk)],
) -> Result<(), Error> {
    let part: i64 = db.query_row(
        "SELECT coalesce(max(part) + 1, 0) FROM chunk WHERE level = 1 AND block = ?1",
        [minute as i64],
        |row| row.get(0),
    )?;
    for (level, chunk) in chunks {
        let block = if *level <= super::levels::MINUTE_S {
            minute
        } else {
            minute * super::levels::MINUTE_S / level
        };
        put_chunk(db, *level, block, part, chunk)?;
    }
    for level in super::levels::ROLLED {
        let block = minute * super::levels::MINUTE_S / level;
        let sql = "DELETE FROM chunk WHERE level = ?1 AND block = ?2";
        db.execute(sql, [level as i64, block as i64])?;
    }
    let sql = "DELETE FROM pending WHERE minute = ?1 AND id <= ?2";
    db.execute(sql, [minute as i64, through])?;
    Ok(())
}

/// Adds one chunk.
pub(crate) fn put_chunk(
    db: &Connection,
    level: u64,
    block: u64,
    part: i64,
    chunk: &Chunk,
) -> Result<(), Error> {
    let sql = "INSERT INTO chunk VALUES (?1, ?2, ?3, ?4, ?5)";
    let (level, block) = (level as i64, block as i64);
    db.prepare_cached(sql)?
        .execute(params![level, block, part, chunk.directory, chunk.data])?;
    Ok(())
}

/// The blocks of a level that have chunks, with how many.
pub(crate) fn blocks(db: &Connection, level: u64) -> Result<BTreeMap<u64, u32>, Error> {
    let sql = "SELECT block, count(*) FROM chunk WHERE level = ?1 GROUP BY block";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([level as i64], |row| {
        let block: i64 = row.get(0)?;
        Ok((block as u64, row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The blocks that were rolled up.
pub(crate) fn rolled(db: &Connection) -> Result<BTreeSet<(u64, u64)>, Error> {
    let mut rolled = BTreeSet::new();
    for level in super::levels::ROLLED {
        rolled.extend(blocks(db, level)?.into_keys().map(|block| (level, block)));
    }
    Ok(rolled)
}

/// Stores events, as many as fit.
pub(crate) fn put_events(db: &Connection, node: u32, events: &[EventRow]) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let sql = "SELECT count(*) FROM event";
    let have: u64 = db.query_row(sql, [], |row| row.get::<_, i64>(0))? as u64;
    let room = usize::try_from(EVENTS_MAX.saturating_sub(have)).unwrap_or(0);
    let sql = "INSERT INTO event (node, time_us, kind, text) VALUES (?1, ?2, ?3, ?4)";
    for event in events.iter().take(room) {
        let text = cut(&event.text, EVENT_TEXT_MAX);
        db.prepare_cached(sql)?.execute(params![
            node,
            event.time_us,
            cut(&event.kind, 64),
            text
        ])?;
    }
    Ok(())
}

/// The longest prefix of at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// All events by time: (node, event).
pub(crate) fn events(db: &Connection) -> Result<Vec<(u32, EventRow)>, Error> {
    let mut query =
        db.prepare("SELECT node, time_us, kind, text FROM event ORDER BY time_us, id")?;
    let rows = query.query_map([], |row| {
        let event = EventRow {
            time_us: row.get(1)?,
            kind: row.get(2)?,
            text: row.get(3)?,
        };
        Ok((row.get(0)?, event))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The minutes that have chunks.
pub(crate) fn chunked_minutes(db: &Connection) -> Result<BTreeSet<u64>, Error> {
    let mut query = db.prepare("SELECT DISTINCT block FROM chunk WHERE level = 1")?;
    let minutes = query.query_map([], |row| row.get::<_, i64>(0))?;
    Ok(minutes
        .map(|minute| minute.map(|minute| minute as u64))
        .collect::<Result<_, _>>()?)
}

/// The end (exclusive) of the last minute with chunks; 0 without chunks.
pub(crate) fn chunked_to(db: &Connection) -> Result<u64, Error> {
    let sql = "SELECT max(block) FROM chunk WHERE level = 1";
    let block: Option<i64> = db
        .query_row(sql, [], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(block.map_or(0, |block| (block as u64 + 1) * super::levels::MINUTE_S))
}
