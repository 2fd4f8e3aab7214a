//! Puts the windows of one row of the time series together.

use crate::core_window::CoreWindow;
use crate::histogram::Histogram;
use crate::second::{CoreSecond, Second, share};
use crate::window::Gauge;

/// Puts the windows of one row together.
pub(crate) struct SecondBuilder {
    second: Second,
    latency: Histogram,
    latency_failed: Histogram,
    lag: Histogram,
}

impl SecondBuilder {
    pub(crate) fn new(first: u64, next: u64) -> Self {
        SecondBuilder {
            second: Second {
                time_s: first,
                seconds: next - first,
                ..Second::default()
            },
            latency: Histogram::new(),
            latency_failed: Histogram::new(),
            lag: Histogram::new(),
        }
    }

    pub(crate) fn gap(&mut self, core: u32) {
        self.second.gaps.push(core);
    }

    /// Adds the range in which a core's users and connections moved.
    pub(crate) fn gauges(&mut self, users: Gauge, connections: Gauge) {
        self.second.users.add(users);
        self.second.connections.add(connections);
    }

    /// Adds one core's windows that belong to this row, oldest first.
    pub(crate) fn add_core(&mut self, core: u32, windows: &[CoreWindow]) {
        let mut busy_ns = 0;
        let mut total_ns = 0;
        let mut waited_ns = 0;
        let mut entry = CoreSecond {
            core,
            ..CoreSecond::default()
        };
        for window in windows {
            self.second.counts.add(&window.counts);
            self.latency.add(&window.latency);
            self.latency_failed.add(&window.latency_failed);
            self.lag.add(&window.lag);
            entry.generator_limited |= window.limited;
            if window.sliver {
                continue;
            }
            busy_ns += window.busy_ns;
            total_ns += window.busy_ns + window.idle_ns;
            waited_ns += window.waited_ns;
            entry.turn_max_us = entry.turn_max_us.max(window.turn_max_ns / 1_000);
        }
        // four decimals: a share is shown, not calculated with
        let shown = |ns| ((share(ns, total_ns) * 1e4).round() / 1e4) as f32;
        entry.busy_share = shown(busy_ns);
        entry.waited_share = shown(waited_ns);
        self.second.generator_limited |= entry.generator_limited;
        if windows.iter().any(|w| w.first < self.second.time_s) {
            self.second.late.push(core);
        }
        // shares of a sliver alone say nothing
        if windows.iter().any(|window| !window.sliver) {
            self.second.cores.push(entry);
        }
    }

    pub(crate) fn finish(mut self) -> Second {
        let latencies = (self.latency, self.latency_failed);
        self.second.set_times(latencies.0, &latencies.1, &self.lag);
        self.second
    }
}
