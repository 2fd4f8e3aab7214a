//! The tables `[[threshold]]`: the pass criteria of a run.

use std::time::Duration;

use toml::de::DeValue;

use super::fields::{self, Table, wrong};
use crate::document::{Diagnostics, Value, quoted};
use crate::nearest::nearest;
use crate::units;
use stats::threshold::{Comparison, Metric, Of, Statistic, Threshold};

const KEYS: [&str; 9] = [
    "metric", "name", "tag", "of", "stat", "is", "over", "abort", "delay",
];
const THRESHOLDS_MAX: usize = 1000;
/// Longest window; its seconds are kept in memory.
const OVER_MAX: Duration = Duration::from_secs(3600);
const DELAY_MAX: Duration = Duration::from_secs(30 * 86_400);
/// The unit of a limit.
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
pub(super) fn read(root: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Vec<Threshold>> {
    let Some(value) = root.get("threshold") else {
        return Some(Vec::new());
    };
    match value.get_ref() {
        DeValue::Array(items) if items.len() <= THRESHOLDS_MAX => {
            let thresholds: Vec<Option<Threshold>> = items
                .iter()
                .map(|item| {
                    read_one(
                        &Table::from_value(item, "threshold", "a table", errors)?,
                        errors,
                    )
                })
                .collect();
            thresholds.into_iter().collect()
        }
        DeValue::Array(items) => {
            let found = items.len();
            errors.found(
                value.span(),
                format!("found {found} tables [[threshold]], at most {THRESHOLDS_MAX} are allowed"),
            );
            None
        }
        _ => wrong(
            errors,
            value,
            "threshold",
            "an array of tables: [[threshold]]",
        ),
    }
}

fn read_one(table: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Threshold> {
    table.refuse_unknown(errors, &KEYS);
    let metric = table
        .require(
            "metric",
            &format!("one of {}", metrics().join(", ")),
            errors,
        )
        .and_then(|value| read_metric(value, errors));
    let name = match table.get("name") {
        Some(value) => fields::name(value, "threshold.name", errors).map(|n| Some(n.to_owned())),
        None => Some(None),
    };
    if !fits_name(table, metric, errors) {
        return None;
    }
    let tag = read_tag(table, metric, errors);
    let of = metric.and_then(|metric| read_of(table, metric, errors));
    let stat = metric.and_then(|metric| read_stat(table, metric, errors));
    let limit = table
        .require("is", "a comparison such as \"< 250ms\"", errors)
        .and_then(|value| {
            let (metric, (stat, _)) = (metric?, stat.as_ref()?);
            read_limit(value, unit(metric, *stat), errors)
        });
    let over = match table.get("over") {
        Some(value) => read_over(value, errors).map(Some),
        None => Some(None),
    };
    let abort = match table.get("abort").map(|value| (value, value.get_ref())) {
        None => Some(false),
        Some((_, DeValue::Boolean(truth))) => Some(*truth),
        Some((value, _)) => wrong(errors, value, "threshold.abort", "true or false"),
    };
    let delay = match table.get("delay") {
        Some(value) => {
            let limits = "a duration of at most \"30d\"";
            let allowed = Duration::ZERO..=DELAY_MAX;
            fields::duration(value, "threshold.delay", allowed, limits, errors)
        }
        None => Some(Duration::ZERO),
    };
    let (metric, name, (stat, word), (op, limit, written)) = (metric?, name?, stat?, limit?);
    let (tag, of, over) = (tag?, of?, over?);
    let description = ThresholdText {
        metric,
        word,
        of,
        name: name.as_deref(),
        tag: tag.as_deref(),
        written: &written,
        over,
    };
    let text = description.text();
    Some(Threshold {
        metric,
        name,
        tag,
        of,
        statistic: stat,
        comparison: op,
        limit,
        over,
        abort: abort?,
        delay: delay?,
        fail_on: None,
        text,
    })
}

/// The parts of a threshold's text.
struct ThresholdText<'a> {
    metric: Metric,
    word: Option<String>,
    of: Of,
    name: Option<&'a str>,
    tag: Option<&'a str>,
    written: &'a str,
    over: Option<Duration>,
}

impl ThresholdText<'_> {
    /// `latency p99 of "login" < 250ms over any 10s`.
    fn text(&self) -> String {
        let mut text = self.metric.to_string();
        if let Some(word) = &self.word {
            text += &format!(" {word}");
        }
        let what = match self.metric {
            Metric::Iterations => "iterations",
            _ => "requests",
        };
        if self.of != Of::Ok {
            text += &format!(" of {} {what}", self.of);
        }
        if let Some(name) = self.name {
            text += &format!(" of {name:?}");
        }
        if let Some(tag) = self.tag {
            text += &format!(" of tag {tag:?}");
        }
        text += &format!(" {}", self.written);
        if let Some(over) = self.over {
            text += &format!(" over any {}s", over.as_secs());
        }
        text
    }
}

