//! Runs of the store beside each other, as text.

use crate::render::flow::{Paint, Style};
use crate::render::format;
use serde_json::Value;
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

/// Runs beside each other: their cards, and what they come to, of what `server::Archive::compare`
/// gives.
pub fn render(compared: &Value, style: Style) -> String {
    let mut text = String::new();
    for (letter, card) in ('A'..).zip(list(&compared["runs"])) {
        let _ = write!(
            text,
            "{letter}  {}",
            head(card, style).replace("\n\n", "\n")
        );
    }
    text.push('\n');
    for metric in list(&compared["metrics"]) {
        let (label, unit) = (word(&metric["label"]), word(&metric["unit"]));
        let _ = writeln!(text, "{}", style.apply(Paint::Strong, label));
        let values = list(&metric["values"]).iter().map(Value::as_f64);
        let rows = ('A'..).zip(values.zip(list(&metric["differences"])));
        for (letter, (value, difference)) in rows {
            let value = value.map_or("-".to_owned(), |value| figure(unit, value));
            let lower_is_better = metric["lower_is_better"] == true;
            let told = match difference.is_null() {
                true => String::new(),
                false => told(difference, lower_is_better, style),
            };
            let line = format!("  {letter}  {value:>10}  {told}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text + "\nintervals: 95 %, by drawing blocks of seconds within each run anew\n"
}

/// How runs stand to limits; empty without limits.
pub fn limits(regressions: &Value, style: Style) -> String {
    let mut text = String::new();
    for one in list(regressions) {
        let run = one["run"].as_u64().unwrap_or_default() as usize;
        let letter = ('A'..).nth(run).unwrap_or('?');
        let (result, paint) = match one["regressed"] == true {
            true => ("REGRESSED", Paint::Bad),
            false => ("ok       ", Paint::Good),
        };
        let unit = if one["metric"] == "failed" {
            "points"
        } else {
            "%"
        };
        let found = one["worse"].as_f64().map_or(String::new(), |worse| {
            let way = if worse > 0.0 { "worse" } else { "better" };
            format!("{:.1} {unit} {way}, ", worse.abs() * 100.0)
        });
        let (limit, statement) = (word(&one["limit"]), word(&one["statement"]));
        let line = format!("{result}  {letter}  {limit}: {found}{statement}");
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

/// The elements of an array; none of what is no array.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty for what is no text.
fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn told(one: &Value, lower_is_better: bool, style: Style) -> String {
    let percent = |key: &str| Some(format!("{:+.1} %", one[key].as_f64()? * 100.0));
    let statement = word(&one["statement"]);
    let is_more = one["difference"].as_f64().is_some_and(|more| more > 0.0);
    let paint = match (statement, is_more == lower_is_better) {
        ("beyond noise", true) => Paint::Bad,
        ("beyond noise", false) => Paint::Good,
        _ => Paint::Faint,
    };
    let relative = percent("relative").unwrap_or_default();
    let interval = match (percent("low"), percent("high")) {
        (Some(low), Some(high)) => format!("({low} to {high})  "),
        _ => String::new(),
    };
    format!("{relative:>9}  {interval}{}", style.apply(paint, statement))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_say_what_they_are_worth() {
        let compared = json!({
            "runs": [{"name": "a"}, {"name": "b"}],
            "metrics": [{
                "metric": "latency_p99",
                "label": "latency p99",
                "unit": "us",
                "lower_is_better": true,
                "values": [1_000.0, 1_200.0],
                "differences": [null, {
                    "difference": 200.0,
                    "difference_low": 100.0,
                    "difference_high": 300.0,
                    "relative": 0.2,
                    "low": 0.1,
                    "high": 0.3,
                    "statement": "beyond noise",
                }],
            }],
            "regressions": [{
                "limit": "p99 10%",
                "metric": "latency_p99",
                "run": 1,
                "worse": 0.2,
                "regressed": true,
                "statement": "beyond the limit, beyond noise",
            }],
        });
        let told = "\nREGRESSED  B  p99 10%: 20.0 % worse, beyond the limit, beyond noise\n";
        assert_eq!(limits(&compared["regressions"], Style::Plain), told);
        assert_eq!(limits(&json!([]), Style::Plain), "");
        let text = render(&compared, Style::Plain);
        let line = "  B      1.20ms    +20.0 %  (+10.0 % to +30.0 %)  beyond noise";
        assert!(
            text.lines().any(|one| one == line),
            "no {line:?} in\n{text}"
        );
    }
}
