//! Connections of one core and the requests on them. Knows requests and sockets, and neither users
//! nor scripts: it calls nobody back. A caller [`submit`](Transport::submit)s requests and
//! [`poll`](Transport::poll)s for their ends.

mod closing;
mod completions;
mod connect;
mod connections;
mod h1;
mod lookup;
mod origins;
mod owners;
mod policy;
mod pool;
mod ports;
mod protocol;
mod proxied;
mod proxy_session;
mod reply;
mod resolver;
mod stream;
#[cfg(test)]
mod tests;
mod tls_io;
mod tunnel;
mod upload;
mod wire;

pub(crate) use origins::{OriginId, Origins, Via};
pub(crate) use reply::{Keep, KeptReply};
pub(crate) use stream::{Completed, NONE, Owner, Payload, Request, Stream, StreamId, Timings};

use crate::clock::Moment;
use crate::http::response::ResponseHeadCache;
use crate::local_ports::LocalPorts;
use crate::ring::{Completion, RingIo, Slot, WAIT_MAX};
use crate::telemetry::Telemetry;
use crate::timers::Timers;
use crate::tls::{self, Tls};
use config::Plan;
use connections::{ConnectionState, Connections};
use lookup::Lookups;
use owners::Owners;
use policy::ConnectionPolicy;
use pool::SharedPool;
use protocol::{Protocol, encoded};
use stats::FailureKind;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use stream::{Stage, Streams};
use wire::Encoded;

/// The longest wait of one turn while a request waits for a name to be resolved.
const WAIT_FOR_LOOKUP: Duration = Duration::from_millis(1);

/// What a transport is made from.
pub(crate) struct TransportSpec<'a> {
    pub(crate) plan: Arc<Plan>,
    /// The local ports of the machine, which the cores divide.
    pub(crate) ports: LocalPorts,
    /// The core's index in this process.
    pub(crate) core: u32,
    /// How many cores there are in this process.
    pub(crate) cores: u32,
    /// Connections at once.
    pub(crate) sockets: u32,
    pub(crate) tls: &'a tls::Setup,
    pub(crate) telemetry: Rc<Telemetry>,
    /// The servers there are; the caller adds to them.
    pub(crate) origins: Rc<RefCell<Origins>>,
    /// The beginning of each reply is kept as it came.
    pub(crate) is_traced: bool,
}

/// What a deadline is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    /// The stream, whose own deadline says whether it is time.
    Stream(StreamId),
    /// The upload on the connection in this slot, in this use of it, if it still waits to be asked
    /// for.
    Continue(Slot, u32),
}

/// The connections of one core, and the requests that they carry or that wait for them.
pub(crate) struct Transport<R> {
    ring: R,
    /// Completions of this turn that are not yet served.
    completions: VecDeque<Completion>,
    /// Requests that have ended, for [`Transport::poll`].
    finished: VecDeque<Completed>,
    head_cache: ResponseHeadCache,
    timers: Timers<Deadline>,
    /// When the present turn began: every completion of the turn is taken to be done then.
    now: Moment,
    streams: Streams,
    connections: Connections,
    /// How connections are made and how long they are kept.
    policy: ConnectionPolicy,
    owners: Owners,
    /// Where connections belong to no owner.
    pool: Option<SharedPool>,
    /// Connections with an entry queued in this turn, whose moment of acting is not yet stamped.
    acting: Vec<Slot>,
    origins: Rc<RefCell<Origins>>,
    lookups: Lookups,
    tls: Tls,
    plan: Arc<Plan>,
    telemetry: Rc<Telemetry>,
    is_traced: bool,
}

impl<R: RingIo> Transport<R> {
    pub(crate) fn new(ring: R, spec: TransportSpec<'_>) -> Transport<R> {
        Transport {
            completions: VecDeque::new(),
            finished: VecDeque::new(),
            head_cache: ResponseHeadCache::default(),
            timers: Timers::default(),
            now: ring.now(),
            streams: Streams::default(),
            connections: Connections::new(spec.sockets),
            policy: ConnectionPolicy::of(&spec.plan, spec.ports, spec.core, spec.cores),
            owners: Owners::default(),
            pool: SharedPool::of(&spec.plan),
            acting: Vec::new(),
            origins: spec.origins,
            lookups: Lookups::default(),
            tls: Tls::new(spec.tls, &protocol::ALPN),
            plan: spec.plan,
            telemetry: spec.telemetry,
            is_traced: spec.is_traced,
            ring,
        }
    }

    /// Makes room for so many owners with a connection and a request each, so that tables do not
    /// grow to twice what is needed.
    pub(crate) fn reserve(&mut self, owners: usize) {
        self.streams.reserve(owners);
        self.connections.reserve(owners);
        self.owners.reserve(owners);
    }

