//! The result of a run: what reports show and what the JSON result holds.

use crate::custom::Custom;
use crate::figures::figures;
use crate::histogram::Histogram;
use crate::kinds::{FailureKind, Model, NameKind, Phase};
use crate::load_time::EndedInLoad;
use crate::second::{Counts, Second};
use crate::threshold::ThresholdResult;
use crate::verdict::Verdict;
use crate::window::NameCounts;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Everything a run counted: the JSON result without the description of the run itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Latency of the requests that failed in the encoding of [`Histogram::to_base64`].
    pub histogram_failed: String,
    /// Checks by name.
    pub checks: Vec<Check>,
    /// Metrics of the scripts' own, by kind and name.
    pub metrics: Vec<Custom>,
    /// What had to hold, in the order of the profile.
    pub thresholds: Vec<ThresholdResult>,
    /// Requests, then transactions, each in the order of their names.
    pub names: Vec<NameSummary>,
    /// Whether there were more names than are kept apart, so that some are under `(other)`.
    pub names_folded: bool,
    /// What the generator's cores say of themselves.
    pub generator: Generator,
    /// One row per second, in order; a report writes them itself.
    #[serde(skip)]
    pub series: Vec<Second>,
}

impl Summary {
    /// Whether everything that was begun is accounted for.
    ///
    /// # Errors
    /// The sum that does not hold, with its figures: planned = started + dropped, or
    /// sent = ok + failed + unfinished, in the totals or of a name.
    pub fn conservation(&self) -> Result<(), String> {
        self.totals.counts.conserved()?;
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

/// Counters of the whole run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
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
    /// Of what ended within `load_s` seconds of load.
    pub fn of(ended: EndedInLoad, load_s: f64) -> Self {
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

/// Latency of the requests that ended ok, of the failed and of all; then one entry per other
/// [`Phase`], each of all requests.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// The figures of the histograms that `phase` finds.
    pub fn of<'a>(phase: impl Fn(Phase) -> Option<&'a Histogram>) -> Self {
        let of = |one| phase(one).map(Percentiles::of).unwrap_or_default();
        let latency = match (phase(Phase::Latency), phase(Phase::LatencyFailed)) {
            (Some(all), Some(failed)) => {
                let mut ok = all.clone();
                ok.subtract(failed);
                Percentiles::of(&ok)
            }
            _ => of(Phase::Latency),
        };
        Phases {
            latency,
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

    /// The figures of one phase; [`Phase::Latency`] is of the requests that ended ok.
    pub fn get(&self, phase: Phase) -> &Percentiles {
        match phase {
            Phase::Latency => &self.latency,
            Phase::LatencyFailed => &self.latency_failed,
            Phase::ServiceTime => &self.service_time,
            Phase::Lag => &self.lag,
            Phase::Queue => &self.queue,
            Phase::Dns => &self.dns,
            Phase::Connect => &self.connect,
            Phase::Tls => &self.tls,
            Phase::Send => &self.send,
            Phase::FirstByte => &self.first_byte,
            Phase::Receive => &self.receive,
        }
    }
}

figures! {
    /// A histogram in ten numbers, times in microseconds; all 0 when `count` is, and then null in
    /// JSON.
    Percentiles {
        /// The smallest, exact.
        min_us: u64,
        /// The mean, exact, to 3 decimals.
        mean_us: f64,
        /// Median.
        p50_us: u64,
        /// 75th percentile.
        p75_us: u64,
        /// 90th percentile.
        p90_us: u64,
        /// 95th percentile.
        p95_us: u64,
        /// 99th percentile.
        p99_us: u64,
        /// 99.9th percentile.
        p999_us: u64,
        /// The largest, exact.
        max_us: u64,
    }
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

/// Counts above 0 by name, in a fixed order; a map in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted(pub Vec<(Cow<'static, str>, u64)>);

impl Counted {
    pub(crate) fn of<K: Copy>(all: &[K], name: fn(K) -> &'static str, counts: &[u64]) -> Self {
        let named = all.iter().map(|k| name(*k).into());
        let named = named.zip(counts.iter().copied());
        Counted(named.filter(|(_, n)| *n > 0).collect())
    }

    /// The count of `name`, 0 when it did not happen.
    pub fn count(&self, name: &str) -> u64 {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, n)| *n)
    }
}

impl Serialize for Counted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, n)| (name, n)))
    }
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = Counted;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("counts by name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Counted, A::Error> {
                let mut counts = Vec::new();
                while let Some((name, n)) = map.next_entry::<String, u64>()? {
                    counts.push((name.into(), n));
                }
                Ok(Counted(counts))
            }
        }
        reader.deserialize_map(Pairs)
    }
}

/// How often one check passed and failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Times it held.
    pub passed: u64,
    /// Times it did not.
    pub failed: u64,
}

/// What was measured of one request or transaction name.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Ended in the time of load, ok and failed, per second; none in results of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_s: Option<f64>,
    /// Its times; a transaction has latency only.
    #[serde(flatten)]
    pub phases: Phases,
    /// Replies by status.
    pub status: BTreeMap<u16, u64>,
    /// Failures that happened, by kind.
    pub failures: Counted,
    /// Latency of those that ended ok in the encoding of [`Histogram::to_base64`].
    pub histogram: String,
    /// Latency of those that failed in the encoding of [`Histogram::to_base64`].
    pub histogram_failed: String,
}

impl NameSummary {
    pub(crate) fn of(name: &NameCounts, load_s: f64) -> Self {
        NameSummary {
            name: name.name.to_string(),
            kind: name.kind,
            sent: name.sent,
            ok: name.ok,
            failed: name.failed,
            unfinished: name.unfinished,
            bytes_in: name.bytes_in,
            bytes_out: name.bytes_out,
            per_s: Some(Throughput::of(name.in_load, load_s).requests_per_s),
            phases: Phases::of(|phase| name.phase(phase)),
            status: name.statuses.0.iter().copied().collect(),
            failures: Counted::of(FailureKind::ALL, FailureKind::as_str, &name.failures),
            histogram: name.latency_ok().to_base64(),
            histogram_failed: name.encoded(Phase::LatencyFailed),
        }
    }
}

/// What the generator's cores say of themselves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Generator {
    /// By core number.
    pub cores: Vec<GeneratorCore>,
}

/// One core over the whole run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GeneratorCore {
    /// Its node; only in runs of several nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<u32>,
    /// Its number within its node, from 0.
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
