//! Thresholds: what must hold for a run to pass.

mod fail_on;
mod judge;

use crate::kinds::{Phase, closed_enum};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

pub use fail_on::FailOn;
pub(crate) use judge::{Closing, Judges};

closed_enum! {
    /// What a threshold looks at.
    Metric {
        /// Times from due to done, of the requests that `of` says.
        Latency => "latency",
        /// Times from sent to done, of all requests.
        ServiceTime => "service_time",
        /// Times from due to sent, of all requests.
        Lag => "lag",
        /// Times from sent to the first byte of the reply, of all requests.
        FirstByte => "first_byte",
        /// Times to establish a connection.
        Connect => "connect",
        /// Requests that failed or were unfinished, of those sent.
        Failures => "failures",
        /// Checks that passed, of those made.
        Checks => "checks",
        /// Requests per second that ended in the time of load, of those that `of` says.
        Rate => "rate",
        /// Requests that ended, of those that `of` says.
        Requests => "requests",
        /// Arrivals started, of those planned, or dropped.
        Arrivals => "arrivals",
        /// Iterations that ended, of those that `of` says.
        Iterations => "iterations",
        /// Errors of the script.
        ScriptErrors => "script_errors",
        /// A metric of the scripts' own; `name` is required.
        Custom => "custom",
    }
}

impl Metric {
    /// Whether it is of requests, which have tags.
    pub fn has_tags(self) -> bool {
        self.phase().is_some() || matches!(self, Metric::Failures | Metric::Rate | Metric::Requests)
    }

    fn phase(self) -> Option<Phase> {
        match self {
            Metric::Latency => Some(Phase::Latency),
            Metric::ServiceTime => Some(Phase::ServiceTime),
            Metric::Lag => Some(Phase::Lag),
            Metric::FirstByte => Some(Phase::FirstByte),
            Metric::Connect => Some(Phase::Connect),
            Metric::Failures | Metric::Checks | Metric::Rate | Metric::Requests => None,
            Metric::Arrivals | Metric::Iterations | Metric::ScriptErrors => None,
            Metric::Custom => None,
        }
    }

    /// Whether what ended ok and what failed can be told apart in it.
    pub fn has_of(self) -> bool {
        matches!(
            self,
            Metric::Latency | Metric::Rate | Metric::Requests | Metric::Iterations
        )
    }
}

closed_enum! {
    /// Which requests or iterations a figure is of.
    Of {
        /// Those that ended ok.
        Ok => "ok",
        /// Those that failed.
        Failed => "failed",
        /// All that ended.
        All => "all",
    }
}

impl Of {
    fn count(self, ok: u64, failed: u64) -> u64 {
        match self {
            Of::Ok => ok,
            Of::Failed => failed,
            Of::All => ok + failed,
        }
    }
}

/// A figure of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The value below which this share lies, above 0, below 1.
    Percentile(f64),
    /// The mean.
    Mean,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many: requests or iterations that `of` says, failed requests (unfinished ones among
    /// them), failed checks, dropped arrivals, script errors. Of custom metrics what counters add
    /// up to, and of others the number of values. 0 when nothing was counted.
    Count,
    /// How many per second of the time of load.
    Rate,
    /// A share from 0 to 1: of failures the failed, of checks the passed, of arrivals the started,
    /// of iterations those that `of` says.
    Share,
}

impl Statistic {
    /// The figures that are named by a word alone.
    const WORDS: [(&str, Statistic); 6] = [
        ("mean", Statistic::Mean),
        ("min", Statistic::Min),
        ("max", Statistic::Max),
        ("count", Statistic::Count),
        ("rate", Statistic::Rate),
        ("share", Statistic::Share),
    ];

    /// The figure of a word such as `mean` or `p99.9`.
    pub fn named(word: &str) -> Option<Self> {
        if let Some((_, found)) = Self::WORDS.iter().find(|(known, _)| *known == word) {
            return Some(*found);
        }
        let digits = word.strip_prefix('p')?;
        let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        // scaled as a decimal, so that 99.9 is 0.999 and not 0.9990000000000001
        let share: f64 = format!("{digits}e-2").parse().ok().filter(|_| is_plain)?;
        (share > 0.0 && share < 1.0).then_some(Statistic::Percentile(share))
    }
}

