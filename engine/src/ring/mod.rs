//! The socket ring: one io_uring per core that carries every byte of the load.
//!
//! `sys` is the only file of this crate with unsafe code. What it offers is safe: whoever holds a
//! [`Ring`] can neither free memory that the kernel still uses nor read a buffer that the kernel
//! may still write.

mod sys;
#[cfg(test)]
mod tests;

pub(crate) use sys::{Buffers, Ring, bind_late, only_port};

use std::time::Duration;

/// Which socket of a ring: the index in its table of registered descriptors.
pub(crate) type Slot = u32;

/// What a completion belongs to. Travels through the kernel as the entry's user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The operation that completed.
    pub(crate) kind: Kind,
    /// The socket it ran on.
    pub(crate) slot: Slot,
    /// The use of that slot (24 bits, wraps), so that a late completion is known as late.
    pub(crate) generation: u32,
}

/// The operations of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A multishot accept on a listening socket; the result is the new socket's slot.
    Accept = 1,
    /// A connect.
    Connect = 2,
    /// A multishot receive.
    Receive = 3,
    /// A send of bytes that live for ever; completes visibly only when it failed.
    SendStatic = 4,
    /// A send of bytes that the ring holds until the completion.
    SendOwned = 5,
    /// A shutdown.
    Shutdown = 6,
    /// A close; afterwards the slot is free.
    Close = 7,
    /// A cancellation of another entry.
    Cancel = 8,
    /// The ring's own clock tick; never handed out.
    Tick = 9,
    /// A read of a file into bytes that the ring holds until the completion.
    Read = 10,
}

/// Bits of a token's generation.
pub(crate) const GENERATION_MASK: u32 = 0x00ff_ffff;

impl Token {
    /// A token for `kind` on `slot` in its use `generation` (only the low 24 bits are kept).
    pub(crate) fn new(kind: Kind, slot: Slot, generation: u32) -> Token {
        Token {
            kind,
            slot,
            generation: generation & GENERATION_MASK,
        }
    }

    fn to_bits(self) -> u64 {
        (self.kind as u64) << 56 | u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    fn from_bits(bits: u64) -> Option<Token> {
        let kind = match (bits >> 56) as u8 {
            1 => Kind::Accept,
            2 => Kind::Connect,
            3 => Kind::Receive,
            4 => Kind::SendStatic,
            5 => Kind::SendOwned,
            6 => Kind::Shutdown,
            7 => Kind::Close,
            8 => Kind::Cancel,
            9 => Kind::Tick,
            10 => Kind::Read,
            _ => return None,
        };
        Some(Token {
            kind,
            slot: bits as u32,
            generation: (bits >> 32) as u32 & GENERATION_MASK,
        })
    }
}

/// One completed operation.
#[derive(Debug)]
pub(crate) struct Completion {
    /// What it belongs to.
    pub(crate) token: Token,
    /// The kernel's answer: bytes or a slot, or a negative errno.
    pub(crate) result: i32,
    /// Whether a multishot operation goes on.
    pub(crate) more: bool,
    /// The received bytes, to be given back to [`Buffers`].
    pub(crate) received: Option<Received>,
}

/// A filled receive buffer: the right to read it, until it is given back.
#[derive(Debug)]
pub(crate) struct Received {
    id: u16,
    length: u32,
}

/// The sizes of a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Submission entries, a power of two.
    pub(crate) entries: u32,
    /// Sockets at once.
    pub(crate) sockets: u32,
    /// Receive buffers, a power of two up to 32768.
    pub(crate) buffers: u16,
    /// Bytes of one receive buffer.
    pub(crate) buffer_bytes: u32,
    /// The longest wait of one turn.
    pub(crate) tick: Duration,
}

/// The longest wait of one turn: how soon a core sees a wish from outside. A tick ends a batch and
/// costs a virtual machine tens of microseconds, so a shorter one is paid for by every request.
pub(crate) const WAIT_MAX: Duration = Duration::from_millis(10);
