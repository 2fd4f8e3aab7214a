//! The bare io_uring loop: the least work one core can do per request, as a limit to compare with.
//!
//! No script, no statistics, no timers: each connection sends the same request again as soon as
//! the last byte of the response is in. The end of a response is found by its length, learned from
//! the first one, so the server must answer every request with the same number of bytes. The only
//! other look at a response is at its status line, so that errors are not counted as work.
//!
//! `bare --addr 127.0.0.1:PORT --connections N --seconds S --cpu K [--path /]` prints
//! `requests=.. seconds=.. cpu_s=.. errors=..`; `cpu_s` is user + system of the whole process.

#![expect(
    unsafe_code,
    reason = "the kernel interface of io_uring: entries point at memory the kernel writes to"
)]

use std::alloc::{Layout, alloc_zeroed};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use io_uring::types::{BufRingEntry, Fixed, Timespec};
use io_uring::{IoUring, Submitter, cqueue, opcode, squeue};

type Failure = Box<dyn std::error::Error>;

/// Buffer group of the one provided-buffer ring.
const GROUP: u16 = 0;
/// `user_data` of the entry that ends the run.
const END: u64 = u64::MAX;
/// Marks the `user_data` of a send; what is left is the connection.
const SEND: u64 = 1 << 32;
/// Largest number of connections: both rings of the kernel hold at most 32 768 entries, and each
/// connection may queue a send and a receive in one turn.
const CONNECTIONS_MAX: usize = 8192;
/// Bytes of one provided buffer at most; longer responses come in parts.
const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// How every wanted response begins.
const STATUS_OK: &[u8] = b"HTTP/1.1 200";

fn main() -> Result<(), Failure> {
    let options = Options::parse(std::env::args().skip(1))?;
    if let Some(id) = options.cpu
        && !core_affinity::set_for_current(core_affinity::CoreId { id })
    {
        return Err(format!("cpu {id}: this process may not run there").into());
    }
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
        options.path, options.addr
    );
    let sockets = connect(&options)?;
    let response_bytes = learn(&sockets[0], request.as_bytes())?;
    let mut ring = build_ring(sockets.len())?;
    let buffers = Buffers::new(&ring, sockets.len(), response_bytes)?;
    let mut client = Client::new(request.into_bytes(), sockets, buffers, response_bytes);
    let start = Instant::now();
    client.run(&mut ring, options.duration)?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "requests={} seconds={seconds:.6} cpu_s={:.6} errors={}",
        client.requests,
        cpu_seconds()?,
        client.errors
    );
    Ok(())
}

/// The command line.
struct Options {
    addr: SocketAddr,
    connections: usize,
    duration: Duration,
    /// Where the one thread is pinned; `None`: not pinned.
    cpu: Option<usize>,
    path: String,
}

impl Options {
    /// Reads `--name value` pairs.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
        let mut addr = None;
        let mut options = Options {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            connections: 64,
            duration: Duration::from_secs(5),
            cpu: None,
            path: "/".to_owned(),
        };
        while let Some(name) = args.next() {
            let value = args
                .next()
                .ok_or_else(|| format!("{name}: needs a value"))?;
            match name.as_str() {
                "--addr" => addr = Some(value.parse()?),
                "--connections" => options.connections = value.parse()?,
                "--seconds" => options.duration = Duration::try_from_secs_f64(value.parse()?)?,
                "--cpu" => options.cpu = Some(value.parse()?),
                "--path" => options.path = value,
                _ => return Err(format!("{name}: unknown option").into()),
            }
        }
        options.addr = addr.ok_or("--addr: missing")?;
        if !(1..=CONNECTIONS_MAX).contains(&options.connections) {
            return Err(format!("--connections: 1 to {CONNECTIONS_MAX}").into());
        }
        Ok(options)
    }
}

/// Opens all connections, one after the other, before the clock starts.
fn connect(options: &Options) -> Result<Vec<TcpStream>, Failure> {
    let mut sockets = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        let socket = TcpStream::connect(options.addr)?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Length in bytes of the whole response (head and body) to `request`.
///
/// # Errors
/// When the response is not a 200 with a Content-Length.
fn learn(mut socket: &TcpStream, request: &[u8]) -> Result<usize, Failure> {
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(request)?;
    let mut seen = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = socket.read(&mut part)?;
        if count == 0 {
            return Err("the server closed the connection within its first response".into());
        }
        seen.extend_from_slice(&part[..count]);
        let Some(head_end) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let total = head_end + 4 + content_length(&seen[..head_end])?;
        if seen.len() >= total {
            socket.set_read_timeout(None)?;
            return Ok(total);
        }
    }
}

