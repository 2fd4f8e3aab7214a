//! How chunks and their codecs write bytes: LEB128 numbers, rows, compressed streams.

use crate::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Maximum size of one key in one chunk, in bytes; this program writes nothing larger.
const SECTION_MAX: usize = 64 << 20;
/// Smaller sections are not compressed: a frame and its table would take as many bytes.
const PACKED_MIN: usize = 48;

/// Compresses; reusing it reuses its memory.
pub(crate) struct Packer(Compressor<'static>, Vec<u8>);

impl Packer {
    /// For bytes of counts.
    pub(super) fn for_counts() -> Result<Self, Error> {
        Ok(Packer(Compressor::new(3).map_err(broken)?, Vec::new()))
    }

    /// For bytes of histograms.
    pub(super) fn for_histograms() -> Result<Self, Error> {
        let mut zstd = Compressor::new(1).map_err(broken)?;
        // they have no repeated sequences; only symbol frequencies matter
        zstd.set_parameter(CParameter::MinMatch(7))
            .map_err(broken)?;
        Ok(Packer(zstd, Vec::new()))
    }

    /// The compressed bytes, or the original ones when those are not longer.
    pub(super) fn pack<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
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
    pub(super) fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let stored = self.pack(bytes)?;
        put_number(out, bytes.len() as u64);
        put_number(out, stored.len() as u64);
        out.extend_from_slice(stored);
        Ok(())
    }
}

/// Reads what [`Packer::put`] wrote into `out`, replacing its content, and advances `stored` past
/// it.
pub(super) fn unpack_into(
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

/// Unpacks what [`Packer::pack`] returned for `raw_len` bytes into `out`, replacing its content.
pub(super) fn unpack(
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
pub(super) fn put_row(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_number(out, number);
    put_number(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends a LEB128 number.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a LEB128 number of at most 63 bits and advances `bytes` past it.
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

/// A decompressor for what [`Packer`] compresses.
pub(super) fn new_decompressor() -> Result<Decompressor<'static>, Error> {
    Decompressor::new().map_err(broken)
}

fn broken(error: std::io::Error) -> Error {
    Error::Format(format!("a chunk: {error}"))
}
