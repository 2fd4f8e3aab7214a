//! One row of the time series: what all cores together did in one second of the run.

use crate::figures::figures;
use crate::histogram::Histogram;
use crate::kinds::FailureKind;
use crate::window::{CoreCounts, Gauge, add_counts};
use serde::{Deserialize, Serialize};

/// What all cores did between two whole seconds of the run.
///
/// Normally one second. A core that could not hand its window over in time delivers one that
/// covers several; its row then covers as many, so that no rate is shown that never was.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Second {
    /// Where it begins, in seconds from the start of the run.
    pub time_s: u64,
    /// How many seconds it covers, at least 1.
    pub seconds: u64,
    /// Users, summed over cores.
    pub users: Extent,
    /// Connections, summed over cores.
    pub connections: Extent,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// Latency of the requests that ended ok in it.
    pub latency: Snapshot,
    /// Latency of those that failed in it.
    pub latency_failed: Snapshot,
    /// Latency of both.
    pub latency_all: Snapshot,
    /// Lag of both.
    pub lag: Snapshot,
    /// One entry per core that delivered a window of its own, by core number.
    pub cores: Vec<CoreSecond>,
    /// Whether the generator, not the target, shaped this second.
    pub generator_limited: bool,
    /// Whether it belongs to the warm-up, which is in no total.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warmup: bool,
    /// Cores whose windows were still missing when the row was closed; what they counted is part
    /// of a later row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<u32>,
    /// Cores of which this row holds a window that began before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<u32>,
}

impl Second {
    /// Sets the times of requests: latency of all that ended, that of the failed, and lag.
    pub fn set_times(&mut self, mut latency: Histogram, failed: &Histogram, lag: &Histogram) {
        self.latency_all = Snapshot::of(&latency);
        self.latency_failed = Snapshot::of(failed);
        latency.subtract(failed);
        self.latency = Snapshot::of(&latency);
        self.lag = Snapshot::of(lag);
    }
}

/// Smallest and largest of a number that goes up and down.
///
/// Cores do not reach their extremes at the same moment: the true smallest is at or above `min`,
/// the true largest at or below `max`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Sum of the cores' smallest.
    pub min: u64,
    /// Sum of the cores' largest.
    pub max: u64,
}

impl Extent {
    pub(crate) fn add(&mut self, gauge: Gauge) {
        self.min += u64::from(gauge.min);
        self.max += u64::from(gauge.max);
    }
}

/// The counters of a second, and in the same words of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Arrivals the plan asked for.
    pub planned: u64,
    /// Arrivals that became users.
    pub started: u64,
    /// Arrivals that found the cap on users reached.
    pub dropped: u64,
    /// Passes through a scenario.
    pub iterations: Iterations,
    /// Requests issued.
    pub sent: u64,
    /// Requests that ended well.
    pub ok: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests still under way at the end.
    pub unfinished: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Failed requests by [`FailureKind::index`]; results show them once for the run.
    #[serde(skip, default = "no_failures")]
    pub failures: [u64; FailureKind::COUNT],
}

fn no_failures() -> [u64; FailureKind::COUNT] {
    [0; FailureKind::COUNT]
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            planned: 0,
            started: 0,
            dropped: 0,
            iterations: Iterations::default(),
            sent: 0,
            ok: 0,
            failed: 0,
            unfinished: 0,
            bytes_in: 0,
            bytes_out: 0,
            failures: [0; FailureKind::COUNT],
        }
    }
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Counts) {
        self.planned += other.planned;
        self.started += other.started;
        self.dropped += other.dropped;
        self.iterations.finished += other.iterations.finished;
        self.iterations.failed += other.iterations.failed;
        self.iterations.unfinished += other.iterations.unfinished;
        self.sent += other.sent;
        self.ok += other.ok;
        self.failed += other.failed;
        self.unfinished += other.unfinished;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        add_counts(&mut self.failures, &other.failures);
    }

    /// Takes what is counted once per core.
    pub(crate) fn set_core_counts(&mut self, core: &CoreCounts) {
        self.planned = core.planned;
        self.started = core.started;
        self.dropped = core.dropped;
        self.iterations = Iterations {
            finished: core.iterations_finished,
            failed: core.iterations_failed,
            unfinished: core.iterations_unfinished,
        };
    }

    /// Checks planned = started + dropped and sent = ok + failed + unfinished.
    ///
    /// # Errors
    /// The sum that does not hold, with its figures.
    pub(crate) fn conserved(&self) -> Result<(), String> {
        let decided = self.started + self.dropped;
        if self.planned != decided {
            return Err(format!(
                "{} arrivals planned, but {} started + {} dropped = {decided}",
                self.planned, self.started, self.dropped
            ));
        }
        let ended = self.ok + self.failed + self.unfinished;
        if self.sent != ended {
            return Err(format!(
                "{} requests sent, but {} ok + {} failed + {} unfinished = {ended}",
                self.sent, self.ok, self.failed, self.unfinished
            ));
        }
        Ok(())
    }

    /// How many requests failed of one kind.
    pub fn failures_of(&self, kind: FailureKind) -> u64 {
        self.failures[kind.index()]
    }
}

/// How passes through a scenario ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iterations {
    /// At the end of the scenario.
    pub finished: u64,
    /// With an error of the script.
    pub failed: u64,
    /// Not before the run did.
    pub unfinished: u64,
}

figures! {
    /// The percentiles that a second keeps of a histogram, in microseconds; null in JSON when
    /// `count` is 0.
    Snapshot {
        /// Median.
        p50_us: u64,
        /// 90th percentile.
        p90_us: u64,
        /// 99th percentile.
        p99_us: u64,
        /// 99.9th percentile.
        p999_us: u64,
        /// The largest value, exact.
        max_us: u64,
    }
}

impl Snapshot {
    /// The figures of a histogram.
    pub fn of(histogram: &Histogram) -> Self {
        let [p50_us, p90_us, p99_us, p999_us] = histogram.values_at([0.5, 0.9, 0.99, 0.999]);
        Snapshot {
            count: histogram.count(),
            p50_us,
            p90_us,
            p99_us,
            p999_us,
            max_us: histogram.max_us(),
        }
    }

    /// A figure of it; `None` where nothing was measured.
    pub fn known(&self, us: u64) -> Option<u64> {
        (self.count > 0).then_some(us)
    }
}

/// What one core says of itself for one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CoreSecond {
    /// Its node; only in runs of several nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// The core's number within its node, from 0.
    pub core: u32,
    /// The share of time in which its thread used the processor, 0 to 1.
    pub busy_share: f32,
    /// The share of time in which others had its processor while it could have run, 0 to 1.
    pub waited_share: f32,
    /// The longest turn, in microseconds.
    pub turn_max_us: u64,
    /// Whether this core shaped its measurements.
    pub generator_limited: bool,
}

/// `part` of `whole`, 0 when there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
