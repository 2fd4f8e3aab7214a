//! The event loop that carries out the model's schedule on real sockets.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

use super::behaviour::{Behaviour, nanos};
use super::connection::{HttpConnection, Progress};
use super::model::Model;
use super::report::{Report, Served};

/// A command from the owner of an origin.
pub(super) enum Command {
    /// Reset everything, then confirm.
    Begin(Sender<()>),
    /// Send a copy of the report.
    Report(Sender<Report>),
    /// End the loop.
    Stop,
}

/// Token of the listening socket; those of connections are their indices.
const LISTENER: u64 = u64::MAX;
/// Token of the eventfd.
const WAKE: u64 = u64::MAX - 1;
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 256;
/// Replies sent between two looks at the sockets, so that a crowd of replies due at the end of a
/// freeze does not delay the arrival times of new requests.
const REPLIES_AT_ONCE: usize = 16;
/// The last stretch before a reply is due is spent polling, because a sleeping thread wakes up
/// late.
const SPIN: Duration = Duration::from_micros(60);

/// A connection with its socket.
struct Peer {
    stream: TcpStream,
    /// Numbered from 0 since the last `begin`; for the records.
    number: u32,
    /// Unique; distinguishes a due reply from the next connection at the same index.
    serial: u64,
    exchange: HttpConnection,
    /// The request being served.
    current: Current,
    /// Whether the kernel should report when the socket becomes writable.
    watches_writable: bool,
}

/// The request a connection is serving.
#[derive(Clone, Copy, Default)]
struct Current {
    /// Since the loop's start.
    due_ns: u64,
    service_ns: u64,
    is_refused: bool,
    /// Its index in `Report::served`.
    record: Option<usize>,
    /// The count of `begin` calls when it arrived: those of earlier ones are not counted.
    run: u64,
}

/// A reply to be sent, the earliest first; `order` keeps equals in order of arrival.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ns: u64,
    order: u64,
    index: usize,
    serial: u64,
}

pub(super) struct EventLoop {
    behaviour: Behaviour,
    listener: TcpListener,
    /// Whether the listener is in the epoll set; out of it while no more may be accepted.
    accepting: bool,
    wake: Arc<OwnedFd>,
    orders: Receiver<Command>,
    epoll: OwnedFd,
    model: Model,
    /// All times in here count from this.
    start: Instant,
    /// The first request's arrival, since `start`.
    epoch_ns: Option<u64>,
    peers: Vec<Option<Peer>>,
    /// Free indices of `peers`.
    vacant: Vec<usize>,
    due: BinaryHeap<Reverse<Due>>,
    /// Connections and requests ever seen, for serials and order.
    serial: u64,
    run: u64,
    in_flight: u64,
    report: Report,
    /// The buffer that sockets are read into.
    scratch: Vec<u8>,
}

