//! Runs that go on, in Prometheus' text format 0.0.4.

use serde_json::Value;
use std::fmt::Write as _;

/// What the format calls itself.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters of a run's card: field, metric, meaning.
const COUNTERS: [(&str, &str, &str); 9] = [
    (
        "planned",
        "arrivals_planned",
        "Arrivals the plan asked for.",
    ),
    ("started", "arrivals_started", "Arrivals that became users."),
    (
        "dropped",
        "arrivals_dropped",
        "Arrivals that found the cap on users reached.",
    ),
    ("sent", "requests_sent", "Requests issued."),
    ("ok", "requests_ok", "Requests that ended well."),
    ("failed", "requests_failed", "Requests that failed."),
    (
        "unfinished",
        "requests_unfinished",
        "Requests under way at the end.",
    ),
    ("bytes_in", "received_bytes", "Bytes received."),
    ("bytes_out", "sent_bytes", "Bytes sent."),
];
/// Quantiles of the latency so far.
const QUANTILES: [(&str, &str); 5] = [
    ("p50_us", "0.5"),
    ("p90_us", "0.9"),
    ("p95_us", "0.95"),
    ("p99_us", "0.99"),
    ("p999_us", "0.999"),
];

/// The metrics of runs, given as cards of the JSON API.
pub(super) fn of(cards: &[Value]) -> String {
    let mut text = String::new();
    head(&mut text, "runs_live", "gauge", "Runs that go on.");
    let _ = writeln!(text, "mistress_runs_live {}", cards.len());
    for (field, name, help) in COUNTERS {
        head(&mut text, &format!("{name}_total"), "counter", help);
        for card in cards {
            let value = &card["totals"][field];
            sample(
                &mut text,
                &format!("{name}_total"),
                &labels(card),
                value,
                1.0,
            );
        }
    }
    head(
        &mut text,
        "users_max",
        "gauge",
        "Most users at once so far.",
    );
    for card in cards {
        sample(
            &mut text,
            "users_max",
            &labels(card),
            &card["totals"]["users_max"],
            1.0,
        );
    }
    latency(&mut text, cards);
    text
}

/// A summary; its sum comes from the exact mean.
fn latency(text: &mut String, cards: &[Value]) {
    let name = "latency_seconds";
    head(
        text,
        name,
        "summary",
        "Latency of the requests so far, from when they were due.",
    );
    for card in cards {
        let (labels, latency) = (labels(card), &card["latency"]);
        for (field, quantile) in QUANTILES {
            let labels = format!("{labels},quantile=\"{quantile}\"");
            sample(text, name, &labels, &latency[field], 1e6);
        }
        let count = latency["count"].as_f64().unwrap_or(0.0);
        let mean = latency["mean_us"].as_f64().unwrap_or(0.0);
        let sum = Value::from(count * mean);
        sample(text, &format!("{name}_sum"), &labels, &sum, 1e6);
        sample(
            text,
            &format!("{name}_count"),
            &labels,
            &latency["count"],
            1.0,
        );
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    // writing to a String does not fail
    let _ = writeln!(
        text,
        "# HELP mistress_{name} {help}\n# TYPE mistress_{name} {kind}"
    );
}

fn sample(text: &mut String, name: &str, labels: &str, value: &Value, unit: f64) {
    if let Some(value) = value.as_f64() {
        let _ = writeln!(text, "mistress_{name}{{{labels}}} {}", value / unit);
    }
}

fn labels(card: &Value) -> String {
    let label = |key: &str| escaped(card[key].as_str().unwrap_or_default());
    format!(
        "run=\"{}\",project=\"{}\",name=\"{}\"",
        label("id"),
        label("project"),
        label("name")
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_card_becomes_samples_with_hostile_names_escaped() {
        let card = json!({
            "id": "1", "project": "p\"q", "name": "a\nb\\",
            "totals": {"sent": 12, "users_max": 3},
            "latency": {"count": 12, "mean_us": 1000.0, "p50_us": 900},
        });
        let text = of(&[card]);
        let labels = "run=\"1\",project=\"p\\\"q\",name=\"a\\nb\\\\\"";
        for line in [
            format!("mistress_requests_sent_total{{{labels}}} 12"),
            format!("mistress_users_max{{{labels}}} 3"),
            format!("mistress_latency_seconds{{{labels},quantile=\"0.5\"}} 0.0009"),
            format!("mistress_latency_seconds_count{{{labels}}} 12"),
            "mistress_runs_live 1".to_owned(),
        ] {
            assert!(text.lines().any(|one| one == line), "no {line} in:\n{text}");
        }
        assert!(text.ends_with('\n'));
    }
}
