//! The rows of a run in memory: seconds that nodes still send, and rows not yet in chunks.

use super::levels::MINUTE_S;
use super::second_merge::{ClosedSecond, SecondMerge};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use wire::SecondRow;

/// A second is closed without nodes that are this far behind the newest one.
const BEHIND_MAX_S: u64 = 10;
/// A node that was silent for this long does not keep a second open.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// A minute is written as chunks when the run is this far past its end.
const GRACE_S: u64 = 5;
/// A minute that received late rows is written as chunks when none arrived for this long.
const LATE_REST: Duration = Duration::from_secs(2);

/// The memtables of live runs.
pub(crate) type Memory = Arc<RwLock<HashMap<String, Arc<RwLock<Memtable>>>>>;

/// The rows of one run that are in memory.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    open: BTreeMap<u64, SecondMerge>,
    minutes: BTreeMap<u64, Minute>,
    nodes: BTreeMap<u32, Progress>,
    /// The second after the last one sent by any node.
    pub(crate) newest_s: u64,
    /// The second after the last closed one.
    pub(crate) closed_to: u64,
}

/// A minute that is not in chunks yet.
#[derive(Debug, Default)]
pub(crate) struct Minute {
    /// Its rows; a second may have several.
    pub(crate) rows: Vec<Arc<ClosedSecond>>,
    /// The number of the last batch with a row for it.
    pub(crate) through: i64,
    touched: Option<Instant>,
    /// Whether its chunks are being built.
    pub(crate) is_building: bool,
}

/// The progress of a node.
#[derive(Debug)]
struct Progress {
    to_s: u64,
    seen: Instant,
    has_ended: bool,
}

impl Memtable {
    /// Records a node, and whether it has ended.
    pub(crate) fn node(&mut self, node: u32, has_ended: bool) {
        let progress = self.nodes.entry(node).or_insert(Progress {
            to_s: 0,
            seen: Instant::now(),
            has_ended: false,
        });
        progress.seen = Instant::now();
        progress.has_ended |= has_ended;
    }

    /// Adds a row that a node sent in batch `number`; `ids` as in [`SecondMerge::add`].
    pub(crate) fn add(&mut self, node: u32, number: i64, row: &SecondRow, ids: &[u32]) {
        let end = row.time_s.saturating_add(row.seconds.max(1));
        self.open.entry(row.time_s).or_default().add(node, row, ids);
        let minute = self.minutes.entry(row.time_s / MINUTE_S).or_default();
        minute.through = minute.through.max(number);
        minute.touched = Some(Instant::now());
        self.newest_s = self.newest_s.max(end);
        self.node(node, false);
        if let Some(progress) = self.nodes.get_mut(&node) {
            progress.to_s = progress.to_s.max(end);
        }
    }

    /// Closes the seconds that no node will add to; returns whether there were any.
    pub(crate) fn close(&mut self) -> bool {
        let awaited = self.nodes.values();
        let awaited = awaited.filter(|n| !n.has_ended && n.seen.elapsed() < SILENT_MAX);
        let slowest = awaited.map(|n| n.to_s).min().unwrap_or(u64::MAX);
        let oldest = self.newest_s.saturating_sub(BEHIND_MAX_S);
        self.close_to(slowest.max(oldest))
    }

    /// Closes all seconds before `to`.
    pub(crate) fn close_to(&mut self, to: u64) -> bool {
        let open = self.open.split_off(&to);
        let closed = std::mem::replace(&mut self.open, open);
        let any = !closed.is_empty();
        for (time_s, merge) in closed {
            let minute = self.minutes.entry(time_s / MINUTE_S).or_default();
            minute.rows.push(Arc::new(merge.close(time_s)));
            self.closed_to = self.closed_to.max(time_s + 1);
        }
        any
    }

    /// Whether all known nodes have ended.
    pub(crate) fn all_ended(&self) -> bool {
        !self.nodes.is_empty() && self.nodes.values().all(|node| node.has_ended)
    }

    /// How long all nodes have been silent.
    pub(crate) fn silent(&self) -> Duration {
        let seen = self.nodes.values().map(|node| node.seen.elapsed());
        seen.min().unwrap_or_default()
    }

    /// A minute ready to become chunks, with its rows; any closed one when `is_over`.
    pub(crate) fn take_due(&mut self, is_over: bool, flushed: impl Fn(u64) -> bool) -> Option<Due> {
        let closed_to = self.closed_to;
        let first_open = self.open.keys().next().map_or(u64::MAX, |s| s / MINUTE_S);
        let is_due = |number: u64, minute: &Minute| {
            if minute.is_building || minute.rows.is_empty() || number >= first_open {
                return false;
            }
            let rested = minute.touched.is_none_or(|at| at.elapsed() > LATE_REST);
            is_over
                || (closed_to >= (number + 1) * MINUTE_S + GRACE_S && (!flushed(number) || rested))
        };
        let mut due = self.minutes.iter_mut();
        let (number, minute) = due.find(|(number, minute)| is_due(**number, minute))?;
        minute.is_building = true;
        Some(Due {
            minute: *number,
            through: minute.through,
            rows: minute.rows.clone(),
        })
    }

    /// Drops the rows that are now in chunks.
    pub(crate) fn flushed(&mut self, due: &Due) {
        let Some(minute) = self.minutes.get_mut(&due.minute) else {
            return;
        };
        minute.is_building = false;
        minute.rows.drain(..due.rows.len());
        let holds_open = self.open.keys().any(|s| s / MINUTE_S == due.minute);
        if minute.rows.is_empty() && !holds_open {
            self.minutes.remove(&due.minute);
        }
    }

    /// Keeps the rows for another try, because building chunks failed.
    pub(crate) fn not_flushed(&mut self, due: &Due) {
        if let Some(minute) = self.minutes.get_mut(&due.minute) {
            minute.is_building = false;
        }
    }

    /// Whether no rows are in memory.
    pub(crate) fn is_empty(&self) -> bool {
        self.minutes.is_empty() && self.open.is_empty()
    }

    /// The closed rows, by minute.
    pub(crate) fn rows(&self) -> BTreeMap<u64, Vec<Arc<ClosedSecond>>> {
        let minutes = self.minutes.iter();
        minutes
            .map(|(n, minute)| (*n, minute.rows.clone()))
            .collect()
    }
}

/// A minute ready to become chunks.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) minute: u64,
    pub(crate) through: i64,
    pub(crate) rows: Vec<Arc<ClosedSecond>>,
}
