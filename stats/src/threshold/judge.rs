//! Judging thresholds: second by second and at the end.

use super::{Comparison, Metric, Of, Statistic, Threshold, ThresholdResult};
use crate::custom::{Added, CustomFigures, CustomKind};
use crate::histogram::Histogram;
use crate::kinds::{Counter, NameKind, Phase};
use crate::load_time::LoadTime;
use crate::window::{Body, NameCounts};
use std::collections::BTreeMap;
use std::time::Duration;

/// The figure of a threshold over some time.
#[derive(Clone, Copy, Debug, Default)]
struct JudgedFigure {
    /// `None` when nothing was measured.
    value: Option<f64>,
    /// With the unfinished requests at their ages; `None` when there were none.
    with_unfinished: Option<f64>,
}

impl JudgedFigure {
    /// Whether anything found is on the wrong side of the limit.
    fn misses(&self, threshold: &Threshold) -> bool {
        let wrong = |value: f64| !threshold.comparison.holds(value, threshold.limit);
        self.value.is_some_and(wrong) || self.with_unfinished.is_some_and(wrong)
    }

    /// The worse of both, figure by figure.
    fn worse(&self, comparison: Comparison, other: JudgedFigure) -> JudgedFigure {
        let worse = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(comparison.worse(a, b)),
            (a, b) => a.or(b),
        };
        JudgedFigure {
            value: worse(self.value, other.value),
            with_unfinished: worse(self.with_unfinished, other.with_unfinished),
        }
    }
}

/// What was counted for one threshold in some time.
#[derive(Clone, Debug, Default)]
struct Measured {
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
    custom: CustomFigures,
    /// What of it came within the time of load.
    custom_in_load: Added,
    /// Such a metric is a counter.
    sums: bool,
}

impl Measured {
    fn add(&mut self, other: &Measured) {
        self.times.add(&other.times);
        self.failed.add(&other.failed);
        self.ages.add(&other.ages);
        self.counted += other.counted;
        self.of += other.of;
        self.custom.add(&other.custom);
        self.custom_in_load.add(other.custom_in_load);
        self.sums |= other.sums;
    }

    fn of_window(threshold: &Threshold, body: &Body) -> Measured {
        let mut part = Measured::default();
        match threshold.metric {
            Metric::Checks => {
                let wanted = |name: &str| threshold.name.as_deref().is_none_or(|own| own == name);
                for check in body.checks.iter().filter(|check| wanted(&check.name)) {
                    part.counted += check.passed;
                    part.of += check.passed + check.failed;
                }
            }
            Metric::Arrivals => {
                part.counted = body.counts.started;
                part.of = body.counts.planned;
            }
            Metric::Iterations => {
                let (finished, failed) = match threshold.statistic {
                    Statistic::Rate => body.iterations_in_load(),
                    _ => body.counts.iterations(),
                };
                part.counted = threshold.of.count(finished, failed);
                part.of = finished + failed;
            }
            Metric::ScriptErrors => {
                part.counted = body.counts.counters[Counter::ScriptError.index()];
            }
            Metric::Custom => {
                let wanted = |name: &str| threshold.name.as_deref() == Some(name);
                for custom in body.customs.iter().filter(|one| wanted(&one.name)) {
                    part.custom.add(&custom.figures);
                    part.custom_in_load.add(custom.added_in(body.load));
                    part.sums |= custom.kind == CustomKind::Counter;
                }
            }
            _ => {
                for name in body.names.iter().filter(|name| concerns(threshold, name)) {
                    part.add_name(threshold, name, body.load);
                }
            }
        }
        part
    }