/// The word of the profile, such as `p99`.
impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Statistic::Percentile(share) = self {
            // to the digits that a profile can write, so that 7 is not 7.000000000000001
            return serializer.collect_str(&format_args!("p{}", (share * 1e11).round() / 1e9));
        }
        let word = Self::WORDS.iter().find(|(_, one)| one == self);
        serializer.serialize_str(word.map_or("", |(word, _)| word))
    }
}

impl<'de> Deserialize<'de> for Statistic {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let word = String::deserialize(reader)?;
        let unknown = || serde::de::Error::custom(format!("unknown figure {word:?}"));
        Self::named(&word).ok_or_else(unknown)
    }
}

/// How a figure must stand to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Comparison {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparison::Below => value < limit,
            Comparison::AtMost => value <= limit,
            Comparison::Above => value > limit,
            Comparison::AtLeast => value >= limit,
        }
    }

    /// The worse of two values for this comparison.
    fn worse(self, a: f64, b: f64) -> f64 {
        match self {
            Comparison::Below | Comparison::AtMost => a.max(b),
            Comparison::Above | Comparison::AtLeast => a.min(b),
        }
    }
}

/// What must hold for a run to pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// What is looked at.
    pub metric: Metric,
    /// Of which request, transaction or check; none: of all requests, or of all checks.
    pub name: Option<String>,
    /// Of the requests with this tag, `key:value`; none: `name` says of which. Not both.
    pub tag: Option<String>,
    /// Of the requests that ended how; looked at where [`Metric::has_of`] says so.
    pub of: Of,
    /// Which figure of it.
    pub statistic: Statistic,
    /// How the figure must stand to the limit.
    pub comparison: Comparison,
    /// Microseconds, a share from 0 to 1, per second, or a plain number.
    pub limit: f64,
    /// Every span of this length is judged, whole seconds, at least 1; none: the whole run.
    pub over: Option<Duration>,
    /// Whether the run ends when it is missed.
    pub abort: bool,
    /// It is not judged before this time has passed, in whole seconds.
    pub delay: Duration,
    /// The rule of `fail_on` that it is; none: a threshold of the profile.
    pub fail_on: Option<FailOn>,
    /// The threshold in words, for reports.
    pub text: String,
}

impl Threshold {
    /// Whether it is about what the plan asks for, which the drain has nothing of.
    fn is_of_load(&self) -> bool {
        match self.metric {
            Metric::Rate | Metric::Arrivals => true,
            Metric::Custom | Metric::Iterations => self.statistic == Statistic::Rate,
            _ => false,
        }
    }
}

/// How a threshold came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// The threshold in words.
    pub text: String,
    /// What was looked at.
    pub metric: Metric,
    /// Of which request, transaction or check.
    pub name: Option<String>,
    /// Of the requests with which tag, `key:value`; absent where it is of no tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Of those that ended how; `None` for metrics that do not tell them apart.
    pub of: Option<Of>,
    /// Which figure it is, which also says its unit.
    #[serde(rename = "stat")]
    pub statistic: Statistic,
    /// The limit, in the unit of `value`.
    pub limit: f64,
    /// The figure of the whole run, or of the worst span; microseconds, a share, per second or
    /// plain. `None` when nothing was measured, which is a miss.
    pub value: Option<f64>,
    /// Of latencies, where requests were unfinished: the same figure with each of them entered at
    /// its age when the run ended. An upper limit must hold for it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_unfinished: Option<f64>,
    /// Whether it held.
    pub met: bool,
    /// The second of the run in which it was first missed; `None` when that was at the end.
    pub first_missed_s: Option<u64>,
    /// Whether it ended the run.
    pub aborted: bool,
    /// The rule of `fail_on` that it is; absent for thresholds of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_on: Option<FailOn>,
}

impl ThresholdResult {
    /// Whether people are told: rules of `fail_on` only where they are missed.
    pub fn is_shown(&self) -> bool {
        self.fail_on.is_none() || !self.met
    }
}
