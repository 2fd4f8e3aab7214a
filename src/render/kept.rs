//! Runs of the store as text: one run, and several beside each other.

use crate::render::flow::{Paint, Style};
use crate::render::format;
use crate::render::table::Table;
use serde_json::Value;
use server::compare::{Difference, Metric};
use std::fmt::Write as _;
use std::time::Duration;

/// The figures of a distribution, with their heads.
const FIGURES: [(&str, &str); 8] = [
    ("mean", "mean_us"),
    ("p50", "p50_us"),
    ("p75", "p75_us"),
    ("p90", "p90_us"),
    ("p95", "p95_us"),
    ("p99", "p99_us"),
    ("p99.9", "p999_us"),
    ("max", "max_us"),
];
/// The distributions of a run, in the order of its report.
const PHASES: [(&str, &str); 11] = [
    ("latency", "latency"),
    ("of failed", "latency_failed"),
    ("service time", "service_time"),
    ("lag", "lag"),
    ("queue", "queue"),
    ("dns", "dns"),
    ("connect", "connect"),
    ("tls", "tls"),
    ("send", "send"),
    ("first byte", "first_byte"),
    ("receive", "receive"),
];
/// Names that are shown one by one.
const NAMES_SHOWN: usize = 50;

/// A run: what the JSON API says of it and of its names.
pub fn report(detail: &Value, names: &Value, width: usize, style: Style) -> String {
    let card = &detail["card"];
    let mut text = head(card, style);
    let totals = &card["totals"];
    let count = |key: &str| format::count(totals[key].as_u64().unwrap_or(0));
    let summary = &detail["summary"];
    let per_s = |key: &str| summary["throughput"][key].as_f64().unwrap_or(0.0);
    let _ = writeln!(
        text,
        "arrivals     {} planned  {} started  {} dropped\n\
         requests     {} sent  {} ok  {} failed  {} unfinished\n\
         bytes        {} in  {} out\n\
         throughput   {} requests/s  {}/s in  {}/s out\n",
        count("planned"),
        count("started"),
        count("dropped"),
        count("sent"),
        count("ok"),
        count("failed"),
        count("unfinished"),
        format::bytes(totals["bytes_in"].as_f64().unwrap_or(0.0)),
        format::bytes(totals["bytes_out"].as_f64().unwrap_or(0.0)),
        format::number(per_s("requests_per_s")),
        format::bytes(per_s("bytes_in_per_s")),
        format::bytes(per_s("bytes_out_per_s")),
    );
    let rows = PHASES
        .iter()
        .map(|(label, phase)| ((*label).to_owned(), &summary[*phase]));
    push(&mut text, &times("", rows), width);
    counted(&mut text, "status", &summary["status"]);
    counted(&mut text, "failures", &summary["failures"]);
    named(&mut text, names, width);
    checks(&mut text, &summary["checks"], style);
    thresholds(&mut text, &detail["thresholds"], style);
    verdict(&mut text, &detail["verdict"], style);
    text
}

fn head(card: &Value, style: Style) -> String {
    let word = |key: &str| format::escape(card[key].as_str().unwrap_or_default());
    let started_s = card["started_us"].as_u64().unwrap_or(0) / 1_000_000;
    let took = Duration::from_secs_f64(card["duration_s"].as_f64().unwrap_or(0.0).clamp(0.0, 1e9));
    let title = format!("{} → {}", word("name"), word("target"));
    let mut text = style.apply(Paint::Strong, &title);
    let _ = writeln!(
        text,
        "  {} MODEL\nrun          {}  {}  took {}  {}",
        word("model").to_uppercase(),
        word("id"),
        format::utc(started_s),
        format::length(took),
        word("state"),
    );
    let comment = word("comment");
    if !comment.is_empty() {
        let _ = writeln!(text, "comment      {comment}");
    }
    text.push('\n');
    text
}

