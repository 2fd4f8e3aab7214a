//! Windows of cores waiting for the other cores' windows of the same seconds.

use crate::detail::Detail;
use crate::histogram::Histogram;
use crate::kinds::{NameKind, Phase};
use crate::second::{Counts, Second, SecondBuilder};
use crate::window::{Body, Gauge, add_counts};
use std::collections::VecDeque;

/// What is kept of one core's window for its row: all names in one.
#[derive(Debug)]
pub(crate) struct CoreWindow {
    pub(crate) core: u32,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) counts: Counts,
    /// Of all requests that ended.
    pub(crate) latency: Histogram,
    /// The part of `latency` that failed.
    pub(crate) latency_failed: Histogram,
    pub(crate) lag: Histogram,
    pub(crate) users: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) busy_ns: u64,
    pub(crate) idle_ns: u64,
    pub(crate) waited_ns: u64,
    pub(crate) turn_max_ns: u64,
    pub(crate) overflows: u64,
    /// The load was over at its end: a sliver may follow, which belongs to the same row.
    pub(crate) ending: bool,
    /// A piece of a second: its counts and times of requests matter, its shares of time do not.
    pub(crate) sliver: bool,
    /// What was due on a lost core and never happened.
    pub(crate) lost: bool,
    /// Whether the generator shaped what was measured in it; set by the verdict's rules.
    pub(crate) limited: bool,
    /// All of it by name, where somebody wants that.
    pub(crate) detail: Option<Box<Detail>>,
}

impl CoreWindow {
    pub(crate) fn of(body: &Body) -> Self {
        let mut window = CoreWindow {
            core: body.core,
            first: body.first,
            next: body.next,
            counts: Counts::default(),
            latency: Histogram::new(),
            latency_failed: Histogram::new(),
            lag: Histogram::new(),
            users: body.counts.users,
            connections: body.counts.connections,
            busy_ns: body.counts.busy_ns,
            idle_ns: body.counts.idle_ns,
            waited_ns: body.counts.waited_ns,
            turn_max_ns: body.counts.turn_max_ns,
            overflows: body.counts.overflows,
            ending: body.ending,
            sliver: body.sliver,
            lost: body.lost,
            limited: false,
            detail: None,
        };
        if window.sliver {
            // in the second that it is a rest of
            window.next = window.first.max(1);
            window.first = window.next - 1;
        }
        window.counts.set_core_counts(&body.counts);
        for name in body.names.iter().filter(|n| n.kind == NameKind::Request) {
            let counts = &mut window.counts;
            counts.sent += name.sent;
            counts.ok += name.ok;
            counts.failed += name.failed;
            counts.unfinished += name.unfinished;
            counts.bytes_in += name.bytes_in;
            counts.bytes_out += name.bytes_out;
            add_counts(&mut counts.failures, &name.failures);
            if let Some(latency) = name.phase(Phase::Latency) {
                window.latency.add(latency);
            }
            if let Some(failed) = name.phase(Phase::LatencyFailed) {
                window.latency_failed.add(failed);
            }
            if let Some(lag) = name.phase(Phase::Lag) {
                window.lag.add(lag);
            }
        }
        window
    }
}

/// The windows of one core that no row has yet.
#[derive(Debug, Default)]
struct Lane {
    windows: VecDeque<CoreWindow>,
    /// The core has delivered everything before this second.
    delivered_to: u64,
    /// Rows before this second can have no more from this core, not even a sliver.
    complete_to: u64,
    users: Gauge,
    connections: Gauge,
}

/// Lines the cores' windows up into rows.
#[derive(Debug)]
pub(crate) struct Pending {
    lanes: Vec<Lane>,
    /// All rows before this second are closed.
    closed_to: u64,
    /// Whether rows are kept by name, too.
    pub(crate) detailed: bool,
    /// Of the row closed last.
    pub(crate) detail: Option<Detail>,
}

