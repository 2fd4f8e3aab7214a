//! The result of a run: what reports show and what the JSON result holds.

use crate::custom::Custom;
use crate::encoding;
use crate::histogram::Histogram;
use crate::kinds::{FailureKind, Model, NameKind, Phase};
use crate::second::{Counts, Second};
use crate::threshold::Outcome;
use crate::verdict::Verdict;
use crate::window::{Ended, NameCounts};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Everything a run counted. Serialises in the shape of the JSON result, without the description
/// of the run itself.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How the plan asked for load.
    pub model: Model,
    /// Whether the generator did its part.
    pub verdict: Verdict,
    /// Counters of the run.
    pub totals: Totals,
    /// What was done in the time of load.
    pub throughput: Throughput,
    /// Times of all requests; transactions are not in them.
    #[serde(flatten)]
    pub phases: Phases,
    /// Replies by status.
    pub status: BTreeMap<u16, u64>,
    /// Failed requests by [`FailureKind`], those that happened.
    pub failures: Counted,
    /// Other things worth counting by [`crate::Counter`], those that happened.
    pub events: Counted,
    /// Latency of the requests that ended ok in the encoding of [`Histogram::to_base64`].
    pub histogram: String,
    /// Latency of those that failed in the same encoding.
    pub histogram_failed: String,
    /// Checks by name.
    pub checks: Vec<Check>,
    /// Metrics of the scripts' own, by kind and name.
    pub metrics: Vec<Custom>,
    /// What had to hold, in the order of the profile.
    pub thresholds: Vec<Outcome>,
    /// Requests, then transactions, each in the order of their names.
    pub names: Vec<NameSummary>,
    /// Whether there were more names than are kept apart, so that some are under `(other)`.
    pub names_folded: bool,
    /// What the generator's cores say of themselves.
    pub generator: Generator,
    /// One row per second, in order.
    pub series: Vec<Second>,
}

impl Summary {
    /// Whether everything that was begun is accounted for.
    ///
    /// # Errors
    /// The sum that does not hold, with its figures: planned = started + dropped, or
    /// sent = ok + failed + unfinished, in the totals or of a name.
    pub fn conservation(&self) -> Result<(), String> {
        conserved(&self.totals.counts)?;
        for name in &self.names {
            let ended = name.ok + name.failed + name.unfinished;
            if name.sent != ended {
                return Err(format!(
                    "{:?}: {} sent, but {} ok + {} failed + {} unfinished = {ended}",
                    name.name, name.sent, name.ok, name.failed, name.unfinished
                ));
            }
        }
        Ok(())
    }
}

/// Checks planned = started + dropped and sent = ok + failed + unfinished.
pub(crate) fn conserved(counts: &Counts) -> Result<(), String> {
    let decided = counts.started + counts.dropped;
    if counts.planned != decided {
        return Err(format!(
            "{} arrivals planned, but {} started + {} dropped = {decided}",
            counts.planned, counts.started, counts.dropped
        ));
    }
    let ended = counts.ok + counts.failed + counts.unfinished;
    if counts.sent != ended {
        return Err(format!(
            "{} requests sent, but {} ok + {} failed + {} unfinished = {ended}",
            counts.sent, counts.ok, counts.failed, counts.unfinished
        ));
    }
    Ok(())
}

/// Counters of the whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Totals {
    /// The same counters as a second has.
    #[serde(flatten)]
    pub counts: Counts,
    /// The most users at once, an upper bound ([`crate::second::Extent`]).
    pub users_max: u64,
    /// How many connections were made.
    pub connections: u64,
    /// The most connections at once, an upper bound.
    pub connections_max: u64,
}

/// What ended within the time of load: from the end of the warm-up to the end of what the plan
/// asks for, without the drain. Rates are per second of that time, 0 when it has no length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Throughput {
    /// How long the time of load is, in seconds.
    pub load_s: f64,
    /// Requests that ended ok in it.
    pub ok: u64,
    /// Requests that failed in it.
    pub failed: u64,
    /// Both per second.
    pub requests_per_s: f64,
    /// Those that ended ok per second.
    pub ok_per_s: f64,
    /// Bytes received per second, of requests that ended in it.
    pub bytes_in_per_s: f64,
    /// Bytes sent per second, of the same requests.
    pub bytes_out_per_s: f64,
}

impl Throughput {
    pub(crate) fn of(ended: Ended, load_s: f64) -> Self {
        // three decimals: a rate is shown, not calculated with
        let per_s = |n: u64| match load_s > 0.0 {
            true => (n as f64 / load_s * 1e3).round() / 1e3,
            false => 0.0,
        };
        Throughput {
            load_s,
            ok: ended.ok,
            failed: ended.failed,
            requests_per_s: per_s(ended.ok + ended.failed),
            ok_per_s: per_s(ended.ok),
            bytes_in_per_s: per_s(ended.bytes_in),
            bytes_out_per_s: per_s(ended.bytes_out),
        }
    }
}

/// Latency of those that ended ok, of those that failed, and of both; then one entry per other
/// [`Phase`], each of all requests.
#[derive(Debug, Clone, Serialize)]
pub struct Phases {
    /// Done minus intended, of those that ended ok.
    pub latency: Percentiles,
    /// The same of those that failed.
    pub latency_failed: Percentiles,
    /// The same of all that ended.
    pub latency_all: Percentiles,
    /// Done minus sent.
    pub service_time: Percentiles,
    /// Sent minus intended.
    pub lag: Percentiles,
    /// Sent to first byte of the reply.
    pub first_byte: Percentiles,
    /// Making connections.
    pub connect: Percentiles,
    /// TLS handshakes of new connections.
    pub tls: Percentiles,
    /// Waiting for one of the user's connections.
    pub queue: Percentiles,
    /// Waiting for the address of a name.
    pub dns: Percentiles,
    /// Sending requests in pieces.
    pub send: Percentiles,
    /// From the first byte of the reply to the last.
    pub receive: Percentiles,
}

