//! The gzip format (RFC 1952): members one after another, each with its checksum and length.

use flate2::{Crc, Decompress};

use super::{DecodeFault, Step, inflate};

const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0xe0;
/// Magic, method, flags, time, extra flags, system.
const FIXED_BYTES: usize = 10;
/// Checksum and length of the plain bytes.
const TRAILER_BYTES: usize = 8;

/// Where in a member the next byte lies.
enum Position {
    /// So many bytes of the fixed part are behind.
    Fixed(usize),
    /// Length of the extra field: low byte, high byte.
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    /// The low byte of the header's checksum, once it came.
    HeaderCrc(Option<u8>),
    Body,
    Trailer(usize),
}

/// Decodes members.
pub(super) struct Gzip {
    position: Position,
    flags: u8,
    /// Of the header of the present member.
    header: Crc,
    /// Of the plain bytes of the present member.
    plain: Crc,
    inner: Box<Decompress>,
    trailer: [u8; TRAILER_BYTES],
    /// Members that ended.
    ended: u64,
}

impl Gzip {
    pub(super) fn new() -> Gzip {
        Gzip {
            position: Position::Fixed(0),
            flags: 0,
            header: Crc::new(),
            plain: Crc::new(),
            inner: Box::new(Decompress::new(false)),
            trailer: [0; TRAILER_BYTES],
            ended: 0,
        }
    }

    /// Whether the stream may end here.
    pub(super) fn is_complete(&self) -> bool {
        self.ended > 0 && matches!(self.position, Position::Fixed(0))
    }

    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeFault> {
        let mut taken = 0;
        while !matches!(self.position, Position::Body) {
            let Some(&byte) = input.get(taken) else {
                return Ok(Step { taken, made: 0 });
            };
            taken += 1;
            match self.position {
                Position::Trailer(at) => self.trailer(at, byte)?,
                _ => self.header(byte)?,
            }
        }
        let (step, ended) = inflate(&mut self.inner, &input[taken..], out)?;
        self.plain.update(&out[..step.made]);
        if ended {
            self.position = Position::Trailer(0);
        }
        Ok(Step {
            taken: taken + step.taken,
            made: step.made,
        })
    }

    fn header(&mut self, byte: u8) -> Result<(), DecodeFault> {
        if let Position::HeaderCrc(low) = self.position {
            return self.header_crc(low, byte);
        }
        self.header.update(&[byte]);
        self.position = match self.position {
            Position::Fixed(at) => {
                let fits = match at {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    2 => byte == 8,
                    3 => byte & FLAGS_RESERVED == 0,
                    _ => true,
                };
                if !fits {
                    return Err(DecodeFault::Corrupt);
                }
                if at == 3 {
                    self.flags = byte;
                }
                if at + 1 < FIXED_BYTES {
                    Position::Fixed(at + 1)
                } else {
                    self.after(0)
                }
            }
            Position::ExtraLength(None) => Position::ExtraLength(Some(byte)),
            Position::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.after(FLAG_EXTRA),
                length => Position::Extra(length),
            },
            Position::Extra(1) => self.after(FLAG_EXTRA),
            Position::Extra(left) => Position::Extra(left - 1),
            Position::Name if byte == 0 => self.after(FLAG_NAME),
            Position::Name => Position::Name,
            Position::Comment if byte == 0 => self.after(FLAG_COMMENT),
            Position::Comment => Position::Comment,
            Position::HeaderCrc(_) | Position::Body | Position::Trailer(_) => {
                unreachable!("no part of the header that is summed up")
            }
        };
        Ok(())
    }

    /// The place after the optional part `done`, 0 for the fixed part.
    fn after(&self, done: u8) -> Position {
        let parts = [
            (FLAG_EXTRA, Position::ExtraLength(None)),
            (FLAG_NAME, Position::Name),
            (FLAG_COMMENT, Position::Comment),
        ];
        for (flag, position) in parts {
            if flag > done && self.flags & flag != 0 {
                return position;
            }
        }
        if self.flags & FLAG_HEADER_CRC != 0 {
            Position::HeaderCrc(None)
        } else {
            Position::Body
        }
    }

    fn header_crc(&mut self, low: Option<u8>, byte: u8) -> Result<(), DecodeFault> {
        let Some(low) = low else {
            self.position = Position::HeaderCrc(Some(byte));
            return Ok(());
        };
        self.position = Position::Body;
        let fits = u16::from_le_bytes([low, byte]) == self.header.sum() as u16;
        fits.then_some(()).ok_or(DecodeFault::Corrupt)
    }

    fn trailer(&mut self, at: usize, byte: u8) -> Result<(), DecodeFault> {
        self.trailer[at] = byte;
        if at + 1 < TRAILER_BYTES {
            self.position = Position::Trailer(at + 1);
            return Ok(());
        }
        let [a, b, c, d, e, f, g, h] = self.trailer;
        let sum = u32::from_le_bytes([a, b, c, d]);
        let length = u32::from_le_bytes([e, f, g, h]);
        if sum != self.plain.sum() || length != self.plain.amount() {
            return Err(DecodeFault::Corrupt);
        }
        self.ended += 1;
        self.position = Position::Fixed(0);
        self.header.reset();
        self.plain.reset();
        self.inner.reset(false);
        Ok(())
    }
}