/// A table of distributions; those without values are left out.
fn times<'a>(head: &str, rows: impl Iterator<Item = (String, &'a Value)>) -> Table {
    let heads: Vec<&str> = std::iter::once(head)
        .chain(["count"])
        .chain(FIGURES.map(|(head, _)| head))
        .collect();
    let mut table = Table::new(&heads);
    for (name, figures) in rows {
        let count = figures["count"].as_u64().unwrap_or(0);
        if count == 0 {
            continue;
        }
        let time = |key: &str| format::time_us(figures[key].as_f64().unwrap_or(0.0) as u64);
        let mut row = vec![name, format::count(count)];
        row.extend(FIGURES.map(|(_, key)| time(key)));
        table.rows.push(row);
    }
    table
}

fn push(text: &mut String, table: &Table, width: usize) {
    if table.rows.is_empty() {
        return;
    }
    for line in table.lines(width) {
        let _ = writeln!(text, "{line}");
    }
    text.push('\n');
}

fn counted(text: &mut String, label: &str, counts: &Value) {
    let counts = counts.as_object().filter(|counts| !counts.is_empty());
    let Some(counts) = counts else {
        return;
    };
    let one = |(name, count): (&String, &Value)| {
        let count = format::count(count.as_u64().unwrap_or(0));
        format!("{} {count}", format::escape(name))
    };
    let all: Vec<String> = counts.iter().map(one).collect();
    let _ = writeln!(text, "{label:<12} {}", all.join("  "));
}

fn named(text: &mut String, names: &Value, width: usize) {
    let names = names["names"].as_array().map_or(&[][..], Vec::as_slice);
    for (kind, title) in [("request", "requests"), ("transaction", "transactions")] {
        let of_kind = names.iter().filter(|name| name["kind"] == kind);
        // the failed have a row of their own, which is left out where there are none
        let rows = of_kind.take(NAMES_SHOWN).flat_map(|name| {
            let label = format::escape(name["name"].as_str().unwrap_or_default());
            let failed = format!("{label} (failed)");
            [(label, &name["latency"]), (failed, &name["latency_failed"])]
        });
        let table = times(title, rows);
        if !table.rows.is_empty() && !text.ends_with("\n\n") {
            text.push('\n');
        }
        push(text, &table, width);
    }
}

fn checks(text: &mut String, checks: &Value, style: Style) {
    for check in checks.as_array().map_or(&[][..], Vec::as_slice) {
        let count = |key: &str| check[key].as_u64().unwrap_or(0);
        let failed = count("failed");
        let line = format!(
            "check        {}  {} passed  {} failed",
            format::escape(check["name"].as_str().unwrap_or_default()),
            format::count(count("passed")),
            format::count(failed)
        );
        let paint = if failed > 0 { Paint::Bad } else { Paint::None };
        let _ = writeln!(text, "{}", style.apply(paint, &line));
    }
}

fn thresholds(text: &mut String, thresholds: &Value, style: Style) {
    for outcome in thresholds.as_array().map_or(&[][..], Vec::as_slice) {
        let (word, paint) = match outcome["met"].as_bool() {
            Some(true) => ("met", Paint::Good),
            Some(false) => ("missed", Paint::Bad),
            None => ("open", Paint::None),
        };
        let rule = format::escape(outcome["text"].as_str().unwrap_or_default());
        let _ = writeln!(text, "threshold    {}  {rule}", style.apply(paint, word));
    }
}

fn verdict(text: &mut String, verdict: &Value, style: Style) {
    let Some(state) = verdict["state"].as_str() else {
        return;
    };
    let paint = if state == "clean" {
        Paint::Good
    } else {
        Paint::Warn
    };
    let _ = writeln!(
        text,
        "verdict      {}",
        style.apply(paint, &format::escape(state).to_uppercase())
    );
    for reason in verdict["reasons"].as_array().map_or(&[][..], Vec::as_slice) {
        let _ = writeln!(
            text,
            "  {}",
            format::escape(reason["text"].as_str().unwrap_or_default())
        );
    }
}

