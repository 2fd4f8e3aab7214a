//! The misbehaving server: blocking, a thread for each connection, ended by shutting them down.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;

use super::script::{Script, Step};

/// Connections one server takes, each with a thread; a test that makes more is itself at fault.
const CONNECTIONS_MAX: usize = 2000;
/// Heads kept for the report.
const HEADS_MAX: usize = 1000;
/// Longest request head read.
const HEAD_MAX: usize = 1 << 20;
/// Bytes written at once by `SendBig`.
const BIG: usize = 256 * 1024;
/// How long [`FaultOrigin::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(10);

static ZEROS: [u8; BIG] = [0; BIG];

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It has not.
    Open,
    /// The server followed its list to the end, or to a close or reset.
    Server,
    /// The peer closed.
    PeerClosed,
    /// The peer reset, or was gone when something was written.
    PeerReset,
    /// The server was stopped.
    Stopped,
}

/// What a misbehaving server has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultReport {
    /// How each connection ended, in order of accepting; their number is that of connections.
    pub ends: Vec<End>,
    /// Complete request heads.
    pub requests: u64,
    /// Of each connection.
    pub requests_by_connection: Vec<u32>,
    /// The first thousand heads, as received, in order of being complete.
    pub heads: Vec<String>,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

impl FaultReport {
    /// Connections accepted.
    pub fn connections(&self) -> u64 {
        self.ends.len() as u64
    }
}

/// A running server; it stops, and all its threads are joined, when it is dropped.
pub struct FaultOrigin {
    addr: SocketAddr,
    shared: Arc<Shared>,
    /// Written to once, to wake the accepting thread.
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads share.
struct Shared {
    script: Script,
    state: Mutex<State>,
    /// Told of each change that somebody may wait for.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    report: FaultReport,
    /// Those open, to be shut down at the end.
    open: HashMap<usize, Arc<TcpStream>>,
}

impl FaultOrigin {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no socket or thread to be had.
    pub fn start(script: Script) -> FaultOrigin {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap_or_else(|e| panic!("cannot listen on 127.0.0.1: {e}"));
        listener
            .set_nonblocking(true)
            .expect("a listening socket takes the flag");
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let wake = Arc::new(
            eventfd(0, EventfdFlags::CLOEXEC).unwrap_or_else(|e| panic!("no eventfd: {e}")),
        );
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared {
            script,
            state,
            changed: Condvar::new(),
        });
        let (to_accept, woken) = (Arc::clone(&shared), Arc::clone(&wake));
        let thread = std::thread::Builder::new()
            .name("fault-origin".into())
            .spawn(move || accept(&listener, &woken, &to_accept))
            .unwrap_or_else(|e| panic!("no thread for the server: {e}"));
        FaultOrigin {
            addr,
            shared,
            wake,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it has seen until now. A client can be ahead of it: see [`FaultOrigin::wait_for`].
    pub fn report(&self) -> FaultReport {
        self.shared.lock().report.clone()
    }

    /// The report as soon as this holds for it, or after 10 s: the caller asserts on what comes.
    pub fn wait_for(&self, holds: impl Fn(&FaultReport) -> bool) -> FaultReport {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while !holds(&state.report) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.wait(state, left);
        }
        state.report.clone()
    }
}

impl Drop for FaultOrigin {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.stopping = true;
            for stream in state.open.values() {
                let _ = stream.shutdown(Shutdown::Both);
            }
            self.shared.changed.notify_all();
        }
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Err(_))) && !std::thread::panicking() {
            panic!("a thread of the server panicked; its message is above");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the lock")
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(guard, at_most);
        waited.expect("no thread panics while it holds the lock").0
    }

    /// Changes the report and tells those who wait.
    fn note(&self, change: impl FnOnce(&mut FaultReport)) {
        change(&mut self.lock().report);
        self.changed.notify_all();
    }
}

/// Accepts until told to stop, then waits for all connections to end.
fn accept(listener: &TcpListener, wake: &OwnedFd, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    loop {
        let mut fds = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::from_borrowed_fd(fd(wake), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("the server cannot wait for its sockets: {e}"),
        }
        if !fds[1].revents().is_empty() {
            break;
        }
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        threads.push(serve_in_thread(stream, shared));
    }
    let panicked = threads
        .into_iter()
        .map(JoinHandle::join)
        .filter(Result::is_err)
        .count();
    assert_eq!(
        panicked, 0,
        "connection threads panicked; their messages are above"
    );
}

fn fd(owned: &OwnedFd) -> rustix::fd::BorrowedFd<'_> {
    rustix::fd::AsFd::as_fd(owned)
}

fn serve_in_thread(stream: TcpStream, shared: &Arc<Shared>) -> JoinHandle<()> {
    stream
        .set_nonblocking(false)
        .expect("a connected socket takes the flag");
    let _ = stream.set_nodelay(true);
    let stream = Arc::new(stream);
    let number = {
        let mut state = shared.lock();
        let number = state.report.ends.len();
        state.report.ends.push(End::Open);
        state.report.requests_by_connection.push(0);
        if state.stopping {
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.open.insert(number, Arc::clone(&stream));
        number
    };
    assert!(
        number < CONNECTIONS_MAX,
        "more than {CONNECTIONS_MAX} connections to one server"
    );
    shared.changed.notify_all();
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name(format!("fault-{number}"))
        .stack_size(128 * 1024)
        .spawn(move || {
            let talk = Talk {
                stream,
                number,
                shared: &shared,
                input: Vec::new(),
                declared: 0,
            };
            talk.follow();
        })
        .unwrap_or_else(|e| panic!("no thread for a connection: {e}"))
}

/// One connection that follows its list.
struct Talk<'a> {
    stream: Arc<TcpStream>,
    number: usize,
    shared: &'a Shared,
    /// Read beyond the last head.
    input: Vec<u8>,
    /// The content-length of the last head.
    declared: u64,
}