    fn add_name(&mut self, threshold: &Threshold, name: &NameCounts, load: LoadTime) {
        match threshold.metric {
            Metric::Failures => {
                self.counted += name.failed + name.unfinished;
                self.of += name.ok + name.failed + name.unfinished;
            }
            Metric::Rate => {
                let ended = name.ended_in(load);
                self.counted += threshold.of.count(ended.ok, ended.failed);
            }
            Metric::Requests => {
                self.counted += threshold.of.count(name.ok, name.failed);
                self.of += name.ok + name.failed + name.unfinished;
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
        if let Some(times) = threshold.metric.phase().and_then(|phase| name.phase(phase)) {
            self.times.add(times);
        }
    }

    /// The threshold's figure over `seconds` of load.
    fn found(&self, threshold: &Threshold, seconds: f64) -> JudgedFigure {
        if threshold.metric.phase().is_none() {
            return JudgedFigure {
                value: self.number(threshold, seconds),
                with_unfinished: None,
            };
        }
        let mut times = match threshold.of {
            Of::Failed if threshold.metric == Metric::Latency => self.failed.clone(),
            _ => self.times.clone(),
        };
        if threshold.metric == Metric::Latency && threshold.of == Of::Ok {
            times.subtract(&self.failed);
        }
        let value = time(&times, threshold.statistic);
        // an age is the least that a latency can be: it proves nothing against a lower limit
        let is_upper = matches!(threshold.comparison, Comparison::Below | Comparison::AtMost);
        let with_unfinished = (is_upper && self.ages.count() > 0).then(|| {
            times.add(&self.ages);
            time(&times, threshold.statistic)
        });
        JudgedFigure {
            value,
            with_unfinished: with_unfinished.flatten(),
        }
    }

    /// A figure that is no time.
    fn number(&self, threshold: &Threshold, seconds: f64) -> Option<f64> {
        match (threshold.metric, threshold.statistic) {
            (Metric::Custom, statistic) => self.custom_value(statistic, seconds),
            (_, Statistic::Rate) => (seconds > 0.0).then(|| self.counted as f64 / seconds),
            (Metric::Checks | Metric::Arrivals, Statistic::Count) => {
                Some(self.of.saturating_sub(self.counted) as f64)
            }
            // where nothing was sent, nothing is said of the target
            (Metric::Requests, _) if threshold.fail_on.is_some() && self.of == 0 => None,
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

/// Whether a name's counts are part of the threshold: all requests, the one request or transaction,
/// or the tag.
fn concerns(threshold: &Threshold, name: &NameCounts) -> bool {
    match (&threshold.tag, &threshold.name) {
        (Some(tag), _) => name.kind == NameKind::Tag && **tag == *name.name,
        (None, Some(own)) => name.kind != NameKind::Tag && **own == *name.name,
        (None, None) => name.kind == NameKind::Request,
    }
}

/// One threshold and what is known of it so far.
#[derive(Debug)]
struct Judge {
    threshold: Threshold,
    total: Measured,
    /// By the second in which the window began; of thresholds with a span, and not older than it.
    recent: BTreeMap<u64, Measured>,
    /// Of thresholds with a span.
    worst: JudgedFigure,
    first_missed_s: Option<u64>,
    aborted: bool,
}

impl Judge {
    /// Adds a window that began at the second `first` after the warm-up.
    fn add(&mut self, body: &Body, first: u64) {
        let part = Measured::of_window(&self.threshold, body);
        self.total.add(&part);
        if self.threshold.over.is_some() {
            self.recent.entry(first).or_default().add(&part);
        }
    }

    /// The seconds before `closing.end` are complete, counted from the end of the warm-up.
    fn close(&mut self, closing: &Closing) {
        let (end, load_end_s) = (closing.end, closing.load_end_s.unwrap_or(f64::MAX));
        if end < self.threshold.delay.as_secs() {
            return;
        }
        let Some(over) = self.threshold.over.map(|over| over.as_secs()) else {
            if self.threshold.abort {
                let found = self
                    .total
                    .found(&self.threshold, load_end_s.min(end as f64));
                self.judge(found, end);
            }
            return;
        };
        // the piece of a second at the end of a run is judged with the span before it
        let begin = end.saturating_sub(over + u64::from(closing.is_piece));
        self.recent = self.recent.split_off(&end.saturating_sub(over + 1));
        // What is due to the load is not asked of the drain after it.
        if end < over || (self.threshold.is_of_load() && end as f64 > load_end_s) {
            return;
        }
        let mut part = Measured::default();
        for one in self.recent.range(begin..end).map(|(_, part)| part) {
            part.add(one);
        }
        let found = part.found(&self.threshold, over as f64);
        self.worst = self.worst.worse(self.threshold.comparison, found);
        self.judge(found, end);
    }

    fn judge(&mut self, found: JudgedFigure, end: u64) {
        if found.misses(&self.threshold) && self.first_missed_s.is_none() {
            self.first_missed_s = Some(end.saturating_sub(1));
        }
    }

    /// Whether the threshold has just become a reason to end the run.
    fn wants_end(&mut self) -> bool {
        let now = self.threshold.abort && self.first_missed_s.is_some() && !self.aborted;
        self.aborted |= now;
        now
    }

    fn outcome(&self, load_s: f64) -> ThresholdResult {
        let threshold = &self.threshold;
        let whole = || self.total.found(threshold, load_s);
        // A run that is shorter than the span is one span.
        let found = match threshold.over {
            Some(_) if self.worst.value.is_some() => self.worst,
            _ => whole(),
        };
        let is_measured = found.value.is_some() || threshold.fail_on.is_some();
        ThresholdResult {
            text: threshold.text.clone(),
            metric: threshold.metric,
            name: threshold.name.clone(),
            tag: threshold.tag.clone(),
            of: threshold.metric.has_of().then_some(threshold.of),
            statistic: threshold.statistic,
            limit: threshold.limit,
            value: found.value,
            with_unfinished: found.with_unfinished,
            met: is_measured && !found.misses(threshold) && !self.aborted,
            first_missed_s: self.first_missed_s,
            aborted: self.aborted,
            fail_on: threshold.fail_on,
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

/// All thresholds of a run.
#[derive(Debug, Default)]
pub(crate) struct Judges {
    judges: Vec<Judge>,
    /// Until when the plan asks for load, in whole seconds.
    planned_s: u64,
    /// Judging begins after so many seconds; the judges count from there.
    warmup_s: u64,
}

impl Judges {
    pub(crate) fn new(thresholds: Vec<Threshold>, planned_s: u64) -> Self {
        let judge = |threshold| Judge {
            threshold,
            total: Measured::default(),
            recent: BTreeMap::new(),
            worst: JudgedFigure::default(),
            first_missed_s: None,
            aborted: false,
        };
        Judges {
            judges: thresholds.into_iter().map(judge).collect(),
            planned_s,
            warmup_s: 0,
        }
    }

    /// Nothing before the second `warmup_s` is judged, or added.
    pub(crate) fn set_warmup(&mut self, warmup_s: u64) {
        self.warmup_s = warmup_s;
        for judge in &mut self.judges {
            let delay = judge.threshold.delay;
            judge.threshold.delay = delay.saturating_sub(Duration::from_secs(warmup_s));
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
        Some(judge.threshold.text.clone())
    }

    /// Index and text of the thresholds missed so far, of those judged while the run goes on.
    pub(crate) fn missed(&self) -> impl Iterator<Item = (usize, &str)> {
        let judges = self.judges.iter().enumerate();
        let missed = judges.filter(|(_, judge)| judge.first_missed_s.is_some());
        missed.map(|(index, judge)| (index, judge.threshold.text.as_str()))
    }

    /// How the thresholds came out when the load lasted `load_s` without its warm-up.
    pub(crate) fn outcomes(&self, load_s: f64) -> Vec<ThresholdResult> {
        let judges = self.judges.iter();
        let told = |judge: &Judge| {
            let mut outcome = judge.outcome(load_s);
            outcome.first_missed_s = outcome.first_missed_s.map(|second| second + self.warmup_s);
            outcome
        };
        judges.map(told).collect()
    }
}
