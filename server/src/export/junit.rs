//! A run's thresholds and checks as JUnit XML, as `mistress run --junit` writes them.
//!
//! Names come from profiles and scripts, so they are escaped, and characters that XML 1.0
//! (section 2.2) does not know are replaced.

use serde_json::Value;
use std::fmt::Write as _;

struct Case {
    title: String,
    failure: Option<String>,
}

/// The document of a run: its description in the JSON API, its checks, and when it began (UTC).
pub(super) fn of(run: &Value, checks: &[Value], start: &str) -> String {
    let thresholds = run["thresholds"].as_array().map_or(&[][..], Vec::as_slice);
    let suites = [
        (
            "thresholds",
            thresholds.iter().map(threshold).collect::<Vec<Case>>(),
        ),
        ("checks", checks.iter().map(check).collect()),
    ];
    let failed = |cases: &[Case]| cases.iter().filter(|case| case.failure.is_some()).count();
    let tests: usize = suites.iter().map(|(_, cases)| cases.len()).sum();
    let failures: usize = suites.iter().map(|(_, cases)| failed(cases)).sum();
    let name = escaped(run["card"]["name"].as_str().unwrap_or_default());
    let time = run["card"]["duration_s"].as_f64().unwrap_or(0.0);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\" \
         tests=\"{tests}\" failures=\"{failures}\" time=\"{time:.3}\">\n"
    );
    for (suite, cases) in suites.iter().filter(|(_, cases)| !cases.is_empty()) {
        // writing to a String does not fail
        let _ = writeln!(
            text,
            "  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{}\" errors=\"0\" \
             skipped=\"0\" timestamp=\"{start}\" time=\"{time:.3}\">",
            cases.len(),
            failed(cases)
        );
        for case in cases {
            let title = escaped(&case.title);
            let _ = write!(
                text,
                "    <testcase classname=\"{name}.{suite}\" name=\"{title}\""
            );
            let _ = match &case.failure {
                None => writeln!(text, "/>"),
                Some(why) => writeln!(text, "><failure message=\"{}\"/></testcase>", escaped(why)),
            };
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

fn threshold(outcome: &Value) -> Case {
    let text = outcome["text"].as_str().unwrap_or_default();
    let found = match (outcome["finding"].as_str(), outcome["value"].as_f64()) {
        (Some(finding), _) => finding.to_owned(),
        (None, Some(value)) => figure(text, value),
        (None, None) => "nothing was measured".to_owned(),
    };
    Case {
        title: text.to_owned(),
        // of a run that goes on nothing is missed yet
        failure: (outcome["met"] == Value::Bool(false)).then_some(found),
    }
}

fn check(check: &Value) -> Case {
    let count = |key: &str| check[key].as_u64().unwrap_or(0);
    let (passed, failed) = (count("passed"), count("failed"));
    Case {
        title: check["name"].as_str().unwrap_or_default().to_owned(),
        failure: (failed > 0).then(|| {
            format!(
                "failed {} of {} times",
                grouped(failed),
                grouped(passed + failed)
            )
        }),
    }
}

/// A figure of a threshold whose node did not tell it in words: in the unit of its limit.
fn figure(rule: &str, value: f64) -> String {
    let limit = rule.rsplit(' ').next().unwrap_or_default();
    if limit.ends_with('%') {
        return format!("{:.3} %", value * 100.0);
    }
    if limit.ends_with("/s") {
        return format!("{value:.3}/s");
    }
    if limit.ends_with('s') {
        return format!("{:.3}ms", value / 1e3);
    }
    format!("{value}")
}

/// A count with its thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    let known = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(safe, "&#{};", u32::from(c));
            }
            c if known(c) => safe.push(c),
            _ => safe.push('\u{fffd}'),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_threshold_and_check_is_a_case() {
        let run = json!({
            "card": {"name": "a<b>", "duration_s": 2.0},
            "thresholds": [
                {"text": "p99 < 5ms", "met": true, "value": 1.0, "limit": 5000.0},
                {"text": "p99 < 1ms", "met": false, "value": 2000.0, "limit": 1000.0},
                {"text": "p50 < 1ms", "met": false, "value": 2000.0, "finding": "2.00ms"},
            ],
        });
        let checks = [json!({"name": "x\u{1}\"", "passed": 1234, "failed": 1})];
        let text = of(&run, &checks, "2026-11-22T22:45:06Z");
        assert!(text.contains("<testsuites name=\"a&lt;b&gt;\" tests=\"4\" failures=\"3\""));
        assert!(text.contains("name=\"p99 &lt; 5ms\"/>"));
        assert!(text.contains("<failure message=\"2.000ms\"/>"));
        assert!(text.contains("<failure message=\"2.00ms\"/>"));
        assert_eq!(
            text.matches("timestamp=\"2026-11-22T22:45:06Z\"").count(),
            2
        );
        assert!(
            text.contains(
                "name=\"x\u{fffd}&quot;\"><failure message=\"failed 1 of 1,235 times\"/>"
            )
        );
    }
}
