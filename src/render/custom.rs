//! Metrics of the scripts' own as tables, one for each kind.

use crate::render::format::{count, escape, number};
use crate::render::table::Table;
use stats::custom::{Custom, CustomKind};

/// One table per kind that there is, in a fixed order.
pub fn tables(metrics: &[Custom]) -> Vec<Table> {
    let kinds: [(CustomKind, &[&str]); 4] = [
        (CustomKind::Counter, &["counter", "sum", "per second"]),
        (CustomKind::Gauge, &["gauge", "min", "mean", "max", "last"]),
        (CustomKind::Rate, &["rate", "share", "of"]),
        (
            CustomKind::Trend,
            &[
                "trend", "count", "min", "mean", "p50", "p90", "p95", "p99", "max",
            ],
        ),
    ];
    let table = |(kind, head): (CustomKind, &[&str])| {
        let mut table = Table::new(head);
        let of_kind = metrics.iter().filter(|metric| metric.kind == kind);
        table.rows = of_kind.map(row).collect();
        (!table.rows.is_empty()).then_some(table)
    };
    kinds.into_iter().filter_map(table).collect()
}

fn row(metric: &Custom) -> Vec<String> {
    let mut row = vec![escape(&metric.name)];
    let figure = |value: Option<f64>| value.map_or(String::new(), short);
    match metric.kind {
        CustomKind::Counter => {
            row.extend([metric.sum, metric.per_s].map(|v| short(v.unwrap_or(0.0))))
        }
        CustomKind::Gauge => {
            row.extend([metric.min, metric.mean, metric.max, metric.last].map(figure));
        }
        CustomKind::Rate => {
            let share = metric.share.unwrap_or(0.0) * 100.0;
            row.extend([format!("{} %", short(share)), count(metric.count)]);
        }
        CustomKind::Trend => {
            let figures = [
                metric.min,
                metric.mean,
                metric.p50,
                metric.p90,
                metric.p95,
                metric.p99,
                metric.max,
            ];
            row.push(count(metric.count));
            row.extend(figures.map(figure));
        }
    }
    row
}

/// To three decimals.
fn short(value: f64) -> String {
    let text = number((value.abs() * 1_000.0).round() / 1_000.0);
    if value < 0.0 && text != "0" {
        return format!("-{text}");
    }
    text
}
