//! Chunks: rows of many keys in one blob, each key's rows compressed separately, with a directory.
//!
//! The directory has LEB128 numbers per key, in order of keys: distance from the previous key,
//! stored bytes, uncompressed bytes (equal to the stored bytes: not compressed; 0 for a key of
//! histograms: deltas from sums stored elsewhere, see [`super::delta_codec`]). A key's bytes are
//! rows: row number within the block, length, content.

use super::Content;
use super::delta_codec::{Buckets, DeltaDecoder, DeltaEncoder, Group, decode_buckets};
use super::rows::{Key, is_histogram};
use crate::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Maximum size of one key in one chunk, in bytes; this program writes nothing larger.
const SECTION_MAX: usize = 64 << 20;
/// Smaller sections are not compressed: a frame and its table would take as many bytes.
const PACKED_MIN: usize = 48;

/// A chunk as it is stored.
#[derive(Debug, Default, Clone)]
pub(crate) struct Chunk {
    pub(crate) directory: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// The position of a key's rows within a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) key: Key,
    pub(crate) start: usize,
    pub(crate) len: usize,
    raw_len: usize,
}

impl Section {
    /// Whether sums are needed to read it. For other keys, including digests, no bytes simply mean
    /// no rows.
    pub(crate) fn is_delta(&self) -> bool {
        self.raw_len == 0 && is_histogram(self.key)
    }
}

/// Builds chunks; keys must come in order.
pub(crate) struct Builder {
    chunk: Chunk,
    last: Key,
    of_counts: Packer,
    of_histograms: Packer,
    splitter: DeltaEncoder,
    deltas: Vec<u8>,
    row: Vec<u8>,
}

impl Builder {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Builder {
            chunk: Chunk::default(),
            last: 0,
            of_counts: Packer(Compressor::new(3).map_err(broken)?, Vec::new()),
            of_histograms: Packer::new()?,
            splitter: DeltaEncoder::default(),
            deltas: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Adds all rows of a key, as [`put_row`] wrote them.
    pub(crate) fn put(&mut self, key: Key, rows: &[u8]) -> Result<(), Error> {
        let packer = if is_histogram(key) {
            &mut self.of_histograms
        } else {
            &mut self.of_counts
        };
        let stored = packer.pack(rows)?;
        self.chunk.data.extend_from_slice(stored);
        let len = stored.len();
        self.name(key, len, rows.len());
        Ok(())
    }

    /// Adds histograms of a key as deltas; readers will have their sums.
    pub(crate) fn put_deltas(&mut self, key: Key, groups: &[Group<'_>]) -> Result<(), Error> {
        let before = self.chunk.data.len();
        let (data, packer) = (&mut self.chunk.data, &mut self.of_histograms);
        self.splitter.put(groups, packer, data)?;
        self.name(key, self.chunk.data.len() - before, 0);
        Ok(())
    }

    /// Adds the single histogram of a key: as counts predicted from their neighbours, or as
    /// compressed bytes where those are fewer.
    pub(crate) fn put_whole(&mut self, key: Key, content: &[u8]) -> Result<(), Error> {
        self.deltas.clear();
        let packer = &mut self.of_histograms;
        self.splitter
            .put_whole(0, content, packer, &mut self.deltas)?;
        self.row.clear();
        put_row(&mut self.row, 0, content);
        let stored = packer.pack(&self.row)?;
        let (stored, unpacked) = match stored.len() < self.deltas.len() {
            true => (stored, self.row.len()),
            false => (&self.deltas[..], 0),
        };
        let len = stored.len();
        self.chunk.data.extend_from_slice(stored);
        self.name(key, len, unpacked);
        Ok(())
    }

    fn name(&mut self, key: Key, stored: usize, unpacked: usize) {
        put_number(&mut self.chunk.directory, u64::from(key - self.last));
        put_number(&mut self.chunk.directory, stored as u64);
        put_number(&mut self.chunk.directory, unpacked as u64);
        self.last = key;
    }

    /// Takes the chunk; the builder can be used again.
    pub(crate) fn take(&mut self) -> Chunk {
        self.last = 0;
        std::mem::take(&mut self.chunk)
    }
}

/// Compresses; reusing it reuses its memory.
pub(crate) struct Packer(Compressor<'static>, Vec<u8>);

impl Packer {
    /// For bytes of histograms.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut zstd = Compressor::new(1).map_err(broken)?;
        // they have no repeated sequences; only symbol frequencies matter
        zstd.set_parameter(CParameter::MinMatch(7))
            .map_err(broken)?;
        Ok(Packer(zstd, Vec::new()))
    }

    /// The compressed bytes, or the original ones when those are not longer.
    fn pack<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        if bytes.len() < PACKED_MIN {
            return Ok(bytes);
        }
        let Packer(zstd, packed) = self;
        packed.clear();
        packed.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        zstd.compress_to_buffer(bytes, packed).map_err(broken)?;
        let is_less = packed.len() < bytes.len();
        Ok(if is_less { packed } else { bytes })
    }

