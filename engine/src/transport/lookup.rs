//! Names and their addresses: asking the resolver, and the requests that wait for its answers.

use super::Transport;
use super::origins::{Address, Addresses, Endpoint, OriginId};
use super::resolver::Resolver;
use super::stream::{Stage, StreamId};
use crate::addresses::fixed_addresses;
use crate::clock::Moment;
use crate::ring::RingIo;
use socket2::SockAddr;
use stats::Phase;
use std::collections::HashMap;
use std::net::SocketAddr;

/// The resolver, and the requests that wait for its answers.
#[derive(Default)]
pub(super) struct Lookups {
    resolver: Resolver,
    waiting: Vec<Waiting>,
    /// Questions without an answer.
    open: usize,
    /// The indices of addresses in the ring: a name that is resolved again mostly has the same.
    indices: HashMap<SocketAddr, usize>,
}

#[derive(Clone, Copy)]
struct Waiting {
    stream: StreamId,
    since: Moment,
}

impl Lookups {
    /// Whether nobody waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a waiting request out.
    pub(super) fn dequeue(&mut self, stream: StreamId) {
        self.waiting.retain(|waiting| waiting.stream != stream);
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

impl<R: RingIo> Transport<R> {
    /// The request waits for an address, as long as its time limit lets it.
    pub(super) fn wait_for_address(&mut self, id: StreamId) {
        self.wait_as(id, Stage::Lookup);
        self.lookups.waiting.push(Waiting {
            stream: id,
            since: self.now,
        });
    }

    /// Names are resolved again when their time has come; meanwhile the old addresses are used.
    pub(super) fn ask_again(&mut self, origin: OriginId) {
        let Some(every) = self.policy.resolve_ns else {
            return;
        };
        let origins = self.origins.borrow();
        let known = origins.get(origin);
        let is_old = self.now.since(known.asked) >= every && known.origin.socket.is_none();
        let has_answer = matches!(known.addresses, Addresses::Known(_) | Addresses::None);
        drop(origins);
        if is_old && has_answer {
            self.look_up(origin);
        }
    }

    /// Asks the system's resolver on its thread. False when the profile has the answer.
    pub(super) fn look_up(&mut self, origin: OriginId) -> bool {
        let mut origins = self.origins.borrow_mut();
        origins.asked(origin, self.now);
        let known = origins.get(origin);
        let (host, port) = (known.origin.host.clone(), known.origin.port);
        if let Some(fixed) = fixed_addresses(&self.plan, &host, port) {
            drop(origins);
            self.resolved(origin, fixed);
            return false;
        }
        if matches!(known.addresses, Addresses::Unknown | Addresses::None) {
            origins.set_addresses(origin, Addresses::Asked);
        }
        drop(origins);
        self.lookups.open += 1;
        self.lookups.resolver.ask(origin, host, port);
        true
    }

    /// The addresses of an origin are known. An empty answer changes none that were known before.
    fn resolved(&mut self, origin: OriginId, found: Vec<SocketAddr>) {
        let mut known: Vec<Address> = Vec::new();
        for address in found {
            let index = self.lookups.indices.entry(address);
            let index = *index.or_insert_with(|| self.ring.add_address(SockAddr::from(address)));
            if known.iter().all(|other| other.index != index) {
                let to = Endpoint::Internet(address);
                known.push(Address { to, index });
            }
        }
        let mut origins = self.origins.borrow_mut();
        let is_known = matches!(origins.get(origin).addresses, Addresses::Known(_));
        match known.is_empty() {
            true if is_known => {}
            true => origins.set_addresses(origin, Addresses::None),
            false => origins.set_addresses(origin, Addresses::Known(known)),
        }
    }

    /// Takes in what the resolver answered, and opens the connections that waited for it.
    pub(super) fn serve_lookups(&mut self) {
        if self.lookups.open == 0 {
            return;
        }
        let mut is_answered = false;
        while let Some((origin, found)) = self.lookups.resolver.answer() {
            self.lookups.open -= 1;
            self.resolved(origin, found);
            is_answered = true;
        }
        if !is_answered {
            return;
        }
        for waiting in std::mem::take(&mut self.lookups.waiting) {
            let stream = self.streams.get_mut(waiting.stream);
            let (name, origin) = (stream.name, stream.origin);
            if self.origins.borrow().is_asked(origin) {
                self.lookups.waiting.push(waiting);
                continue;
            }
            let waited_ns = self.now.since(waiting.since);
            stream.waits().dns_ns += waited_ns;
            self.telemetry
                .record(|recorder| recorder.part(name, Phase::Dns, waited_ns));
            self.acquire(waiting.stream);
        }
    }
}
