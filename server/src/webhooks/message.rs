//! The messages that are posted.

use super::WebhookEvent;
use crate::Error;
use crate::query;
use crate::store::{RunRecord, RunView, State};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Maximum length of a name within the text, in characters.
const NAME_MAX: usize = 120;
/// Members of a run's card that are left out: a plot, and what may be long.
const LEFT_OUT: [&str; 2] = ["sparkline", "comment"];

/// A run and the numbers in its messages.
pub(super) struct RunFacts {
    card: Map<String, Value>,
    thresholds: Vec<Value>,
    url: String,
}

impl RunFacts {
    /// What is known of a run now; `server` is the server's URL.
    pub(super) fn of(
        record: &RunRecord,
        view: &dyn RunView,
        server: &str,
    ) -> Result<RunFacts, Error> {
        let card = query::card(record, Some(view))?;
        let mut card = card.as_object().cloned().unwrap_or_default();
        LEFT_OUT.iter().for_each(|name| {
            card.remove(*name);
        });
        Ok(RunFacts {
            card,
            thresholds: query::thresholds(view)?,
            url: format!("{server}/report/{}", record.id),
        })
    }

    /// The thresholds that were missed at the end of the run.
    pub(super) fn missed(&self) -> impl Iterator<Item = &Value> {
        let thresholds = self.thresholds.iter();
        thresholds.filter(|threshold| threshold["met"] == json!(false))
    }

    /// The body of a message; `threshold` is the missed one, if it is about one.
    pub(super) fn message(&self, event: WebhookEvent, threshold: Option<&Value>) -> String {
        let mut data = self.card.clone();
        data.insert("url".to_owned(), json!(self.url));
        data.insert("thresholds".to_owned(), json!(self.thresholds));
        if let Some(threshold) = threshold {
            data.insert("threshold".to_owned(), threshold.clone());
        }
        body(event, &self.text(event, threshold), Value::Object(data))
    }

    fn text(&self, event: WebhookEvent, threshold: Option<&Value>) -> String {
        let word = |name: &str| self.card.get(name).and_then(Value::as_str).unwrap_or("");
        let title = format!("{}: {}", plain(word("project")), plain(word("name")));
        let what = match event {
            WebhookEvent::Started => format!("started against {}", plain(word("target"))),
            WebhookEvent::Missed => {
                let text = threshold.and_then(|one| one["text"].as_str());
                format!("missed the threshold {}", plain(text.unwrap_or("")))
            }
            WebhookEvent::Ended | WebhookEvent::Test => self.ending(),
        };
        format!("{title} {what}\n{}", self.url)
    }

    /// How the run came out, in one line.
    fn ending(&self) -> String {
        let card = Value::Object(self.card.clone());
        let result = match card["result"].as_str() {
            _ if card["state"] == State::Lost.as_str() => {
                "was lost: its nodes fell silent".to_owned()
            }
            Some("missed") => {
                let missed = self.missed().count();
                format!("missed {missed} of {} thresholds", self.thresholds.len())
            }
            Some(result) => result.to_owned(),
            None => "ended".to_owned(),
        };
        let sent = card["totals"]["sent"].as_u64().unwrap_or(0);
        let failed = card["totals"]["failed"].as_u64().unwrap_or(0);
        let rate = card["throughput"]["requests_per_s"].as_f64().unwrap_or(0.0);
        let mut parts = vec![
            result,
            format!("{sent} requests, {failed} failed"),
            format!("{rate:.1}/s"),
        ];
        if let Some(p95_us) = card["latency"]["p95_us"].as_f64() {
            parts.push(format!("p95 {:.1} ms", p95_us / 1e3));
        }
        if let Some(verdict) = card["verdict"].as_str() {
            parts.push(format!("verdict {verdict}"));
        }
        parts.join(", ")
    }
}

/// The body of a test.
pub(super) fn test(project: &str, by: &str, server: &str) -> String {
    let text = format!(
        "{}: a test of this webhook, sent by {}\n{server}",
        plain(project),
        plain(by)
    );
    let data = json!({ "project": project, "sent_by": by, "url": server });
    body(WebhookEvent::Test, &text, data)
}

fn body(event: WebhookEvent, text: &str, data: Value) -> String {
    let now = OffsetDateTime::now_utc().format(&Rfc3339);
    json!({
        "type": event.name(), "timestamp": now.unwrap_or_default(), "text": text, "data": data,
    })
    .to_string()
}

/// A name as chats show it: in one line, without mentions or links.
fn plain(name: &str) -> String {
    let cut: String = name.chars().take(NAME_MAX).collect();
    let cut = cut.replace(|c: char| c.is_control(), " ");
    let cut = cut
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    // followed by a zero-width space, so that no name is a mention
    cut.replace('@', "@\u{200b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_notify_nobody() {
        assert_eq!(
            plain("<!channel> @all\na&b"),
            "&lt;!channel&gt; @\u{200b}all a&amp;b"
        );
        assert_eq!(plain(&"é".repeat(500)).chars().count(), NAME_MAX);
    }
}
