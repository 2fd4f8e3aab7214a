//! An HTTP origin with exactly known service times.
//!
//! One thread, one event loop, a heap of due replies. The pure [`Model`] decides what happens to a
//! request the moment it arrives; the loop only carries out the schedule and records its own
//! lateness.

mod behaviour;
mod connection;
mod event_loop;
mod model;
mod report;
mod request;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;

pub use behaviour::{Behaviour, Freeze, Service};
pub use model::{Model, Planned};
pub use report::{Report, Served};

use event_loop::{Command, EventLoop};

/// Connections the kernel may hold for us between two accepts.
const BACKLOG: i32 = 4096;

/// A running origin, on 127.0.0.1 unless told otherwise; it stops, and its thread is joined, when it is dropped.
pub struct Origin {
    addr: SocketAddr,
    /// Commands to the loop; each is followed by a write to `wake`.
    commands: Sender<Command>,
    /// Shared with the loop, which waits on it among its sockets.
    wake: Arc<OwnedFd>,
    /// Taken when it is joined.
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// Starts serving on a free port of 127.0.0.1. Ready to be connected to when it returns.
    ///
    /// Raises this process's soft limit of open files when `connections_max` needs it.
    ///
    /// # Panics
    /// When there is no socket, no thread or not enough descriptors to be had.
    pub fn start(behaviour: Behaviour) -> Origin {
        Origin::start_at(Ipv4Addr::LOCALHOST.into(), behaviour)
    }

    /// The same on a free port of another address of this host.
    ///
    /// # Panics
    /// As [`Origin::start`].
    pub fn start_at(ip: IpAddr, behaviour: Behaviour) -> Origin {
        raise_descriptors(behaviour.connections_max as u64 + 256);
        let listener = listen(ip);
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let wake = Arc::new(
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .unwrap_or_else(|e| panic!("no eventfd for the origin: {e}")),
        );
        let (commands, orders) = channel();
        let mut event_loop = EventLoop::new(behaviour, listener, Arc::clone(&wake), orders)
            .unwrap_or_else(|e| panic!("no epoll for the origin: {e}"));
        let thread = std::thread::Builder::new()
            .name("origin".into())
            .spawn(move || event_loop.run())
            .unwrap_or_else(|e| panic!("no thread for the origin: {e}"));
        Origin {
            addr,
            commands,
            wake,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Such as `http://127.0.0.1:port`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Forgets all counts and records and the epoch: the next complete request is the new epoch,
    /// and the service times start again from the first draw.
    ///
    /// Returns when this has taken effect. Connections stay open. Replies still due for earlier
    /// requests are sent, and are not counted.
    pub fn begin(&self) {
        let (done, wait) = channel();
        self.order(Command::Begin(done));
        wait.recv()
            .expect("the origin's loop lives as long as the origin");
    }

    /// What has happened since the start or the last [`Origin::begin`].
    pub fn report(&self) -> Report {
        let (done, wait) = channel();
        self.order(Command::Report(done));
        wait.recv()
            .expect("the origin's loop lives as long as the origin")
    }

    /// The last report, then an end.
    pub fn stop(self) -> Report {
        self.report()
    }

    fn order(&self, command: Command) {
        self.commands
            .send(command)
            .expect("the origin's loop lives as long as the origin");
        self.ring();
    }

    fn ring(&self) {
        // Fails only when the counter is full, and then the loop is awake already.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        self.ring();
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Err(_))) && !std::thread::panicking() {
            panic!("the origin's thread panicked; its message is above");
        }
    }
}

fn listen(ip: IpAddr) -> std::net::TcpListener {
    let any = SocketAddr::from((ip, 0));
    let domain = socket2::Domain::for_address(any);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)
        .unwrap_or_else(|e| panic!("no socket for the origin: {e}"));
    socket
        .bind(&any.into())
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| socket.set_nonblocking(true))
        .unwrap_or_else(|e| panic!("cannot listen on {ip}: {e}"));
    socket.into()
}

/// Sees to it that this process may open `wanted` descriptors.
///
/// # Panics
/// When the hard limit is below that.
pub fn raise_descriptors(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|l| l >= wanted);
    if enough(now.current) {
        return;
    }
    assert!(
        enough(now.maximum),
        "{wanted} open files are needed and {:?} are allowed: raise `ulimit -Hn`",
        now.maximum
    );
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum: now.maximum,
        },
    )
    .unwrap_or_else(|e| panic!("cannot raise the soft limit of open files to {wanted}: {e}"));
}
