//! Chunks: rows of many keys in one blob, each key's rows compressed separately, with a directory.
//!
//! The directory has LEB128 numbers per key, in order of keys: distance from the previous key,
//! stored bytes, uncompressed bytes (equal to the stored bytes: not compressed; 0 for a key of
//! histograms: deltas from sums stored elsewhere, see [`super::delta_codec`]). A key's bytes are
//! rows: row number within the block, length, content.

use super::Content;
use super::delta_codec::{Buckets, DeltaDecoder, DeltaEncoder, Group, decode_buckets};
use super::packing::{Packer, new_decompressor, put_number, put_row, take_number, unpack};
use super::rows::{Key, is_histogram};
use crate::Error;
use std::ops::Range;
use zstd::bulk::Decompressor;

/// The numbers of all rows.
pub(crate) const ALL_ROWS: Range<u64> = 0..u64::MAX;

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
            of_counts: Packer::for_counts()?,
            of_histograms: Packer::for_histograms()?,
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
            zstd: new_decompressor()?,
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
        self.each(section, stored, &ALL_ROWS, |_, content| {
            sums.push(buckets_of(content)?);
            Ok(())
        })?;
        self.next = std::mem::replace(&mut self.wholes, sums);
        Ok(())
    }

    /// Visits the rows of a section whose number within the block is `needed`, given its stored
    /// bytes: number, content.
    pub(crate) fn each(
        &mut self,
        section: &Section,
        stored: &[u8],
        needed: &Range<u64>,
        mut visit: impl FnMut(u64, Content<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if section.is_delta() {
            let zstd = &mut self.zstd;
            return self.joiner.each(stored, &self.wholes, zstd, needed, visit);
        }
        unpack(stored, section.raw_len, &mut self.zstd, &mut self.rows)?;
        each_row(&self.rows, |number, bytes| match needed.contains(&number) {
            true => visit(number, Content::Bytes(bytes)),
            false => Ok(()),
        })
    }
}

fn buckets_of(content: Content<'_>) -> Result<Buckets, Error> {
    let mut places = Vec::new();
    match content {
        Content::Places { places: parts, .. } => places.extend_from_slice(parts),
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
            let visited = unpacker.each(section, &[], &ALL_ROWS, |_, _| {
                rows += 1;
                Ok(())
            });
            assert!(visited.is_ok(), "{}: {visited:?}", section.key);
            assert_eq!(rows, 0);
        }
    }
}
