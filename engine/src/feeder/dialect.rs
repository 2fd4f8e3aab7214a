//! How a data file is written: its encoding, and what stands between the values of a CSV file.

use config::{Data, Format};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a file that are looked at.
const SAMPLE_BYTES: usize = 64 << 10;
/// Records that are looked at.
const SAMPLE_RECORDS: usize = 100;
const BOM: &[u8] = b"\xef\xbb\xbf";
/// What may separate values where nothing is said; commas first.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// How a file is written.
pub(super) struct Dialect {
    /// Where its text begins: after a byte order mark, and a line `sep=;`.
    pub(super) start: u64,
    /// Lines before that.
    pub(super) lines: u64,
    pub(super) separator: u8,
    /// What was taken for granted.
    pub(super) notices: Vec<String>,
}

impl Dialect {
    /// Looks at the beginning of a file.
    ///
    /// # Errors
    ///
    /// The text is not UTF-8, or the file cannot be read. It begins with `: `.
    pub(super) fn of(file: &File, data: &Data) -> Result<Dialect, String> {
        let (sample, is_whole) = sample(file).map_err(|error| format!(": {error}"))?;
        if is_utf_16(&sample) {
            let advice = match data.format {
                Format::Csv => "; spreadsheets call it \"CSV UTF-8\"",
                Format::Json | Format::JsonLines => "",
            };
            return Err(format!(": found UTF-16, allowed is UTF-8{advice}"));
        }
        let text = sample.strip_prefix(BOM).unwrap_or(&sample);
        let mut dialect = Dialect {
            start: (sample.len() - text.len()) as u64,
            lines: 0,
            separator: b',',
            notices: Vec::new(),
        };
        if data.format == Format::Csv {
            dialect.find_separator(data, text, is_whole);
        }
        Ok(dialect)
    }

    fn find_separator(&mut self, data: &Data, text: &[u8], is_whole: bool) {
        let told = told_separator(text);
        if let Some((_, length)) = told {
            self.start += length as u64;
            self.lines = 1;
        }
        let wanted = data.separator.or(told.map(|(separator, _)| separator));
        if let Some(separator) = wanted {
            self.separator = separator;
            return;
        }
        let found = find_separator(text, is_whole, data.columns.as_deref());
        let Some(separator) = found else {
            return;
        };
        if separator != b',' {
            self.separator = separator;
            let (name, key) = match separator {
                b'\t' => ("tabs", "\\t"),
                _ => ("semicolons", ";"),
            };
            self.notices.push(format!(
                "{name} separate its values, by the look of it (separator = \"{key}\" in the \
                 profile makes sure)"
            ));
        }
    }
}

/// The beginning of a file, and whether that is all of it.
fn sample(file: &File) -> io::Result<(Vec<u8>, bool)> {
    let mut sample = vec![0; SAMPLE_BYTES];
    let mut length = 0;
    while length < SAMPLE_BYTES {
        match file.read_at(&mut sample[length..], length as u64)? {
            0 => {
                sample.truncate(length);
                return Ok((sample, true));
            }
            more => length += more,
        }
    }
    Ok((sample, false))
}

/// By its byte order mark, or by the zeros that it has in place of every other byte of ASCII.
fn is_utf_16(text: &[u8]) -> bool {
    text.starts_with(b"\xff\xfe")
        || text.starts_with(b"\xfe\xff")
        || matches!(text, [0, second, ..] if *second != 0)
        || matches!(text, [first, 0, ..] if *first != 0)
}

/// The line `sep=;` that spreadsheets write and read before the heading: the separator, and how
/// long the line is.
fn told_separator(text: &[u8]) -> Option<(u8, usize)> {
    let rest = text.strip_prefix(b"sep=").or(text.strip_prefix(b"SEP="))?;
    match rest {
        [separator, b'\r', b'\n', ..] => Some((*separator, 7)),
        [separator, b'\n' | b'\r', ..] => Some((*separator, 6)),
        _ => None,
    }
}

/// How many values a separator cuts each record at the beginning of a file into.
fn widths(text: &[u8], is_whole: bool, separator: u8) -> Vec<usize> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(text);
    let mut widths: Vec<usize> = Vec::new();
    for record in reader.byte_records().take(SAMPLE_RECORDS).flatten() {
        let is_blank = record.iter().all(|cell| cell.trim_ascii().is_empty());
        if !is_blank {
            widths.push(record.len());
        }
    }
    // The last one may go on beyond the sample.
    if !is_whole && widths.len() < SAMPLE_RECORDS {
        widths.pop();
    }
    widths
}

/// The first separator that cuts all records at the beginning of a file into as many values, and
/// more than one, or as many as there are columns; otherwise the first that cuts the heading.
fn find_separator(text: &[u8], is_whole: bool, columns: Option<&[String]>) -> Option<u8> {
    let widths = SEPARATORS.map(|separator| (separator, widths(text, is_whole, separator)));
    let fits = |widths: &[usize]| {
        let first = widths.first().copied().unwrap_or(0);
        let is_wanted = columns.map_or(first > 1, |columns| first == columns.len());
        is_wanted && widths.iter().all(|width| *width == first)
    };
    let cuts = |widths: &[usize]| columns.is_none() && widths.first().is_some_and(|w| *w > 1);
    let found = widths.iter().find(|(_, widths)| fits(widths));
    let found = found.or_else(|| widths.iter().find(|(_, widths)| cuts(widths)));
    found.map(|(separator, _)| *separator)
}