/// The Content-Length of a response head that must be a 200.
fn content_length(head: &[u8]) -> Result<usize, Failure> {
    let head = std::str::from_utf8(head)?;
    if !head.as_bytes().starts_with(STATUS_OK) {
        return Err(format!("not a 200: {}", head.lines().next().unwrap_or_default()).into());
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse())
        });
    Ok(length.ok_or("the response has no Content-Length")??)
}

/// A ring with room for everything that one turn may queue.
fn build_ring(connections: usize) -> Result<IoUring, Failure> {
    // One send and one receive per connection, and the entry that ends the run.
    let entries = (2 * connections + 1).next_power_of_two() as u32;
    let build = |no_sqarray: bool| {
        let mut builder = IoUring::builder();
        builder
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun();
        builder.setup_submit_all().setup_cqsize(2 * entries);
        if no_sqarray {
            builder.setup_no_sqarray();
        }
        builder.build(entries)
    };
    // Without the index array since Linux 6.6: one memory access less per entry.
    Ok(build(true).or_else(|_| build(false))?)
}

/// The provided-buffer ring and the memory of its buffers.
///
/// Both live until the process ends: the kernel may write to them for as long as the ring exists.
struct Buffers {
    /// First entry of the ring that is shared with the kernel; `mask + 1` entries follow.
    entries: *mut BufRingEntry,
    /// Start of the buffers; buffer `id` begins at `id * size`.
    memory: *mut u8,
    /// Bytes of one buffer.
    size: usize,
    mask: u16,
    /// Next entry to fill; the kernel sees it when it is published.
    tail: u16,
}