impl Phases {
    pub(crate) fn of(name: &NameCounts) -> Self {
        let of = |phase| name.phase(phase).map(Percentiles::of).unwrap_or_default();
        Phases {
            latency: Percentiles::of(&name.latency_ok()),
            latency_failed: of(Phase::LatencyFailed),
            latency_all: of(Phase::Latency),
            service_time: of(Phase::ServiceTime),
            lag: of(Phase::Lag),
            first_byte: of(Phase::FirstByte),
            connect: of(Phase::Connect),
            tls: of(Phase::Tls),
            queue: of(Phase::Queue),
            dns: of(Phase::Dns),
            send: of(Phase::Send),
            receive: of(Phase::Receive),
        }
    }
}

/// A histogram in ten numbers, times in microseconds; all 0 when `count` is, and then null in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// The smallest, exact.
    pub min_us: u64,
    /// The mean, exact, to 3 decimals.
    pub mean_us: f64,
    /// Median.
    pub p50_us: u64,
    /// 75th percentile.
    pub p75_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 95th percentile.
    pub p95_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// 99.9th percentile.
    pub p999_us: u64,
    /// The largest, exact.
    pub max_us: u64,
}

impl Percentiles {
    /// The figures of a histogram.
    pub fn of(histogram: &Histogram) -> Self {
        let quantiles = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
        let [p50_us, p75_us, p90_us, p95_us, p99_us, p999_us] = histogram.values_at(quantiles);
        Percentiles {
            count: histogram.count(),
            min_us: histogram.min_us(),
            mean_us: (histogram.mean_us() * 1_000.0).round() / 1_000.0,
            p50_us,
            p75_us,
            p90_us,
            p95_us,
            p99_us,
            p999_us,
            max_us: histogram.max_us(),
        }
    }
}

impl Serialize for Percentiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(10))?;
        map.serialize_entry("count", &self.count)?;
        let known = self.count > 0;
        map.serialize_entry("min_us", &known.then_some(self.min_us))?;
        map.serialize_entry("mean_us", &known.then_some(self.mean_us))?;
        for (name, us) in [
            ("p50_us", self.p50_us),
            ("p75_us", self.p75_us),
            ("p90_us", self.p90_us),
            ("p95_us", self.p95_us),
            ("p99_us", self.p99_us),
            ("p999_us", self.p999_us),
            ("max_us", self.max_us),
        ] {
            map.serialize_entry(name, &known.then_some(us))?;
        }
        map.end()
    }
}

/// Counts above 0 by name, in a fixed order; a map in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted(pub Vec<(&'static str, u64)>);

impl Counted {
    pub(crate) fn of<K: Copy>(all: &[K], name: fn(K) -> &'static str, counts: &[u64]) -> Self {
        let named = all.iter().map(|k| name(*k)).zip(counts.iter().copied());
        Counted(named.filter(|(_, n)| *n > 0).collect())
    }

    /// The count of `name`, 0 when it did not happen.
    pub fn count(&self, name: &str) -> u64 {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(0, |(_, n)| *n)
    }
}

impl Serialize for Counted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, n) in &self.0 {
            map.serialize_entry(name, n)?;
        }
        map.end()
    }
}

/// How often one check passed and failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Times it held.
    pub passed: u64,
    /// Times it did not.
    pub failed: u64,
}

/// What was measured of one request or transaction name.
#[derive(Debug, Clone, Serialize)]
pub struct NameSummary {
    /// The name as the script gave it; hostile text, to be escaped where it is shown.
    pub name: String,
    /// Request or transaction.
    pub kind: NameKind,
    /// Issued; of transactions those that ended.
    pub sent: u64,
    /// Ended well.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Still under way at the end.
    pub unfinished: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Its times; a transaction has latency only.
    #[serde(flatten)]
    pub phases: Phases,
    /// Replies by status.
    pub status: BTreeMap<u16, u64>,
    /// Failures that happened, by kind.
    pub failures: Counted,
    /// Latency of those that ended ok in the encoding of [`Histogram::to_base64`].
    pub histogram: String,
    /// Latency of those that failed in the same encoding.
    pub histogram_failed: String,
}

impl NameSummary {
    pub(crate) fn of(name: &NameCounts) -> Self {
        NameSummary {
            name: name.name.to_string(),
            kind: name.kind,
            sent: name.sent,
            ok: name.ok,
            failed: name.failed,
            unfinished: name.unfinished,
            bytes_in: name.bytes_in,
            bytes_out: name.bytes_out,
            phases: Phases::of(name),
            status: name.statuses.0.iter().copied().collect(),
            failures: Counted::of(FailureKind::ALL, FailureKind::as_str, &name.failures),
            histogram: name.latency_ok().to_base64(),
            histogram_failed: encoding::encode_phase(name, Phase::LatencyFailed),
        }
    }
}

/// What the generator's cores say of themselves.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    /// By core number.
    pub cores: Vec<GeneratorCore>,
}

/// One core over the whole run.
#[derive(Debug, Clone, Serialize)]
pub struct GeneratorCore {
    /// Its number within the run, from 0.
    pub core: u32,
    /// The share of time in which its thread used the processor, 0 to 1.
    pub busy_share: f64,
    /// How long its turns took.
    pub turns: Percentiles,
    /// The longest turn, in microseconds.
    pub turn_max_us: u64,
    /// How often a window could not be handed over in time.
    pub overflows: u64,
}
