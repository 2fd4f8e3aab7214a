//! Chunks: rows of many keys in one blob, each key's compressed on its own, behind a directory.
//!
//! The directory is a list of LEB128 numbers per key, by key: distance to the key before, bytes
//! stored, bytes when uncompressed (the same number: stored as it is). A key's bytes are rows:
//! number of the row within the block, length, content.

use super::rows::{Key, is_histogram};
use crate::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// The most bytes of one key in one chunk; what is larger was not written by this program.
const SECTION_MAX: usize = 64 << 20;

/// A chunk as it is stored.
#[derive(Debug, Default, Clone)]
pub(crate) struct Chunk {
    pub(crate) directory: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// Where the rows of a key are within a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) key: Key,
    pub(crate) start: usize,
    pub(crate) len: usize,
    raw_len: usize,
}

/// Puts chunks together; keys must come in order.
pub(crate) struct Builder {
    chunk: Chunk,
    last: Key,
    of_counts: Compressor<'static>,
    of_histograms: Compressor<'static>,
}

impl Builder {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut of_histograms = Compressor::new(1).map_err(broken)?;
        // bytes of histograms have no words to be found again: only their frequencies count
        of_histograms
            .set_parameter(CParameter::MinMatch(7))
            .map_err(broken)?;
        Ok(Builder {
            chunk: Chunk::default(),
            last: 0,
            of_counts: Compressor::new(3).map_err(broken)?,
            of_histograms,
        })
    }

    /// Adds all rows of a key, as [`put_row`] wrote them.
    pub(crate) fn put(&mut self, key: Key, rows: &[u8]) -> Result<(), Error> {
        let compressor = if is_histogram(key) {
            &mut self.of_histograms
        } else {
            &mut self.of_counts
        };
        let packed = compressor.compress(rows).map_err(broken)?;
        let stored = if packed.len() < rows.len() {
            &packed[..]
        } else {
            rows
        };
        put_number(&mut self.chunk.directory, u64::from(key - self.last));
        put_number(&mut self.chunk.directory, stored.len() as u64);
        put_number(&mut self.chunk.directory, rows.len() as u64);
        self.chunk.data.extend_from_slice(stored);
        self.last = key;
        Ok(())
    }

    /// The chunk, and room for the next.
    pub(crate) fn take(&mut self) -> Chunk {
        self.last = 0;
        std::mem::take(&mut self.chunk)
    }
}

/// Appends one row: which one of the block it is, and its content.
pub(crate) fn put_row(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_number(out, number);
    put_number(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// The sections a directory names.
pub(crate) fn sections(mut directory: &[u8]) -> Result<Vec<Section>, Error> {
    let mut found = Vec::new();
    let (mut key, mut start) = (0_u32, 0_usize);
    while !directory.is_empty() {
        let step = take_number(&mut directory)?;
        let len = take_number(&mut directory)? as usize;
        let raw_len = take_number(&mut directory)? as usize;
        key = key.saturating_add(u32::try_from(step).unwrap_or(u32::MAX));
        found.push(Section {
            key,
            start,
            len,
            raw_len,
        });
        start = start.saturating_add(len);
    }
    Ok(found)
}

/// Unpacks sections into a buffer that is used again.
pub(crate) struct Unpacker {
    zstd: Decompressor<'static>,
    rows: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Unpacker {
            zstd: Decompressor::new().map_err(broken)?,
            rows: Vec::new(),
        })
    }

    /// Visits the rows of a section, given its stored bytes: number within the block, content.
    pub(crate) fn each(
        &mut self,
        section: &Section,
        stored: &[u8],
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rest = if section.raw_len == section.len {
            stored
        } else {
            if section.raw_len > SECTION_MAX {
                return Err(Error::Format(
                    "a chunk: a key with too many bytes".to_owned(),
                ));
            }
            self.rows.clear();
            self.rows.reserve(section.raw_len);
            self.zstd
                .decompress_to_buffer(stored, &mut self.rows)
                .map_err(broken)?;
            &self.rows
        };
        while !rest.is_empty() {
            let number = take_number(&mut rest)?;
            let len = take_number(&mut rest)? as usize;
            let (content, after) = rest
                .split_at_checked(len)
                .ok_or_else(|| Error::Format("a chunk: a row is cut off".to_owned()))?;
            rest = after;
            visit(number, content)?;
        }
        Ok(())
    }
}

fn broken(error: std::io::Error) -> Error {
    Error::Format(format!("a chunk: {error}"))
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let Some((byte, rest)) = bytes.split_first() else {
            break;
        };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Error::Format("a chunk: a number is cut off".to_owned()))
}
