//! Content codings of a body (RFC 9110 section 8.4): bytes in as they come, plain bytes out, with
//! bounds that stop bombs.
//!
//! What is certain is decoded, what could be read in two ways is an error: bytes after the end of
//! a stream, a wrong checksum, an end before the end. An empty body is empty in every coding.

mod gzip;

use std::fmt;

use brotli_decompressor::{
    BrotliDecompressStream, BrotliResult, BrotliState, HuffmanCode, StandardAlloc,
};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{self, InBuffer, Operation as _, OutBuffer};
use zstd::zstd_safe::DParameter;

use gzip::Gzip;

/// What the Accept-Encoding field says unless the profile or the script sets it: as browsers do.
pub(crate) const ACCEPTED: &str = "gzip, deflate, br, zstd";
/// More codings on one body are refused.
const STAGES_MAX: usize = 4;
/// A decoded body may be this many times larger than it came ...
const RATIO_MAX: u64 = 200;
/// ... once it has this many bytes.
const RATIO_FROM_BYTES: u64 = 8 << 20;
/// Bytes decoded in one step.
const STEP_BYTES: usize = 16 * 1024;
/// Base 2 logarithm of the largest zstd window: RFC 9659 allows 8 MiB to be asked of a reader.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeFault {
    /// The bytes are no (whole) stream of their coding, or grow beyond all proportion.
    Corrupt,
    /// The decoded body is larger than the bound.
    TooLarge,
}

/// Bytes taken and made by one step of a stage.
struct Step {
    taken: usize,
    made: usize,
}

/// One coding of a body.
enum Stage {
    Gzip(Gzip),
    Deflate(Deflate),
    Brotli(Box<Brotli>),
    Zstd(Zstd),
}

/// Decodes one body.
pub(crate) struct Decoder {
    /// The coding that was applied last is undone first.
    stages: Vec<Stage>,
    wire_bytes: u64,
    decoded_bytes: u64,
    bytes_max: u64,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("stages", &self.stages.len())
            .field("wire_bytes", &self.wire_bytes)
            .field("decoded_bytes", &self.decoded_bytes)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder for the Content-Encoding fields of a head; `None` when there is nothing to be
    /// undone: no coding, `identity`, or one that is not known here, whose body is given as it is.
    ///
    /// # Errors
    /// More codings than anybody applies.
    pub(crate) fn new<'a>(
        fields: impl IntoIterator<Item = &'a [u8]>,
        bytes_max: usize,
    ) -> Result<Option<Decoder>, DecodeFault> {
        let mut stages = Vec::new();
        let codings = fields
            .into_iter()
            .flat_map(|field| field.split(|byte| *byte == b','));
        for coding in codings.map(<[u8]>::trim_ascii) {
            let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
            if coding.is_empty() || is(b"identity") {
                continue;
            }
            let stage = if is(b"gzip") || is(b"x-gzip") {
                Stage::Gzip(Gzip::new())
            } else if is(b"deflate") {
                Stage::Deflate(Deflate::Unknown(None))
            } else if is(b"br") {
                Stage::Brotli(Box::new(Brotli::new()))
            } else if is(b"zstd") {
                Stage::Zstd(Zstd::new()?)
            } else {
                return Ok(None);
            };
            stages.insert(0, stage);
            if stages.len() > STAGES_MAX {
                return Err(DecodeFault::Corrupt);
            }
        }
        let decoder = Decoder {
            stages,
            wire_bytes: 0,
            decoded_bytes: 0,
            bytes_max: bytes_max as u64,
        };
        Ok((!decoder.stages.is_empty()).then_some(decoder))
    }

    /// Decodes the next bytes onto the end of `out`, which holds no more than the bound.
    ///
    /// # Errors
    /// What is wrong; the decoder is of no use then.
    pub(crate) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeFault> {
        self.wire_bytes += input.len() as u64;
        let mut bounds = Bounds {
            made: &mut self.decoded_bytes,
            wire_bytes: self.wire_bytes,
            bytes_max: self.bytes_max,
        };
        pass(&mut self.stages, input, out, &mut bounds)
    }

    /// The body has ended.
    ///
    /// # Errors
    /// The stream inside has not.
    pub(crate) fn finish(&self) -> Result<(), DecodeFault> {
        let whole = self.wire_bytes == 0 || self.stages.iter().all(Stage::is_complete);
        whole.then_some(()).ok_or(DecodeFault::Corrupt)
    }
}

/// Decodes a whole body.
///
/// # Errors
/// As [`Decoder::feed`] and [`Decoder::finish`].
pub(crate) fn decode_whole(mut decoder: Decoder, input: &[u8]) -> Result<Vec<u8>, DecodeFault> {
    let mut out = Vec::new();
    decoder.feed(input, &mut out)?;
    decoder.finish()?;
    Ok(out)
}

/// How much more may be decoded.
struct Bounds<'a> {
    made: &'a mut u64,
    wire_bytes: u64,
    bytes_max: u64,
}

impl Bounds<'_> {
    fn count(&mut self, bytes: usize) -> Result<(), DecodeFault> {
        *self.made += bytes as u64;
        if *self.made > self.bytes_max {
            return Err(DecodeFault::TooLarge);
        }
        let is_bomb = *self.made > RATIO_FROM_BYTES && *self.made / self.wire_bytes > RATIO_MAX;
        (!is_bomb).then_some(()).ok_or(DecodeFault::Corrupt)
    }
}

