//! The socket ring: one io_uring per core that carries every byte of the load.
//!
//! `sys` is the only file of this crate with unsafe code. What it offers is safe: whoever holds a
//! [`Ring`] can neither free memory that the kernel still uses nor read a buffer that the kernel
//! may still write.

#[cfg(test)]
pub(crate) mod fake;
mod kernel;
mod sys;
#[cfg(test)]
mod tests;

pub(crate) use kernel::{KernelRing, takes_late_ports};
pub(crate) use sys::{Buffers, Ring};

use crate::clock::Moment;
use socket2::SockAddr;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;
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

/// A socket to be put into a ring's table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SocketSpec {
    Tcp {
        /// Where it will be connected to.
        to: SocketAddr,
        /// The local address; none leaves it to the system.
        source: Option<IpAddr>,
        /// The local port.
        port: u16,
        /// The port is taken by the connect, which can share it with others; else it is bound.
        is_port_late: bool,
        /// It ends with a RST.
        resets: bool,
    },
    /// A socket in the file system.
    Unix,
}

/// What a transport needs of a ring: the kernel's, or one that a test makes up. Operations are
/// queued and end as a [`Completion`] each, after a [`turn`](RingIo::turn), in any order.
pub(crate) trait RingIo {
    /// The present moment.
    fn now(&self) -> Moment;

    /// Puts a fresh socket into the table; it stays open until [`close`](RingIo::close).
    ///
    /// # Errors
    ///
    /// What the kernel says: a port or a descriptor cannot be had, for example.
    fn install(&mut self, slot: Slot, spec: &SocketSpec) -> io::Result<()>;

    /// Keeps an address for connects; returns its index.
    fn add_address(&mut self, address: SockAddr) -> usize;

    /// Queues a connect to a kept address.
    fn connect(&mut self, slot: Slot, address: usize, generation: u32);

    /// Arms a multishot receive into the ring's buffers.
    fn receive(&mut self, slot: Slot, generation: u32);

    /// Queues a send of immortal bytes. Only a failure completes visibly.
    fn send_static(&mut self, slot: Slot, bytes: &'static [u8], generation: u32);

    /// Queues a send of bytes that the ring keeps until [`take_sent`](RingIo::take_sent); one at a
    /// time per slot, reads included.
    fn send_owned(&mut self, slot: Slot, bytes: Vec<u8>, generation: u32);

    /// The bytes of a completed owned send, for reuse. Call once per `SendOwned` completion.
    fn take_sent(&mut self, completion: &Completion) -> Vec<u8>;

    /// Queues a read of a file's bytes from `offset` into `range` of bytes that the ring keeps
    /// until [`take_read`](RingIo::take_read).
    fn read_file(
        &mut self,
        slot: Slot,
        file: Rc<File>,
        offset: u64,
        bytes: Vec<u8>,
        range: Range<usize>,
        generation: u32,
    );

    /// The bytes of a completed read, and which of them were to be filled. Call once per `Read`
    /// completion.
    fn take_read(&mut self, completion: &Completion) -> (Vec<u8>, Range<usize>);

    /// Queues a shutdown of both directions: a receive under way ends with 0.
    fn shutdown(&mut self, slot: Slot, generation: u32);

    /// Queues a close: the slot is empty when it completed.
    fn close(&mut self, slot: Slot, generation: u32);

    /// Queues the cancellation of the entry that carries `target`.
    fn cancel(&mut self, target: Token);

    /// Submits what is queued and waits for a completion: `limit` at most, and never longer than
    /// the ring's tick.
    ///
    /// # Errors
    ///
    /// The ring cannot go on.
    fn turn(&mut self, limit: Duration) -> io::Result<()>;

    /// Appends all completions that have come to `out`.
    fn reap(&mut self, out: &mut VecDeque<Completion>);

    /// Operations whose last completion has not been seen; sends of immortal bytes do not count.
    fn pending(&self) -> u64;

    /// The received bytes.
    fn bytes(&self, received: &Received) -> &[u8];

    /// The received bytes, to be changed in place.
    fn bytes_mut(&mut self, received: &mut Received) -> &mut [u8];

    /// Returns a buffer to the ring, which sees it at the next
    /// [`publish_buffers`](RingIo::publish_buffers).
    fn give_back(&mut self, received: Received);

    /// Puts more buffers into circulation: to be called when the ring ran out of them.
    fn grow_buffers(&mut self);

    /// Shows the ring all buffers given back so far.
    fn publish_buffers(&mut self);
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

/// The longest wait of one turn: how soon a core sees what is asked of it from outside. A tick ends a batch and
/// costs a virtual machine tens of microseconds, so a shorter one is paid for by every request.
pub(crate) const WAIT_MAX: Duration = Duration::from_millis(10);