/// The requests or iterations it applies to; successful ones unless the profile says otherwise.
fn read_of(table: &Table<'_, '_>, metric: Metric, errors: &mut Diagnostics) -> Option<Of> {
    const PATH: &str = "threshold.of";
    const ALLOWED: &str = "\"ok\", \"failed\" or \"all\"";
    let Some(value) = table.get("of") else {
        return Some(Of::Ok);
    };
    if !metric.has_of() {
        let text = format!(
            "`of` is only allowed with the metrics latency, rate, requests and iterations, found \
             {metric} (`{PATH}`)"
        );
        errors.found(value.span(), text);
        return None;
    }
    let text = fields::text(value, PATH, ALLOWED, errors)?;
    match Of::named(text) {
        Some(of) => Some(of),
        None => wrong(errors, value, PATH, ALLOWED),
    }
}

/// Whether a name is present where the metric needs one, and absent where it has none.
fn fits_name(table: &Table<'_, '_>, metric: Option<Metric>, errors: &mut Diagnostics) -> bool {
    if let (
        Some(metric @ (Metric::Arrivals | Metric::Iterations | Metric::ScriptErrors)),
        Some(span),
    ) = (metric, table.key_span("name"))
    {
        errors.found(
            span,
            format!("`name` is not allowed with the metric {metric} (`threshold.name`)"),
        );
        return false;
    }
    if let (Some(Metric::Custom), None) = (metric, table.get("name")) {
        table.require("name", "the name that the script gave the metric", errors);
        return false;
    }
    true
}

/// The tag whose requests it applies to, `key:value`.
fn read_tag(
    table: &Table<'_, '_>,
    metric: Option<Metric>,
    errors: &mut Diagnostics,
) -> Option<Option<String>> {
    const PATH: &str = "threshold.tag";
    let Some(value) = table.get("tag") else {
        return Some(None);
    };
    if let Some(metric) = metric.filter(|metric| !metric.has_tags()) {
        let known = Metric::ALL.iter().filter(|metric| metric.has_tags());
        let known: Vec<&str> = known.map(|metric| metric.as_str()).collect();
        let text = format!(
            "`tag` is only allowed with the metrics {}, found {metric} (`{PATH}`)",
            known.join(", ")
        );
        errors.found(value.span(), text);
        return None;
    }
    if table.get("name").is_some() {
        let text = format!("found `name` and `tag`, only one of them is allowed (`{PATH}`)");
        errors.found(value.span(), text);
        return None;
    }
    let tag = fields::name(value, PATH, errors)?;
    match tag.split_once(':') {
        Some((key, of)) if !key.is_empty() && !of.is_empty() => Some(Some(tag.to_owned())),
        _ => wrong(
            errors,
            value,
            PATH,
            "key and value of a tag, such as \"kind:static\"",
        ),
    }
}

/// The words of all metrics.
fn metrics() -> Vec<&'static str> {
    Metric::ALL.iter().map(|metric| metric.as_str()).collect()
}

