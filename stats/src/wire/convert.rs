//! Between what is counted and what is sent.

use super::{
    CheckRow, CoreRow, Count, CustomRow, HistogramRow, Kind, NameRow, SecondRow, StatusCount,
};
use crate::custom::CustomCounts;
use crate::detail::Detail;
use crate::histogram::Histogram;
use crate::kinds::{Counter, FailureKind, NameKind, Phase};
use crate::second::Second;
use crate::window::NameCounts;

impl HistogramRow {
    /// A histogram under the name of its phase.
    pub fn of(phase: &str, histogram: &Histogram) -> Self {
        HistogramRow {
            phase: phase.to_owned(),
            payload: histogram.to_v2(),
            min_us: histogram.min_us(),
            max_us: histogram.max_us(),
            sum_us: histogram.sum_us(),
            clamped: histogram.clamped(),
        }
    }

    /// The histogram, with its exact figures as far as they fit its counts.
    ///
    /// # Errors
    /// When the payload is not one.
    pub fn read(&self) -> Result<Histogram, String> {
        let mut histogram = Histogram::new();
        self.add_to(&mut histogram)?;
        Ok(histogram)
    }

    /// Adds the histogram to another; when it is refused, nothing was added.
    ///
    /// # Errors
    /// When the payload is not one.
    pub fn add_to(&self, histogram: &mut Histogram) -> Result<(), String> {
        histogram.add_row(self)
    }
}

impl SecondRow {
    /// A row of the series with all it is made of.
    pub fn of(second: &Second, detail: &Detail) -> Self {
        let counts = &second.counts;
        SecondRow {
            time_s: second.time_s,
            seconds: second.seconds,
            warmup: second.warmup,
            planned: counts.planned,
            started: counts.started,
            dropped: counts.dropped,
            iterations_finished: counts.iterations.finished,
            iterations_failed: counts.iterations.failed,
            iterations_unfinished: counts.iterations.unfinished,
            users_min: second.users.min,
            users_max: second.users.max,
            connections_min: second.connections.min,
            connections_max: second.connections.max,
            counters: counted(Counter::ALL, Counter::as_str, &detail.counters),
            cores: cores(second, detail),
            generator_limited: second.generator_limited,
            names: detail.names.values().map(NameRow::of).collect(),
            checks: (detail.checks.values())
                .map(|check| CheckRow {
                    name: check.name.to_string(),
                    passed: check.passed,
                    failed: check.failed,
                })
                .collect(),
            customs: detail.customs.values().map(CustomRow::of).collect(),
            gaps: second.gaps.clone(),
            late: second.late.clone(),
        }
    }
}

fn cores(second: &Second, detail: &Detail) -> Vec<CoreRow> {
    let row = |core: &crate::second::CoreSecond| {
        let lag = detail.lags.iter().find(|lag| lag.core == core.core);
        CoreRow {
            core: core.core,
            busy_share: core.busy_share,
            waited_share: core.waited_share,
            turn_max_us: core.turn_max_us,
            lag_max_us: lag.map_or(0, |lag| lag.max_us),
            lag_p99_us: lag.map_or(0, |lag| lag.p99_us),
            limited: core.generator_limited,
        }
    };
    second.cores.iter().map(row).collect()
}

impl From<NameKind> for Kind {
    fn from(kind: NameKind) -> Self {
        match kind {
            NameKind::Request => Kind::Request,
            NameKind::Transaction => Kind::Transaction,
            NameKind::Tag => Kind::Tag,
        }
    }
}

impl From<Kind> for NameKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Request => NameKind::Request,
            Kind::Transaction => NameKind::Transaction,
            Kind::Tag => NameKind::Tag,
        }
    }
}

impl NameRow {
    fn of(name: &NameCounts) -> Self {
        let filled = Phase::ALL.iter().filter_map(|phase| {
            let histogram = name.phase(*phase).filter(|h| h.count() > 0)?;
            Some(HistogramRow::of(phase.as_str(), histogram))
        });
        NameRow {
            kind: Kind::from(name.kind).into(),
            name: name.name.to_string(),
            sent: name.sent,
            ok: name.ok,
            failed: name.failed,
            unfinished: name.unfinished,
            bytes_in: name.bytes_in,
            bytes_out: name.bytes_out,
            statuses: (name.statuses.0.iter())
                .map(|(status, count)| StatusCount {
                    status: u32::from(*status),
                    count: *count,
                })
                .collect(),
            failures: counted(FailureKind::ALL, FailureKind::as_str, &name.failures),
            histograms: filled.collect(),
        }
    }
}

impl CustomRow {
    fn of(custom: &CustomCounts) -> Self {
        let figures = &custom.figures;
        let values = figures.values.as_deref().filter(|h| h.count() > 0);
        CustomRow {
            kind: custom.kind.to_string(),
            name: custom.name.to_string(),
            count: figures.count,
            sum: figures.sum,
            min: figures.min,
            max: figures.max,
            last: figures.last,
            values: values.map(|values| HistogramRow::of("", values)),
        }
    }
}

/// The members that were counted.
fn counted<K: Copy>(all: &[K], name: fn(K) -> &'static str, counts: &[u64]) -> Vec<Count> {
    let happened = all.iter().zip(counts).filter(|(_, count)| **count > 0);
    happened
        .map(|(one, count)| Count {
            name: name(*one).to_owned(),
            count: *count,
        })
        .collect()
}
