//! Thresholds and checks as JUnit XML, the form that CI systems read.
//!
//! One test case per threshold and per check. Names come from profiles and scripts, so they are
//! escaped, and characters that XML 1.0 (section 2.2) does not know are replaced.

use super::RunFacts;
use super::format::count;
use crate::summary::{Check, Summary};
use crate::threshold::ThresholdResult;
use std::fmt::Write;

/// The document, ending in a line feed.
pub(super) fn render(run: &RunFacts, summary: &Summary) -> String {
    let thresholds = summary.thresholds.iter().map(threshold);
    let checks = summary.checks.iter().map(check);
    let suites = [
        ("thresholds", thresholds.collect::<Vec<Case>>()),
        ("checks", checks.collect()),
    ];
    let (tests, failures) = suites.iter().fold((0, 0), |(tests, failures), (_, cases)| {
        (tests + cases.len(), failures + failed(cases))
    });
    let (name, time) = (escape(&run.name), run.duration_s);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\" \
         tests=\"{tests}\" failures=\"{failures}\" time=\"{time:.3}\">\n"
    );
    for (suite, cases) in suites.iter().filter(|(_, cases)| !cases.is_empty()) {
        let (tests, failures, start) = (cases.len(), failed(cases), escape(&run.start));
        // writing to a String does not fail
        let _ = writeln!(
            text,
            "  <testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\" \
             errors=\"0\" skipped=\"0\" timestamp=\"{start}\" time=\"{time:.3}\">"
        );
        for case in cases {
            let title = escape(&case.title);
            let _ = write!(
                text,
                "    <testcase classname=\"{name}.{suite}\" name=\"{title}\""
            );
            let _ = match &case.failure {
                None => writeln!(text, "/>"),
                Some(why) => writeln!(text, "><failure message=\"{}\"/></testcase>", escape(why)),
            };
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

struct Case {
    title: String,
    failure: Option<String>,
}

fn failed(cases: &[Case]) -> usize {
    cases.iter().filter(|case| case.failure.is_some()).count()
}

fn threshold(result: &ThresholdResult) -> Case {
    Case {
        title: result.text.clone(),
        failure: (!result.met).then(|| result.finding()),
    }
}

fn check(check: &Check) -> Case {
    let made = check.passed + check.failed;
    Case {
        title: check.name.clone(),
        failure: (check.failed > 0)
            .then(|| format!("failed {} of {} times", count(check.failed), count(made))),
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\t' | '\n' | '\r' => {
                let _ = write!(safe, "&#{};", c as u32);
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_text() {
        let hostile = "<b a=\"'&\">\u{1}\r\n\u{fffe}";
        assert_eq!(
            escape(hostile),
            "&lt;b a=&quot;'&amp;&quot;&gt;\u{fffd}&#13;&#10;\u{fffd}"
        );
    }

    #[test]
    fn failed_checks_are_failures() {
        let bad = check(&Check {
            name: "a".to_owned(),
            passed: 3,
            failed: 1,
        });
        assert_eq!(bad.failure.as_deref(), Some("failed 1 of 4 times"));
        let good = check(&Check {
            name: "b".to_owned(),
            passed: 3,
            failed: 0,
        });
        assert_eq!(good.failure, None);
        assert_eq!(failed(&[bad, good]), 1);
    }
}