    /// Sends a request on one of its owner's idle connections, or on a new one. Its end comes from
    /// [`Transport::poll`], also when it fails at once.
    #[inline]
    pub(crate) fn submit(&mut self, owner: Owner, request: Request) {
        let id = self.streams.take(owner, request, self.now);
        self.acquire(id);
    }

    /// Serves what has come until a request has ended: that one; `None` when all is served. To be
    /// called until then after each [`Transport::wait`], and again once the caller has closed
    /// connections.
    #[inline]
    pub(crate) fn poll(&mut self) -> Option<Completed> {
        loop {
            if let Some(done) = self.finished.pop_front() {
                return Some(done);
            }
            if let Some(completion) = self.completions.pop_front() {
                self.on_completion(completion);
                continue;
            }
            self.ring.publish_buffers();
            self.serve_lookups();
            self.serve_timers();
            self.serve_queues();
            if self.finished.is_empty() {
                return None;
            }
        }
    }

    /// A request that has ended.
    #[inline]
    pub(crate) fn stream(&self, id: StreamId) -> &Stream {
        self.streams.get(id)
    }

    /// Takes what is kept of the reply to a request that has ended.
    #[inline]
    pub(crate) fn take_kept(&mut self, id: StreamId) -> Option<Box<KeptReply>> {
        self.streams.get_mut(id).reply.kept.take()
    }

    /// Takes the beginning of a reply that could not be read, where it is kept.
    pub(crate) fn take_unreadable(
        &mut self,
        id: StreamId,
        failure: Option<FailureKind>,
    ) -> Vec<u8> {
        self.streams.get_mut(id).reply.unreadable(failure)
    }

    /// The bytes of a request that has ended; of an upload those of its head.
    pub(crate) fn request_bytes(&self, id: StreamId) -> Vec<u8> {
        let protocol = Protocol::negotiated(None);
        match encoded(&protocol, &self.streams.get(id).payload, Vec::new) {
            Encoded::Static(bytes) => bytes.to_vec(),
            Encoded::Owned(bytes) => bytes,
        }
    }

    /// The caller needs no more of a request that has ended.
    #[inline]
    pub(crate) fn give_back(&mut self, id: StreamId) {
        self.streams.release(id);
    }

    /// The queued entries are submitted now: that is when their requests are sent.
    pub(crate) fn stamp(&mut self) -> Moment {
        self.now = self.ring.now();
        let now = self.now;
        for slot in self.acting.drain(..) {
            let connection = self.connections.get_mut(slot);
            if connection.stream == NONE {
                continue;
            }
            let stream = self.streams.get_mut(connection.stream);
            stream.act(now);
            match connection.state {
                ConnectionState::Connecting | ConnectionState::Handshaking => {
                    connection.opened = now;
                }
                // The time that the proxy takes is a part of the connect.
                ConnectionState::Tunneling => {}
                _ => stream.sent = now,
            }
        }
        now
    }

    /// Submits, waits for `limit` at most, and takes in what has come; the moment that the wait
    /// ended.
    ///
    /// # Errors
    ///
    /// What the ring says; the core cannot go on.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<Moment> {
        self.ring.turn(limit)?;
        self.now = self.ring.now();
        self.ring.reap(&mut self.completions);
        Ok(self.now)
    }

    /// When [`Transport::poll`] has something to do by itself, or [`Moment::NEVER`].
    pub(crate) fn next_deadline(&self) -> Moment {
        if self.finished.is_empty() {
            self.timers.next()
        } else {
            Moment(0)
        }
    }

    /// The longest that a turn may wait.
    pub(crate) fn wait_max(&self) -> Duration {
        if self.lookups.is_idle() {
            WAIT_MAX
        } else {
            WAIT_FOR_LOOKUP
        }
    }

    /// Operations that the kernel has not ended.
    pub(crate) fn pending(&self) -> u64 {
        self.ring.pending()
    }

    /// Gives up every request and every connection. No request ends any more.
    pub(crate) fn abandon(&mut self) {
        self.finished.clear();
        self.lookups.clear();
        self.owners.clear_queues();
        self.close_pool();
        for slot in self.connections.slots() {
            self.give_up(slot);
        }
        for id in self.streams.ids() {
            if self.streams.get(id).stage != Stage::Vacant {
                self.streams.release(id);
            }
        }
    }

    /// A stream begins to wait, as long as its time limit lets it.
    fn wait_as(&mut self, id: StreamId, stage: Stage) {
        self.streams.get_mut(id).stage = stage;
        self.limit_phase(id, u64::MAX);
    }

    fn serve_timers(&mut self) {
        while let Some(deadline) = self.timers.pop_due(self.now) {
            match deadline {
                Deadline::Stream(id) => self.check_deadline(id),
                Deadline::Continue(slot, generation) => self.stop_waiting(slot, generation),
            }
        }
    }
}
