//! The tables `[[threshold]]`: what must hold for the run to pass.

use std::time::Duration;

use toml::de::DeValue;

use super::fields::{self, Table, wrong};
use crate::document::{Report, Value, quoted};
use crate::units;
use stats::threshold::{Comparison, Metric, Of, Statistic, Threshold};

const KEYS: [&str; 8] = [
    "metric", "name", "of", "stat", "is", "over", "abort", "delay",
];
const THRESHOLDS_MAX: usize = 1000;
/// Longest span that is judged by itself: its seconds are kept.
const OVER_MAX: Duration = Duration::from_secs(3600);
const DELAY_MAX: Duration = Duration::from_secs(30 * 86_400);
/// In which unit a limit is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// `"250ms"`; kept in microseconds.
    Time,
    /// `"1%"` or `"0.01"`; kept as a share.
    Share,
    /// `"100/s"`; kept per second.
    PerSecond,
    /// `"12"`.
    Plain,
}

impl Unit {
    fn example(self) -> &'static str {
        match self {
            Unit::Time => "\"< 250ms\" (a time with its unit)",
            Unit::Share => "\"< 1%\"",
            Unit::PerSecond => "\">= 100/s\" (a rate with its unit)",
            Unit::Plain => "\"< 10\"",
        }
    }
}

/// Reads all `[[threshold]]`; `None` when something was reported.
pub(super) fn read(root: &Table<'_, '_>, report: &mut Report) -> Option<Vec<Threshold>> {
    let Some(value) = root.get("threshold") else {
        return Some(Vec::new());
    };
    match value.get_ref() {
        DeValue::Array(items) if items.len() <= THRESHOLDS_MAX => {
            let thresholds: Vec<Option<Threshold>> = items
                .iter()
                .map(|item| read_one(&Table::of(item, "threshold", "a table", report)?, report))
                .collect();
            thresholds.into_iter().collect()
        }
        DeValue::Array(items) => {
            let found = items.len();
            report.found(
                value.span(),
                format!("found {found} tables [[threshold]], allowed are {THRESHOLDS_MAX}"),
            );
            None
        }
        _ => wrong(
            report,
            value,
            "threshold",
            "an array of tables: [[threshold]]",
        ),
    }
}

fn read_one(table: &Table<'_, '_>, report: &mut Report) -> Option<Threshold> {
    table.refuse_unknown(report, &KEYS);
    let metric = table
        .require(
            "metric",
            &format!("one of {}", metrics().join(", ")),
            report,
        )
        .and_then(|value| read_metric(value, report));
    let name = match table.get("name") {
        Some(value) => fields::name(value, "threshold.name", report).map(|n| Some(n.to_owned())),
        None => Some(None),
    };
    if !fits_name(table, metric, report) {
        return None;
    }
    let of = metric.and_then(|metric| read_of(table, metric, report));
    let stat = metric.and_then(|metric| read_stat(table, metric, report));
    let limit = table
        .require("is", "a comparison such as \"< 250ms\"", report)
        .and_then(|value| {
            let (metric, (stat, _)) = (metric?, stat.as_ref()?);
            read_limit(value, unit(metric, *stat), report)
        });
    let over = match table.get("over") {
        Some(value) => read_over(value, report).map(Some),
        None => Some(None),
    };
    let abort = match table.get("abort").map(|value| (value, value.get_ref())) {
        None => Some(false),
        Some((_, DeValue::Boolean(truth))) => Some(*truth),
        Some((value, _)) => wrong(report, value, "threshold.abort", "true or false"),
    };
    let delay = match table.get("delay") {
        Some(value) => {
            let limits = "at most \"30d\"";
            let allowed = Duration::ZERO..=DELAY_MAX;
            fields::duration(value, "threshold.delay", allowed, limits, report)
        }
        None => Some(Duration::ZERO),
    };
    let (metric, name, (stat, word), (op, limit, written)) = (metric?, name?, stat?, limit?);
    let (of, over) = (of?, over?);
    let told = Told {
        metric,
        word,
        of,
        name: name.as_deref(),
        written: &written,
        over,
    };
    let text = told.text();
    Some(Threshold {
        metric,
        name,
        of,
        statistic: stat,
        comparison: op,
        limit,
        over,
        abort: abort?,
        delay: delay?,
        text,
    })
}

