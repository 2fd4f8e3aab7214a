//! Thresholds: what must hold for a run to pass, judged second by second and at the end.

use crate::custom::{Added, CustomKind, Figures};
use crate::histogram::Histogram;
use crate::kinds::{NameKind, Phase};
use crate::window::{Body, LoadTime, NameCounts};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Done minus intended, of the requests that [`Rule::of`] says.
    Latency,
    /// Done minus sent.
    ServiceTime,
    /// Sent minus intended.
    Lag,
    /// Sent to first byte of the reply.
    FirstByte,
    /// Making connections.
    Connect,
    /// Requests that failed or were never answered, of those sent.
    Failures,
    /// Checks that passed, of those made.
    Checks,
    /// Requests that ended within the time of load, per second of it; those that [`Rule::of`] says.
    Rate,
    /// Arrivals that were started, of those planned.
    Arrivals,
    /// Metrics of the scripts' own.
    Custom,
}

impl Metric {
    fn phase(self) -> Option<Phase> {
        match self {
            Metric::Latency => Some(Phase::Latency),
            Metric::ServiceTime => Some(Phase::ServiceTime),
            Metric::Lag => Some(Phase::Lag),
            Metric::FirstByte => Some(Phase::FirstByte),
            Metric::Connect => Some(Phase::Connect),
            Metric::Failures | Metric::Checks | Metric::Rate => None,
            Metric::Arrivals | Metric::Custom => None,
        }
    }

    /// Whether requests that ended ok and those that failed can be told apart in it.
    pub fn has_of(self) -> bool {
        matches!(self, Metric::Latency | Metric::Rate)
    }
}

/// Which requests a latency or a rate is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Those that ended ok.
    #[default]
    Ok,
    /// Those that failed.
    Failed,
    /// Both.
    All,
}

/// A figure of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The value below which this share lies, above 0, below 1; in microseconds.
    Percentile(f64),
    /// The mean in microseconds.
    Mean,
    /// The smallest in microseconds.
    Min,
    /// The largest in microseconds.
    Max,
    /// How many failed: requests (unfinished ones among them) or checks. Of custom metrics what
    /// counters add up to, and of others the number of values. 0 when nothing was counted.
    Count,
    /// How many per second of the time of load.
    Rate,
    /// A share from 0 to 1: of failures the failed, of checks the passed, of arrivals the started.
    Share,
}

/// The word of the profile, such as `p99`.
impl Serialize for Statistic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word = match self {
            // to the digits that a profile can write, so that 7 is not 7.000000000000001
            Statistic::Percentile(share) => format!("p{}", (share * 1e11).round() / 1e9),
            Statistic::Mean => "mean".to_owned(),
            Statistic::Min => "min".to_owned(),
            Statistic::Max => "max".to_owned(),
            Statistic::Count => "count".to_owned(),
            Statistic::Rate => "rate".to_owned(),
            Statistic::Share => "share".to_owned(),
        };
        serializer.serialize_str(&word)
    }
}

/// How a figure must stand to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Below it.
    Below,
    /// Not above it.
    AtMost,
    /// Above it.
    Above,
    /// Not below it.
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

/// One threshold of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What is looked at.
    pub metric: Metric,
    /// Of which request, transaction or check; none: of all requests, or of all checks.
    pub name: Option<String>,
    /// Of those that ended how; looked at where [`Metric::has_of`] says so.
    pub of: Of,
    /// Which figure of it.
    pub statistic: Statistic,
    /// How the figure must stand to the limit.
    pub comparison: Comparison,
    /// Microseconds, a share from 0 to 1, per second, or a plain number.
    pub limit: f64,
    /// Every span of so many seconds is judged, at least 1; none: the whole run.
    pub over_s: Option<u64>,
    /// Whether the run should end when it is missed.
    pub abort: bool,
    /// It is not judged before so many seconds have passed.
    pub delay_s: u64,
    /// The rule in words.
    pub text: String,
}

/// How a threshold came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The rule in words.
    pub text: String,
    /// What was looked at.
    pub metric: Metric,
    /// Of which request, transaction or check.
    pub name: Option<String>,
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
    /// Whether it asked for the end of the run.
    pub aborted: bool,
}

/// The figure of a rule over some time.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// `None` when nothing was measured.
    value: Option<f64>,
    /// With the unfinished requests at their ages; `None` when there were none.
    with_unfinished: Option<f64>,
}

