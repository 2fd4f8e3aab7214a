//! What thresholds found, in words and in the right units.

use super::format::{number, time_us};
use crate::threshold::{Metric, Statistic, ThresholdResult};

impl ThresholdResult {
    /// The figure that was found and since when it was missed: `312ms, first missed in second 14`.
    pub fn finding(&self) -> String {
        let Some(value) = self.value else {
            return "nothing was measured".to_owned();
        };
        if let Some(rule) = self.fail_on {
            return rule.finding(value as u64);
        }
        let mut text = self.figure(value);
        // what requests that were never answered would make of it, where that is worse
        if let Some(with) = self.with_unfinished.filter(|with| *with > value) {
            let with = self.figure(with);
            text += &format!(" ({with} or more with the unfinished requests)");
        }
        if let Some(second) = self.first_missed_s {
            text += &format!(", first missed in second {second}");
        }
        if self.aborted {
            text += ", ended the run";
        }
        text
    }

    fn figure(&self, value: f64) -> String {
        let rounded = |value: f64| number((value * 1_000.0).round() / 1_000.0);
        match (self.metric, self.statistic) {
            (_, Statistic::Rate) => format!("{}/s", rounded(value)),
            (_, Statistic::Share) => format!("{} %", rounded(value * 100.0)),
            (Metric::Custom, _) => rounded(value),
            (_, Statistic::Count) => rounded(value),
            _ => time_us(value.round() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_have_the_unit_of_their_metric() {
        let outcome = |metric, statistic, value| ThresholdResult {
            text: String::new(),
            metric,
            name: None,
            tag: None,
            of: None,
            limit: 0.0,
            value,
            with_unfinished: None,
            met: false,
            first_missed_s: None,
            aborted: false,
            fail_on: None,
            statistic,
        };
        let rows = [
            (Metric::Latency, Statistic::Mean, 1_500.0, "1.50ms"),
            (Metric::Failures, Statistic::Share, 0.012_5, "1.25 %"),
            (Metric::Failures, Statistic::Count, 1_234.0, "1,234"),
            (Metric::Rate, Statistic::Rate, 99.5, "99.5/s"),
            (Metric::Arrivals, Statistic::Share, 1.0, "100 %"),
            (Metric::Iterations, Statistic::Rate, 2.5, "2.5/s"),
            (Metric::ScriptErrors, Statistic::Count, 3.0, "3"),
            (Metric::Custom, Statistic::Share, 0.25, "25 %"),
            (Metric::Custom, Statistic::Rate, 12.5, "12.5/s"),
            (Metric::Custom, Statistic::Percentile(0.5), 17.0, "17"),
        ];
        for (metric, statistic, value, expected) in rows {
            assert_eq!(outcome(metric, statistic, Some(value)).finding(), expected);
        }
        let mut missed = outcome(Metric::Checks, Statistic::Share, Some(0.5));
        missed.first_missed_s = Some(7);
        missed.aborted = true;
        assert_eq!(
            missed.finding(),
            "50 %, first missed in second 7, ended the run"
        );
        let mut hung = outcome(Metric::Latency, Statistic::Max, Some(2_000.0));
        hung.with_unfinished = Some(1_950_000.0);
        assert_eq!(
            hung.finding(),
            "2.00ms (1.95s or more with the unfinished requests)"
        );
        hung.with_unfinished = Some(2_000.0);
        assert_eq!(hung.finding(), "2.00ms");
        let nothing = outcome(Metric::Lag, Statistic::Max, None);
        assert_eq!(nothing.finding(), "nothing was measured");
    }
}
