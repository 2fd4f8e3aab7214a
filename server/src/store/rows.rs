//! The rows of a period as protobuf messages, and how to merge two of them.
//!
//! Two rows of the same second are merged *beside* each other (different nodes), two of different
//! seconds *after* one another: minimum and maximum users are added in the first case and compared
//! in the second. All other figures are summed either way.

use stats::Recorder;
use wire::{Count, SecondRow, StatusCount};

/// Maximum length of one list of a row, plus one entry for the rest; for cores there is no such
/// entry.
const LIST_MAX: usize = Recorder::NAMES_MAX;
/// What names beyond the bound are counted under.
const OTHER: &str = Recorder::OTHER;
/// The status that counts those beyond [`LIST_MAX`].
const STATUS_OTHER: u32 = 0;

/// Identifies the rows that belong together: a name's id times 16 plus a slot.
pub(crate) type Key = u32;

/// Figures per key: slot 0 holds counters, 1 to 11 the phases, 12 digests of all requests.
pub(crate) const SLOTS: u32 = 16;
/// Counters: [`Totals`] of the run, [`NameCounts`] of a name.
pub(crate) const COUNTERS: u32 = 0;
/// Figures of all requests for plots, see [`super::digest`].
pub(crate) const DIGEST: u32 = 12;
/// [`Customs`] of the run.
pub(crate) const CUSTOMS: u32 = 13;
/// [`Checks`] of the run.
pub(crate) const CHECKS: u32 = 14;
/// [`Cores`] of the run.
pub(crate) const CORES: u32 = 15;

/// Slots from 1 on, by phase name; released names keep their slots.
const PHASES: [&str; 11] = [
    "latency",
    "service_time",
    "lag",
    "first_byte",
    "connect",
    "latency_failed",
    "dns",
    "tls",
    "queue",
    "send",
    "receive",
];
/// Number of slots for histograms.
const PHASES_MAX: u32 = PHASES.len() as u32;

/// The key of a phase of a name; 0 is all requests in one.
pub(crate) fn phase_key(name: u32, phase: stats::Phase) -> Key {
    let index = PHASES.iter().position(|name| *name == phase.as_str());
    // a test checks that every phase has a slot
    name * SLOTS + index.map_or(PHASES_MAX, |index| index as u32 + 1)
}

/// Whether rows under the key are histograms.
pub(crate) fn is_histogram(key: Key) -> bool {
    (1..=PHASES_MAX).contains(&(key % SLOTS))
}

#[cfg(test)]
#[test]
fn every_phase_has_its_slot() {
    for phase in stats::Phase::ALL {
        let slot = phase_key(0, *phase);
        assert!(is_histogram(slot), "{phase}");
        assert!(PHASES.contains(&phase.as_str()), "{phase}");
    }
}

/// Counters of all requests and of the load.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Totals {
    /// How many seconds a row of a second covers when it is more than 1.
    #[prost(uint64, tag = "1")]
    pub seconds: u64,
    /// In no total of the run.
    #[prost(bool, tag = "2")]
    pub warmup: bool,
    /// Arrivals the plan asked for.
    #[prost(uint64, tag = "3")]
    pub planned: u64,
    /// Arrivals that became users.
    #[prost(uint64, tag = "4")]
    pub started: u64,
    /// Arrivals dropped.
    #[prost(uint64, tag = "5")]
    pub dropped: u64,
    /// Iterations finished.
    #[prost(uint64, tag = "6")]
    pub iterations_finished: u64,
    /// Iterations failed.
    #[prost(uint64, tag = "7")]
    pub iterations_failed: u64,
    /// Iterations unfinished.
    #[prost(uint64, tag = "8")]
    pub iterations_unfinished: u64,
    /// Fewest users.
    #[prost(uint64, tag = "9")]
    pub users_min: u64,
    /// Most users.
    #[prost(uint64, tag = "10")]
    pub users_max: u64,
    /// Fewest connections.
    #[prost(uint64, tag = "11")]
    pub connections_min: u64,
    /// Most connections.
    #[prost(uint64, tag = "12")]
    pub connections_max: u64,
    /// Other things counted.
    #[prost(message, repeated, tag = "13")]
    pub counters: Vec<Count>,
    /// The generator shaped it.
    #[prost(bool, tag = "14")]
    pub limited: bool,
    /// All requests.
    #[prost(message, optional, tag = "15")]
    pub requests: Option<NameCounts>,
    /// Of a single second of one node: cores that had delivered nothing when it was closed.
    #[prost(uint32, repeated, tag = "16")]
    pub gaps: Vec<u32>,
    /// Of a single second of one node: cores of which it holds what began before it.
    #[prost(uint32, repeated, tag = "17")]
    pub late: Vec<u32>,
}