impl EventLoop {
    pub(super) fn new(
        behaviour: Behaviour,
        listener: TcpListener,
        wake: Arc<OwnedFd>,
        orders: Receiver<Command>,
    ) -> std::io::Result<EventLoop> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            epoll::EventData::new_u64(LISTENER),
            epoll::EventFlags::IN,
        )?;
        epoll::add(
            &epoll,
            &*wake,
            epoll::EventData::new_u64(WAKE),
            epoll::EventFlags::IN,
        )?;
        Ok(EventLoop {
            model: Model::new(&behaviour),
            report: empty_report(&behaviour),
            behaviour,
            listener,
            accepting: true,
            wake,
            orders,
            epoll,
            start: Instant::now(),
            epoch_ns: None,
            peers: Vec::new(),
            vacant: Vec::new(),
            due: BinaryHeap::new(),
            serial: 0,
            run: 0,
            in_flight: 0,
            scratch: vec![0; 64 * 1024],
        })
    }

    /// Serves until told to stop.
    pub(super) fn run(&mut self) {
        // Without this the kernel may add 50 us to every wait.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        if let Some(cpu) = self.behaviour.cpu {
            let mut set = CpuSet::new();
            set.set(cpu);
            sched_setaffinity(None, &set)
                .unwrap_or_else(|e| panic!("cannot pin the origin to cpu {cpu}: {e}"));
        }
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            self.answer_due();
            let wait = self.wait_length();
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => panic!("the origin cannot wait for its sockets: {e}"),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    WAKE => {
                        if self.handle_commands().is_break() {
                            return;
                        }
                    }
                    index => self.on_event(index as usize, event.flags),
                }
                self.answer_due();
            }
        }
    }

    fn now_ns(&self) -> u64 {
        nanos(self.start.elapsed())
    }

    /// Until shortly before the next reply is due; `None`: for ever.
    fn wait_length(&self) -> Option<Timespec> {
        if self.behaviour.awake {
            return Some(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            });
        }
        let Reverse(next) = self.due.peek()?;
        let left = Duration::from_nanos(next.at_ns.saturating_sub(self.now_ns()));
        let sleep = left.saturating_sub(SPIN);
        Some(Timespec {
            tv_sec: sleep.as_secs() as i64,
            tv_nsec: i64::from(sleep.subsec_nanos()),
        })
    }

    fn handle_commands(&mut self) -> std::ops::ControlFlow<()> {
        let mut count = [0; 8];
        // No value to read is fine: an earlier turn took all commands.
        let _ = rustix::io::read(&*self.wake, &mut count);
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Command::Stop => return std::ops::ControlFlow::Break(()),
                Command::Report(to) => {
                    let _ = to.send(self.report.clone());
                }
                Command::Begin(to) => {
                    self.run += 1;
                    self.epoch_ns = None;
                    self.model = Model::new(&self.behaviour);
                    self.report = empty_report(&self.behaviour);
                    self.report.connections_max = self.open() as u64;
                    let _ = to.send(());
                }
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn open(&self) -> usize {
        self.peers.len() - self.vacant.len()
    }

    fn accept(&mut self) {
        loop {
            if self.open() >= self.behaviour.connections_max {
                return self.stop_accepting();
            }
            match self.listener.accept() {
                Ok((stream, _)) => self.add_peer(stream),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                // The peer has already disconnected; the next one may be there.
                Err(e) if e.kind() == ErrorKind::ConnectionAborted => {}
                // Out of descriptors: until one is closed nothing can be done.
                Err(_) => return self.stop_accepting(),
            }
        }
    }

    fn stop_accepting(&mut self) {
        if self.accepting && self.open() > 0 {
            self.accepting = false;
            epoll::delete(&self.epoll, &self.listener).expect("the listener is in the set");
        }
    }

    fn add_peer(&mut self, stream: TcpStream) {
        // Neither can fail on a connected socket.
        let _ = stream.set_nonblocking(true);
        let _ = stream.set_nodelay(true);
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() - 1
        });
        let token = epoll::EventData::new_u64(index as u64);
        if epoll::add(&self.epoll, &stream, token, epoll::EventFlags::IN).is_err() {
            self.vacant.push(index);
            return;
        }
        self.serial += 1;
        self.peers[index] = Some(Peer {
            stream,
            number: self.report.connections_opened as u32,
            serial: self.serial,
            exchange: HttpConnection::new(),
            current: Current::default(),
            watches_writable: false,
        });
        self.report.connections_opened += 1;
        self.report.connections_max = self.report.connections_max.max(self.open() as u64);
    }

    fn on_event(&mut self, index: usize, flags: epoll::EventFlags) {
        if flags.contains(epoll::EventFlags::OUT) {
            self.write(index);
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
        {
            self.read(index);
        }
    }

    /// Reads once: the set is level-triggered, so what is left is told again.
    fn read(&mut self, index: usize) {
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        match peer.stream.read(&mut self.scratch) {
            Ok(0) => self.close(index),
            Ok(n) => {
                self.report.bytes_in += n as u64;
                self.report.pipelined += u64::from(peer.exchange.is_busy());
                if peer.exchange.receive(&self.scratch[..n]) {
                    self.advance(index);
                } else {
                    self.close(index);
                }
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.close(index),
        }
    }

    fn advance(&mut self, index: usize) {
        while let Some(peer) = self.peers[index].as_mut() {
            match peer.exchange.advance() {
                Progress::NeedsMore => return,
                Progress::HeadRead => self.report.received += 1,
                Progress::Complete => self.serve(index),
                Progress::Bad => {
                    self.report.bad += 1;
                    let refusal = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
                                    content-length: 0\r\n\r\n";
                    // Best effort: such a peer is not a client we serve.
                    let written = peer.stream.write(refusal).unwrap_or(0);
                    self.report.bytes_out += written as u64;
                    return self.close(index);
                }
            }
        }
    }

    /// Schedules the reply to a complete request.
    fn serve(&mut self, index: usize) {
        let now_ns = self.now_ns();
        let epoch_ns = *self.epoch_ns.get_or_insert(now_ns);
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        let arrived_ns = now_ns - epoch_ns;
        let plan = self.model.arrive(arrived_ns);
        let record = self.report.served.len();
        let keep = record < self.behaviour.records_max;
        if keep {
            self.report.served.push(Served {
                arrived_ns,
                service_ns: plan.service_ns,
                due_ns: plan.due_ns,
                answered_ns: None,
                connection: peer.number,
            });
        } else {
            self.report.unrecorded += 1;
        }
        let due_ns = epoch_ns + plan.due_ns;
        peer.current = Current {
            due_ns,
            service_ns: plan.service_ns,
            is_refused: plan.is_refused,
            record: keep.then_some(record),
            run: self.run,
        };
        self.serial += 1;
        let due = Due {
            at_ns: due_ns,
            order: self.serial,
            index,
            serial: peer.serial,
        };
        self.due.push(Reverse(due));
        self.in_flight += 1;
        self.report.in_flight_max = self.report.in_flight_max.max(self.in_flight);
    }

    /// Sends the replies that are due, but not too many at once.
    fn answer_due(&mut self) {
        for _ in 0..REPLIES_AT_ONCE {
            let now_ns = self.now_ns();
            match self.due.peek() {
                Some(Reverse(next)) if next.at_ns <= now_ns => {}
                _ => return,
            }
            let Some(Reverse(due)) = self.due.pop() else {
                return;
            };
            let Some(peer) = self.peers[due.index].as_mut() else {
                continue;
            };
            if peer.serial != due.serial {
                continue;
            }
            let told = self
                .behaviour
                .report_service
                .then_some(peer.current.service_ns);
            let status = match peer.current.is_refused {
                true => "429 Too Many Requests",
                false => "200 OK",
            };
            peer.exchange.reply(status, &self.behaviour.body, told);
            self.write(due.index);
        }
    }

    /// Writes what there is room for.
    fn write(&mut self, index: usize) {
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        while !peer.exchange.unwritten().is_empty() {
            match peer.stream.write(peer.exchange.unwritten()) {
                Ok(n) => {
                    self.report.bytes_out += n as u64;
                    if peer.exchange.wrote(n) {
                        return self.answered(index);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    return self.watch_writable(index, true);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.close(index),
            }
        }
    }

    fn answered(&mut self, index: usize) {
        let now_ns = self.now_ns();
        self.in_flight -= 1;
        self.watch_writable(index, false);
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        let current = peer.current;
        if current.run == self.run {
            self.report.answered += 1;
            let late_ns = now_ns.saturating_sub(current.due_ns);
            self.report.late_max_ns = self.report.late_max_ns.max(late_ns);
            if let (Some(record), Some(epoch_ns)) = (current.record, self.epoch_ns) {
                self.report.served[record].answered_ns = Some(now_ns - epoch_ns);
            }
        }
        if peer.exchange.close {
            self.close(index);
        } else {
            self.advance(index);
        }
    }

    /// Sets whether to be notified when the socket has room for more of the reply.
    fn watch_writable(&mut self, index: usize, wants: bool) {
        let Some(peer) = self.peers[index].as_mut() else {
            return;
        };
        if peer.watches_writable == wants {
            return;
        }
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, wants);
        let token = epoll::EventData::new_u64(index as u64);
        epoll::modify(&self.epoll, &peer.stream, token, flags).expect("the socket is in the set");
        peer.watches_writable = wants;
    }

    fn close(&mut self, index: usize) {
        let Some(peer) = self.peers[index].take() else {
            return;
        };
        self.vacant.push(index);
        if peer.exchange.is_busy() {
            self.in_flight -= 1;
            self.report.abandoned += u64::from(peer.current.run == self.run);
        }
        self.report.truncated += u64::from(peer.exchange.is_in_body());
        self.report.connections_closed += 1;
        drop(peer);
        if !self.accepting {
            self.accepting = true;
            let token = epoll::EventData::new_u64(LISTENER);
            epoll::add(&self.epoll, &self.listener, token, epoll::EventFlags::IN)
                .expect("the listener is open and not in the set");
        }
    }
}

fn empty_report(behaviour: &Behaviour) -> Report {
    Report {
        served: Vec::with_capacity(behaviour.records_max),
        ..Report::default()
    }
}
