//! Data files: finding the rows once, and reading any of them later.
//!
//! CSV (RFC 4180) and JSON lines are read through an index of every eighth row, so that a file of
//! any size costs one number per eight rows. A JSON array has to be held whole and is bounded.

use config::{Data, Format};
use scripting::Row;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Rows between two entries of the index; so many are read at once.
const BLOCK_ROWS: u64 = 8;
/// The largest JSON array.
const JSON_BYTES_MAX: u64 = 64 << 20;
/// Bytes read at once while the rows are found.
const READ_BYTES: usize = 1 << 20;

/// Where the rows of a file are.
pub(super) enum Store {
    /// In memory.
    Held(Vec<Row>),
    /// In the file.
    Indexed(Index),
}

/// The places of rows in a file.
pub(super) struct Index {
    file: File,
    /// Names of the columns; none for JSON lines.
    columns: Option<Vec<Arc<str>>>,
    /// Where every eighth row begins, and the end of the last.
    marks: Vec<u64>,
}

/// Opens a file and counts its rows. A problem begins with `:LINE: ` or `: `.
pub(super) fn open(data: &Data) -> Result<(Store, u64), String> {
    let broken = |error: io::Error| format!(": {error}");
    let file = File::open(&data.file).map_err(broken)?;
    match data.format {
        Format::Csv => index_csv(file),
        Format::JsonLines => index_lines(file),
        Format::Json => {
            let mut text = Vec::new();
            let limit = file.take(JSON_BYTES_MAX + 1).read_to_end(&mut text);
            if limit.map_err(broken)? as u64 > JSON_BYTES_MAX {
                let most = JSON_BYTES_MAX >> 20;
                return Err(format!(
                    ": found more than {most} MiB of JSON, which is held in memory; write one \
                     object per line and name the file .jsonl"
                ));
            }
            let rows: Vec<Map<String, Value>> = serde_json::from_slice(&text)
                .map_err(|e| format!(":{}: found {e}, allowed is an array of objects", e.line()))?;
            let rows: Vec<Row> = rows.into_iter().map(row_of).collect();
            let count = rows.len() as u64;
            Ok((Store::Held(rows), count))
        }
    }
}

fn index_csv(file: File) -> Result<(Store, u64), String> {
    let mut reader = csv::Reader::from_reader(BufReader::with_capacity(READ_BYTES, &file));
    let head = reader.headers().map_err(csv_problem)?.clone();
    let columns: Vec<Arc<str>> = head.iter().map(Arc::from).collect();
    let doubled = (1..columns.len()).find(|&k| columns[..k].contains(&columns[k]));
    if let Some(k) = doubled {
        return Err(format!(":1: found the column {:?} twice", columns[k]));
    }
    let (mut marks, mut rows) = (Vec::new(), 0);
    let mut record = csv::StringRecord::new();
    loop {
        let begin = reader.position().byte();
        if !reader.read_record(&mut record).map_err(csv_problem)? {
            marks.push(begin);
            break;
        }
        if rows % BLOCK_ROWS == 0 {
            marks.push(begin);
        }
        rows += 1;
    }
    drop(reader);
    let index = Index {
        file,
        columns: Some(columns),
        marks,
    };
    Ok((Store::Indexed(index), rows))
}

fn csv_problem(error: csv::Error) -> String {
    let line = error.position().map(csv::Position::line);
    let place = line.map_or(String::new(), |line| format!(":{line}"));
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("found {len} values, allowed are {expected_len} as in the first line"),
        csv::ErrorKind::Utf8 { .. } => "found bytes that are not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    format!("{place}: {what}")
}

fn index_lines(file: File) -> Result<(Store, u64), String> {
    let mut reader = BufReader::with_capacity(READ_BYTES, &file);
    let (mut marks, mut rows, mut at) = (Vec::new(), 0, 0);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let problem = |what: String| format!(":{number}: {what}");
        let taken = reader.read_until(b'\n', &mut line);
        let taken = taken.map_err(|error| problem(error.to_string()))? as u64;
        if taken == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(&line);
            parsed.map_err(|e| problem(format!("found {e}, allowed is one object per line")))?;
            if rows % BLOCK_ROWS == 0 {
                marks.push(at);
            }
            rows += 1;
        }
        at += taken;
    }
    marks.push(at);
    drop(reader);
    let index = Index {
        file,
        columns: None,
        marks,
    };
    Ok((Store::Indexed(index), rows))
}

fn row_of(object: Map<String, Value>) -> Row {
    let columns = object.into_iter();
    Row(columns.map(|(name, value)| (name.into(), value)).collect())
}

/// Reads rows of indexed files on one core: scratch space, and the block that was read last.
pub(super) struct RowReader {
    bytes: Vec<u8>,
    /// Which block `bytes` holds.
    block: Option<u64>,
    parser: csv_core::Reader,
    /// The cells of a record one after the other, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
}

impl RowReader {
    pub(super) fn new() -> RowReader {
        RowReader {
            bytes: Vec::new(),
            block: None,
            // Its default would be one without its tables.
            parser: csv_core::Reader::new(),
            cells: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Row number `row` of the file.
    ///
    /// # Errors
    ///
    /// The file cannot be read any more, or is another one than it was.
    pub(super) fn read(&mut self, index: &Index, row: u64) -> io::Result<Row> {
        let block = row / BLOCK_ROWS;
        if self.block != Some(block) {
            self.block = None;
            let (begin, end) = (index.marks[block as usize], index.marks[block as usize + 1]);
            self.bytes.resize((end - begin) as usize, 0);
            index.file.read_exact_at(&mut self.bytes, begin)?;
            self.block = Some(block);
        }
        let place = (row % BLOCK_ROWS) as usize;
        match &index.columns {
            None => {
                let lines = self.bytes.split(|&byte| byte == b'\n');
                let mut lines = lines.filter(|line| !line.trim_ascii().is_empty());
                let line = lines.nth(place).ok_or_else(changed)?;
                Ok(row_of(serde_json::from_slice(line)?))
            }
            Some(columns) => self.record(columns, place),
        }
    }

    /// The record at `place` of the block.
    fn record(&mut self, columns: &[Arc<str>], place: usize) -> io::Result<Row> {
        self.parser.reset();
        self.cells.resize(self.bytes.len(), 0);
        self.ends.resize(columns.len() + 1, 0);
        let mut taken = 0;
        for _ in 0..=place {
            let (mut written, mut ended) = (0, 0);
            loop {
                let (rest, cells) = (&self.bytes[taken..], &mut self.cells[written..]);
                let (outcome, read, wrote, ends) =
                    self.parser
                        .read_record(rest, cells, &mut self.ends[ended..]);
                (taken, written, ended) = (taken + read, written + wrote, ended + ends);
                match outcome {
                    csv_core::ReadRecordResult::Record => break,
                    // Asked again with nothing left, the parser ends the last record.
                    csv_core::ReadRecordResult::InputEmpty => {}
                    _ => return Err(changed()),
                }
            }
            if ended != columns.len() {
                return Err(changed());
            }
        }
        let mut begin = 0;
        let cell = |(name, &end): (&Arc<str>, &usize)| {
            let text = std::str::from_utf8(&self.cells[begin..end]).map_err(io::Error::other)?;
            begin = end;
            Ok((Arc::clone(name), Value::from(text)))
        };
        let cells: io::Result<Vec<_>> = columns.iter().zip(&self.ends).map(cell).collect();
        Ok(Row(cells?))
    }
}

fn changed() -> io::Error {
    io::Error::other("it was changed after the start of the run")
}
