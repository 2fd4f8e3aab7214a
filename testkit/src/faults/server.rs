//! The misbehaving server: blocking, a thread for each connection, ended by shutting them down.

use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;

use super::connection::FaultConnection;
use super::script::Script;
use super::server_state::{End, FaultReport, Shared};
use super::wire::{TlsSide, Wire};

/// Connections one server takes, each with a thread; a test that makes more is itself at fault.
const CONNECTIONS_MAX: usize = 2000;
/// How long [`FaultOrigin::wait_for`] waits.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A running server; it stops, and all its threads are joined, when it is dropped.
pub struct FaultOrigin {
    addr: SocketAddr,
    shared: Arc<Shared>,
    /// Written to once, to wake the accepting thread.
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl FaultOrigin {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no socket or thread to be had.
    pub fn start(script: Script) -> FaultOrigin {
        FaultOrigin::start_at(Ipv4Addr::LOCALHOST.into(), script)
    }

    /// As [`FaultOrigin::start`], on a free port of this address.
    ///
    /// # Panics
    /// As [`FaultOrigin::start`].
    pub fn start_at(ip: IpAddr, script: Script) -> FaultOrigin {
        FaultOrigin::start_as(ip, script, None)
    }

    /// The same over TLS: the handshake comes with the first step that reads or writes, and a
    /// [`Step::Close`](super::Step::Close) is without close_notify.
    ///
    /// # Panics
    /// As [`FaultOrigin::start`].
    pub fn start_tls(script: Script, tls: TlsSide) -> FaultOrigin {
        FaultOrigin::start_as(Ipv4Addr::LOCALHOST.into(), script, Some(tls))
    }

    fn start_as(ip: IpAddr, script: Script, tls: Option<TlsSide>) -> FaultOrigin {
        let listener =
            TcpListener::bind((ip, 0)).unwrap_or_else(|e| panic!("cannot listen on {ip}: {e}"));
        listener
            .set_nonblocking(true)
            .expect("a listening socket takes the flag");
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let wake = Arc::new(
            eventfd(0, EventfdFlags::CLOEXEC).unwrap_or_else(|e| panic!("no eventfd: {e}")),
        );
        let shared = Arc::new(Shared::new(script, tls));
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

    /// Such as `http://127.0.0.1:port`, or with https, without a trailing slash.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.addr)
    }

    /// What it has seen until now. A client can be ahead of it: see [`FaultOrigin::wait_for`].
    pub fn report(&self) -> FaultReport {
        self.shared.lock().report.clone()
    }

    /// The report as soon as this holds for it, or after 10 s: the caller asserts on what comes.
    pub fn wait_for(&self, holds: impl Fn(&FaultReport) -> bool) -> FaultReport {
        let deadline = Instant::now() + WAIT_MAX;
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
            let wire = Wire::new(stream, shared.tls.as_ref());
            FaultConnection::new(wire, number, &shared).run();
        })
        .unwrap_or_else(|e| panic!("no thread for a connection: {e}"))
}
