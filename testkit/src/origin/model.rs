//! The service model as a pure function of arrival times: no clock, no socket.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::behaviour::{Behaviour, Freeze, Service, nanos};
use crate::random::Random;

/// What will happen to one request. Times in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When its service begins: at once, or when a slot is free, never during a freeze.
    pub start_ns: u64,
    /// The service time of its own.
    pub service_ns: u64,
    /// When it completes; never during a freeze.
    pub due_ns: u64,
    /// Whether it is answered 429 instead of being served.
    pub is_refused: bool,
}

/// A first-come-first-served queue with freezes, told of arrivals and nothing else.
///
/// All that happens to a request is known when it arrives, because nothing that arrives later
/// comes before it. Hence the due times do not drift with the lateness of whoever keeps them.
pub struct Model {
    service: Service,
    freeze: Option<Freeze>,
    one_of: u64,
    /// Requests so far.
    arrived: u64,
    /// When each slot is free again, the earliest on top; `None`: any number of slots.
    slots: Option<BinaryHeap<Reverse<u64>>>,
    /// Draws service times in the order of arrival.
    random: Random,
}

impl Model {
    /// The model of this behaviour, at its beginning.
    pub fn new(behaviour: &Behaviour) -> Model {
        let seed = match behaviour.service {
            Service::Fixed(_) => 0,
            Service::Exponential { seed, .. } => seed,
        };
        Model {
            service: behaviour.service.clone(),
            freeze: behaviour.freeze,
            one_of: behaviour.one_of,
            arrived: 0,
            slots: behaviour
                .slots
                .map(|n| std::iter::repeat_n(Reverse(0), n).collect()),
            random: Random::new(seed),
        }
    }

    /// Accepts the next request; arrivals come in order of time.
    pub fn arrive(&mut self, at_ns: u64) -> Planned {
        self.arrived += 1;
        if !self.arrived.is_multiple_of(self.one_of) {
            let at_ns = self.thawed(at_ns);
            return Planned {
                start_ns: at_ns,
                service_ns: 0,
                due_ns: at_ns,
                is_refused: true,
            };
        }
        let service_ns = match self.service {
            Service::Fixed(service) => nanos(service),
            Service::Exponential { mean, .. } => {
                self.random.exponential(nanos(mean) as f64).round() as u64
            }
        };
        let free_ns = self
            .slots
            .as_mut()
            .and_then(BinaryHeap::pop)
            .map_or(0, |Reverse(t)| t);
        let start_ns = self.thawed(at_ns.max(free_ns));
        let due_ns = self.thawed(start_ns + service_ns);
        if let Some(slots) = &mut self.slots {
            slots.push(Reverse(due_ns));
        }
        Planned {
            start_ns,
            service_ns,
            due_ns,
            is_refused: false,
        }
    }

    /// This moment, or the end of the freeze that covers it.
    fn thawed(&self, at_ns: u64) -> u64 {
        self.freeze
            .and_then(|freeze| freeze.end_ns(at_ns))
            .unwrap_or(at_ns)
    }
}
