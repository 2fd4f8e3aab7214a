//! What numbers mean: ok and failed apart, unfinished requests, the time of load, nothing measured.

use crate::{Core, MS};
use mistress_stats::custom::CustomKind;
use mistress_stats::threshold::Comparison::{self, Above, AtLeast, AtMost, Below};
use mistress_stats::threshold::Metric::{self, Checks, Custom, Failures, Lag, Latency, Rate};
use mistress_stats::threshold::Statistic::{self, Count, Max, Mean, Min, Percentile, Share};
use mistress_stats::threshold::{Of, Threshold, ThresholdResult};
use mistress_stats::{Aggregator, FailureKind, Model, Sample, Summary};
use std::time::Duration;

/// A run of one core: 3 s of load of which the first is warm-up, half a second of drain, named
/// and custom things. In the seconds 1 and 2: 10 ok of 200 ms and 30 failed of 1 ms each. In the
/// drain: 4 ok of 2 s. At the end 5 are unfinished, 3 s old.
fn run(rules: Vec<Threshold>) -> Summary {
    let mut aggregator = Aggregator::new(1, Model::Open)
        .with_thresholds(rules, 3)
        .with_warmup(1);
    let mut core = Core::new(0);
    core.requests(50, 5 * MS, 0);
    for second in 1..3 {
        core.recorder.roll(second);
        core.deliver(&mut aggregator);
        core.requests(10, 200 * MS, 0);
        refused(&mut core, 30);
        let paid = core.recorder.custom_name(CustomKind::Counter, "paid");
        core.recorder.custom(paid, 5.0);
    }
    core.recorder.roll(3);
    core.recorder.load_ended(3_000 * MS);
    core.requests(4, 2_000 * MS, 0);
    let paid = core.recorder.custom_name(CustomKind::Counter, "paid");
    core.recorder.custom(paid, 100.0);
    let hang = core.recorder.request_name("hang");
    for _ in 0..5 {
        core.recorder.sent(hang);
        core.recorder.request_unfinished(hang, 3_000 * MS);
    }
    core.deliver(&mut aggregator);
    aggregator.set_length(3.5);
    aggregator.add(&core.recorder.finish());
    while aggregator.take_rest().is_some() {}
    aggregator.summary()
}

fn refused(core: &mut Core, n: u64) {
    for _ in 0..n {
        core.recorder.sent(core.name);
        let sample = Sample {
            latency_ns: MS,
            status: 429,
            failure: Some(FailureKind::Status),
            ..Sample::default()
        };
        core.recorder.request(core.name, &sample);
    }
}

fn rule(metric: Metric, statistic: Statistic, comparison: Comparison, limit: f64) -> Threshold {
    crate::rule(Of::Ok, metric, statistic, comparison, limit)
}

fn outcome(rule: Threshold) -> ThresholdResult {
    run(vec![rule]).thresholds.remove(0)
}

/// The same to the histogram's three digits.
fn close(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= expected * 1e-3,
        (found, expected) => found == expected,
    }
}

/// What is asked for with its limit, the figure, and whether it is met.
type Row = (Metric, Statistic, Of, Comparison, f64, Option<f64>, bool);

/// Milliseconds in the unit of times, microseconds.
const MILLIS: f64 = 1e3;

