//! The unsafe part of the socket ring: entries, completions, and memory shared with the kernel.
//!
//! Invariants that every block below leans on:
//!
//! 1. Memory the kernel reads for a send is either `'static` or held in `Ring::owned` until the
//!    completion of that send was seen; so is memory the kernel fills with a file's bytes. There is
//!    at most one owned send or read per slot.
//! 2. Addresses handed to connect live in `Ring::addresses`, boxed, until the ring is dropped.
//! 3. Receive buffers belong to the kernel from the moment they are published in the buffer ring
//!    until a completion names them; then to the one [`Received`] made from it, until given back.
//! 4. When a ring is dropped with operations under way, the memory of 1 and 3 is leaked.
#![expect(
    unsafe_code,
    reason = "memory shared with the kernel; see the invariants above"
)]

use super::{Completion, Kind, Received, Sizes, Slot, Token};
use io_uring::types::{BufRingEntry, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use socket2::{SockAddr, Socket};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// The one group of provided buffers of a ring.
const BUFFER_GROUP: u16 = 0;
/// How many completions fit for each submission entry before the kernel must keep them back.
const COMPLETIONS_PER_ENTRY: u32 = 4;
const PAGE_BYTES: usize = 4096;
/// Receive buffers in circulation at first.
const BUFFERS_FIRST: u16 = 64;

/// One core's io_uring. Neither `Send` nor shared: single issuer.
pub(crate) struct Ring {
    io: IoUring,
    memory: Rc<Mapping>,
    /// Bytes of owned sends and reads by slot; `Some` from queueing to completion.
    owned: Vec<Option<Vec<u8>>>,
    /// Of reads under way: the file, so that it stays open, and which of the bytes it fills.
    reads: HashMap<Slot, (Rc<File>, Range<usize>)>,
    #[expect(
        clippy::vec_box,
        reason = "the kernel holds pointers to them while the list grows"
    )]
    addresses: Vec<Box<SockAddr>>,
    /// How often the ring wakes by itself; the kernel reads it when a tick is submitted.
    tick: Box<Timespec>,
    /// How often the ring wakes by itself.
    tick_length: Duration,
    /// A tick is under way.
    ticking: bool,
    /// Entries whose last completion has not been seen (static sends are not counted: their
    /// memory is immortal and they complete silently).
    pending: u64,
}

impl Ring {
    /// Makes a ring and its receive buffers.
    ///
    /// # Errors
    ///
    /// What the kernel says: `ENOSYS`/`EPERM` without io_uring, `EINVAL` before Linux 6.1,
    /// `ENOMEM` when the memlock limit is too low, `EMFILE` when `sizes.sockets` is above the
    /// limit of open files.
    pub(crate) fn new(sizes: Sizes) -> io::Result<(Ring, Buffers)> {
        let io = build(sizes.entries)?;
        io.submitter().register_files_sparse(sizes.sockets)?;
        io.submitter().register_ring_fd()?;
        let memory = Rc::new(Mapping::new(sizes.buffers, sizes.buffer_bytes)?);
        // SAFETY: the mapping is page aligned, as large as its entry count says, and outlives the
        // registration (invariant 4 covers a ring dropped while the kernel works).
        unsafe {
            io.submitter().register_buf_ring_with_flags(
                memory.base.as_ptr() as u64,
                sizes.buffers,
                BUFFER_GROUP,
                0,
            )?;
        }
        let mut buffers = Buffers {
            memory: Rc::clone(&memory),
            tail: 0,
            circulating: 0,
        };
        buffers.grow();
        let owned = (0..sizes.sockets).map(|_| None).collect();
        Ok((
            Ring {
                io,
                memory,
                owned,
                reads: HashMap::new(),
                addresses: Vec::new(),
                tick: Box::new(Timespec::from(sizes.tick)),
                tick_length: sizes.tick,
                ticking: false,
                pending: 0,
            },
            buffers,
        ))
    }

    /// Puts a socket into the table of registered descriptors; the descriptor itself is closed,
    /// the table keeps the socket open until [`Ring::close`].
    ///
    /// # Errors
    ///
    /// What the kernel says, when the slot is outside the table for example.
    pub(crate) fn install(&mut self, slot: Slot, socket: OwnedFd) -> io::Result<()> {
        self.io
            .submitter()
            .register_files_update(slot, &[socket.as_raw_fd()])?;
        Ok(())
    }

    /// Keeps an address for connects; returns its index.
    pub(crate) fn add_address(&mut self, address: SockAddr) -> usize {
        self.addresses.push(Box::new(address));
        self.addresses.len() - 1
    }