/// Runs input through the stages one after another. What the stages between hand on counts as
/// decoded too: it is work and may be a bomb of its own.
fn pass(
    stages: &mut [Stage],
    mut input: &[u8],
    out: &mut Vec<u8>,
    bounds: &mut Bounds<'_>,
) -> Result<(), DecodeFault> {
    let Some((stage, rest)) = stages.split_first_mut() else {
        out.extend_from_slice(input);
        return Ok(());
    };
    let mut room = [0; STEP_BYTES];
    loop {
        let step = stage.step(input, &mut room)?;
        input = &input[step.taken..];
        if step.made > 0 {
            bounds.count(step.made)?;
            pass(rest, &room[..step.made], out, bounds)?;
        } else if step.taken == 0 && !input.is_empty() {
            return Err(DecodeFault::Corrupt);
        }
        if input.is_empty() && step.made < room.len() {
            return Ok(());
        }
    }
}

impl Stage {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeFault> {
        match self {
            Stage::Gzip(gzip) => gzip.step(input, out),
            Stage::Deflate(deflate) => deflate.step(input, out),
            Stage::Brotli(brotli) => brotli.step(input, out),
            Stage::Zstd(zstd) => zstd.step(input, out),
        }
    }

    fn is_complete(&self) -> bool {
        match self {
            Stage::Gzip(gzip) => gzip.is_complete(),
            Stage::Deflate(deflate) => matches!(deflate, Deflate::Ended),
            Stage::Brotli(brotli) => brotli.ended,
            Stage::Zstd(zstd) => zstd.at_frame_end,
        }
    }
}

/// Inflates; tells whether the stream ended.
fn inflate(
    inner: &mut Decompress,
    input: &[u8],
    out: &mut [u8],
) -> Result<(Step, bool), DecodeFault> {
    let (taken, made) = (inner.total_in(), inner.total_out());
    let status = inner
        .decompress(input, out, FlushDecompress::None)
        .map_err(|_| DecodeFault::Corrupt)?;
    let step = Step {
        taken: (inner.total_in() - taken) as usize,
        made: (inner.total_out() - made) as usize,
    };
    Ok((step, status == Status::StreamEnd))
}

/// `deflate`: the zlib format by the standard, raw deflate by old custom.
enum Deflate {
    /// The first two bytes tell which it is.
    Unknown(Option<u8>),
    Known(Box<Decompress>),
    Ended,
}

impl Deflate {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeFault> {
        match (&mut *self, input) {
            (Deflate::Unknown(_) | Deflate::Ended, []) => Ok(Step { taken: 0, made: 0 }),
            (Deflate::Unknown(None), [first, ..]) => {
                *self = Deflate::Unknown(Some(*first));
                Ok(Step { taken: 1, made: 0 })
            }
            (Deflate::Unknown(Some(first)), [second, ..]) => {
                let first = *first;
                let mut inner = Box::new(Decompress::new(is_zlib(first, *second)));
                // One byte gives nothing out yet in either format.
                let (step, ended) = inflate(&mut inner, &[first], out)?;
                if step.taken != 1 || step.made > 0 || ended {
                    return Err(DecodeFault::Corrupt);
                }
                *self = Deflate::Known(inner);
                self.step(input, out)
            }
            (Deflate::Known(inner), _) => {
                let (step, ended) = inflate(inner, input, out)?;
                if ended {
                    *self = Deflate::Ended;
                }
                Ok(step)
            }
            (Deflate::Ended, _) => Err(DecodeFault::Corrupt),
        }
    }
}

/// RFC 1950 section 2.2: method 8, and the two bytes are a multiple of 31.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 15 == 8 && (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31)
}

/// `br` (RFC 7932).
struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: bool,
}

const _: () = assert!(size_of::<HuffmanCode>() > 0, "an allocator serves it too");

impl Brotli {
    fn new() -> Brotli {
        let alloc = StandardAlloc::default;
        Brotli {
            state: BrotliState::new_strict(alloc(), alloc(), alloc()),
            ended: false,
        }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeFault> {
        if self.ended {
            let step = Step { taken: 0, made: 0 };
            return input.is_empty().then_some(step).ok_or(DecodeFault::Corrupt);
        }
        let (mut input_left, mut taken) = (input.len(), 0);
        let (mut room_left, mut made, mut total) = (out.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut input_left,
            &mut taken,
            input,
            &mut room_left,
            &mut made,
            out,
            &mut total,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultFailure => return Err(DecodeFault::Corrupt),
            BrotliResult::ResultSuccess => self.ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(Step { taken, made })
    }
}

/// `zstd` (RFC 8878): frames one after another.
struct Zstd {
    inner: raw::Decoder<'static>,
    at_frame_end: bool,
}

impl Zstd {
    fn new() -> Result<Zstd, DecodeFault> {
        let mut inner = raw::Decoder::new().map_err(|_| DecodeFault::Corrupt)?;
        inner
            .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
            .map_err(|_| DecodeFault::Corrupt)?;
        Ok(Zstd {
            inner,
            at_frame_end: false,
        })
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeFault> {
        let mut from = InBuffer::around(input);
        let mut into = OutBuffer::around(out);
        let hint = self
            .inner
            .run(&mut from, &mut into)
            .map_err(|_| DecodeFault::Corrupt)?;
        let step = Step {
            taken: from.pos(),
            made: into.pos(),
        };
        if step.taken > 0 || step.made > 0 {
            self.at_frame_end = hint == 0;
        }
        Ok(step)
    }
}
