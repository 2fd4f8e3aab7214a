//! What a run has come to while it goes on, for whoever shows it.

use super::Aggregator;
use crate::histogram::Histogram;
use crate::kinds::{Counter, NameKind, Phase};
use crate::summary::{Check, Percentiles};
use crate::threshold::ThresholdResult;

/// A request, a transaction or a tag so far, without the warm-up.
#[derive(Debug, Clone, PartialEq)]
pub struct NameSoFar {
    /// Request, transaction or tag.
    pub kind: NameKind,
    /// The name as the script gave it; hostile text, to be escaped where it is shown.
    pub name: String,
    /// Ended ok.
    pub ok: u64,
    /// Failed.
    pub failed: u64,
    /// Latency of those that ended ok.
    pub latency: Percentiles,
}

impl Aggregator {
    /// The names of a kind of which most ended, at most `limit`, the most frequent first.
    pub fn names_so_far(&self, kind: NameKind, limit: usize) -> Vec<NameSoFar> {
        let used = |name: &&super::NameCounts| name.kind == kind && !name.is_empty();
        let mut names: Vec<_> = self.by_name.iter().filter(used).collect();
        names.sort_by(|a, b| {
            let ended = |name: &super::NameCounts| std::cmp::Reverse(name.ok + name.failed);
            (ended(a), &a.name).cmp(&(ended(b), &b.name))
        });
        let shown = names.into_iter().take(limit).map(|name| NameSoFar {
            kind,
            name: name.name.to_string(),
            ok: name.ok,
            failed: name.failed,
            latency: Percentiles::of(&name.latency_ok()),
        });
        shown.collect()
    }

    /// Checks by name.
    pub fn checks_so_far(&self) -> Vec<Check> {
        self.check_summaries()
    }

    /// Thresholds as they would come out if the run ended now.
    pub fn thresholds_so_far(&self) -> Vec<ThresholdResult> {
        self.judges.outcomes(self.load_s())
    }

    /// How often an event happened.
    pub fn counted_so_far(&self, counter: Counter) -> u64 {
        self.counters[counter.index()]
    }

    /// Latency of all requests that ended ok.
    pub fn latency_so_far(&self) -> Histogram {
        let mut sum = Histogram::new();
        let requests = self.by_name.iter().filter(|n| n.kind == NameKind::Request);
        let mut failed = Histogram::new();
        for name in requests {
            if let Some(latency) = name.phase(Phase::Latency) {
                sum.add(latency);
            }
            if let Some(latency) = name.phase(Phase::LatencyFailed) {
                failed.add(latency);
            }
        }
        sum.subtract(&failed);
        sum
    }
}