    /// Appends bytes as [`unpack_into`] reads them.
    pub(crate) fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let stored = self.pack(bytes)?;
        put_number(out, bytes.len() as u64);
        put_number(out, stored.len() as u64);
        out.extend_from_slice(stored);
        Ok(())
    }
}

/// Reads what [`Packer::put`] wrote into `out`, replacing its content, and advances `stored` past
/// it.
pub(crate) fn unpack_into(
    stored: &mut &[u8],
    zstd: &mut Decompressor<'static>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let raw_len = take_number(stored)? as usize;
    let len = take_number(stored)? as usize;
    let (bytes, rest) = stored
        .split_at_checked(len)
        .ok_or_else(|| Error::Format("a chunk: a stream is cut off".to_owned()))?;
    *stored = rest;
    unpack(bytes, raw_len, zstd, out)
}

fn unpack(
    stored: &[u8],
    raw_len: usize,
    zstd: &mut Decompressor<'static>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    out.clear();
    if raw_len == stored.len() {
        out.extend_from_slice(stored);
        return Ok(());
    }
    if raw_len > SECTION_MAX {
        let why = "a chunk: a key with too many bytes";
        return Err(Error::Format(why.to_owned()));
    }
    out.reserve(raw_len);
    zstd.decompress_to_buffer(stored, out).map_err(broken)?;
    Ok(())
}

/// Appends one row: its number within the block, and its content.
pub(crate) fn put_row(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_number(out, number);
    put_number(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// The sections of a directory, up to that of the key `last`.
pub(crate) fn sections(mut directory: &[u8], last: Key) -> Result<Vec<Section>, Error> {
    let mut found = Vec::new();
    let (mut key, mut start) = (0_u32, 0_usize);
    while !directory.is_empty() {
        let step = take_number(&mut directory)?;
        let len = take_number(&mut directory)? as usize;
        let raw_len = take_number(&mut directory)? as usize;
        key = key.saturating_add(u32::try_from(step).unwrap_or(u32::MAX));
        if key > last {
            break;
        }
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

/// Unpacks sections into reusable buffers.
pub(crate) struct Unpacker {
    zstd: Decompressor<'static>,
    rows: Vec<u8>,
    /// The sums for the next read, and buffers for others.
    wholes: Vec<Buckets>,
    next: Vec<Buckets>,
    joiner: DeltaDecoder,
}

impl Unpacker {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Unpacker {
            zstd: Decompressor::new().map_err(broken)?,
            rows: Vec::new(),
            wholes: Vec::new(),
            next: Vec::new(),
            joiner: DeltaDecoder::default(),
        })
    }

    /// Forgets the sums of another key.
    pub(crate) fn forget_sums(&mut self) {
        self.wholes.clear();
    }

    /// Uses the rows of a section as the sums of the next read; they may be deltas themselves.
    pub(crate) fn take_sums(&mut self, section: &Section, stored: &[u8]) -> Result<(), Error> {
        let mut sums = std::mem::take(&mut self.next);
        sums.clear();
        self.each(section, stored, |_, content| {
            sums.push(buckets_of(content)?);
            Ok(())
        })?;
        self.next = std::mem::replace(&mut self.wholes, sums);
        Ok(())
    }

    /// Visits the rows of a section, given its stored bytes: row number within the block, content.
    pub(crate) fn each(
        &mut self,
        section: &Section,
        stored: &[u8],
        mut visit: impl FnMut(u64, Content<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if section.is_delta() {
            let zstd = &mut self.zstd;
            return self.joiner.each(stored, &self.wholes, zstd, visit);
        }
        unpack(stored, section.raw_len, &mut self.zstd, &mut self.rows)?;
        each_row(&self.rows, |number, bytes| {
            visit(number, Content::Bytes(bytes))
        })
    }
}

fn buckets_of(content: Content<'_>) -> Result<Buckets, Error> {
    let mut places = Vec::new();
    match content {
        Content::Places(parts) => places.extend_from_slice(parts.places),
        Content::Bytes(bytes) => decode_buckets(bytes, &mut places).map(drop)?,
    }
    Ok(places)
}

fn each_row(
    mut rest: &[u8],
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
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

fn broken(error: std::io::Error) -> Error {
    Error::Format(format!("a chunk: {error}"))
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take_number(bytes: &mut &[u8]) -> Result<u64, Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::{CHECKS, CUSTOMS, DIGEST};

    /// The same holds for digests of minutes without values in files of earlier versions.
    #[test]
    fn a_key_without_bytes_is_a_key_without_rows() {
        let mut builder = Builder::new().expect("a builder");
        for key in [DIGEST, CUSTOMS, CHECKS] {
            builder.put(key, &[]).expect("it is written");
        }
        let chunk = builder.take();
        let sections = sections(&chunk.directory, Key::MAX).expect("a directory");
        assert_eq!(sections.len(), 3);
        let mut unpacker = Unpacker::new().expect("an unpacker");
        for section in &sections {
            let mut rows = 0;
            let visited = unpacker.each(section, &[], |_, _| {
                rows += 1;
                Ok(())
            });
            assert!(visited.is_ok(), "{}: {visited:?}", section.key);
            assert_eq!(rows, 0);
        }
    }
}
