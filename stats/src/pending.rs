//! Windows of cores waiting for the other cores' windows of the same seconds.

use crate::core_window::CoreWindow;
use crate::detail::{CoreLag, Detail};
use crate::second::Second;
use crate::second_builder::SecondBuilder;
use crate::window::Gauge;
use std::collections::VecDeque;

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
                    add_detail(detail, core, &mut windows);
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

/// Adds one core's windows of the row, oldest first.
fn add_detail(row: &mut Detail, core: u32, windows: &mut [CoreWindow]) {
    let lag = |w: &CoreWindow| (w.lag.value_at(0.99), w.lag.max_us());
    let lags = windows.iter().map(lag);
    let worst = lags.fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
    row.lags.push(CoreLag {
        core,
        p99_us: worst.0,
        max_us: worst.1,
    });
    for detail in windows.iter_mut().filter_map(|w| w.detail.take()) {
        row.absorb(*detail);
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