    /// Queues a connect to a kept address.
    pub(crate) fn connect(&mut self, slot: Slot, address: usize, generation: u32) {
        let address = &self.addresses[address];
        let entry = opcode::Connect::new(Fixed(slot), address.as_ptr().cast(), address.len());
        self.push_counted(entry.build(), Token::new(Kind::Connect, slot, generation));
    }

    /// Queues a multishot accept on a listening socket in `slot`; new sockets get free slots.
    pub(crate) fn accept(&mut self, slot: Slot, generation: u32) {
        let entry = opcode::AcceptMulti::new(Fixed(slot))
            .allocate_file_index(true)
            .build();
        self.push_counted(entry, Token::new(Kind::Accept, slot, generation));
    }

    /// Arms a multishot receive into provided buffers.
    pub(crate) fn receive(&mut self, slot: Slot, generation: u32) {
        let entry = opcode::RecvMulti::new(Fixed(slot), BUFFER_GROUP).build();
        self.push_counted(entry, Token::new(Kind::Receive, slot, generation));
    }

    /// Queues a send of immortal bytes. Only a failure completes visibly.
    pub(crate) fn send_static(&mut self, slot: Slot, bytes: &'static [u8], generation: u32) {
        let entry = send_entry(slot, bytes).flags(squeue::Flags::SKIP_SUCCESS);
        self.push(entry, Token::new(Kind::SendStatic, slot, generation));
    }

    /// Queues a send of immortal bytes whose completion is seen in any case.
    pub(crate) fn send_static_told(&mut self, slot: Slot, bytes: &'static [u8], generation: u32) {
        self.push(
            send_entry(slot, bytes),
            Token::new(Kind::SendStatic, slot, generation),
        );
    }

    /// Queues a send of bytes that the ring keeps until [`Ring::take_sent`].
    ///
    /// # Panics
    ///
    /// When an owned send is already under way on this slot.
    pub(crate) fn send_owned(&mut self, slot: Slot, bytes: Vec<u8>, generation: u32) {
        let held = &mut self.owned[slot as usize];
        assert!(held.is_none(), "one owned send per slot at a time");
        let kept = held.insert(bytes);
        // The vector's heap memory does not move when the vector itself does.
        let entry = send_entry(slot, kept);
        self.push_counted(entry, Token::new(Kind::SendOwned, slot, generation));
    }

    /// The bytes of a completed owned send, for reuse. Call once per `SendOwned` completion.
    pub(crate) fn take_sent(&mut self, completion: &Completion) -> Vec<u8> {
        assert!(
            completion.token.kind == Kind::SendOwned,
            "the completion of an owned send"
        );
        self.owned[completion.token.slot as usize]
            .take()
            .unwrap_or_default()
    }

    /// Queues a read of a file's bytes from `offset` into `range` of bytes that the ring keeps
    /// until [`Ring::take_read`].
    ///
    /// # Panics
    ///
    /// When an owned send or read is already under way on this slot, or the range is outside of
    /// the bytes.
    pub(crate) fn read_file(
        &mut self,
        slot: Slot,
        file: Rc<File>,
        offset: u64,
        bytes: Vec<u8>,
        range: Range<usize>,
        generation: u32,
    ) {
        let held = &mut self.owned[slot as usize];
        assert!(held.is_none(), "one owned read per slot at a time");
        // The vector's heap memory does not move when the vector itself does.
        let room = &mut held.insert(bytes)[range.clone()];
        let length = u32::try_from(room.len()).expect("a piece of a file is below 4 GiB");
        let entry = opcode::Read::new(Fd(file.as_raw_fd()), room.as_mut_ptr(), length)
            .offset(offset)
            .build();
        self.reads.insert(slot, (file, range));
        self.push_counted(entry, Token::new(Kind::Read, slot, generation));
    }

    /// The bytes of a completed read, and which of them were to be filled; the completion's result
    /// says how many were. Call once per `Read` completion.
    pub(crate) fn take_read(&mut self, completion: &Completion) -> (Vec<u8>, Range<usize>) {
        assert!(
            completion.token.kind == Kind::Read,
            "the completion of a read"
        );
        let slot = completion.token.slot;
        let range = self.reads.remove(&slot).map_or(0..0, |(_, range)| range);
        (self.owned[slot as usize].take().unwrap_or_default(), range)
    }

    /// Queues a shutdown of both directions: a receive under way ends with 0.
    pub(crate) fn shutdown(&mut self, slot: Slot, generation: u32) {
        let entry = opcode::Shutdown::new(Fixed(slot), libc::SHUT_RDWR).build();
        self.push_counted(entry, Token::new(Kind::Shutdown, slot, generation));
    }