/// Counters of one name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NameCounts {
    /// Issued.
    #[prost(uint64, tag = "1")]
    pub sent: u64,
    /// Ended well.
    #[prost(uint64, tag = "2")]
    pub ok: u64,
    /// Failed.
    #[prost(uint64, tag = "3")]
    pub failed: u64,
    /// Under way at the end.
    #[prost(uint64, tag = "4")]
    pub unfinished: u64,
    /// Bytes received.
    #[prost(uint64, tag = "5")]
    pub bytes_in: u64,
    /// Bytes sent.
    #[prost(uint64, tag = "6")]
    pub bytes_out: u64,
    /// Replies by status.
    #[prost(message, repeated, tag = "7")]
    pub statuses: Vec<StatusCount>,
    /// Failures by kind.
    #[prost(message, repeated, tag = "8")]
    pub failures: Vec<Count>,
}

/// Checks by name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Checks {
    /// One entry per name.
    #[prost(message, repeated, tag = "1")]
    pub checks: Vec<wire::CheckRow>,
}

/// The generator's cores.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cores {
    /// One entry per node and core.
    #[prost(message, repeated, tag = "1")]
    pub cores: Vec<Core>,
}

/// One core of a node.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Core {
    /// The node.
    #[prost(uint32, tag = "1")]
    pub node: u32,
    /// The core within it.
    #[prost(uint32, tag = "2")]
    pub core: u32,
    /// Sum of its busy shares.
    #[prost(float, tag = "3")]
    pub busy: f32,
    /// Sum of the shares in which others had its processor.
    #[prost(float, tag = "4")]
    pub waited: f32,
    /// How many rows were summed.
    #[prost(uint32, tag = "5")]
    pub rows: u32,
    /// Longest turn.
    #[prost(uint64, tag = "6")]
    pub turn_max_us: u64,
    /// Largest lag.
    #[prost(uint64, tag = "7")]
    pub lag_max_us: u64,
    /// It shaped its measurements.
    #[prost(bool, tag = "8")]
    pub limited: bool,
}

/// Metrics of the scripts' own.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Customs {
    /// One entry per kind and name.
    #[prost(message, repeated, tag = "1")]
    pub customs: Vec<Custom>,
}

/// One metric.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Custom {
    /// `counter`, `gauge`, `rate` or `trend`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Its name with tags.
    #[prost(string, tag = "2")]
    pub name: String,
    /// How many values came.
    #[prost(uint64, tag = "3")]
    pub count: u64,
    /// Their sum.
    #[prost(double, tag = "4")]
    pub sum: f64,
    /// The smallest.
    #[prost(double, tag = "5")]
    pub min: f64,
    /// The largest.
    #[prost(double, tag = "6")]
    pub max: f64,
    /// The last.
    #[prost(double, tag = "7")]
    pub last: f64,
    /// Of trends: the values in thousandths, a compact histogram.
    #[prost(bytes = "vec", tag = "8")]
    pub values: Vec<u8>,
}

impl Totals {
    /// The row of a node for a second, without its requests.
    pub(crate) fn of(row: &SecondRow) -> Self {
        Totals {
            seconds: if row.seconds > 1 { row.seconds } else { 0 },
            warmup: row.warmup,
            planned: row.planned,
            started: row.started,
            dropped: row.dropped,
            iterations_finished: row.iterations_finished,
            iterations_failed: row.iterations_failed,
            iterations_unfinished: row.iterations_unfinished,
            users_min: row.users_min,
            users_max: row.users_max,
            connections_min: row.connections_min,
            connections_max: row.connections_max,
            counters: row.counters.clone(),
            limited: row.generator_limited,
            requests: None,
            gaps: row.gaps.clone(),
            late: row.late.clone(),
        }
    }

    /// Adds another node's row of the same period.
    pub fn add_beside(&mut self, other: &Totals) {
        self.users_min = self.users_min.saturating_add(other.users_min);
        self.users_max = self.users_max.saturating_add(other.users_max);
        self.connections_min = self.connections_min.saturating_add(other.connections_min);
        self.connections_max = self.connections_max.saturating_add(other.connections_max);
        // numbers of cores mean nothing beside those of another node
        self.gaps.clear();
        self.late.clear();
        self.add_sums(other);
    }

    /// Adds a later period.
    pub fn add_after(&mut self, other: &Totals) {
        self.users_min = self.users_min.min(other.users_min);
        self.users_max = self.users_max.max(other.users_max);
        self.connections_min = self.connections_min.min(other.connections_min);
        self.connections_max = self.connections_max.max(other.connections_max);
        self.gaps.clear();
        self.late.clear();
        self.add_sums(other);
    }

    fn add_sums(&mut self, other: &Totals) {
        self.seconds = self.seconds.max(other.seconds);
        self.warmup |= other.warmup;
        add(&mut self.planned, other.planned);
        add(&mut self.started, other.started);
        add(&mut self.dropped, other.dropped);
        add(&mut self.iterations_finished, other.iterations_finished);
        add(&mut self.iterations_failed, other.iterations_failed);
        add(&mut self.iterations_unfinished, other.iterations_unfinished);
        add_counts(&mut self.counters, &other.counters);
        self.limited |= other.limited;
        if let Some(requests) = &other.requests {
            self.requests.get_or_insert_default().add(requests);
        }
    }
}