impl Found {
    /// Whether anything found is on the wrong side of the limit.
    fn misses(&self, rule: &Rule) -> bool {
        let wrong = |value: f64| !rule.comparison.holds(value, rule.limit);
        self.value.is_some_and(wrong) || self.with_unfinished.is_some_and(wrong)
    }

    /// The worse of both, figure by figure.
    fn worse(&self, comparison: Comparison, other: Found) -> Found {
        let worse = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(comparison.worse(a, b)),
            (a, b) => a.or(b),
        };
        Found {
            value: worse(self.value, other.value),
            with_unfinished: worse(self.with_unfinished, other.with_unfinished),
        }
    }
}

/// What was counted for one rule in some time.
#[derive(Clone, Debug, Default)]
struct Part {
    /// Of times only: of all that ended.
    times: Histogram,
    /// Of latencies: the part of `times` that failed.
    failed: Histogram,
    /// Of latencies: the ages of unfinished requests.
    ages: Histogram,
    /// What the metric is about: failed, passed, ended or started.
    counted: u64,
    /// What it is a share of.
    of: u64,
    /// Of a metric of the scripts' own.
    custom: Figures,
    /// What of it came within the time of load.
    custom_in_load: Added,
    /// Such a metric is a counter.
    sums: bool,
}

impl Part {
    fn add(&mut self, other: &Part) {
        self.times.add(&other.times);
        self.failed.add(&other.failed);
        self.ages.add(&other.ages);
        self.counted += other.counted;
        self.of += other.of;
        self.custom.add(&other.custom);
        self.custom_in_load.add(other.custom_in_load);
        self.sums |= other.sums;
    }

    fn of_window(rule: &Rule, body: &Body) -> Part {
        let mut part = Part::default();
        match rule.metric {
            Metric::Checks => {
                let wanted = |name: &str| rule.name.as_deref().is_none_or(|own| own == name);
                for check in body.checks.iter().filter(|check| wanted(&check.name)) {
                    part.counted += check.passed;
                    part.of += check.passed + check.failed;
                }
            }
            Metric::Arrivals => {
                part.counted = body.counts.started;
                part.of = body.counts.planned;
            }
            Metric::Custom => {
                let wanted = |name: &str| rule.name.as_deref() == Some(name);
                for custom in body.customs.iter().filter(|one| wanted(&one.name)) {
                    part.custom.add(&custom.figures);
                    part.custom_in_load.add(custom.added_in(body.load));
                    part.sums |= custom.kind == CustomKind::Counter;
                }
            }
            _ => {
                for name in body.names.iter().filter(|name| concerns(rule, name)) {
                    part.add_name(rule, name, body.load);
                }
            }
        }
        part
    }

    fn add_name(&mut self, rule: &Rule, name: &NameCounts, load: LoadTime) {
        match rule.metric {
            Metric::Failures => {
                self.counted += name.failed + name.unfinished;
                self.of += name.ok + name.failed + name.unfinished;
            }
            Metric::Rate => {
                let ended = name.ended_in(load);
                self.counted += match rule.of {
                    Of::Ok => ended.ok,
                    Of::Failed => ended.failed,
                    Of::All => ended.ok + ended.failed,
                };
            }
            Metric::Latency => {
                if let Some(failed) = name.phase(Phase::LatencyFailed) {
                    self.failed.add(failed);
                }
                if let Some(ages) = name.ages.as_deref() {
                    self.ages.add(ages);
                }
            }
            _ => {}
        }
        if let Some(times) = rule.metric.phase().and_then(|phase| name.phase(phase)) {
            self.times.add(times);
        }
    }

    /// The rule's figure over `seconds` of load.
    fn found(&self, rule: &Rule, seconds: f64) -> Found {
        if rule.metric.phase().is_none() {
            return Found {
                value: self.number(rule, seconds),
                with_unfinished: None,
            };
        }
        let mut times = match rule.of {
            Of::Failed if rule.metric == Metric::Latency => self.failed.clone(),
            _ => self.times.clone(),
        };
        if rule.metric == Metric::Latency && rule.of == Of::Ok {
            times.subtract(&self.failed);
        }
        let value = time(&times, rule.statistic);
        // an age is the least that a latency can be: it proves nothing against a lower limit
        let is_upper = matches!(rule.comparison, Comparison::Below | Comparison::AtMost);
        let with_unfinished = (is_upper && self.ages.count() > 0).then(|| {
            times.add(&self.ages);
            time(&times, rule.statistic)
        });
        Found {
            value,
            with_unfinished: with_unfinished.flatten(),
        }
    }

