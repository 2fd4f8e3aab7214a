//! What fails a run besides the thresholds of its profile.

use super::{Comparison, Metric, Of, Statistic, Threshold};
use crate::kinds::closed_enum;
use crate::report::format::count;
use std::time::Duration;

closed_enum! {
    /// A rule that fails a run.
    FailOn {
        /// The script raised an error.
        ScriptErrors => "script_errors",
        /// Requests were sent, and none ended ok.
        NoSuccess => "no_success",
        /// A request failed, or was unfinished at the end.
        FailedRequests => "failed_requests",
        /// A check failed.
        FailedChecks => "failed_checks",
        /// An arrival was dropped.
        DroppedArrivals => "dropped_arrivals",
    }
}

impl FailOn {
    /// The rules of a profile that says nothing of them.
    pub const DEFAULT: &[FailOn] = &[FailOn::ScriptErrors, FailOn::NoSuccess];

    /// The rule as a threshold, which holds where nothing was measured.
    pub fn threshold(self) -> Threshold {
        let none = |metric| (metric, Comparison::AtMost);
        let (metric, comparison) = match self {
            FailOn::ScriptErrors => none(Metric::ScriptErrors),
            FailOn::NoSuccess => (Metric::Requests, Comparison::Above),
            FailOn::FailedRequests => none(Metric::Failures),
            FailOn::FailedChecks => none(Metric::Checks),
            FailOn::DroppedArrivals => none(Metric::Arrivals),
        };
        Threshold {
            metric,
            name: None,
            tag: None,
            of: Of::Ok,
            statistic: Statistic::Count,
            comparison,
            limit: 0.0,
            over: None,
            abort: false,
            delay: Duration::ZERO,
            fail_on: Some(self),
            text: format!("fail_on {self}"),
        }
    }

    /// What was found: `3 script errors`.
    pub(crate) fn finding(self, found: u64) -> String {
        let (one, many) = match self {
            FailOn::ScriptErrors => ("script error", "script errors"),
            FailOn::NoSuccess if found == 0 => return "no request ended ok".to_owned(),
            FailOn::NoSuccess => ("request ended ok", "requests ended ok"),
            FailOn::FailedRequests => ("failed request", "failed requests"),
            FailOn::FailedChecks => ("failed check", "failed checks"),
            FailOn::DroppedArrivals => ("dropped arrival", "dropped arrivals"),
        };
        format!("{} {}", count(found), if found == 1 { one } else { many })
    }
}
