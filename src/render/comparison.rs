//! Runs of the store beside each other, as text.

use crate::render::flow::{Paint, Style};
use crate::render::format;
use serde_json::Value;
use server::compare::{Difference, Metric, Regression};
use std::fmt::Write as _;
use std::time::Duration;

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

/// Runs beside each other: their cards, and what they come to.
pub fn render(cards: &[Value], metrics: &[Metric], style: Style) -> String {
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

/// How runs stand to limits; empty without limits.
pub fn limits(judged: &[Regression], style: Style) -> String {
    let mut text = String::new();
    for one in judged {
        let letter = ('A'..).nth(one.run).unwrap_or('?');
        let (word, paint) = match one.regressed {
            true => ("REGRESSED", Paint::Bad),
            false => ("ok       ", Paint::Good),
        };
        let unit = if one.metric == "failed" {
            "points"
        } else {
            "%"
        };
        let found = one.worse.map_or(String::new(), |worse| {
            let way = if worse > 0.0 { "worse" } else { "better" };
            format!("{:.1} {unit} {way}, ", worse.abs() * 100.0)
        });
        let line = format!("{word}  {letter}  {}: {found}{}", one.limit, one.statement);
        let _ = writeln!(text, "{}", style.apply(paint, &line));
    }
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
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
                    difference_low: Some(100.0),
                    difference_high: Some(300.0),
                    relative: Some(0.2),
                    low: Some(0.1),
                    high: Some(0.3),
                    statement: "beyond noise",
                }),
            ],
        };
        let regression = Regression {
            limit: "p99 10%".to_owned(),
            metric: "latency_p99",
            run: 1,
            worse: Some(0.2),
            regressed: true,
            statement: "beyond the limit, beyond noise",
        };
        let told = "\nREGRESSED  B  p99 10%: 20.0 % worse, beyond the limit, beyond noise\n";
        assert_eq!(limits(&[regression], Style::Plain), told);
        assert_eq!(limits(&[], Style::Plain), "");
        let cards = [json!({"name": "a"}), json!({"name": "b"})];
        let text = render(&cards, &[metric], Style::Plain);
        let line = "  B      1.20ms    +20.0 %  (+10.0 % to +30.0 %)  beyond noise";
        assert!(
            text.lines().any(|one| one == line),
            "no {line:?} in\n{text}"
        );
    }
}
