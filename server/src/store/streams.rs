//! Small numbers, grouped by their expected distribution; each group is compressed separately.

use super::packing::{Packer, put_number, take_number, unpack_into};
use crate::Error;
use zstd::bulk::Decompressor;

/// Maximum number of groups.
pub(super) const STREAMS: usize = 44;

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

    /// The next number of a stream.
    #[inline]
    pub(super) fn take(&mut self, stream: usize) -> Result<u64, String> {
        let at = self.read[stream];
        match self.bytes[stream].get(at) {
            Some(byte) if *byte < 0x80 => {
                self.read[stream] = at + 1;
                Ok(u64::from(*byte))
            }
            Some(_) => {
                let all = &self.bytes[stream][at..];
                let mut rest = all;
                let number = take_number(&mut rest).map_err(|error| error.to_string())?;
                self.read[stream] = at + all.len() - rest.len();
                Ok(number)
            }
            None => Err("cut off".to_owned()),
        }
    }
}

/// About eight times the binary logarithm; 0 for 0.
#[inline]
pub(super) fn log8(number: u64) -> usize {
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