impl Buffers {
    /// Registers one buffer per connection, so that a turn in which all answer needs no re-arming.
    fn new(ring: &IoUring, connections: usize, response_bytes: usize) -> Result<Buffers, Failure> {
        // Small buffers stay in the cache; room for one whole response keeps it in one completion.
        let size = response_bytes.next_multiple_of(64).min(BUFFER_BYTES_MAX);
        let count = connections.next_power_of_two();
        let entries = allocate(count * size_of::<BufRingEntry>(), 4096)?.cast();
        let memory = allocate(count * size, 4096)?;
        // SAFETY: `entries` is page-aligned memory for `count` entries that is never freed.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries as u64,
                count as u16,
                GROUP,
                0,
            )?;
        }
        let mut buffers = Buffers {
            entries,
            memory,
            size,
            mask: count as u16 - 1,
            tail: 0,
        };
        for id in 0..count as u16 {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// Puts buffer `id`, which the kernel has handed out, behind the published ones.
    #[inline]
    fn give_back(&mut self, id: u16) {
        // SAFETY: the index is within the `mask + 1` entries and the address within `memory`, as
        // ids come from `new` or from the kernel, which returns only those. The kernel does not
        // read an entry between its use and the publishing of a later tail.
        unsafe {
            let entry = &mut *self.entries.add(usize::from(self.tail & self.mask));
            entry.set_addr(self.memory.add(usize::from(id) * self.size) as u64);
            entry.set_len(self.size as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel all buffers given back so far.
    #[inline]
    fn publish(&self) {
        // SAFETY: the tail lies in the unused part of the first entry, aligned for u16, and is
        // written by this thread only; the kernel reads it, hence the atomic and its order.
        unsafe {
            let tail = BufRingEntry::tail(self.entries).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    /// The bytes that the kernel wrote to buffer `id`; `count` as its completion said.
    #[inline]
    fn bytes(&self, id: u16, count: usize) -> &[u8] {
        debug_assert!(id <= self.mask && count <= self.size);
        // SAFETY: id and count come from a completion, so they lie within `memory`, and the kernel
        // leaves the buffer alone until it is given back, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.memory.add(usize::from(id) * self.size), count) }
    }
}

/// Zeroed memory that is never freed.
fn allocate(bytes: usize, align: usize) -> Result<*mut u8, Failure> {
    let layout = Layout::from_size_align(bytes.max(align), align)?;
    // SAFETY: the size is at least `align`, so not zero.
    let memory = unsafe { alloc_zeroed(layout) };
    if memory.is_null() {
        Err("out of memory".into())
    } else {
        Ok(memory)
    }
}

/// All connections and what they have done.
struct Client {
    /// The entry that sends a connection's request; the bytes are leaked, as the kernel reads them.
    sends: Vec<squeue::Entry>,
    /// The entry that arms a connection's receive.
    receives: Vec<squeue::Entry>,
    /// Bytes of the current response seen so far, per connection.
    received: Vec<usize>,
    sockets: Vec<TcpStream>,
    buffers: Buffers,
    response_bytes: usize,
    requests: u64,
    /// Connections that failed plus responses that were not a 200.
    errors: u64,
    /// Connections that failed.
    lost: usize,
}

impl Client {
    fn new(
        request: Vec<u8>,
        sockets: Vec<TcpStream>,
        buffers: Buffers,
        response_bytes: usize,
    ) -> Client {
        let request: &'static [u8] = request.leak();
        let send = |i: u32| {
            opcode::Send::new(Fixed(i), request.as_ptr(), request.len() as u32)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS)
                .user_data(SEND | u64::from(i))
        };
        let receive = |i| {
            opcode::RecvMulti::new(Fixed(i), GROUP)
                .build()
                .user_data(u64::from(i))
        };
        let count = sockets.len() as u32;
        Client {
            sends: (0..count).map(send).collect(),
            receives: (0..count).map(receive).collect(),
            received: vec![0; sockets.len()],
            sockets,
            buffers,
            response_bytes,
            requests: 0,
            errors: 0,
            lost: 0,
        }
    }

    /// Sends and receives on every connection until `duration` has passed.
    fn run(&mut self, ring: &mut IoUring, duration: Duration) -> Result<(), Failure> {
        let descriptors: Vec<_> = self.sockets.iter().map(AsRawFd::as_raw_fd).collect();
        let (mut submitter, mut queue, mut completions) = ring.split();
        submitter.register_files(&descriptors)?;
        submitter.register_ring_fd()?;
        let end = Timespec::from(duration);
        let end = opcode::Timeout::new(&end).build().user_data(END);
        push(&mut queue, &end)?;
        for (receive, send) in self.receives.iter().zip(&self.sends) {
            push(&mut queue, receive)?;
            push(&mut queue, send)?;
        }
        queue.sync();
        loop {
            enter(&submitter)?;
            completions.sync();
            for completion in &mut completions {
                if completion.user_data() == END {
                    return Ok(());
                }
                self.complete(&mut queue, &completion)?;
            }
            completions.sync();
            self.buffers.publish();
            queue.sync();
        }
    }

    /// Takes in one completion and queues what follows from it.
    #[inline]
    fn complete(
        &mut self,
        queue: &mut squeue::SubmissionQueue<'_>,
        completion: &cqueue::Entry,
    ) -> Result<(), Failure> {
        let (tag, result) = (completion.user_data(), completion.result());
        if tag & SEND != 0 || (result <= 0 && result != -libc::ENOBUFS) {
            return self.lose(tag, result);
        }
        let connection = tag as usize;
        if let Some(id) = cqueue::buffer_select(completion.flags()) {
            let count = result as usize;
            let done = self.take(connection, id, count)?;
            self.buffers.give_back(id);
            if done {
                push(queue, &self.sends[connection])?;
            }
        }
        // The kernel ends a multishot receive when it runs out of buffers.
        if !cqueue::more(completion.flags()) {
            push(queue, &self.receives[connection])?;
        }
        Ok(())
    }

    /// Counts `count` bytes of a response; true when it is whole.
    #[inline]
    fn take(&mut self, connection: usize, id: u16, count: usize) -> Result<bool, Failure> {
        let received = &mut self.received[connection];
        if *received == 0 {
            let head = self.buffers.bytes(id, count.min(STATUS_OK.len()));
            self.errors += u64::from(!STATUS_OK.starts_with(head));
        }
        *received += count;
        if *received < self.response_bytes {
            return Ok(false);
        }
        if *received > self.response_bytes {
            return Err("the length of the server's responses changed".into());
        }
        *received = 0;
        self.requests += 1;
        Ok(true)
    }

    /// Counts a connection that is of no more use; an error when none is left.
    #[cold]
    fn lose(&mut self, tag: u64, result: i32) -> Result<(), Failure> {
        self.errors += 1;
        self.lost += 1;
        if self.lost < self.sockets.len() {
            return Ok(());
        }
        let why = std::io::Error::from_raw_os_error(-result);
        let what = if tag & SEND != 0 { "send" } else { "receive" };
        Err(format!("all connections failed, the last at a {what}: {why}").into())
    }
}

/// Queues one entry; there is always room, see `build_ring`.
#[inline]
fn push(
    queue: &mut squeue::SubmissionQueue<'_>,
    entry: &squeue::Entry,
) -> Result<(), squeue::PushError> {
    // SAFETY: entries name registered descriptors and point at the leaked request, at the end's
    // time (which the kernel copies when it takes the entry, while `run` still holds it), or at
    // the buffers that live as long as the process.
    unsafe { queue.push(entry) }
}

/// Submits what is queued and waits for a completion.
#[inline]
fn enter(submitter: &Submitter<'_>) -> Result<(), Failure> {
    match submitter.submit_and_wait(1) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// CPU time of this process so far, user and system, in seconds.
fn cpu_seconds() -> Result<f64, Failure> {
    // SAFETY: `rusage` is plain numbers, for which zeroes are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live rusage of this frame.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}