/// What a threshold says of itself.
struct Told<'a> {
    metric: Metric,
    word: Option<String>,
    of: Of,
    name: Option<&'a str>,
    written: &'a str,
    over: Option<Duration>,
}

impl Told<'_> {
    /// `latency p99 of "login" < 250ms over any 10s`.
    fn text(&self) -> String {
        let mut text = self.metric.to_string();
        if let Some(word) = &self.word {
            text += &format!(" {word}");
        }
        match self.of {
            Of::Ok => {}
            Of::Failed => text += " of failed requests",
            Of::All => text += " of all requests",
        }
        if let Some(name) = self.name {
            text += &format!(" of {name:?}");
        }
        text += &format!(" {}", self.written);
        if let Some(over) = self.over {
            text += &format!(" over any {}s", over.as_secs());
        }
        text
    }
}

/// Which requests are looked at; those that ended ok unless the profile says otherwise.
fn read_of(table: &Table<'_, '_>, metric: Metric, report: &mut Report) -> Option<Of> {
    const PATH: &str = "threshold.of";
    const ALLOWED: &str = "\"ok\", \"failed\" or \"all\"";
    let Some(value) = table.get("of") else {
        return Some(Of::Ok);
    };
    if !metric.has_of() {
        let text = format!(
            "found `of` with the metric {metric}, allowed is it with latency and rate only (`{PATH}`)"
        );
        report.found(value.span(), text);
        return None;
    }
    let text = fields::text(value, PATH, ALLOWED, report)?;
    match Of::named(text) {
        Some(of) => Some(of),
        None => wrong(report, value, PATH, ALLOWED),
    }
}

/// Whether there is a name where the metric needs one, and none where it has none.
fn fits_name(table: &Table<'_, '_>, metric: Option<Metric>, report: &mut Report) -> bool {
    if let (Some(Metric::Arrivals), Some(span)) = (metric, table.key_span("name")) {
        report.found(
            span,
            "found `name` with the metric arrivals, which has no names".to_owned(),
        );
        return false;
    }
    if let (Some(Metric::Custom), None) = (metric, table.get("name")) {
        table.require("name", "the name that the script gave the metric", report);
        return false;
    }
    true
}

/// The words of all metrics.
fn metrics() -> Vec<&'static str> {
    Metric::ALL.iter().map(|metric| metric.as_str()).collect()
}

fn read_metric(value: &Value<'_>, report: &mut Report) -> Option<Metric> {
    let names = metrics();
    let allowed = format!("one of {}", names.join(", "));
    let text = fields::text(value, "threshold.metric", &allowed, report)?;
    if let Some(metric) = Metric::named(text) {
        return Some(metric);
    }
    let hint = fields::nearest(text, &names).map_or(String::new(), |known| {
        format!(", meant is perhaps {known:?}")
    });
    report.found(
        value.span(),
        format!(
            "found {}{hint}, allowed is {allowed} (`threshold.metric`)",
            quoted(text)
        ),
    );
    None
}