impl NameCounts {
    /// Adds a node's row for a name.
    pub(crate) fn add_row(&mut self, row: &wire::NameRow) {
        add(&mut self.sent, row.sent);
        add(&mut self.ok, row.ok);
        add(&mut self.failed, row.failed);
        add(&mut self.unfinished, row.unfinished);
        add(&mut self.bytes_in, row.bytes_in);
        add(&mut self.bytes_out, row.bytes_out);
        add_statuses(&mut self.statuses, &row.statuses);
        add_counts(&mut self.failures, &row.failures);
    }

    /// Adds another period, or another name.
    pub fn add(&mut self, other: &NameCounts) {
        add(&mut self.sent, other.sent);
        add(&mut self.ok, other.ok);
        add(&mut self.failed, other.failed);
        add(&mut self.unfinished, other.unfinished);
        add(&mut self.bytes_in, other.bytes_in);
        add(&mut self.bytes_out, other.bytes_out);
        add_statuses(&mut self.statuses, &other.statuses);
        add_counts(&mut self.failures, &other.failures);
    }
}

impl Checks {
    /// Adds another period or node.
    pub fn add(&mut self, others: &[wire::CheckRow]) {
        for other in others {
            let has_room = self.checks.len() < LIST_MAX;
            match self.checks.iter_mut().find(|c| c.name == other.name) {
                Some(check) => {
                    add(&mut check.passed, other.passed);
                    add(&mut check.failed, other.failed);
                }
                None if has_room || other.name == OTHER => {
                    self.checks.push(other.clone());
                }
                None => {
                    let name = OTHER.to_owned();
                    self.add(&[wire::CheckRow { name, ..*other }]);
                }
            }
        }
    }
}

impl Cores {
    /// Adds another period or node.
    pub fn add(&mut self, others: &[Core]) {
        for other in others {
            let same = |c: &&mut Core| (c.node, c.core) == (other.node, other.core);
            let has_room = self.cores.len() < LIST_MAX;
            match self.cores.iter_mut().find(same) {
                Some(core) => {
                    core.busy += other.busy;
                    core.waited += other.waited;
                    core.rows = core.rows.saturating_add(other.rows);
                    core.turn_max_us = core.turn_max_us.max(other.turn_max_us);
                    core.lag_max_us = core.lag_max_us.max(other.lag_max_us);
                    core.limited |= other.limited;
                }
                None if has_room => self.cores.push(*other),
                None => {}
            }
        }
    }
}

impl Customs {
    /// Adds a later period or another node.
    pub fn add(&mut self, others: Vec<Custom>) {
        for other in others {
            let same = |c: &&mut Custom| c.kind == other.kind && c.name == other.name;
            let has_room = self.customs.len() < LIST_MAX;
            match self.customs.iter_mut().find(same) {
                Some(custom) => {
                    add(&mut custom.count, other.count);
                    custom.sum += other.sum;
                    custom.min = custom.min.min(other.min);
                    custom.max = custom.max.max(other.max);
                    custom.last = other.last;
                    custom.values = sum_of(&custom.values, &other.values);
                }
                None if has_room || other.name == OTHER => {
                    self.customs.push(other);
                }
                None => {
                    let name = OTHER.to_owned();
                    self.add(vec![Custom { name, ..other }]);
                }
            }
        }
    }
}

fn sum_of(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut sum = stats::Histogram::new();
    for mut bytes in [a, b] {
        // rows are written by this program; damaged ones count as far as they are readable
        while !bytes.is_empty() && sum.add_compact(&mut bytes).is_ok() {}
    }
    let mut out = Vec::new();
    sum.put_compact(&mut out);
    out
}

fn add(to: &mut u64, n: u64) {
    *to = to.saturating_add(n);
}

fn add_counts(to: &mut Vec<Count>, from: &[Count]) {
    for other in from {
        let has_room = to.len() < LIST_MAX;
        match to.iter_mut().find(|c| c.name == other.name) {
            Some(count) => add(&mut count.count, other.count),
            None if has_room || other.name == OTHER => to.push(other.clone()),
            None => {
                let (name, count) = (OTHER.to_owned(), other.count);
                add_counts(to, &[Count { name, count }]);
            }
        }
    }
}

fn add_statuses(to: &mut Vec<StatusCount>, from: &[StatusCount]) {
    for other in from {
        let has_room = to.len() < LIST_MAX;
        match to.iter_mut().find(|c| c.status == other.status) {
            Some(count) => add(&mut count.count, other.count),
            None if has_room || other.status == STATUS_OTHER => to.push(*other),
            None => {
                let (status, count) = (STATUS_OTHER, other.count);
                add_statuses(to, &[StatusCount { status, count }]);
            }
        }
    }
}