// 24 ok, 60 failed, 5 unfinished: 89 sent
const ROWS: [Row; 33] = [
    // latency is of ok
    (
        Latency,
        Percentile(0.5),
        Of::Ok,
        Below,
        100.0 * MILLIS,
        Some(200.0 * MILLIS),
        false,
    ),
    (
        Latency,
        Percentile(0.5),
        Of::Failed,
        Below,
        100.0 * MILLIS,
        Some(1.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Percentile(0.5),
        Of::All,
        Below,
        100.0 * MILLIS,
        Some(1.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Percentile(0.8),
        Of::Ok,
        AtLeast,
        200.0 * MILLIS,
        Some(200.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Min,
        Of::Ok,
        AtLeast,
        199.0 * MILLIS,
        Some(200.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Min,
        Of::All,
        Below,
        2.0 * MILLIS,
        Some(1.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Max,
        Of::Failed,
        Above,
        2.0 * MILLIS,
        Some(1.0 * MILLIS),
        false,
    ),
    // (20 * 200 + 4 * 2000) / 24 and with 60 of 1 ms as well
    (
        Latency,
        Mean,
        Of::Ok,
        Below,
        500.1 * MILLIS,
        Some(500.0 * MILLIS),
        false,
    ),
    (
        Latency,
        Mean,
        Of::Failed,
        Above,
        0.0,
        Some(1.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Mean,
        Of::All,
        Above,
        140.0 * MILLIS,
        Some(12_060.0 / 84.0 * MILLIS),
        true,
    ),
    // 5 unfinished ones of 3 s are the slowest
    (
        Latency,
        Max,
        Of::Ok,
        Below,
        2_500.0 * MILLIS,
        Some(2_000.0 * MILLIS),
        false,
    ),
    (
        Latency,
        Max,
        Of::Ok,
        Below,
        3_500.0 * MILLIS,
        Some(2_000.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Max,
        Of::All,
        AtMost,
        2_500.0 * MILLIS,
        Some(2_000.0 * MILLIS),
        false,
    ),
    (
        Latency,
        Max,
        Of::Failed,
        Below,
        10.0 * MILLIS,
        Some(1.0 * MILLIS),
        false,
    ),
    // of 29 the 25th is unfinished
    (
        Latency,
        Percentile(0.82),
        Of::Ok,
        Below,
        2_500.0 * MILLIS,
        Some(200.0 * MILLIS),
        true,
    ),
    (
        Latency,
        Percentile(0.87),
        Of::Ok,
        Below,
        2_500.0 * MILLIS,
        Some(2_000.0 * MILLIS),
        false,
    ),
    // an age says nothing against a lower limit
    (
        Latency,
        Max,
        Of::Ok,
        Above,
        1_900.0 * MILLIS,
        Some(2_000.0 * MILLIS),
        true,
    ),
    // other times are of all
    (
        Metric::ServiceTime,
        Percentile(0.5),
        Of::Ok,
        Below,
        300.0 * MILLIS,
        Some(200.0 * MILLIS),
        true,
    ),
    (Lag, Max, Of::Ok, AtMost, 0.0, Some(0.0), true),
    // failed and unfinished of those sent
    (
        Failures,
        Share,
        Of::Ok,
        Below,
        0.73,
        Some(65.0 / 89.0),
        false,
    ),
    (
        Failures,
        Share,
        Of::Ok,
        Below,
        0.74,
        Some(65.0 / 89.0),
        true,
    ),
    (Failures, Count, Of::Ok, AtMost, 64.0, Some(65.0), false),
    // within the 2 s of load
    (
        Rate,
        Statistic::Rate,
        Of::Ok,
        AtLeast,
        10.0,
        Some(10.0),
        true,
    ),
    (
        Rate,
        Statistic::Rate,
        Of::Failed,
        Below,
        30.0,
        Some(30.0),
        false,
    ),
    (
        Rate,
        Statistic::Rate,
        Of::All,
        AtLeast,
        40.0,
        Some(40.0),
        true,
    ),
    // nothing was measured
    (Checks, Count, Of::Ok, Below, 1.0, Some(0.0), true),
    (Checks, Share, Of::Ok, AtLeast, 0.0, None, false),
    (
        Metric::Connect,
        Percentile(0.5),
        Of::Ok,
        Below,
        1e9,
        None,
        false,
    ),
    (Custom, Count, Of::Ok, Below, 10.0, Some(0.0), true),
    (Custom, Count, Of::Ok, Above, 0.0, Some(0.0), false),
    (Custom, Statistic::Rate, Of::Ok, Below, 0.1, Some(0.0), true),
    (Custom, Max, Of::Ok, Below, 1.0, None, false),
    (Custom, Percentile(0.5), Of::Ok, Below, 1.0, None, false),
];

#[test]
fn figures_are_of_those_that_ended_as_asked() {
    let rule = |&(metric, statistic, of, comparison, limit, _, _): &Row| Threshold {
        of,
        name: (metric == Custom).then(|| "errors".to_owned()),
        ..rule(metric, statistic, comparison, limit)
    };
    let outcomes = run(ROWS.iter().map(rule).collect()).thresholds;
    for (row, outcome) in ROWS.iter().zip(outcomes) {
        assert!(close(outcome.value, row.5), "{row:?}: {outcome:?}");
        assert_eq!(outcome.met, row.6, "{row:?}: {outcome:?}");
    }
}

#[test]
fn a_name_that_only_hangs_has_no_latency_and_fails_in_full() {
    let named = |rule: Threshold| {
        let name = Some("hang".to_owned());
        outcome(Threshold { name, ..rule })
    };
    let max = named(rule(Latency, Max, Below, 1e9));
    assert_eq!((max.value, max.met), (None, false));
    assert!(close(max.with_unfinished, Some(3e6)), "{max:?}");
    let failures = rule(Failures, Share, Below, 1.0);
    assert_eq!(named(failures).value, Some(1.0));
}

#[test]
fn what_is_added_in_the_drain_is_in_no_rate() {
    let paid = |statistic| {
        let name = Some("paid".to_owned());
        let rule = rule(Custom, statistic, Above, 0.0);
        outcome(Threshold { name, ..rule }).value
    };
    assert_eq!(paid(Count), Some(110.0));
    assert_eq!(paid(Statistic::Rate), Some(5.0));
    let summary = run(vec![]);
    assert_eq!(summary.metrics[0].sum, Some(110.0));
    assert_eq!(summary.metrics[0].per_s, Some(5.0));
    let load = summary.throughput;
    assert_eq!((load.load_s, load.ok, load.failed), (2.0, 20, 60));
    assert_eq!((load.requests_per_s, load.ok_per_s), (40.0, 10.0));
}

#[test]
fn the_load_may_end_within_a_second() {
    let mut aggregator = Aggregator::new(2, Model::Open);
    for number in 0..2 {
        let mut core = Core::new(number);
        core.requests(10, MS, 0);
        core.recorder
            .load_ended(500 * MS + u64::from(number) * 500 * MS);
        // only the first call counts
        core.recorder.load_ended(900 * MS);
        core.requests(7, MS, 0);
        core.recorder.roll(1);
        core.requests(7, MS, 0);
        core.deliver(&mut aggregator);
        aggregator.add(&core.recorder.finish());
    }
    while aggregator.take_rest().is_some() {}
    aggregator.set_length(1.5);
    let load = aggregator.summary().throughput;
    assert_eq!((load.load_s, load.ok, load.ok_per_s), (1.0, 20, 20.0));
}

#[test]
fn the_piece_of_a_second_at_the_end_is_judged_with_the_span_before_it() {
    let rule = Threshold {
        over: Some(Duration::from_secs(1)),
        ..rule(Failures, Share, Below, 0.5)
    };
    let mut aggregator = Aggregator::new(1, Model::Open).with_thresholds(vec![rule], 2);
    let mut core = Core::new(0);
    for second in 1..3 {
        core.requests(100, MS, 0);
        core.recorder.roll(second);
        core.deliver(&mut aggregator);
        while aggregator.take_ready().is_some() {}
    }
    // 3 ms later: what was under way is all that the last window has
    for _ in 0..20 {
        core.recorder.sent(core.name);
        core.recorder.request_unfinished(core.name, 5 * MS);
    }
    aggregator.set_length(2.003);
    aggregator.add(&core.recorder.finish());
    while aggregator.take_rest().is_some() {}
    let outcome = aggregator.summary().thresholds.remove(0);
    assert_eq!((outcome.value, outcome.met), (Some(20.0 / 120.0), true));
}

#[test]
fn a_second_without_requests_has_no_latency() {
    let summary = run(vec![]);
    let series = serde_json::to_value(&summary.series).unwrap();
    // the warm-up: none failed
    assert_eq!(series[0]["latency"]["count"], 50);
    assert_eq!(series[0]["latency_failed"]["count"], 0);
    assert!(series[0]["latency_failed"]["p50_us"].is_null());
    let p50 = |key: &str| series[1][key]["p50_us"].as_u64().unwrap();
    assert_eq!(p50("latency") / 1_000, 200);
    assert_eq!((p50("latency_failed"), p50("latency_all")), (1_000, 1_000));
    assert_eq!(series[1]["latency_all"]["count"], 40);
}
