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
pub(crate) struct Arrivals {
    rate: Curve,
    seed: u64,
    load: usize,
    share: Share,
    order: Order,
}

enum Order {
    /// Evenly spaced: arrival `k` is due when the planned number reaches `k`.
    Even { next: u64 },
    /// The same, each arrival anywhere in its slot: due when the planned number reaches `k` and a
    /// random part of one. Slots do not overlap, so the order stays.
    Jittered { next: u64 },
    /// One Poisson process per owned shard, each with 1/1024 of the rate: unit-rate exponential
    /// gaps, warped in time by the cumulative rate (inversion; Devroye 1986, section VI.1.3).
    Poisson {
        shards: BinaryHeap<Reverse<(Duration, u64)>>,
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
                streams: Vec::new(),
            },
        };
        let mut arrivals = Arrivals {
            rate,
            seed,
            load,
            share,
            order,
        };
        arrivals.begin();
        arrivals
    }

    fn begin(&mut self) {
        if let Order::Poisson { streams, .. } = &mut self.order {
            streams.resize(SHARDS as usize, Shard::default());
            let share = self.share;
            for shard in (0..SHARDS).filter(|&shard| share.owns(shard)) {
                self.advance(shard);
            }
        }
    }

    /// Takes the next number of this core's evenly spaced slots; due `late` slots into its own.
    fn next_slot(&mut self, late: impl Fn(u64) -> f64) -> Option<Arrival> {
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
        let due = self.rate.inverse(number as f64 + late(number))?;
        Some(Arrival { due, number })
    }

    /// Draws the next arrival of a Poisson shard and queues it, unless the load ends before.
    fn advance(&mut self, number: u64) {
        let Order::Poisson { shards, streams } = &mut self.order else {
            return;
        };
        let shard = &mut streams[number as usize];
        let key = stream(Purpose::Gaps, self.load, number);
        let uniform = random::unit(self.seed, key, shard.count);
        shard.sum += -(1.0 - uniform).ln();
        if let Some(due) = self.rate.inverse(shard.sum * SHARDS as f64) {
            shards.push(Reverse((due, number)));
        }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        match &mut self.order {
            Order::Even { .. } => self.next_slot(|_| 0.0),
            Order::Jittered { .. } => {
                let (seed, load) = (self.seed, self.load);
                let key = stream(Purpose::Jitter, load, 0);
                self.next_slot(|k| random::unit(seed, key, k))
            }
            Order::Poisson { shards, streams } => {
                let Reverse((due, shard)) = shards.pop()?;
                let count = &mut streams[shard as usize].count;
                let number = *count * SHARDS + shard;
                *count += 1;
                self.advance(shard);
                Some(Arrival { due, number })
            }
        }
    }
}