/// Goes on, or ends so.
type Flow = ControlFlow<End>;

impl Talk<'_> {
    fn follow(mut self) {
        let end = match self.steps() {
            ControlFlow::Break(_) if self.shared.lock().stopping => End::Stopped,
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => End::Server,
        };
        let Talk {
            stream,
            number,
            shared,
            ..
        } = self;
        shared.lock().open.remove(&number);
        // The last handle: the socket is closed here, before the report says so.
        drop(stream);
        shared.note(|report| report.ends[number] = end);
    }

    fn steps(&mut self) -> Flow {
        let shared = self.shared;
        let steps = shared.script.steps(self.number);
        let mut next = 0;
        while let Some(step) = steps.get(next) {
            next += 1;
            if shared.lock().stopping {
                return ControlFlow::Break(End::Stopped);
            }
            match step {
                Step::ReadHead => self.read_head()?,
                Step::ReadBody(n) => self.read_body(*n)?,
                Step::ReadDeclaredBody => self.read_body(self.declared)?,
                Step::Send(bytes) => self.send(bytes)?,
                Step::SendBytewise { bytes, gap } => self.send_bytewise(bytes, *gap)?,
                Step::SendBig(n) => self.send_big(*n)?,
                Step::Pause(length) => self.pause(*length)?,
                Step::Close => return ControlFlow::Break(End::Server),
                Step::Reset => {
                    rustix::net::sockopt::set_socket_linger(&*self.stream, Some(Duration::ZERO))
                        .expect("a TCP socket takes SO_LINGER");
                    return ControlFlow::Break(End::Server);
                }
                Step::ShutdownWrite => {
                    let _ = self.stream.shutdown(Shutdown::Write);
                }
                Step::AwaitClose => loop {
                    self.input.clear();
                    self.more()?;
                },
                Step::Repeat => next = 0,
            }
        }
        ControlFlow::Continue(())
    }

    /// Reads something more into `input`.
    fn more(&mut self) -> Flow {
        let mut chunk = [0; 32 * 1024];
        loop {
            match (&*self.stream).read(&mut chunk) {
                Ok(0) => return ControlFlow::Break(End::PeerClosed),
                Ok(n) => {
                    self.input.extend_from_slice(&chunk[..n]);
                    self.shared.note(|report| report.bytes_in += n as u64);
                    return ControlFlow::Continue(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return ControlFlow::Break(End::PeerReset),
            }
        }
    }

    fn read_head(&mut self) -> Flow {
        let mut seen = 0;
        let end = loop {
            let found = self.input[seen..].windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(i) = found {
                break seen + i + 4;
            }
            assert!(
                self.input.len() <= HEAD_MAX,
                "a request head above {HEAD_MAX} bytes"
            );
            seen = self.input.len().saturating_sub(3);
            self.more()?;
        };
        let rest = self.input.split_off(end);
        let head = std::mem::replace(&mut self.input, rest);
        let head = String::from_utf8_lossy(&head).into_owned();
        self.declared = declared_length(&head);
        let number = self.number;
        self.shared.note(|report| {
            report.requests += 1;
            report.requests_by_connection[number] += 1;
            if report.heads.len() < HEADS_MAX {
                report.heads.push(head);
            }
        });
        ControlFlow::Continue(())
    }

    fn read_body(&mut self, length: u64) -> Flow {
        let mut left = length;
        loop {
            let here = left.min(self.input.len() as u64);
            self.input.drain(..here as usize);
            left -= here;
            if left == 0 {
                return ControlFlow::Continue(());
            }
            self.more()?;
        }
    }

    fn send(&self, bytes: &[u8]) -> Flow {
        let mut rest = bytes;
        while !rest.is_empty() {
            match (&*self.stream).write(rest) {
                Ok(n) => {
                    rest = &rest[n..];
                    self.shared.note(|report| report.bytes_out += n as u64);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return ControlFlow::Break(End::PeerReset),
            }
        }
        ControlFlow::Continue(())
    }

    fn send_bytewise(&self, bytes: &[u8], gap: Duration) -> Flow {
        for byte in bytes.chunks(1) {
            self.send(byte)?;
            self.pause(gap)?;
        }
        ControlFlow::Continue(())
    }

    fn send_big(&self, length: u64) -> Flow {
        let mut left = length;
        while left > 0 {
            let here = left.min(BIG as u64);
            self.send(&ZEROS[..here as usize])?;
            left -= here;
        }
        ControlFlow::Continue(())
    }

    /// Waits, but not beyond the server's own end.
    fn pause(&self, length: Duration) -> Flow {
        if length.is_zero() {
            return ControlFlow::Continue(());
        }
        let deadline = Instant::now() + length;
        let mut state = self.shared.lock();
        loop {
            if state.stopping {
                return ControlFlow::Break(End::Stopped);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            state = self.shared.wait(state, left);
        }
    }
}

fn declared_length(head: &str) -> u64 {
    let lines = head.split("\r\n").skip(1);
    lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
