//! What a second came to, as a stats server is told it.

use crate::custom::CustomCounts;
use crate::detail::Detail;
use crate::kinds::{Counter, FailureKind, NameKind, Phase};
use crate::second::Second;
use crate::window::NameCounts;
use wire::{CheckRow, CoreRow, Count, CustomRow, Kind, NameRow, SecondRow, StatusCount};

impl Detail {
    /// The message for a row of the series, with all it is made of.
    pub fn to_row(&self, second: &Second) -> SecondRow {
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
            counters: counted(Counter::ALL, Counter::as_str, &self.counters),
            cores: cores(second, self),
            generator_limited: second.generator_limited,
            names: self.names.values().map(name_row).collect(),
            checks: (self.checks.values())
                .map(|check| CheckRow {
                    name: check.name.to_string(),
                    passed: check.passed,
                    failed: check.failed,
                })
                .collect(),
            customs: self.customs.values().map(custom_row).collect(),
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

fn name_row(name: &NameCounts) -> NameRow {
    let filled = Phase::ALL.iter().filter_map(|phase| {
        let histogram = name.phase(*phase).filter(|h| h.count() > 0)?;
        Some(histogram.to_row(phase.as_str()))
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

fn custom_row(custom: &CustomCounts) -> CustomRow {
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
        values: values.map(|values| values.to_row("")),
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
