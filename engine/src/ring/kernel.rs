//! The kernel's ring and its buffers as one [`RingIo`], and the sockets that go into it.

use super::sys::{Buffers, Ring, bind_late, only_port};
use super::{Completion, Received, RingIo, Sizes, Slot, SocketSpec, Token};
use crate::clock::{Clock, Moment};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

/// One core's io_uring with its receive buffers.
pub(crate) struct KernelRing {
    ring: Ring,
    buffers: Buffers,
    clock: Clock,
}

impl KernelRing {
    /// Makes a ring whose time is that of `clock`.
    ///
    /// # Errors
    ///
    /// As [`Ring::new`].
    pub(crate) fn new(sizes: Sizes, clock: Clock) -> io::Result<KernelRing> {
        let (ring, buffers) = Ring::new(sizes)?;
        Ok(KernelRing {
            ring,
            buffers,
            clock,
        })
    }
}

impl RingIo for KernelRing {
    #[inline]
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn install(&mut self, slot: Slot, spec: &SocketSpec) -> io::Result<()> {
        self.ring.install(slot, socket(spec)?.into())
    }

    fn add_address(&mut self, address: SockAddr) -> usize {
        self.ring.add_address(address)
    }

    fn connect(&mut self, slot: Slot, address: usize, generation: u32) {
        self.ring.connect(slot, address, generation);
    }

    #[inline]
    fn receive(&mut self, slot: Slot, generation: u32) {
        self.ring.receive(slot, generation);
    }

    #[inline]
    fn send_static(&mut self, slot: Slot, bytes: &'static [u8], generation: u32) {
        self.ring.send_static(slot, bytes, generation);
    }

    #[inline]
    fn send_owned(&mut self, slot: Slot, bytes: Vec<u8>, generation: u32) {
        self.ring.send_owned(slot, bytes, generation);
    }

    #[inline]
    fn take_sent(&mut self, completion: &Completion) -> Vec<u8> {
        self.ring.take_sent(completion)
    }

    fn read_file(
        &mut self,
        slot: Slot,
        file: Rc<File>,
        offset: u64,
        bytes: Vec<u8>,
        range: Range<usize>,
        generation: u32,
    ) {
        self.ring
            .read_file(slot, file, offset, bytes, range, generation);
    }

    fn take_read(&mut self, completion: &Completion) -> (Vec<u8>, Range<usize>) {
        self.ring.take_read(completion)
    }

    fn shutdown(&mut self, slot: Slot, generation: u32) {
        self.ring.shutdown(slot, generation);
    }

    fn close(&mut self, slot: Slot, generation: u32) {
        self.ring.close(slot, generation);
    }

    fn cancel(&mut self, target: Token) {
        self.ring.cancel(target);
    }

    #[inline]
    fn turn(&mut self, limit: Duration) -> io::Result<()> {
        self.ring.turn(limit)
    }

    #[inline]
    fn reap(&mut self, out: &mut VecDeque<Completion>) {
        self.ring.reap(out);
    }

    fn pending(&self) -> u64 {
        self.ring.pending()
    }

    #[inline]
    fn bytes(&self, received: &Received) -> &[u8] {
        self.buffers.bytes(received)
    }

    #[inline]
    fn bytes_mut(&mut self, received: &mut Received) -> &mut [u8] {
        self.buffers.bytes_mut(received)
    }

    #[inline]
    fn give_back(&mut self, received: Received) {
        self.buffers.give_back(received);
    }

    fn grow_buffers(&mut self) {
        self.buffers.grow();
    }

    #[inline]
    fn publish_buffers(&mut self) {
        self.buffers.publish();
    }
}

/// A socket as it was asked for, not yet connected.
fn socket(spec: &SocketSpec) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let SocketSpec::Tcp {
        to,
        source,
        port,
        is_port_late,
        resets,
    } = *spec
    else {
        return Socket::new(Domain::UNIX, kind, None);
    };
    let socket = Socket::new(Domain::for_address(to), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if resets {
        socket.set_linger(Some(Duration::ZERO))?;
    }
    if is_port_late {
        if let Some(source) = source {
            bind_late(&socket, source)?;
        }
        only_port(&socket, port)?;
        return Ok(socket);
    }
    socket.set_reuse_address(true)?;
    let any = || match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let local = SocketAddr::new(source.unwrap_or_else(any), port);
    socket.bind(&local.into())?;
    Ok(socket)
}

/// Whether the kernel lets a connect choose from a range of one port (Linux 6.3).
pub(crate) fn takes_late_ports() -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP));
    socket.is_ok_and(|socket| only_port(&socket, 40_000).is_ok())
}
