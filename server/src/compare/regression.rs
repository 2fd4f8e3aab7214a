//! How much worse a run may be than the first one: `p99 10%`.

use super::Metric;
use serde::Serialize;
use std::str::FromStr;

/// The words of figures, and the metrics they stand for.
const FIGURES: [(&str, &str); 9] = [
    ("p50", "latency_p50"),
    ("p90", "latency_p90"),
    ("p95", "latency_p95"),
    ("p99", "latency_p99"),
    ("p99.9", "latency_p999"),
    ("mean", "latency_mean"),
    ("max", "latency_max"),
    ("rate", "throughput"),
    ("failures", "failed"),
];

/// A limit on how much worse a figure may be.
#[derive(Clone, Debug, PartialEq)]
pub struct RegressionLimit {
    /// As it was written.
    text: String,
    metric: &'static str,
    /// A share of the first run's figure; of failures, a difference of shares.
    limit: f64,
}

impl FromStr for RegressionLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [word, limit] = match words[..] {
            ["latency", word, limit] | [word, limit] => [word, limit],
            _ => return Err("expected a figure and a limit, such as \"p99 10%\"".to_owned()),
        };
        let Some((_, metric)) = FIGURES.iter().find(|(known, _)| *known == word) else {
            let known = FIGURES.map(|(known, _)| known).join(", ");
            return Err(format!(
                "found the figure {word:?}, expected one of {known}"
            ));
        };
        let plain = |digits: &&str| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let percent: Option<f64> =
            (limit.strip_suffix('%').filter(plain)).and_then(|digits| digits.parse().ok());
        let Some(percent) = percent else {
            return Err(format!(
                "found the limit {limit:?}, expected a share in percent, such as 10%"
            ));
        };
        Ok(RegressionLimit {
            text: format!("{word} {limit}"),
            metric,
            limit: percent / 100.0,
        })
    }
}

/// How a run stands to a limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regression {
    /// The limit as it was written.
    pub limit: String,
    /// The metric it is about.
    pub metric: &'static str,
    /// Which of the runs compared, from 1; 0 is the one they are compared with.
    pub run: usize,
    /// How much worse the figure is, as a share of the first run's; of failures, the difference of
    /// the shares. Negative where it is better, absent where there is nothing to compare.
    pub worse: Option<f64>,
    /// Whether the limit is exceeded and it is not noise.
    pub regressed: bool,
    /// Why, in words.
    pub statement: &'static str,
}

/// Holds all runs but the first against the limits.
pub fn regressions(limits: &[RegressionLimit], metrics: &[Metric]) -> Vec<Regression> {
    let mut judged = Vec::new();
    for limit in limits {
        let metric = metrics.iter().find(|one| one.metric == limit.metric);
        let Some(metric) = metric else { continue };
        let runs = 1..metric.values.len();
        judged.extend(runs.map(|run| limit.judge(metric, run)));
    }
    judged
}

impl RegressionLimit {
    fn judge(&self, metric: &Metric, run: usize) -> Regression {
        let difference = metric.differences[run].as_ref();
        let worse = difference.and_then(|one| match metric.unit {
            "share" => Some(one.difference),
            _ if metric.lower_is_better => one.relative,
            _ => one.relative.map(|share| -share),
        });
        let noise = difference.map_or("", |one| one.statement);
        let (regressed, statement) = match worse {
            None => (true, "nothing to compare"),
            Some(worse) if worse <= self.limit => (false, "within the limit"),
            Some(_) if noise == "within noise" => (false, "beyond the limit, within noise"),
            Some(_) if noise == "beyond noise" => (true, "beyond the limit, beyond noise"),
            Some(_) => (true, "beyond the limit, too short to tell from noise"),
        };
        Regression {
            limit: self.text.clone(),
            metric: self.metric,
            run,
            worse,
            regressed,
            statement,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Difference;

    fn metric(unit: &'static str, lower_is_better: bool, found: Option<(f64, f64)>) -> Metric {
        let difference = found.map(|(difference, relative)| Difference {
            difference,
            difference_low: None,
            difference_high: None,
            relative: Some(relative),
            low: None,
            high: None,
            statement: "beyond noise",
        });
        Metric {
            metric: "latency_p99",
            label: "latency p99",
            unit,
            lower_is_better,
            values: vec![Some(1.0), found.map(|_| 2.0)],
            differences: vec![None, difference],
        }
    }

    fn judged(metric: &Metric, statement: Option<&'static str>) -> (bool, &'static str) {
        let mut metric = metric.clone();
        if let (Some(statement), Some(one)) = (statement, &mut metric.differences[1]) {
            one.statement = statement;
        }
        let limit: RegressionLimit = "latency p99 10%".parse().expect("a limit");
        let found = regressions(&[limit], &[metric]).remove(0);
        (found.regressed, found.statement)
    }

    #[test]
    fn a_regression_is_beyond_the_limit_and_beyond_noise() {
        let slower = metric("us", true, Some((200.0, 0.2)));
        assert_eq!(
            judged(&slower, None),
            (true, "beyond the limit, beyond noise")
        );
        assert!(!judged(&slower, Some("within noise")).0);
        // without an interval the limit alone decides
        assert!(judged(&slower, Some("too short to say")).0);
        let faster = metric("us", true, Some((-200.0, -0.2)));
        assert_eq!(judged(&faster, None), (false, "within the limit"));
        let fewer = metric("per_s", false, Some((-20.0, -0.2)));
        assert!(judged(&fewer, None).0);
        let more = metric("per_s", false, Some((20.0, 0.2)));
        assert!(!judged(&more, None).0);
        // of failures in points: twice as many of very few are few
        let failures = metric("share", true, Some((0.01, 1.0)));
        assert!(!judged(&failures, None).0);
        let nothing = metric("us", true, None);
        assert_eq!(judged(&nothing, None), (true, "nothing to compare"));
    }

    #[test]
    fn limits_are_a_figure_and_percent() {
        let good = [
            "p99 10%",
            "latency p99.9 0.5%",
            "rate 5%",
            "failures 1%",
            "max  20%",
        ];
        for text in good {
            assert!(text.parse::<RegressionLimit>().is_ok(), "{text}");
        }
        let rows = [
            ("p99", "such as \"p99 10%\""),
            ("p98 10%", "found the figure \"p98\", expected one of p50"),
            (
                "p99 10",
                "found the limit \"10\", expected a share in percent",
            ),
            ("p99 -1%", "found the limit"),
            ("p99 x%", "found the limit"),
        ];
        for (text, part) in rows {
            let told = text.parse::<RegressionLimit>().expect_err(text);
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
