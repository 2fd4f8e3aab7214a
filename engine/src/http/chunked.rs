//! The chunked transfer coding (RFC 9112 section 7.1), strict: what a lenient reader would guess
//! at is a fault.
//!
//! Lines end in CRLF, sizes have 1 to 16 hex digits, extensions and trailers are checked for their
//! bytes and dropped. Own code, because `httparse::parse_chunk_size` takes an empty line for 0.

use super::fault::Fault;
use super::grammar::{is_field_text, is_token};

/// Hex digits in a chunk size, leading zeros included.
const SIZE_DIGITS_MAX: u8 = 16;

/// A chunk no sender can mean: the size is signed in many servers. Bytes.
const CHUNK_BYTES_MAX: u64 = i64::MAX as u64;

/// Bytes after the digits of one size line: blanks and extensions.
const EXTENSION_BYTES_MAX: u32 = 4096;

/// Bytes of all trailer fields together, line ends not counted.
const TRAILER_BYTES_MAX: u32 = 64 * 1024;

/// What the next byte has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    FirstDigit,
    Digit,
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerLine,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Nothing,
}

/// Reads one chunked body; feed it bytes until it [`is_done`](Self::is_done).
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunked {
    /// The size read so far, then the bytes of the chunk still to come.
    left: u64,
    /// Bytes of the current extension, or of all trailers, for their bounds.
    dropped: u32,
    /// Digits of the size read so far.
    digits: u8,
    expect: Expect,
}

impl Chunked {
    pub(super) const fn new() -> Self {
        Self {
            left: 0,
            dropped: 0,
            digits: 0,
            expect: Expect::FirstDigit,
        }
    }

    /// Whether the last chunk and its trailers have been read to their end.
    pub(super) fn is_done(&self) -> bool {
        self.expect == Expect::Nothing
    }

    /// Reads from `input`, hands the data to `body` in slices, and returns how many bytes belonged
    /// to the body: all, unless it is done.
    ///
    /// # Errors
    /// [`Fault::BadChunk`]; the reader is of no use afterwards.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        mut body: impl FnMut(&[u8]),
    ) -> Result<usize, Fault> {
        let mut at = 0;
        while at < input.len() && !self.is_done() {
            if self.expect == Expect::Data {
                let here = input.len() - at;
                let take = usize::try_from(self.left).map_or(here, |left| left.min(here));
                body(&input[at..at + take]);
                at += take;
                self.left -= take as u64;
                if self.left == 0 {
                    self.expect = Expect::DataCr;
                }
            } else {
                self.expect = self.step(input[at]).ok_or(Fault::BadChunk)?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// What to expect after `byte`; `None` if it may not stand here.
    fn step(&mut self, byte: u8) -> Option<Expect> {
        use Expect::*;
        match (self.expect, byte) {
            (FirstDigit | Digit, _) if byte.is_ascii_hexdigit() => self.digit(byte),
            (Digit | Blank, b' ' | b'\t') => self.drop(EXTENSION_BYTES_MAX, Blank),
            (Digit | Blank, b';') => self.drop(EXTENSION_BYTES_MAX, Extension),
            (Digit | Blank | Extension, b'\r') => Some(SizeLf),
            (Extension, _) if is_field_text(byte) => self.drop(EXTENSION_BYTES_MAX, Extension),
            (SizeLf, b'\n') => {
                (self.digits, self.dropped) = (0, 0);
                Some(if self.left == 0 { TrailerLine } else { Data })
            }
            (DataCr, b'\r') => Some(DataLf),
            (DataLf, b'\n') => Some(FirstDigit),
            (TrailerLine, b'\r') => Some(LastLf),
            (LastLf, b'\n') => Some(Nothing),
            // A name is demanded, so that a response whose last line is missing is not taken for
            // one that swallowed the next status line as its trailer.
            (TrailerLine | TrailerName, _) if is_token(byte) => {
                self.drop(TRAILER_BYTES_MAX, TrailerName)
            }
            (TrailerName, b':') => self.drop(TRAILER_BYTES_MAX, TrailerValue),
            (TrailerValue, b'\r') => Some(TrailerLf),
            (TrailerValue, _) if is_field_text(byte) => self.drop(TRAILER_BYTES_MAX, TrailerValue),
            (TrailerLf, b'\n') => Some(TrailerLine),
            _ => None,
        }
    }

    fn digit(&mut self, byte: u8) -> Option<Expect> {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.digits += 1;
        // 16 digits are 64 bits, so the shift loses nothing.
        self.left = (self.left << 4) | u64::from(value);
        let in_bounds = self.digits <= SIZE_DIGITS_MAX && self.left <= CHUNK_BYTES_MAX;
        in_bounds.then_some(Expect::Digit)
    }

    fn drop(&mut self, bytes_max: u32, next: Expect) -> Option<Expect> {
        self.dropped += 1;
        (self.dropped <= bytes_max).then_some(next)
    }
}
