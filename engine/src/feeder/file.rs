//! Data files: finding the rows once, and reading any of them later.
//!
//! CSV (RFC 4180, with any separator) and JSON lines are read through an index of every eighth row, so that a file of
//! any size costs one number per eight rows. A JSON array has to be held whole and is bounded.

use super::dialect::Dialect;
use config::{Data, Format};
use scripting::Row;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
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

/// How an indexed file is written.
enum Text {
    /// The names of the columns, empty or blank for those that are left out; the separator.
    Csv(Vec<Arc<str>>, u8),
    JsonLines,
}

/// The places of rows in a file.
pub(super) struct Index {
    file: File,
    text: Text,
    /// Where every eighth row begins, and the end of the last.
    marks: Vec<u64>,
}

/// A file whose rows have been found.
pub(super) struct Opened {
    pub(super) store: Store,
    /// How many there are.
    pub(super) rows: u64,
    /// What was taken for granted, without the file's path.
    pub(super) notices: Vec<String>,
}

/// Opens a file and counts its rows. A problem begins with `:LINE: ` or `: `.
pub(super) fn open(data: &Data) -> Result<Opened, String> {
    let broken = |error: io::Error| format!(": {error}");
    let mut file = File::open(&data.file).map_err(broken)?;
    let mut dialect = Dialect::of(&file, data)?;
    file.seek(SeekFrom::Start(dialect.start)).map_err(broken)?;
    let (store, rows) = match data.format {
        Format::Csv => index_csv(file, data, &mut dialect)?,
        Format::JsonLines => index_lines(file, dialect.start)?,
        Format::Json => read_json(file)?,
    };
    Ok(Opened {
        store,
        rows,
        notices: dialect.notices,
    })
}

fn read_json(file: File) -> Result<(Store, u64), String> {
    let mut text = Vec::new();
    let limit = file.take(JSON_BYTES_MAX + 1).read_to_end(&mut text);
    if limit.map_err(|error| format!(": {error}"))? as u64 > JSON_BYTES_MAX {
        let most = JSON_BYTES_MAX >> 20;
        return Err(format!(
            ": found more than {most} MiB of JSON, which is held in memory; write one object per \
             line and name the file .jsonl"
        ));
    }
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(&text)
        .map_err(|e| format!(":{}: found {e}, allowed is an array of objects", e.line()))?;
    let rows: Vec<Row> = rows.into_iter().map(row_of).collect();
    let count = rows.len() as u64;
    Ok((Store::Held(rows), count))
}

fn index_csv(file: File, data: &Data, dialect: &mut Dialect) -> Result<(Store, u64), String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.separator)
        .from_reader(BufReader::with_capacity(READ_BYTES, &file));
    let lines = dialect.lines;
    let problem = |error| csv_problem(error, lines);
    let mut record = csv::StringRecord::new();
    let columns: Vec<Arc<str>> = match &data.columns {
        Some(columns) => columns
            .iter()
            .map(|name| Arc::from(name.as_str()))
            .collect(),
        None => {
            reader.read_record(&mut record).map_err(problem)?;
            record.iter().map(Arc::from).collect()
        }
    };
    check_columns(&columns, dialect)?;
    let mut found = Found::default();
    loop {
        let begin = dialect.start + reader.position().byte();
        if !reader.read_record(&mut record).map_err(problem)? {
            found.end(begin, dialect);
            break;
        }
        let line = record.position().map_or(0, csv::Position::line) + dialect.lines;
        let is_blank = columns.len() > 1 && record.iter().all(|cell| cell.trim().is_empty());
        let wrong = (record.len() != columns.len()).then(|| {
            let (found, allowed) = (record.len(), columns.len());
            let what = match data.columns {
                Some(_) => "in `columns`",
                None => "in the first line",
            };
            format!(":{line}: found {found} values, expected {allowed} as {what}")
        });
        found.add(begin, is_blank, wrong)?;
    }
    drop(reader);
    let Found { marks, rows, .. } = found;
    let index = Index {
        file,
        text: Text::Csv(columns, dialect.separator),
        marks,
    };
    Ok((Store::Indexed(index), rows))
}

