//! The built-in target: a small, fast HTTP server to try things on, with no dependency on the
//! load. It costs about as much per request as the cheapest client, so that it is hardly ever the
//! bottleneck of a try.

mod connection;
mod date_cache;
mod pages;
mod server;
mod shop;
#[cfg(test)]
mod tests;

use crate::Error;
use server::Server;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Connections that may wait to be accepted; the kernel bounds it by net.core.somaxconn.
const BACKLOG: i32 = 65_535;

/// Where and how the target serves.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The processors to pin threads to, in turn; none leaves them to the kernel.
    pub cpus: Vec<usize>,
    /// Threads, each with a ring and a listening socket of its own; at least one.
    pub threads: usize,
}

/// A target that serves until it is stopped or dropped.
pub struct Target {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Target {
    /// Starts the target; it listens when this returns.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or the ring cannot be made.
    pub fn start(options: &TargetOptions) -> Result<Target, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut target = Target {
            address: options.listen,
            stop,
            threads: Vec::new(),
        };
        let (ready, started) = std::sync::mpsc::channel();
        for thread in 0..options.threads.max(1) {
            let listener =
                listen(target.address).map_err(|source| listen_error(&target, source))?;
            target.address = listener
                .local_addr()
                .map_err(|source| listen_error(&target, source))?;
            let cpu = options
                .cpus
                .get(thread % options.cpus.len().max(1))
                .copied();
            let (stop, ready) = (Arc::clone(&target.stop), ready.clone());
            let serve = move || serve(listener, cpu, &stop, &ready);
            let name = format!("target-{thread}");
            let spawned = std::thread::Builder::new().name(name).spawn(serve);
            target
                .threads
                .push(spawned.map_err(|source| listen_error(&target, source))?);
        }
        drop(ready);
        for _ in 0..target.threads.len() {
            match started.recv() {
                Ok(Ok(())) => {}
                Ok(Err(source)) => return Err(crate::ring_refusal::ring_error(source)),
                Err(_) => {
                    return Err(crate::ring_refusal::ring_error(io::Error::other(
                        "it ended",
                    )));
                }
            }
        }
        Ok(target)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops serving; connections close.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A server that failed has said so to its clients by closing.
            let _ = thread.join();
        }
    }
}

/// A listening socket that shares its port with those of the other threads.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let kind = Type::STREAM.cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit this.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn listen_error(target: &Target, source: io::Error) -> Error {
    Error::Listen {
        address: target.address,
        source,
    }
}

fn serve(
    listener: TcpListener,
    cpu: Option<usize>,
    stop: &AtomicBool,
    ready: &std::sync::mpsc::Sender<io::Result<()>>,
) -> io::Result<()> {
    if let Some(id) = cpu {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    match Server::new(listener) {
        Ok(mut server) => {
            let _ = ready.send(Ok(()));
            server.run(stop)
        }
        Err(error) => {
            let _ = ready.send(Err(error));
            Ok(())
        }
    }
}