impl Pending {
    pub(crate) fn new(cores: usize) -> Self {
        Pending {
            lanes: (0..cores).map(|_| Lane::default()).collect(),
            closed_to: 0,
            detailed: false,
            detail: None,
        }
    }

    pub(crate) fn push(&mut self, mut window: CoreWindow) {
        if window.sliver && window.first < self.closed_to {
            // the row that it belongs to was closed without it
            window.first = self.closed_to;
            window.next = self.closed_to + 1;
        }
        let core = window.core as usize;
        if core >= self.lanes.len() {
            self.lanes.resize_with(core + 1, Lane::default);
        }
        let lane = &mut self.lanes[core];
        lane.delivered_to = lane.delivered_to.max(window.next);
        let complete_to = if window.ending {
            window.first
        } else {
            window.next
        };
        lane.complete_to = lane.complete_to.max(complete_to);
        lane.windows.push_back(window);
    }

    /// The next row for which every core has delivered.
    pub(crate) fn take_ready(&mut self) -> Option<Second> {
        let next = self.extend(self.closed_to + 1);
        let ready = self.lanes.iter().all(|lane| lane.complete_to >= next);
        if ready && !self.lanes.is_empty() {
            self.close(next, true)
        } else {
            None
        }
    }

    /// The next row that begins before the second `until`, whoever is missing in it; `None` when
    /// nobody has delivered anything for it.
    pub(crate) fn take_late(&mut self, until: u64) -> Option<Second> {
        self.take_ready().or_else(|| self.take_any(until, true))
    }

    /// The next row, when nothing more will come.
    pub(crate) fn take_rest(&mut self) -> Option<Second> {
        self.take_any(u64::MAX, false)
    }

    fn take_any(&mut self, until: u64, more_to_come: bool) -> Option<Second> {
        let fronts = self.lanes.iter().filter_map(|lane| lane.windows.front());
        let first = fronts.map(|w| w.first).min()?.max(self.closed_to);
        if first >= until {
            return None;
        }
        // seconds nobody delivered have no row
        self.closed_to = first;
        let next = self.extend(first + 1);
        self.close(next, more_to_come)
    }

    /// The least end at or after `next` at which no delivered window is cut in two.
    fn extend(&self, mut next: u64) -> u64 {
        loop {
            let windows = self.lanes.iter().flat_map(|lane| &lane.windows);
            let end = windows
                .filter(|w| w.first < next)
                .map(|w| w.next)
                .max()
                .unwrap_or(next);
            if end <= next {
                return next;
            }
            next = end;
        }
    }

    fn close(&mut self, next: u64, more_to_come: bool) -> Option<Second> {
        let mut row = SecondBuilder::new(self.closed_to, next);
        let mut detail = self.detailed.then(Detail::default);
        for (core, lane) in (0..).zip(&mut self.lanes) {
            let of_row = lane.windows.iter().take_while(|w| w.first < next).count();
            let mut windows: Vec<CoreWindow> = lane.windows.drain(..of_row).collect();
            lane.settle(&windows);
            row.gauges(lane.users, lane.connections);
            if !windows.is_empty() {
                row.add_core(core, &windows);
                if let Some(detail) = &mut detail {
                    detail.add_core(core, &mut windows);
                }
            }
            if more_to_come && lane.delivered_to < next {
                row.gap(core);
            }
        }
        self.closed_to = next;
        self.detail = detail;
        Some(row.finish())
    }
}

impl Lane {
    /// Takes the gauges' range over `windows`; stays at the last value when there are none.
    fn settle(&mut self, windows: &[CoreWindow]) {
        self.users = over(self.users, windows.iter().map(|w| w.users));
        self.connections = over(self.connections, windows.iter().map(|w| w.connections));
    }
}

fn over(last: Gauge, gauges: impl Iterator<Item = Gauge>) -> Gauge {
    let joined = gauges.reduce(|a, b| Gauge {
        now: b.now,
        min: a.min.min(b.min),
        max: a.max.max(b.max),
    });
    joined.unwrap_or_else(|| last.carried())
}
