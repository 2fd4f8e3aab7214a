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

/// A label: its name and its value.
pub(crate) type Label<'a> = (&'a str, &'a str);

/// Metrics as they are written, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Text(String);

impl Text {
    /// Begins a metric.
    pub(crate) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // writing to a String does not fail
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the metric.
    pub(crate) fn sample(&mut self, name: &str, labels: &[Label<'_>], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = match labels.len() {
            0 => String::new(),
            _ => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// A metric of one value.
    pub(crate) fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }

    /// What was written.
    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// The metrics of runs, given as cards of the JSON API.
pub(super) fn of(cards: &[Value]) -> String {
    let mut text = Text::default();
    let live = cards.len() as f64;
    text.one("mistress_runs_live", "gauge", "Runs that go on.", live);
    for (field, name, help) in COUNTERS {
        let name = format!("mistress_{name}_total");
        text.head(&name, "counter", help);
        for card in cards {
            sample(&mut text, &name, card, &[], &card["totals"][field], 1.0);
        }
    }
    text.head("mistress_users_max", "gauge", "Most users at once so far.");
    for card in cards {
        let users = &card["totals"]["users_max"];
        sample(&mut text, "mistress_users_max", card, &[], users, 1.0);
    }
    latency(&mut text, cards);
    text.finish()
}

/// A summary; its sum comes from the exact mean.
fn latency(text: &mut Text, cards: &[Value]) {
    let name = "mistress_latency_seconds";
    let help = "Latency of the requests so far, from when they were due.";
    text.head(name, "summary", help);
    for card in cards {
        let latency = &card["latency"];
        for (field, quantile) in QUANTILES {
            let quantile = [("quantile", quantile)];
            sample(text, name, card, &quantile, &latency[field], 1e6);
        }
        let count = latency["count"].as_f64().unwrap_or(0.0);
        let mean = latency["mean_us"].as_f64().unwrap_or(0.0);
        let sum = Value::from(count * mean);
        sample(text, &format!("{name}_sum"), card, &[], &sum, 1e6);
        let count = format!("{name}_count");
        sample(text, &count, card, &[], &latency["count"], 1.0);
    }
}

/// A value of a run, if it has one.
fn sample(text: &mut Text, name: &str, card: &Value, more: &[Label<'_>], value: &Value, unit: f64) {
    let label = |key: &str| card[key].as_str().unwrap_or_default();
    let run = [
        ("run", label("id")),
        ("project", label("project")),
        ("name", label("name")),
    ];
    if let Some(value) = value.as_f64() {
        text.sample(name, &[&run[..], more].concat(), value / unit);
    }
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