fn read_metric(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Metric> {
    let names = metrics();
    let allowed = format!("one of {}", names.join(", "));
    let text = fields::text(value, "threshold.metric", &allowed, errors)?;
    if let Some(metric) = Metric::named(text) {
        return Some(metric);
    }
    let hint = match nearest(text, &names) {
        Some(known) => format!("; did you mean {known:?}?"),
        None => format!(", expected {allowed}"),
    };
    let found = quoted(text);
    errors.found(
        value.span(),
        format!("found {found}{hint} (`threshold.metric`)"),
    );
    None
}

/// The statistic, and its spelling if the profile has one.
fn read_stat(
    table: &Table<'_, '_>,
    metric: Metric,
    errors: &mut Diagnostics,
) -> Option<(Statistic, Option<String>)> {
    const PATH: &str = "threshold.stat";
    let times = "a percentile such as \"p99\" or \"p99.9\", \"mean\", \"min\" or \"max\"";
    let (default, allowed) = match metric {
        Metric::Failures | Metric::Checks | Metric::Arrivals => {
            (Some(Statistic::Share), "\"share\" or \"count\"")
        }
        Metric::Rate => (Some(Statistic::Rate), "no `stat`"),
        Metric::Requests | Metric::ScriptErrors => {
            (Some(Statistic::Count), "\"count\", or no `stat`")
        }
        Metric::Iterations => (None, "\"count\", \"rate\" or \"share\""),
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
        (None, None) => table.require("stat", allowed, errors)?,
    };
    let text = fields::text(value, PATH, allowed, errors)?;
    let stat = Statistic::named(text).filter(|stat| match (metric, stat) {
        (Metric::Failures | Metric::Checks | Metric::Arrivals, stat) => {
            matches!(stat, Statistic::Share | Statistic::Count)
        }
        (Metric::Requests | Metric::ScriptErrors, stat) => *stat == Statistic::Count,
        (Metric::Iterations, stat) => {
            matches!(stat, Statistic::Count | Statistic::Rate | Statistic::Share)
        }
        (Metric::Rate, _) => false,
        (Metric::Custom, _) => true,
        (_, stat) => !matches!(stat, Statistic::Count | Statistic::Rate | Statistic::Share),
    });
    match stat {
        Some(stat) => Some((stat, Some(text.to_owned()))),
        None => wrong(errors, value, PATH, allowed),
    }
}

/// Scaled as a decimal, so that 99.9 is 0.999 and not 0.9990000000000001.
fn hundredth(digits: &str) -> Option<f64> {
    format!("{digits}e-2").parse().ok()
}

fn unit(metric: Metric, stat: Statistic) -> Unit {
    match (metric, stat) {
        (_, Statistic::Rate) => Unit::PerSecond,
        (_, Statistic::Share) => Unit::Share,
        (_, Statistic::Count) => Unit::Plain,
        (Metric::Custom, _) => Unit::Plain,
        _ => Unit::Time,
    }
}

/// The comparison, the limit in base units, and how it is written in reports.
fn read_limit(
    value: &Value<'_>,
    unit: Unit,
    errors: &mut Diagnostics,
) -> Option<(Comparison, f64, String)> {
    const PATH: &str = "threshold.is";
    let text = fields::text(value, PATH, unit.example(), errors)?.trim();
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
            errors,
            value,
            PATH,
            format!("a comparison (<, <=, >, >=) and a limit, as in {example}"),
        );
    };
    match limit(rest, unit) {
        Some(limit) => Some((op, limit, format!("{sign} {rest}"))),
        None => wrong(
            errors,
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

fn read_over(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Duration> {
    const PATH: &str = "threshold.over";
    let limits = "whole seconds from \"1s\" to \"1h\"";
    let allowed = Duration::from_secs(1)..=OVER_MAX;
    let over = fields::duration(value, PATH, allowed, limits, errors)?;
    match over.subsec_nanos() {
        0 => Some(over),
        _ => wrong(errors, value, PATH, limits),
    }
}