    /// A figure that is no time.
    fn number(&self, rule: &Rule, seconds: f64) -> Option<f64> {
        match (rule.metric, rule.statistic) {
            (Metric::Custom, statistic) => self.custom_value(statistic, seconds),
            (Metric::Rate, _) => (seconds > 0.0).then(|| self.counted as f64 / seconds),
            (Metric::Checks, Statistic::Count) => Some((self.of - self.counted) as f64),
            (_, Statistic::Count) => Some(self.counted as f64),
            _ if self.of == 0 => None,
            _ => Some(self.counted as f64 / self.of as f64),
        }
    }

    /// A figure of a custom metric; `None` also where its kind has no such figure.
    fn custom_value(&self, statistic: Statistic, seconds: f64) -> Option<f64> {
        let custom = &self.custom;
        let counted = |added: Added| match self.sums {
            true => added.sum,
            false => added.count as f64,
        };
        let all = Added {
            count: custom.count,
            sum: custom.sum,
        };
        match statistic {
            Statistic::Count => Some(counted(all)),
            Statistic::Rate => (seconds > 0.0).then(|| counted(self.custom_in_load) / seconds),
            _ if custom.count == 0 => None,
            Statistic::Percentile(share) => custom.value_at(share),
            Statistic::Mean | Statistic::Share => Some(custom.mean()),
            Statistic::Min => Some(custom.min),
            Statistic::Max => Some(custom.max),
        }
    }
}

/// A figure of times; `None` when there are none.
fn time(times: &Histogram, statistic: Statistic) -> Option<f64> {
    (times.count() > 0).then(|| match statistic {
        Statistic::Percentile(share) => times.value_at(share) as f64,
        Statistic::Mean => times.mean_us(),
        Statistic::Min => times.min_us() as f64,
        _ => times.max_us() as f64,
    })
}

/// Whether a name's counts are part of the rule: all requests, or the one request or transaction.
fn concerns(rule: &Rule, name: &NameCounts) -> bool {
    match &rule.name {
        None => name.kind == NameKind::Request,
        Some(own) => **own == *name.name,
    }
}

/// One rule and what is known of it so far.
#[derive(Debug)]
struct Judge {
    rule: Rule,
    total: Part,
    /// By the second in which the window began; of rules with a span, and not older than it.
    recent: BTreeMap<u64, Part>,
    /// Of rules with a span.
    worst: Found,
    first_missed_s: Option<u64>,
    aborted: bool,
}

impl Judge {
    /// Adds a window that began at the second `first` after the warm-up.
    fn add(&mut self, body: &Body, first: u64) {
        let part = Part::of_window(&self.rule, body);
        self.total.add(&part);
        if self.rule.over_s.is_some() {
            self.recent.entry(first).or_default().add(&part);
        }
    }

    /// The seconds before `closing.end` are complete, counted from the end of the warm-up.
    fn close(&mut self, closing: &Closing) {
        let (end, load_end_s) = (closing.end, closing.load_end_s.unwrap_or(f64::MAX));
        if end < self.rule.delay_s {
            return;
        }
        let Some(over) = self.rule.over_s else {
            if self.rule.abort {
                let found = self.total.found(&self.rule, load_end_s.min(end as f64));
                self.judge(found, end);
            }
            return;
        };
        // the piece of a second at the end of a run is judged with the span before it
        let begin = end.saturating_sub(over + u64::from(closing.is_piece));
        self.recent = self.recent.split_off(&end.saturating_sub(over + 1));
        // What is due to the load is not asked of the drain after it.
        if end < over || (self.rule.is_of_load() && end as f64 > load_end_s) {
            return;
        }
        let mut part = Part::default();
        for one in self.recent.range(begin..end).map(|(_, part)| part) {
            part.add(one);
        }
        let found = part.found(&self.rule, over as f64);
        self.worst = self.worst.worse(self.rule.comparison, found);
        self.judge(found, end);
    }

    fn judge(&mut self, found: Found, end: u64) {
        if found.misses(&self.rule) && self.first_missed_s.is_none() {
            self.first_missed_s = Some(end.saturating_sub(1));
        }
    }