/// Runs beside each other: their cards, and what they come to.
pub fn comparison(cards: &[Value], metrics: &[Metric], style: Style) -> String {
    let mut text = String::new();
    for (letter, card) in ('A'..).zip(cards) {
        let _ = write!(
            text,
            "{letter}  {}",
            head(card, style).replace("\n\n", "\n")
        );
    }
    text.push('\n');
    for metric in metrics {
        let _ = writeln!(text, "{}", style.apply(Paint::Strong, metric.label));
        let rows = ('A'..).zip(metric.values.iter().zip(&metric.differences));
        for (letter, (value, difference)) in rows {
            let value = value.map_or("-".to_owned(), |value| figure(metric.unit, value));
            let told = difference.as_ref().map(|one| told(metric, one, style));
            let line = format!("  {letter}  {value:>10}  {}", told.unwrap_or_default());
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text + "\nintervals: 95 %, by drawing blocks of seconds within each run anew\n"
}

fn figure(unit: &str, value: f64) -> String {
    match unit {
        "us" => format::time_us(value.round() as u64),
        "share" => format!("{:.3} %", value * 100.0),
        _ => format!("{}/s", format::number(value)),
    }
}

fn told(metric: &Metric, one: &Difference, style: Style) -> String {
    let percent = |share: Option<f64>| share.map(|share| format!("{:+.1} %", share * 100.0));
    let paint = match (
        one.statement,
        (one.difference > 0.0) == metric.lower_is_better,
    ) {
        ("beyond noise", true) => Paint::Bad,
        ("beyond noise", false) => Paint::Good,
        _ => Paint::Faint,
    };
    let relative = percent(one.relative).unwrap_or_default();
    let interval = match (percent(one.low), percent(one.high)) {
        (Some(low), Some(high)) => format!("({low} to {high})  "),
        _ => String::new(),
    };
    format!(
        "{relative:>9}  {interval}{}",
        style.apply(paint, one.statement)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_is_told_with_hostile_names_escaped() {
        let detail = json!({
            "card": {"name": "a\u{1b}[2J", "target": "http://h", "model": "open", "id": "1",
                     "state": "done", "duration_s": 2.0, "totals": {"sent": 1234, "ok": 1234}},
            "summary": {"latency": {"count": 1234, "mean_us": 99.5, "p50_us": 98, "max_us": 1500},
                        "throughput": {"requests_per_s": 5.5}, "queue": {"count": 1, "p50_us": 2},
                        "status": {"200": 1234}, "checks": []},
            "thresholds": [{"text": "p99 < 5ms", "met": false}],
            "verdict": {"state": "clean", "reasons": []},
        });
        let names = json!({"names": [
            {"kind": "request", "name": "GET /", "latency": {"count": 7, "p50_us": 3},
             "latency_failed": {"count": 2, "p50_us": 9}},
            {"kind": "request", "name": "GET /b", "latency": {"count": 7, "p50_us": 3},
             "latency_failed": {"count": 0, "p50_us": null}},
        ]});
        let text = report(&detail, &names, 100, Style::Plain);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(!text.contains("GET /b (failed)"), "{text}");
        for part in [
            "1,234 sent",
            "1.50ms",
            "200 1,234",
            "GET /",
            "GET / (failed)",
            "\nqueue",
            "5.5 requests/s",
            "missed  p99 < 5ms",
            "CLEAN",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn differences_say_what_they_are_worth() {
        let metric = Metric {
            metric: "latency_p99",
            label: "latency p99",
            unit: "us",
            lower_is_better: true,
            values: vec![Some(1_000.0), Some(1_200.0)],
            differences: vec![
                None,
                Some(Difference {
                    difference: 200.0,
                    relative: Some(0.2),
                    low: Some(0.1),
                    high: Some(0.3),
                    statement: "beyond noise",
                }),
            ],
        };
        let cards = [json!({"name": "a"}), json!({"name": "b"})];
        let text = comparison(&cards, &[metric], Style::Plain);
        let line = "  B      1.20ms    +20.0 %  (+10.0 % to +30.0 %)  beyond noise";
        assert!(
            text.lines().any(|one| one == line),
            "no {line:?} in\n{text}"
        );
    }
}
