//! The thresholds of a plan in the words of the statistics.

use config::{Metric, Of, Op, Stat, Threshold};
use stats::threshold::{self, Comparison, Rule, Statistic};

/// One rule per threshold, in the same order.
pub fn of(thresholds: &[Threshold]) -> Vec<Rule> {
    thresholds.iter().map(rule).collect()
}

fn rule(threshold: &Threshold) -> Rule {
    Rule {
        metric: match threshold.metric {
            Metric::Latency => threshold::Metric::Latency,
            Metric::ServiceTime => threshold::Metric::ServiceTime,
            Metric::Lag => threshold::Metric::Lag,
            Metric::FirstByte => threshold::Metric::FirstByte,
            Metric::Connect => threshold::Metric::Connect,
            Metric::Failures => threshold::Metric::Failures,
            Metric::Checks => threshold::Metric::Checks,
            Metric::Rate => threshold::Metric::Rate,
            Metric::Arrivals => threshold::Metric::Arrivals,
            Metric::Custom => threshold::Metric::Custom,
        },
        name: threshold.name.clone(),
        of: match threshold.of {
            Of::Ok => threshold::Of::Ok,
            Of::Failed => threshold::Of::Failed,
            Of::All => threshold::Of::All,
        },
        statistic: match threshold.stat {
            Stat::Percentile(share) => Statistic::Percentile(share),
            Stat::Mean => Statistic::Mean,
            Stat::Min => Statistic::Min,
            Stat::Max => Statistic::Max,
            Stat::Count => Statistic::Count,
            Stat::Rate => Statistic::Rate,
            Stat::Share => Statistic::Share,
        },
        comparison: match threshold.op {
            Op::Below => Comparison::Below,
            Op::AtMost => Comparison::AtMost,
            Op::Above => Comparison::Above,
            Op::AtLeast => Comparison::AtLeast,
        },
        limit: threshold.limit,
        over_s: threshold.over.map(|over| over.as_secs()),
        abort: threshold.abort,
        delay_s: threshold.delay.as_secs(),
        text: threshold.text.clone(),
    }
}