/// The figure, and its word when the profile has one.
fn read_stat(
    table: &Table<'_, '_>,
    metric: Metric,
    report: &mut Report,
) -> Option<(Statistic, Option<String>)> {
    const PATH: &str = "threshold.stat";
    let times = "a percentile such as \"p99\" or \"p99.9\", \"mean\", \"min\" or \"max\"";
    let (default, allowed) = match metric {
        Metric::Failures | Metric::Checks => (Some(Statistic::Share), "\"share\" or \"count\""),
        Metric::Rate => (Some(Statistic::Rate), "no `stat`"),
        Metric::Arrivals => (Some(Statistic::Share), "no `stat`"),
        Metric::Custom => (
            None,
            "\"count\" or \"rate\" of counters, \"share\" of rates, \"mean\", \"min\" or \"max\" of \
             gauges and trends, a percentile such as \"p99\" of trends",
        ),
        _ => (None, times),
    };
    let value = match (table.get("stat"), default) {
        (Some(value), _) => value,
        (None, Some(stat)) => return Some((stat, None)),
        (None, None) => table.require("stat", allowed, report)?,
    };
    let text = fields::text(value, PATH, allowed, report)?;
    let stat = Statistic::named(text).filter(|stat| match (metric, stat) {
        (Metric::Failures | Metric::Checks, stat) => {
            matches!(stat, Statistic::Share | Statistic::Count)
        }
        (Metric::Rate | Metric::Arrivals, _) => false,
        (Metric::Custom, _) => true,
        (_, stat) => !matches!(stat, Statistic::Count | Statistic::Rate | Statistic::Share),
    });
    match stat {
        Some(stat) => Some((stat, Some(text.to_owned()))),
        None => wrong(report, value, PATH, allowed),
    }
}

/// Scaled as a decimal, so that 99.9 is 0.999 and not 0.9990000000000001.
fn hundredth(digits: &str) -> Option<f64> {
    format!("{digits}e-2").parse().ok()
}

fn unit(metric: Metric, stat: Statistic) -> Unit {
    match (metric, stat) {
        (Metric::Rate, _) => Unit::PerSecond,
        (_, Statistic::Share) => Unit::Share,
        (_, Statistic::Count) => Unit::Plain,
        (Metric::Custom, Statistic::Rate) => Unit::PerSecond,
        (Metric::Custom, _) => Unit::Plain,
        _ => Unit::Time,
    }
}

/// The comparison, the limit in base units, and how it is written in reports.
fn read_limit(
    value: &Value<'_>,
    unit: Unit,
    report: &mut Report,
) -> Option<(Comparison, f64, String)> {
    const PATH: &str = "threshold.is";
    let text = fields::text(value, PATH, unit.example(), report)?.trim();
    let split = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ]
    .into_iter()
    .find_map(|(sign, op)| Some((sign, op, text.strip_prefix(sign)?.trim())));
    let Some((sign, op, rest)) = split else {
        let example = unit.example();
        return wrong(
            report,
            value,
            PATH,
            format!("a comparison (<, <=, >, >=) and a limit, as in {example}"),
        );
    };
    match limit(rest, unit) {
        Some(limit) => Some((op, limit, format!("{sign} {rest}"))),
        None => wrong(
            report,
            value,
            PATH,
            format!("a comparison such as {}", unit.example()),
        ),
    }
}

fn limit(text: &str, unit: Unit) -> Option<f64> {
    let plain = |text: &str| -> Option<f64> {
        let simple = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        text.parse().ok().filter(|_| simple && !text.is_empty())
    };
    match unit {
        Unit::Time => Some(units::duration(text).ok()?.as_nanos() as f64 / 1e3),
        Unit::PerSecond => units::rate(text).ok(),
        Unit::Plain => plain(text),
        Unit::Share => {
            let share = match text.strip_suffix('%') {
                Some(percent) => plain(percent.trim()).and_then(|_| hundredth(percent.trim()))?,
                None => plain(text)?,
            };
            (share <= 1.0).then_some(share)
        }
    }
}

fn read_over(value: &Value<'_>, report: &mut Report) -> Option<Duration> {
    const PATH: &str = "threshold.over";
    let limits = "whole seconds from \"1s\" to \"1h\"";
    let allowed = Duration::from_secs(1)..=OVER_MAX;
    let over = fields::duration(value, PATH, allowed, limits, report)?;
    match over.subsec_nanos() {
        0 => Some(over),
        _ => wrong(report, value, PATH, limits),
    }
}
