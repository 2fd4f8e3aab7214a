//! `mistress doctor`: is this machine fit to generate load, and what to change.

mod facts;
mod judge;
mod parse;

use super::console::Stream;
use super::exit::{Exit, Failure};
use crate::cli::DoctorArguments;
use crate::render::flow::{Paint, Style};
use crate::render::format;
use facts::Facts;
use judge::{Finding, Grade};

/// What `--seccomp` prints.
const SECCOMP: &str = include_str!("../../packaging/seccomp.json");

/// Checks the machine and prints the findings, or prints the seccomp profile for containers.
///
/// # Errors
/// Never; the signature is that of every subcommand.
pub fn execute(arguments: &DoctorArguments) -> Result<Exit, Failure> {
    if arguments.seccomp {
        Stream::Out.print(SECCOMP);
        return Ok(Exit::Done);
    }
    let findings = judge::judge(&Facts::gather());
    Stream::Out.print(&report(&findings, Stream::Out.style(false)));
    let sound = findings.iter().all(|finding| finding.grade != Grade::Fail);
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

/// What is to be said against this machine as a load generator, one line each.
pub fn problems() -> Vec<String> {
    let findings = judge::judge(&Facts::gather()).into_iter();
    let problems = findings.filter(|finding| finding.grade != Grade::Ok);
    problems
        .map(|finding| format!("{}: {}", finding.subject, finding.found))
        .collect()
}

/// One line per finding with the advice below it, and the total.
fn report(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    for finding in findings {
        let (paint, word) = match finding.grade {
            Grade::Ok => (Paint::Good, "ok  "),
            Grade::Warn => (Paint::Warn, "warn"),
            Grade::Fail => (Paint::Bad, "FAIL"),
        };
        let word = style.apply(paint, word);
        let found = format::escape(&finding.found);
        text += &format!("{word}  {:<13}{found}\n", finding.subject);
        if let Some(advice) = &finding.advice {
            text += &format!("{:19}→ {advice}\n", "");
        }
    }
    let count = |grade| {
        findings
            .iter()
            .filter(|finding| finding.grade == grade)
            .count()
    };
    let number = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    text += "\n";
    text += &match (count(Grade::Fail), count(Grade::Warn)) {
        (0, 0) => "fit to generate load\n".to_owned(),
        (0, warnings) => format!(
            "fit to generate load, with {}\n",
            number(warnings, "warning")
        ),
        (failures, warnings) => format!(
            "not fit to generate load: {}, {}\n",
            number(failures, "failure"),
            number(warnings, "warning")
        ),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(grade: Grade, advice: Option<&str>) -> Finding {
        let found = "6.1\x1b".to_owned();
        Finding {
            grade,
            subject: "kernel",
            found,
            advice: advice.map(str::to_owned),
        }
    }

    #[test]
    fn the_report_ends_with_the_sum() {
        let ok = finding(Grade::Ok, None);
        let warn = finding(Grade::Warn, Some("do this"));
        let fail = finding(Grade::Fail, None);
        let rows: [(&[Finding], &str); 4] = [
            (&[], "\nfit to generate load\n"),
            (
                &[ok],
                "ok    kernel       6.1\\u{1b}\n\nfit to generate load\n",
            ),
            (
                std::slice::from_ref(&warn),
                "warn  kernel       6.1\\u{1b}\n                   → do this\n\n\
                 fit to generate load, with 1 warning\n",
            ),
            (
                &[warn.clone(), fail.clone(), fail],
                "warn  kernel       6.1\\u{1b}\n                   → do this\n\
                 FAIL  kernel       6.1\\u{1b}\nFAIL  kernel       6.1\\u{1b}\n\n\
                 not fit to generate load: 2 failures, 1 warning\n",
            ),
        ];
        for (findings, expected) in rows {
            assert_eq!(report(findings, Style::Plain), expected);
        }
    }
}