/// What is wrong with names of columns; columns without a name are left out.
fn check_columns(columns: &[Arc<str>], dialect: &mut Dialect) -> Result<(), String> {
    let line = dialect.lines + 1;
    let is_named = |k: &usize| !columns[*k].trim().is_empty();
    let doubled = (1..columns.len()).find(|&k| is_named(&k) && columns[..k].contains(&columns[k]));
    if let Some(k) = doubled {
        return Err(format!(":{line}: found the column {:?} twice", columns[k]));
    }
    let unnamed = (0..columns.len()).filter(|k| !is_named(k)).count();
    if unnamed > 0 && unnamed == columns.len() {
        return Err(format!(
            ":{line}: found a first line without a name of a column"
        ));
    }
    if unnamed > 0 {
        dialect.notices.push(format!(
            "{unnamed} of its {} columns have no name and are left out",
            columns.len()
        ));
    }
    Ok(())
}

/// The rows of a CSV file found so far.
#[derive(Default)]
struct Found {
    marks: Vec<u64>,
    rows: u64,
    /// Where the blank rows begin that came last: rows, marks and bytes before them. At the end of
    /// the file they are none.
    blank: Option<(u64, usize, u64)>,
    /// What is wrong with one of those.
    wrong: Option<String>,
}

impl Found {
    fn add(&mut self, begin: u64, is_blank: bool, wrong: Option<String>) -> Result<(), String> {
        if is_blank {
            let before = (self.rows, self.marks.len(), begin);
            self.blank.get_or_insert(before);
            self.wrong = self.wrong.take().or(wrong);
        } else {
            self.blank = None;
            self.wrong.take().or(wrong).map_or(Ok(()), Err)?;
        }
        if self.rows.is_multiple_of(BLOCK_ROWS) {
            self.marks.push(begin);
        }
        self.rows += 1;
        Ok(())
    }

    fn end(&mut self, mut end: u64, dialect: &mut Dialect) {
        if let Some((rows, marks, begin)) = self.blank {
            let blank = self.rows - rows;
            self.marks.truncate(marks);
            (self.rows, end) = (rows, begin);
            dialect.notices.push(format!(
                "{blank} rows without a value at its end are left out"
            ));
        }
        self.marks.push(end);
    }
}

fn csv_problem(error: csv::Error, lines_before: u64) -> String {
    let line = error.position().map(csv::Position::line);
    let location = line.map_or(String::new(), |line| format!(":{}", line + lines_before));
    let what = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "found bytes that are not UTF-8".to_owned(),
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    format!("{location}: {what}")
}

fn index_lines(file: File, start: u64) -> Result<(Store, u64), String> {
    let mut reader = BufReader::with_capacity(READ_BYTES, &file);
    let (mut marks, mut rows, mut at) = (Vec::new(), 0, start);
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
        text: Text::JsonLines,
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
    /// Of the file that `parser` is for.
    separator: u8,
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
            separator: b',',
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
        let in_block = (row % BLOCK_ROWS) as usize;
        match &index.text {
            Text::JsonLines => {
                let lines = self.bytes.split(|&byte| byte == b'\n');
                let mut lines = lines.filter(|line| !line.trim_ascii().is_empty());
                let line = lines.nth(in_block).ok_or_else(changed)?;
                Ok(row_of(serde_json::from_slice(line)?))
            }
            Text::Csv(columns, separator) => self.record(columns, *separator, in_block),
        }
    }

    /// The record at `place` of the block.
    fn record(&mut self, columns: &[Arc<str>], separator: u8, in_block: usize) -> io::Result<Row> {
        if self.separator != separator {
            self.separator = separator;
            self.parser = csv_core::ReaderBuilder::new().delimiter(separator).build();
        }
        self.parser.reset();
        self.cells.resize(self.bytes.len(), 0);
        self.ends.resize(columns.len() + 1, 0);
        let mut taken = 0;
        for _ in 0..=in_block {
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
        let mut cell = |(name, &end): (&Arc<str>, &usize)| {
            let text = std::str::from_utf8(&self.cells[begin..end]).map_err(io::Error::other)?;
            begin = end;
            Ok::<_, io::Error>((Arc::clone(name), Value::from(text)))
        };
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns.iter().zip(&self.ends) {
            let (name, value) = cell(column)?;
            if !name.trim().is_empty() {
                cells.push((name, value));
            }
        }
        Ok(Row(cells))
    }
}

fn changed() -> io::Error {
    io::Error::other("it was changed after the start of the run")
}
