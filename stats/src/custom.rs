//! Metrics that scripts make themselves: counters, gauges, rates and trends.

use crate::histogram::{Histogram, Spare};
use crate::kinds::closed_enum;
use crate::load_time::LoadTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Trends keep thousandths.
pub(crate) const TREND_STEPS: f64 = 1_000.0;

closed_enum! {
    /// What a metric of a script's own adds up to.
    CustomKind {
        /// A sum of what was added.
        Counter => "counter",
        /// A number that is set: its smallest, largest, mean and last.
        Gauge => "gauge",
        /// How often something was true, of all times it was looked at.
        Rate => "rate",
        /// A distribution.
        Trend => "trend",
    }
}

/// The values of one metric in one window, or of the run.
#[derive(Debug, Clone)]
pub(crate) struct CustomCounts {
    pub(crate) kind: CustomKind,
    pub(crate) name: Arc<str>,
    pub(crate) figures: CustomFigures,
    /// What came within the time of load: of a window set only when the load ended in it, see
    /// [`CustomCounts::added_in`].
    pub(crate) in_load: Added,
}

/// What adds up of the values within the time of load.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Added {
    pub(crate) count: u64,
    pub(crate) sum: f64,
}

impl Added {
    pub(crate) fn add(&mut self, other: Added) {
        self.count += other.count;
        self.sum += other.sum;
    }
}

/// Sums and extremes of values; all zero where there are none.
#[derive(Debug, Clone, Default)]
pub struct CustomFigures {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The last.
    pub last: f64,
    /// Of trends: the values in thousandths, made with the first.
    pub values: Option<Box<Histogram>>,
}

impl CustomCounts {
    pub(crate) fn new(kind: CustomKind, name: Arc<str>) -> Self {
        CustomCounts {
            kind,
            name,
            figures: CustomFigures::default(),
            in_load: Added::default(),
        }
    }

    /// What was counted so far, as added.
    pub(crate) fn added(&self) -> Added {
        Added {
            count: self.figures.count,
            sum: self.figures.sum,
        }
    }

    /// What of a window's values came within the time of load.
    pub(crate) fn added_in(&self, load: LoadTime) -> Added {
        match load {
            LoadTime::All => self.added(),
            LoadTime::Until(_) => self.in_load,
            LoadTime::Over => Added::default(),
        }
    }

    pub(crate) fn record(&mut self, value: f64, spare: &mut Spare) {
        self.figures.record(value);
        if self.kind == CustomKind::Trend {
            let values = self.figures.values.get_or_insert_default();
            values.record_spared((value * TREND_STEPS).round() as u64, spare);
        }
    }

    pub(crate) fn clear(&mut self) {
        let values = self.figures.values.take();
        self.figures = CustomFigures::default();
        self.in_load = Added::default();
        self.figures.values = values.map(|mut values| {
            values.clear();
            values
        });
    }
}

impl CustomFigures {
    fn record(&mut self, value: f64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.last = value;
    }

    /// Adds what came after.
    pub(crate) fn add(&mut self, other: &CustomFigures) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            (self.min, self.max) = (other.min, other.max);
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.last = other.last;
        if let Some(values) = &other.values {
            self.values.get_or_insert_default().add(values);
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// The value below which `share` of a trend's values lies; `None` for other kinds.
    pub(crate) fn value_at(&self, share: f64) -> Option<f64> {
        let values = self.values.as_deref()?;
        // What rounding to thousandths or the histogram's range did to the ends is undone.
        Some((values.value_at(share) as f64 / TREND_STEPS).clamp(self.min, self.max))
    }
}

/// A metric of a script's own over the run. Which figures there are follows from its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Custom {
    /// The name as the script gave it, tags included; hostile text.
    pub name: String,
    /// What it adds up to.
    pub kind: CustomKind,
    /// How many values came.
    pub count: u64,
    /// Counters: the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<f64>,
    /// Counters: what was added within the time of load, per second of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_s: Option<f64>,
    /// Rates: the share that was true, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Gauges: the last value of a core, of whichever reported last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<f64>,
    /// Gauges and trends: the smallest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Gauges and trends: the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Gauges and trends: the largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Trends: the median, to 3 digits as all percentiles; values beyond 3.6 million count as that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// Trends: the 90th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90: Option<f64>,
    /// Trends: the 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// Trends: the 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
}

impl Custom {
    /// Of the figures of a metric. `sum_in_load` is what was added within `load_s` seconds of load.
    pub fn new(
        kind: CustomKind,
        name: &str,
        figures: &CustomFigures,
        (sum_in_load, load_s): (f64, f64),
    ) -> Self {
        let is = |one| kind == one;
        let has_spread = is(CustomKind::Gauge) || is(CustomKind::Trend);
        let spread = |value| has_spread.then_some(value);
        Custom {
            name: name.to_owned(),
            kind,
            count: figures.count,
            sum: is(CustomKind::Counter).then_some(figures.sum),
            per_s: (is(CustomKind::Counter) && load_s > 0.0).then(|| sum_in_load / load_s),
            share: is(CustomKind::Rate).then(|| figures.mean()),
            last: is(CustomKind::Gauge).then_some(figures.last),
            min: spread(figures.min),
            mean: spread(figures.mean()),
            max: spread(figures.max),
            p50: figures.value_at(0.5),
            p90: figures.value_at(0.9),
            p95: figures.value_at(0.95),
            p99: figures.value_at(0.99),
        }
    }

    pub(crate) fn of(counts: &CustomCounts, load_s: f64) -> Self {
        let in_load = (counts.in_load.sum, load_s);
        Custom::new(counts.kind, &counts.name, &counts.figures, in_load)
    }
}