    /// Queues a close: the slot's place in the table is empty when it completed, and the socket
    /// itself is closed as soon as no operation holds it any more.
    pub(crate) fn close(&mut self, slot: Slot, generation: u32) {
        let entry = opcode::Close::new(Fixed(slot)).build();
        self.push_counted(entry, Token::new(Kind::Close, slot, generation));
    }

    /// Queues the cancellation of the entry that carries `target`.
    pub(crate) fn cancel(&mut self, target: Token) {
        let entry = opcode::AsyncCancel::new(target.to_bits()).build();
        self.push_counted(
            entry,
            Token::new(Kind::Cancel, target.slot, target.generation),
        );
    }

    /// Submits what is queued and waits for a completion: `limit` at most, and never longer than
    /// the ring's tick.
    ///
    /// The tick is one standing timer. A timer for each wait would cost about as much as a request
    /// on a virtual machine, where setting one leaves the guest; so only a limit that is nearer
    /// than the tick gets its own.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for a time-out, a signal and a full completion queue, which are
    /// no errors here.
    pub(crate) fn turn(&mut self, limit: Duration) -> io::Result<()> {
        let waited = if limit >= self.tick_length {
            self.keep_ticking();
            self.io.submitter().submit_and_wait(1)
        } else {
            let timespec = Timespec::from(limit);
            let args = SubmitArgs::new().timespec(&timespec);
            self.io.submitter().submit_with_args(1, &args)
        };
        match waited {
            Ok(_) => Ok(()),
            Err(e) if is_no_error(&e) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn keep_ticking(&mut self) {
        if !self.ticking {
            self.ticking = true;
            let entry = opcode::Timeout::new(&raw const *self.tick).build();
            self.push(entry, Token::new(Kind::Tick, 0, 0));
        }
    }

    /// Moves all seen completions into `out`.
    pub(crate) fn reap(&mut self, out: &mut VecDeque<Completion>) {
        let pending = &mut self.pending;
        for entry in self.io.completion() {
            let Some(token) = Token::from_bits(entry.user_data()) else {
                continue;
            };
            if token.kind == Kind::Tick {
                self.ticking = false;
                continue;
            }
            let flags = entry.flags();
            let more = cqueue::more(flags);
            if !more && token.kind != Kind::SendStatic {
                *pending -= 1;
            }
            let received = cqueue::buffer_select(flags).map(|id| Received {
                id,
                length: entry.result().max(0) as u32,
            });
            out.push_back(Completion {
                token,
                result: entry.result(),
                more,
                received,
            });
        }
    }

    /// Operations whose last completion has not been seen.
    pub(crate) fn pending(&self) -> u64 {
        self.pending
    }

    fn push_counted(&mut self, entry: squeue::Entry, token: Token) {
        self.pending += 1;
        self.push(entry, token);
    }

    fn push(&mut self, entry: squeue::Entry, token: Token) {
        let entry = entry.user_data(token.to_bits());
        loop {
            // SAFETY: whatever the entry points to lives until its completion (invariants 1 to 3).
            if unsafe { self.io.submission().push(&entry) }.is_ok() {
                return;
            }
            // Full: hand the queue over without waiting. An error here is met again, and
            // reported, by the next turn; it can only be a passing one (EBUSY, EINTR).
            if let Err(e) = self.io.submit() {
                assert!(is_no_error(&e), "the ring takes no entries: {e}");
            }
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.pending > 0 {
            std::mem::forget(Rc::clone(&self.memory));
            std::mem::forget(std::mem::take(&mut self.owned));
        }
    }
}

/// Makes the ring itself, without the indirection of entries where the kernel can (6.6).
fn build(entries: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun()
        .setup_submit_all()
        .setup_clamp()
        .setup_cqsize(entries * COMPLETIONS_PER_ENTRY);
    let plain = builder.clone();
    match builder.setup_no_sqarray().build(entries) {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => plain.build(entries),
        built => built,
    }
}

fn send_entry(slot: Slot, bytes: &[u8]) -> squeue::Entry {
    let length = u32::try_from(bytes.len()).expect("a request is below 4 GiB");
    opcode::Send::new(Fixed(slot), bytes.as_ptr(), length)
        .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
        .build()
}

/// Binds a socket to a local address and leaves the port to the connect, which can then share one
/// with connections to other servers.
///
/// # Errors
///
/// What the kernel says: the address is none of this machine, for example.
pub(crate) fn bind_late(socket: &Socket, address: IpAddr) -> io::Result<()> {
    set_number(socket, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    socket.bind(&SocketAddr::new(address, 0).into())
}

/// Leaves one local port to the connect, which shares it with connections to other servers. Ports
/// outside of the system's range are ignored by the kernel.
///
/// # Errors
///
/// `ENOPROTOOPT` before Linux 6.3.
pub(crate) fn only_port(socket: &Socket, port: u16) -> io::Result<()> {
    let range = u32::from(port) << 16 | u32::from(port);
    set_number(socket, IP_LOCAL_PORT_RANGE, range.cast_signed())
}

/// `IP_LOCAL_PORT_RANGE` of `linux/in.h`, for both families.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

/// Sets an option of the level IP that is one number.
fn set_number(socket: &Socket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the kernel copies one int, which lives until the call returns.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn is_no_error(error: &io::Error) -> bool {
    let passing = [libc::ETIME, libc::EINTR, libc::EBUSY, libc::EAGAIN];
    error
        .raw_os_error()
        .is_some_and(|code| passing.contains(&code))
}

/// The receive buffers of one ring.
pub(crate) struct Buffers {
    memory: Rc<Mapping>,
    /// The next free place of the buffer ring, modulo 2^16, published by [`Buffers::publish`].
    tail: u16,
    /// Buffers that were ever handed to the ring; the others have not been touched yet.
    circulating: u16,
}

impl Buffers {
    /// Puts more buffers into circulation, when there are more: to be called when the ring ran out
    /// of them. The ring uses its buffers in turn, so as few as do are best: they stay in the
    /// processor's cache.
    pub(crate) fn grow(&mut self) {
        let all = self.memory.buffers;
        let wanted = (self.circulating.saturating_mul(2)).clamp(BUFFERS_FIRST.min(all), all);
        for id in self.circulating..wanted {
            self.give_back(Received { id, length: 0 });
        }
        self.circulating = wanted;
        self.publish();
    }

    /// The received bytes.
    pub(crate) fn bytes(&self, received: &Received) -> &[u8] {
        let start = self.memory.buffer(received.id);
        // SAFETY: invariant 3: the buffer is ours while `received` lives, and the kernel filled
        // `length` bytes of it, at most the buffer's size.
        unsafe { std::slice::from_raw_parts(start, received.length as usize) }
    }

    /// The received bytes, to be changed in place.
    pub(crate) fn bytes_mut(&mut self, received: &mut Received) -> &mut [u8] {
        let start = self.memory.buffer(received.id).cast_mut();
        // SAFETY: invariant 3: the buffer is ours while `received` lives, of which there is one,
        // and the kernel filled `length` bytes of it, at most the buffer's size.
        unsafe { std::slice::from_raw_parts_mut(start, received.length as usize) }
    }

    /// Returns a buffer to the ring; the kernel sees it at the next [`Buffers::publish`].
    pub(crate) fn give_back(&mut self, received: Received) {
        let memory = &self.memory;
        let index = self.tail & (memory.buffers - 1);
        // SAFETY: `index` is below the entry count of the mapping; the kernel reads the entry
        // only after the tail was published behind it.
        let entry = unsafe { &mut *memory.base.as_ptr().add(usize::from(index)) };
        entry.set_addr(memory.buffer(received.id) as u64);
        entry.set_len(memory.buffer_bytes);
        entry.set_bid(received.id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel all buffers given back so far.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the address is inside the mapping; the kernel reads the tail with acquire.
        unsafe {
            let tail = BufRingEntry::tail(self.memory.base.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

/// One anonymous mapping: the buffer ring's entries, then the buffers.
struct Mapping {
    base: NonNull<BufRingEntry>,
    /// Where the buffers begin, in bytes from `base`.
    offset: usize,
    length: usize,
    buffers: u16,
    buffer_bytes: u32,
}

impl Mapping {
    fn new(buffers: u16, buffer_bytes: u32) -> io::Result<Mapping> {
        assert!(
            buffers.is_power_of_two() && buffers <= 32768,
            "the kernel's bound"
        );
        let entries = usize::from(buffers) * size_of::<BufRingEntry>();
        let offset = entries.next_multiple_of(PAGE_BYTES);
        let length = offset + usize::from(buffers) * buffer_bytes as usize;
        // SAFETY: a fresh private mapping; nothing else refers to it.
        let base = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).expect("a mapping is never at address 0");
        Ok(Mapping {
            base,
            offset,
            length,
            buffers,
            buffer_bytes,
        })
    }

    fn buffer(&self, id: u16) -> *const u8 {
        assert!(id < self.buffers, "the kernel names a buffer it was given");
        let start = self.offset + usize::from(id) * self.buffer_bytes as usize;
        // SAFETY: `start` is inside the mapping because `id` is below the count.
        unsafe { self.base.as_ptr().cast::<u8>().cast_const().add(start) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length and nobody refers to it: the
        // last owner is dropping it, and a ring with work under way leaks its share.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), self.length);
        }
    }
}
