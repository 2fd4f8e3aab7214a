//! The slots of connections: who holds how many, which wait for their clients and since when.

use super::ConnectionLimits;
use crate::access::network;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// It waits for a handshake, or the rest of a head.
    Head,
    /// It waits for the next request.
    Idle,
    /// It waits for the body of a request.
    Body,
    /// It waits for the client to take some of an answer.
    Write,
    /// The server works on a request, or streams.
    Work,
}

impl Phase {
    const ALL: [Phase; 5] = [
        Phase::Head,
        Phase::Idle,
        Phase::Body,
        Phase::Write,
        Phase::Work,
    ];
}

/// Which limit refused a connection, when no waiting connection can be closed in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Of its address.
    Address,
    /// In all.
    All,
}

impl Refusal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Refusal::Address => "of its address",
            Refusal::All => "in all",
        }
    }
}

/// Numbers about connections since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Open now.
    pub(crate) open: u64,
    /// Accepted.
    pub(crate) accepted: u64,
    /// Refused.
    pub(crate) refused: u64,
    /// Closed to make room.
    pub(crate) evicted: u64,
    /// Closed because the client let the server wait for too long.
    pub(crate) timed_out: u64,
}

/// All slots.
#[derive(Debug)]
pub(crate) struct Table {
    limits: ConnectionLimits,
    slots: Mutex<Slots>,
    accepted: AtomicU64,
    refused: AtomicU64,
    evicted: AtomicU64,
    timed_out: AtomicU64,
}

#[derive(Debug, Default)]
struct Slots {
    number: u64,
    open: HashMap<u64, OpenSlot>,
    networks: HashMap<IpAddr, Network>,
    /// Networks of which a connection waits, by how many connections they hold.
    by_size: BTreeSet<(usize, IpAddr)>,
}

/// A slot that is taken.
#[derive(Debug)]
struct OpenSlot {
    network: IpAddr,
    /// Since when it waits for its client.
    since: Option<Instant>,
    evict: Arc<Notify>,
}

/// The connections of an address, or of an IPv6 network.
#[derive(Debug, Default)]
struct Network {
    open: usize,
    /// Those that wait, by since when.
    waiting: BTreeSet<(Instant, u64)>,
}

impl Table {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Table> {
        Arc::new(Table {
            limits,
            slots: Mutex::default(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
        })
    }

    pub(crate) fn figures(&self) -> Figures {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            open: self.slots().open.len() as u64,
            accepted: count(&self.accepted),
            refused: count(&self.refused),
            evicted: count(&self.evicted),
            timed_out: count(&self.timed_out),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a new connection, which waits for its first head.
    pub(super) fn admit(self: &Arc<Table>, address: IpAddr) -> Result<Slot, Refusal> {
        let network = network(address);
        let now = Instant::now();
        let mut slots = self.slots();
        let own = slots.networks.get(&network).map_or(0, |own| own.open);
        let (is_full, victim, refusal) = if own >= self.limits.per_address_max {
            (true, Some(network), Refusal::Address)
        } else {
            let largest = slots.by_size.last().map(|(_, network)| *network);
            let is_full = slots.open.len() >= self.limits.open_max;
            (is_full, largest, Refusal::All)
        };
        if is_full {
            if !victim.is_some_and(|victim| slots.evict(victim)) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(refusal);
            }
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        slots.number += 1;
        let number = slots.number;
        let evict = Arc::new(Notify::new());
        let taken = OpenSlot {
            network,
            since: None,
            evict: Arc::clone(&evict),
        };
        slots.open.insert(number, taken);
        slots.change(network, |network| network.open += 1);
        slots.set_since(number, Some(now));
        drop(slots);
        Ok(Slot {
            table: Arc::clone(self),
            number,
            evict,
            phase: AtomicU8::new(Phase::Head as u8),
            is_answering: AtomicBool::new(false),
        })
    }
}

impl Slots {
    /// Changes a network, and its rank.
    fn change(&mut self, key: IpAddr, change: impl FnOnce(&mut Network)) {
        let network = self.networks.entry(key).or_default();
        self.by_size.remove(&(network.open, key));
        change(network);
        if !network.waiting.is_empty() {
            self.by_size.insert((network.open, key));
        }
        if network.open == 0 {
            self.networks.remove(&key);
        }
    }

    /// Notes since when a connection waits; nothing is changed for one that lost its slot.
    fn set_since(&mut self, number: u64, since: Option<Instant>) {
        let Some(taken) = self.open.get_mut(&number) else {
            return;
        };
        let (before, key) = (std::mem::replace(&mut taken.since, since), taken.network);
        self.change(key, |network| {
            if let Some(before) = before {
                network.waiting.remove(&(before, number));
            }
            if let Some(since) = since {
                network.waiting.insert((since, number));
            }
        });
    }

    fn remove(&mut self, number: u64) -> Option<OpenSlot> {
        self.set_since(number, None);
        let taken = self.open.remove(&number)?;
        self.change(taken.network, |network| network.open -= 1);
        Some(taken)
    }

    /// Frees the slot that has waited longest of a network; false if none waits.
    fn evict(&mut self, key: IpAddr) -> bool {
        let oldest = self.networks.get(&key);
        let oldest = oldest.and_then(|network| network.waiting.first().copied());
        let evicted = oldest.and_then(|(_, number)| self.remove(number));
        if let Some(evicted) = &evicted {
            evicted.evict.notify_one();
        }
        evicted.is_some()
    }
}

/// The slot of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    table: Arc<Table>,
    number: u64,
    evict: Arc<Notify>,
    phase: AtomicU8,
    /// A request has come whose answer has not been handed over as a whole.
    is_answering: AtomicBool,
}

impl Slot {
    pub(super) fn limits(&self) -> &ConnectionLimits {
        &self.table.limits
    }

    pub(super) fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    /// A request has come, or its answer is complete.
    pub(super) fn set_answering(&self, is_answering: bool) {
        self.is_answering.store(is_answering, Ordering::Relaxed);
    }

    /// Enters a phase.
    pub(super) fn enter(&self, phase: Phase) {
        if self.phase() == phase {
            return;
        }
        self.phase.store(phase as u8, Ordering::Relaxed);
        let since = (phase != Phase::Work).then(Instant::now);
        self.table.slots().set_since(self.number, since);
    }

    /// Ends this phase, if it is in it.
    pub(super) fn leave(&self, phase: Phase) {
        if self.phase() == phase {
            let is_answering = self.is_answering.load(Ordering::Relaxed);
            self.enter(if is_answering {
                Phase::Work
            } else {
                Phase::Idle
            });
        }
    }

    /// When the client has let the server wait for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let slots = self.table.slots();
        let since = slots.open.get(&self.number)?.since?;
        drop(slots);
        let limits = self.limits();
        Some(match self.phase() {
            Phase::Head => since + limits.head,
            Phase::Idle => since + limits.idle,
            Phase::Body => since + limits.body,
            Phase::Write => since + limits.write,
            Phase::Work => return None,
        })
    }

    pub(super) fn timed_out(&self) {
        self.table.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    /// Completes when another connection takes the slot.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.table.slots().remove(self.number);
    }
}
