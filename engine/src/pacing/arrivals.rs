//! The arrivals of one open load on one core, in the order of time.

use super::{Purpose, SHARDS, Share, stream};
use config::{Curve, random};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// The start of a user that the plan asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When, from the start of the load.
    pub(crate) due: Duration,
    /// Which user of the load.
    pub(crate) number: u64,
}

/// Yields this core's arrivals one by one; memory does not grow with their number.
///
/// Each has a place among the arrivals of the load: it is due when the planned number, the area
/// under the rate, reaches it. Places do not depend on the rate, so that the rate can change.
pub(crate) struct Arrivals {
    rate: Curve,
    seed: u64,
    load: usize,
    share: Share,
    order: Order,
    /// The next one: its number, its place, and when it is due at the present rate, if ever.
    next: Option<(u64, f64, Option<Duration>)>,
}

enum Order {
    /// Evenly spaced: the place of arrival `k` is `k`.
    Even { next: u64 },
    /// The same, each arrival anywhere in its slot: its place is `k` and a random part of one.
    /// Slots do not overlap, so the order stays.
    Jittered { next: u64 },
    /// One Poisson process per owned shard, each with 1/1024 of the rate: unit-rate exponential
    /// gaps, warped in time by the cumulative rate (inversion; Devroye 1986, section VI.1.3).
    Poisson {
        /// The next place of each owned shard as its bits, which have the order of numbers that
        /// are not negative; and the shard.
        shards: BinaryHeap<Reverse<(u64, u64)>>,
        streams: Vec<Shard>,
    },
}

/// Where one shard's Poisson process stands.
#[derive(Clone, Copy, Default)]
struct Shard {
    /// Arrivals so far.
    count: u64,
    /// Sum of the unit-rate gaps so far.
    sum: f64,
}

impl Arrivals {
    /// The arrivals of load number `load` that fall to `share`.
    pub(crate) fn new(
        rate: Curve,
        spacing: config::Arrivals,
        seed: u64,
        load: usize,
        share: Share,
    ) -> Arrivals {
        let order = match spacing {
            config::Arrivals::Even => Order::Even { next: 0 },
            config::Arrivals::Jittered => Order::Jittered { next: 0 },
            config::Arrivals::Poisson => Order::Poisson {
                shards: BinaryHeap::new(),
                streams: vec![Shard::default(); SHARDS as usize],
            },
        };
        let mut arrivals = Arrivals {
            rate,
            seed,
            load,
            share,
            order,
            next: None,
        };
        if matches!(arrivals.order, Order::Poisson { .. }) {
            for shard in (0..SHARDS).filter(|&shard| share.owns(shard)) {
                arrivals.draw(shard);
            }
        }
        arrivals.advance();
        arrivals
    }

    /// The next arrival, which stays the next.
    pub(crate) fn peek(&self) -> Option<Arrival> {
        let (number, _, due) = self.next?;
        Some(Arrival { due: due?, number })
    }

    /// The rate is another from now on: what is to come is due by it.
    pub(crate) fn set_rate(&mut self, rate: Curve) {
        self.rate = rate;
        if let Some((_, position, due)) = &mut self.next {
            *due = self.rate.inverse(*position);
        }
    }

    /// Finds the next arrival, due or not.
    fn advance(&mut self) {
        let found = match &mut self.order {
            Order::Even { .. } => self.next_slot(|_| 0.0),
            Order::Jittered { .. } => {
                let (seed, load) = (self.seed, self.load);
                let key = stream(Purpose::Jitter, load, 0);
                self.next_slot(|k| random::unit(seed, key, k))
            }
            Order::Poisson { shards, streams } => match shards.pop() {
                Some(Reverse((position, shard))) => {
                    let count = &mut streams[shard as usize].count;
                    let number = *count * SHARDS + shard;
                    *count += 1;
                    self.draw(shard);
                    Some((number, f64::from_bits(position)))
                }
                None => None,
            },
        };
        self.next = found.map(|(number, position)| (number, position, self.rate.inverse(position)));
    }

    /// Takes the next number of this core's evenly spaced slots; its place is `late` into its own.
    fn next_slot(&mut self, late: impl Fn(u64) -> f64) -> Option<(u64, f64)> {
        let (Order::Even { next } | Order::Jittered { next }) = &mut self.order else {
            return None;
        };
        if self.share.is_empty() {
            return None;
        }
        while !self.share.owns(*next) {
            *next += 1;
        }
        let number = *next;
        *next += 1;
        Some((number, number as f64 + late(number)))
    }

    /// Draws the next arrival of a Poisson shard and queues it.
    fn draw(&mut self, number: u64) {
        let Order::Poisson { shards, streams } = &mut self.order else {
            return;
        };
        let shard = &mut streams[number as usize];
        let key = stream(Purpose::Gaps, self.load, number);
        let uniform = random::unit(self.seed, key, shard.count);
        shard.sum += -(1.0 - uniform).ln();
        let position = shard.sum * SHARDS as f64;
        shards.push(Reverse((position.to_bits(), number)));
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let arrival = self.peek()?;
        self.advance();
        Some(arrival)
    }
}