    /// Whether the rule has just become a reason to end the run.
    fn wants_end(&mut self) -> bool {
        let now = self.rule.abort && self.first_missed_s.is_some() && !self.aborted;
        self.aborted |= now;
        now
    }

    fn outcome(&self, load_s: f64) -> Outcome {
        let rule = &self.rule;
        let whole = || self.total.found(rule, load_s);
        // A run that is shorter than the span is one span.
        let found = match rule.over_s {
            Some(_) if self.worst.value.is_some() => self.worst,
            _ => whole(),
        };
        Outcome {
            text: rule.text.clone(),
            metric: rule.metric,
            name: rule.name.clone(),
            of: rule.metric.has_of().then_some(rule.of),
            statistic: rule.statistic,
            limit: rule.limit,
            value: found.value,
            with_unfinished: found.with_unfinished,
            met: found.value.is_some() && !found.misses(rule) && !self.aborted,
            first_missed_s: self.first_missed_s,
            aborted: self.aborted,
        }
    }
}

impl Rule {
    /// Whether it is about what the plan asks for, which the drain has nothing of.
    fn is_of_load(&self) -> bool {
        match self.metric {
            Metric::Rate | Metric::Arrivals => true,
            Metric::Custom => self.statistic == Statistic::Rate,
            _ => false,
        }
    }
}

/// A second of the run that is complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing {
    /// Where it ends, in whole seconds.
    pub(crate) end: u64,
    /// The run ended within it.
    pub(crate) is_piece: bool,
    /// When the load ended, in seconds; `None` while it goes on.
    pub(crate) load_end_s: Option<f64>,
}

/// All rules of a run.
#[derive(Debug, Default)]
pub(crate) struct Judges {
    judges: Vec<Judge>,
    /// Until when the plan asks for load, in whole seconds.
    planned_s: u64,
    /// Judging begins after so many seconds; the judges count from there.
    warmup_s: u64,
}

impl Judges {
    pub(crate) fn new(rules: Vec<Rule>, planned_s: u64) -> Self {
        let judge = |rule| Judge {
            rule,
            total: Part::default(),
            recent: BTreeMap::new(),
            worst: Found::default(),
            first_missed_s: None,
            aborted: false,
        };
        Judges {
            judges: rules.into_iter().map(judge).collect(),
            planned_s,
            warmup_s: 0,
        }
    }

    /// Nothing before the second `warmup_s` is judged, or added.
    pub(crate) fn set_warmup(&mut self, warmup_s: u64) {
        self.warmup_s = warmup_s;
        for judge in &mut self.judges {
            judge.rule.delay_s = judge.rule.delay_s.saturating_sub(warmup_s);
        }
    }

    /// Adds a window from after the warm-up.
    pub(crate) fn add(&mut self, body: &Body) {
        for judge in &mut self.judges {
            // A piece of a second belongs to the last whole one.
            let first = body.first.saturating_sub(u64::from(body.sliver));
            judge.add(body, first.saturating_sub(self.warmup_s));
        }
    }

    /// The second is complete; times are from the start of the run.
    pub(crate) fn close(&mut self, closing: &Closing) {
        let planned_s = self.planned_s as f64;
        let load_end_s = closing.load_end_s.unwrap_or(planned_s);
        let closing = Closing {
            end: closing.end.saturating_sub(self.warmup_s),
            load_end_s: Some((load_end_s - self.warmup_s as f64).max(0.0)),
            ..*closing
        };
        for judge in &mut self.judges {
            judge.close(&closing);
        }
    }

    pub(crate) fn take_abort(&mut self) -> Option<String> {
        let judge = self.judges.iter_mut().find_map(|judge| {
            let wants_end = judge.wants_end();
            wants_end.then_some(judge)
        })?;
        Some(judge.rule.text.clone())
    }

    /// How the rules came out when the load lasted `load_s` without its warm-up.
    pub(crate) fn outcomes(&self, load_s: f64) -> Vec<Outcome> {
        let judges = self.judges.iter();
        let told = |judge: &Judge| {
            let mut outcome = judge.outcome(load_s);
            outcome.first_missed_s = outcome.first_missed_s.map(|second| second + self.warmup_s);
            outcome
        };
        judges.map(told).collect()
    }
}
