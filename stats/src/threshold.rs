//! Thresholds: what must hold for a run to pass, judged second by second and at the end.

use crate::custom::{CustomKind, Figures};
use crate::histogram::Histogram;
use crate::kinds::{NameKind, Phase};
use crate::window::{Body, NameCounts};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Done minus intended.
    Latency,
    /// Done minus sent.
    ServiceTime,
    /// Sent minus intended.
    Lag,
    /// Sent to first byte of the reply.
    FirstByte,
    /// Making connections.
    Connect,
    /// Failed requests, of those that ended.
    Failures,
    /// Checks that passed, of those made.
    Checks,
    /// Requests that ended, per second.
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
    /// How many failed: requests or checks. Of custom metrics what counters add up to, and of
    /// others the number of values.
    Count,
    /// How many per second.
    Rate,
    /// A share from 0 to 1: of failures the failed, of checks the passed, of arrivals the started.
    Share,
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
    /// The limit, in the unit of `value`.
    pub limit: f64,
    /// The figure of the whole run, or of the worst span; microseconds, a share, per second or
    /// plain. `None` when nothing was measured, which is a miss.
    pub value: Option<f64>,
    /// Whether it held.
    pub met: bool,
    /// The second of the run in which it was first missed; `None` when that was at the end.
    pub first_missed_s: Option<u64>,
    /// Whether it asked for the end of the run.
    pub aborted: bool,
    /// Which figure it is, for showing it in the right unit.
    #[serde(skip)]
    pub statistic: Statistic,
}

/// What was counted for one rule in some time.
#[derive(Clone, Debug, Default)]
struct Part {
    /// Of times only.
    times: Histogram,
    /// What the metric is about: failed, passed, ended or started.
    counted: u64,
    /// What it is a share of.
    of: u64,
    /// Of a metric of the scripts' own.
    custom: Figures,
    /// Such a metric is a counter.
    sums: bool,
}

impl Part {
    fn add(&mut self, other: &Part) {
        self.times.add(&other.times);
        self.counted += other.counted;
        self.of += other.of;
        self.custom.add(&other.custom);
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
                    part.sums |= custom.kind == CustomKind::Counter;
                }
            }
            metric => {
                for name in body.names.iter().filter(|name| concerns(rule, name)) {
                    part.of += name.ok + name.failed;
                    part.counted += match metric {
                        Metric::Failures => name.failed,
                        _ => name.ok + name.failed,
                    };
                    if let Some(times) = metric.phase().and_then(|phase| name.phase(phase)) {
                        part.times.add(times);
                    }
                }
            }
        }
        part
    }

    /// The rule's figure over `seconds`; `None` when nothing was measured.
    fn value(&self, rule: &Rule, seconds: f64) -> Option<f64> {
        let times = &self.times;
        if rule.metric == Metric::Custom {
            return self.custom_value(rule.statistic, seconds);
        }
        if rule.metric.phase().is_some() {
            if times.count() == 0 {
                return None;
            }
            return Some(match rule.statistic {
                Statistic::Percentile(share) => times.value_at(share) as f64,
                Statistic::Mean => times.mean_us(),
                Statistic::Min => times.min_us() as f64,
                _ => times.max_us() as f64,
            });
        }
        match (rule.metric, rule.statistic) {
            (Metric::Rate, _) => (seconds > 0.0).then(|| self.counted as f64 / seconds),
            _ if self.of == 0 => None,
            (Metric::Checks, Statistic::Count) => Some((self.of - self.counted) as f64),
            (_, Statistic::Count) => Some(self.counted as f64),
            _ => Some(self.counted as f64 / self.of as f64),
        }
    }

    /// A figure of a custom metric; `None` also where its kind has no such figure.
    fn custom_value(&self, statistic: Statistic, seconds: f64) -> Option<f64> {
        let custom = &self.custom;
        if custom.count == 0 {
            return None;
        }
        let counted = if self.sums {
            custom.sum
        } else {
            custom.count as f64
        };
        match statistic {
            Statistic::Percentile(share) => custom.value_at(share),
            Statistic::Mean | Statistic::Share => Some(custom.mean()),
            Statistic::Min => Some(custom.min),
            Statistic::Max => Some(custom.max),
            Statistic::Count => Some(counted),
            Statistic::Rate => (seconds > 0.0).then(|| counted / seconds),
        }
    }
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
    worst: Option<f64>,
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

    /// The seconds before `end` are complete; the load is planned until `planned_s`.
    fn close(&mut self, end: u64, planned_s: u64) {
        if end < self.rule.delay_s {
            return;
        }
        let Some(over) = self.rule.over_s else {
            let value = self.total.value(&self.rule, end as f64);
            if self.rule.abort {
                self.judge(value, end);
            }
            return;
        };
        let begin = end.saturating_sub(over);
        self.recent = self.recent.split_off(&begin);
        // What is due to the load is not asked of the drain after it.
        let is_of_load = matches!(self.rule.metric, Metric::Rate | Metric::Arrivals);
        if end < over || (is_of_load && end > planned_s) {
            return;
        }
        let mut part = Part::default();
        for one in self.recent.range(..end).map(|(_, part)| part) {
            part.add(one);
        }
        if let Some(value) = part.value(&self.rule, over as f64) {
            let worst = self.worst.unwrap_or(value);
            self.worst = Some(self.rule.comparison.worse(worst, value));
            self.judge(Some(value), end);
        }
    }

    fn judge(&mut self, value: Option<f64>, end: u64) {
        let missed = value.is_some_and(|v| !self.rule.comparison.holds(v, self.rule.limit));
        if missed && self.first_missed_s.is_none() {
            self.first_missed_s = Some(end.saturating_sub(1));
        }
    }

    /// Whether the rule has just become a reason to end the run.
    fn wants_end(&mut self) -> bool {
        let now = self.rule.abort && self.first_missed_s.is_some() && !self.aborted;
        self.aborted |= now;
        now
    }

    fn outcome(&self, length_s: f64) -> Outcome {
        let rule = &self.rule;
        let whole = self.total.value(rule, length_s);
        // A run that is shorter than the span is one span.
        let value = match rule.over_s {
            Some(_) => self.worst.or(whole),
            None => whole,
        };
        let held = value.is_some_and(|value| rule.comparison.holds(value, rule.limit));
        Outcome {
            text: rule.text.clone(),
            metric: rule.metric,
            name: rule.name.clone(),
            limit: rule.limit,
            value,
            met: held && !self.aborted,
            first_missed_s: self.first_missed_s,
            aborted: self.aborted,
            statistic: rule.statistic,
        }
    }
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
            worst: None,
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
            judge.add(body, body.first.saturating_sub(self.warmup_s));
        }
    }

    pub(crate) fn close(&mut self, end: u64) {
        for judge in &mut self.judges {
            let planned_s = self.planned_s.saturating_sub(self.warmup_s);
            judge.close(end.saturating_sub(self.warmup_s), planned_s);
        }
    }

    pub(crate) fn take_abort(&mut self) -> Option<String> {
        let judge = self.judges.iter_mut().find_map(|judge| {
            let wants_end = judge.wants_end();
            wants_end.then_some(judge)
        })?;
        Some(judge.rule.text.clone())
    }

    pub(crate) fn outcomes(&self, length_s: f64) -> Vec<Outcome> {
        let judges = self.judges.iter();
        let told = |judge: &Judge| {
            let mut outcome = judge.outcome(length_s);
            outcome.first_missed_s = outcome.first_missed_s.map(|second| second + self.warmup_s);
            outcome
        };
        judges.map(told).collect()
    }
}
