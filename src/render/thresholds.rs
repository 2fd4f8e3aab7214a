//! What thresholds found, in words and in the right units.

use crate::render::format::{number, time_us};
use stats::threshold::{Metric, Outcome, Statistic};

/// The figure that was found and since when it was missed: `312ms, missed in second 14`.
pub fn finding(outcome: &Outcome) -> String {
    let Some(value) = outcome.value else {
        return "nothing was measured".to_owned();
    };
    let since = outcome
        .first_missed_s
        .map_or(String::new(), |s| format!(", first missed in second {s}"));
    let end = if outcome.aborted {
        ", ended the run"
    } else {
        ""
    };
    format!(
        "{}{}{since}{end}",
        figure(outcome, value),
        unfinished(outcome, value)
    )
}

/// What requests that were never answered would make of it, where that is worse.
fn unfinished(outcome: &Outcome, value: f64) -> String {
    match outcome.with_unfinished {
        Some(with) if with > value => {
            let with = figure(outcome, with);
            format!(" ({with} or more with the unfinished requests)")
        }
        _ => String::new(),
    }
}

fn figure(outcome: &Outcome, value: f64) -> String {
    let rounded = |value: f64| number((value * 1_000.0).round() / 1_000.0);
    match (outcome.metric, outcome.statistic) {
        (Metric::Rate, _) => format!("{}/s", rounded(value)),
        (_, Statistic::Share) => format!("{} %", rounded(value * 100.0)),
        (Metric::Custom, Statistic::Rate) => format!("{}/s", rounded(value)),
        (Metric::Custom, _) => rounded(value),
        (_, Statistic::Count) => rounded(value),
        _ => time_us(value.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_have_the_unit_of_their_metric() {
        let outcome = |metric, statistic, value| Outcome {
            text: String::new(),
            metric,
            name: None,
            of: None,
            limit: 0.0,
            value,
            with_unfinished: None,
            met: false,
            first_missed_s: None,
            aborted: false,
            statistic,
        };
        let rows = [
            (Metric::Latency, Statistic::Mean, 1_500.0, "1.50ms"),
            (Metric::Failures, Statistic::Share, 0.012_5, "1.25 %"),
            (Metric::Failures, Statistic::Count, 1_234.0, "1,234"),
            (Metric::Rate, Statistic::Rate, 99.5, "99.5/s"),
            (Metric::Arrivals, Statistic::Share, 1.0, "100 %"),
            (Metric::Custom, Statistic::Share, 0.25, "25 %"),
            (Metric::Custom, Statistic::Rate, 12.5, "12.5/s"),
            (Metric::Custom, Statistic::Percentile(0.5), 17.0, "17"),
        ];
        for (metric, statistic, value, expected) in rows {
            assert_eq!(finding(&outcome(metric, statistic, Some(value))), expected);
        }
        let mut missed = outcome(Metric::Checks, Statistic::Share, Some(0.5));
        missed.first_missed_s = Some(7);
        missed.aborted = true;
        assert_eq!(
            finding(&missed),
            "50 %, first missed in second 7, ended the run"
        );
        let mut hung = outcome(Metric::Latency, Statistic::Max, Some(2_000.0));
        hung.with_unfinished = Some(1_950_000.0);
        assert_eq!(
            finding(&hung),
            "2.00ms (1.95s or more with the unfinished requests)"
        );
        hung.with_unfinished = Some(2_000.0);
        assert_eq!(finding(&hung), "2.00ms");
        let nothing = outcome(Metric::Lag, Statistic::Max, None);
        assert_eq!(finding(&nothing), "nothing was measured");
    }
}
