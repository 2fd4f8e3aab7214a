//! Small numbers, grouped by their expected distribution; each group is compressed separately.

use super::packing::{Packer, put_number, take_number, unpack_into};
use crate::Error;
use zstd::bulk::Decompressor;

/// Maximum number of groups.
pub(super) const STREAMS: usize = 44;
/// What is wrong when a stream has no further number.
pub(super) const CUT_OFF: &str = "cut off";

/// Numbers by stream, in order; reusing it reuses its memory.
pub(super) struct Streams {
    bytes: [Vec<u8>; STREAMS],
    /// The read position of each stream.
    read: [usize; STREAMS],
}

impl Default for Streams {
    fn default() -> Self {
        Streams {
            bytes: [const { Vec::new() }; STREAMS],
            read: [0; STREAMS],
        }
    }
}

impl Streams {
    /// Appends a number.
    #[inline]
    pub(super) fn put(&mut self, stream: usize, number: u64) {
        put_number(&mut self.bytes[stream], number);
    }

    /// Writes the non-empty streams, and empties them.
    pub(super) fn pack(&mut self, packer: &mut Packer, out: &mut Vec<u8>) -> Result<(), Error> {
        for (index, stream) in self.bytes.iter_mut().enumerate() {
            if !stream.is_empty() {
                put_number(out, index as u64);
                packer.put(stream, out)?;
                stream.clear();
            }
        }
        Ok(())
    }

    /// Reads what [`Streams::pack`] wrote, consuming all of `stored`.
    pub(super) fn unpack(
        &mut self,
        mut stored: &[u8],
        zstd: &mut Decompressor<'static>,
    ) -> Result<(), Error> {
        self.bytes.iter_mut().for_each(Vec::clear);
        self.read = [0; STREAMS];
        while !stored.is_empty() {
            let index = take_number(&mut stored)? as usize;
            let stream = self.bytes.get_mut(index);
            let stream = stream.ok_or_else(|| Error::Format("a chunk: no such stream".into()))?;
            unpack_into(&mut stored, zstd, stream)?;
        }
        Ok(())
    }

    /// The next number of a stream; `None` when it is cut off.
    #[inline]
    pub(super) fn take(&mut self, stream: usize) -> Option<u64> {
        let at = self.read[stream];
        match self.bytes[stream].get(at) {
            Some(byte) if *byte < 0x80 => {
                self.read[stream] = at + 1;
                Some(u64::from(*byte))
            }
            _ => self.take_long(stream),
        }
    }

    /// The next number of a stream, of any length.
    #[cold]
    fn take_long(&mut self, stream: usize) -> Option<u64> {
        let all = self.bytes[stream].get(self.read[stream]..)?;
        let mut rest = all;
        let number = take_number(&mut rest).ok()?;
        self.read[stream] += all.len() - rest.len();
        Some(number)
    }
}

/// About eight times the binary logarithm; 0 for 0.
#[inline]
pub(super) const fn log8(number: u64) -> usize {
    if number == 0 {
        return 0;
    }
    let whole = number.ilog2();
    let part = if whole >= 3 {
        number >> (whole - 3)
    } else {
        number << (3 - whole)
    };
    (whole as usize) * 8 + (part as usize & 7)
}
