//! Thresholds: what they look at, spans that slide, the end they ask for.

use crate::{Core, MS};
use mistress_stats::threshold::{
    Comparison, FailOn, Metric, Of, Statistic, Threshold, ThresholdResult,
};
use mistress_stats::{Aggregator, Counter, FailureKind, Model, Sample};
use std::time::Duration;

fn rule(metric: Metric, statistic: Statistic, comparison: Comparison, limit: f64) -> Threshold {
    crate::rule(Of::All, metric, statistic, comparison, limit)
}

/// Runs one core through `seconds`, each with so many good and failed requests of so many
/// milliseconds; returns the outcomes and, of each second, whether an end was asked for.
fn judged(rules: Vec<Threshold>, seconds: &[(u64, u64, u64)]) -> (Vec<ThresholdResult>, Vec<bool>) {
    let planned = seconds.len() as u64;
    let mut aggregator = Aggregator::new(1, Model::Open).with_thresholds(rules, planned);
    let mut core = Core::new(0);
    let check = core.recorder.check_name("good");
    let mut asked = Vec::new();
    for (second, &(good, bad, ms)) in (1..).zip(seconds) {
        core.requests(good, ms * MS, 0);
        for _ in 0..bad {
            core.recorder.sent(core.name);
            let sample = Sample {
                latency_ns: ms * MS,
                failure: Some(FailureKind::Timeout),
                ..Sample::default()
            };
            core.recorder.request(core.name, &sample);
        }
        (0..good).for_each(|_| core.recorder.check(check, true));
        (0..bad).for_each(|_| core.recorder.check(check, false));
        core.recorder.arrivals_planned(good + bad);
        (0..good).for_each(|_| core.recorder.arrival_started());
        (0..bad).for_each(|_| core.recorder.arrival_dropped());
        core.recorder.roll(second);
        core.deliver(&mut aggregator);
        while aggregator.take_ready().is_some() {}
        asked.push(aggregator.take_abort().is_some());
        assert_eq!(aggregator.take_abort(), None, "each is told once");
    }
    aggregator.add(&core.recorder.finish());
    while aggregator.take_rest().is_some() {}
    aggregator.set_length(planned as f64);
    (aggregator.summary().thresholds, asked)
}

fn one(rule: Threshold, seconds: &[(u64, u64, u64)]) -> ThresholdResult {
    let (mut outcomes, _) = judged(vec![rule], seconds);
    outcomes.remove(0)
}

#[test]
fn the_whole_run_is_judged_at_its_end() {
    use Comparison::{Above, AtLeast, AtMost, Below};
    // 30 good and 10 failed requests in 4 s, half of them of 10 ms and half of 20 ms.
    let seconds = [(10, 0, 10), (10, 0, 10), (5, 5, 20), (5, 5, 20)];
    let rows = [
        (Metric::Failures, Statistic::Share, Below, 0.25, 0.25, false),
        (Metric::Failures, Statistic::Share, AtMost, 0.25, 0.25, true),
        (Metric::Failures, Statistic::Count, Below, 11.0, 10.0, true),
        (Metric::Checks, Statistic::Share, AtLeast, 0.75, 0.75, true),
        (Metric::Checks, Statistic::Share, Above, 0.75, 0.75, false),
        (Metric::Checks, Statistic::Count, Below, 10.0, 10.0, false),
        (Metric::Rate, Statistic::Rate, AtLeast, 10.0, 10.0, true),
        (Metric::Rate, Statistic::Rate, Above, 10.0, 10.0, false),
        (
            Metric::Arrivals,
            Statistic::Share,
            AtLeast,
            0.75,
            0.75,
            true,
        ),
        (Metric::Latency, Statistic::Min, AtLeast, 10e3, 10e3, true),
        (Metric::Latency, Statistic::Max, Below, 20e3, 20e3, false),
        (Metric::Latency, Statistic::Mean, AtMost, 15e3, 15e3, true),
    ];
    for (metric, statistic, comparison, limit, value, met) in rows {
        let outcome = one(rule(metric, statistic, comparison, limit), &seconds);
        assert_eq!(outcome.value, Some(value), "{metric:?} {statistic:?}");
        assert_eq!(outcome.met, met, "{metric:?} {comparison:?} {limit}");
    }
    // Half of the values are 10 ms: the 49th percentile is among them, the 51st is not.
    for (share, low) in [(0.49, 10e3), (0.51, 20e3)] {
        let statistic = Statistic::Percentile(share);
        let value = one(rule(Metric::Latency, statistic, Below, 1.0), &seconds).value;
        // Three digits of the histogram.
        assert!((low..low * 1.001).contains(&value.unwrap()), "{value:?}");
    }
}

#[test]
fn a_name_that_was_not_used_proves_nothing() {
    let mut nobody = rule(Metric::Latency, Statistic::Max, Comparison::Below, 1e9);
    nobody.name = Some("nobody".to_owned());
    let outcome = one(nobody.clone(), &[(10, 0, 1)]);
    assert_eq!((outcome.value, outcome.met), (None, false));
    nobody.name = Some("GET /".to_owned());
    assert!(one(nobody, &[(10, 0, 1)]).met);
}

#[test]
fn spans_slide_by_a_second_and_merge_exactly() {
    // Of any two seconds in a row the worst share is 10 of 20, in seconds 2 and 3.
    let seconds = [(10, 0, 1), (10, 0, 1), (4, 6, 1), (6, 4, 1), (10, 0, 1)];
    let mut share = rule(Metric::Failures, Statistic::Share, Comparison::Below, 0.4);
    share.over = Some(Duration::from_secs(2));
    let outcome = one(share.clone(), &seconds);
    assert_eq!((outcome.value, outcome.met), (Some(0.5), false));
    // The span of seconds 2 and 3 is the first with 40 % or more.
    assert_eq!(outcome.first_missed_s, Some(3));
    share.limit = 0.51;
    assert!(one(share.clone(), &seconds).met);
    // A run that is shorter than the span is one span.
    share.over = Some(Duration::from_secs(100));
    assert_eq!(one(share.clone(), &seconds).value, Some(0.2));
    // Empty seconds are not judged.
    share.over = Some(Duration::from_secs(1));
    share.limit = 0.7;
    assert!(one(share, &[(10, 0, 1), (0, 0, 1), (10, 0, 1)]).met);
    let mut rate = rule(Metric::Rate, Statistic::Rate, Comparison::AtLeast, 10.0);
    rate.over = Some(Duration::from_secs(2));
    // The last row of the series, behind the plan, is not asked for a rate.
    assert!(one(rate, &seconds).met);
}

#[test]
fn an_end_is_asked_for_once_and_not_before_the_delay() {
    let seconds = [(0, 10, 1), (10, 0, 1), (0, 10, 1), (0, 10, 1)];
    let mut share = rule(Metric::Failures, Statistic::Share, Comparison::Below, 0.5);
    share.abort = true;
    share.over = Some(Duration::from_secs(1));
    let (outcomes, asked) = judged(vec![share.clone()], &seconds);
    assert_eq!(asked, [true, false, false, false]);
    assert!(outcomes[0].aborted && !outcomes[0].met);
    assert_eq!(outcomes[0].first_missed_s, Some(0));
    share.delay = Duration::from_secs(2);
    let (outcomes, asked) = judged(vec![share.clone()], &seconds);
    assert_eq!(asked, [false, false, true, false]);
    assert_eq!(outcomes[0].first_missed_s, Some(2));
    // Over the whole run: 10 of 20 after the second second.
    share.over = None;
    let (_, asked) = judged(vec![share.clone()], &seconds);
    assert_eq!(asked, [false, true, false, false]);
    share.abort = false;
    let (outcomes, asked) = judged(vec![share], &seconds);
    assert_eq!(asked, [false; 4]);
    assert_eq!((outcomes[0].met, outcomes[0].aborted), (false, false));
}

/// Six iterations of the load, two of them failed, and one that finishes in the drain.
fn iterations(rules: Vec<Threshold>) -> Vec<ThresholdResult> {
    let mut aggregator = Aggregator::new(1, Model::Open).with_thresholds(rules, 2);
    let mut core = Core::new(0);
    for second in 1..3 {
        (0..2).for_each(|_| core.recorder.iteration_finished());
        core.recorder.iteration_failed();
        core.recorder.count(Counter::ScriptError, 1);
        if second == 2 {
            core.recorder.load_ended(2_000 * MS);
            core.recorder.iteration_finished();
        }
        core.recorder.roll(second);
        core.deliver(&mut aggregator);
    }
    aggregator.set_length(2.5);
    aggregator.add(&core.recorder.finish());
    while aggregator.take_rest().is_some() {}
    aggregator.summary().thresholds
}

#[test]
fn iterations_and_script_errors_are_counted() {
    use Comparison::{AtLeast, Below};
    use Metric::{Iterations, ScriptErrors};
    let rows = [
        (Iterations, Statistic::Count, Of::Ok, 5.0),
        (Iterations, Statistic::Count, Of::Failed, 2.0),
        (Iterations, Statistic::Count, Of::All, 7.0),
        (Iterations, Statistic::Rate, Of::Ok, 2.0),
        (Iterations, Statistic::Rate, Of::All, 3.0),
        (Iterations, Statistic::Share, Of::Failed, 2.0 / 7.0),
        (ScriptErrors, Statistic::Count, Of::Ok, 2.0),
    ];
    let rules = rows.map(|(metric, statistic, of, value)| Threshold {
        of,
        ..rule(metric, statistic, AtLeast, value)
    });
    let outcomes = iterations(rules.to_vec());
    for (row, outcome) in rows.iter().zip(outcomes) {
        assert_eq!((outcome.value, outcome.met), (Some(row.3), true), "{row:?}");
    }
    // what is asked of the load is not asked of the drain after it
    let spans = |statistic, limit, comparison| Threshold {
        over: Some(Duration::from_secs(1)),
        ..rule(Iterations, statistic, comparison, limit)
    };
    let rules = vec![
        spans(Statistic::Rate, 3.0, AtLeast),
        spans(Statistic::Count, 4.0, Below),
    ];
    let met: Vec<bool> = iterations(rules).iter().map(|one| one.met).collect();
    assert_eq!(met, [true, false]);
}

#[test]
fn rules_fail_a_run_by_what_happened_and_never_by_what_did_not() {
    let rules = || FailOn::ALL.iter().map(|rule| rule.threshold()).collect();
    let (quiet, _) = judged(rules(), &[(0, 0, 1)]);
    assert!(quiet.iter().all(|one| one.met), "{quiet:?}");
    let (good, _) = judged(rules(), &[(3, 0, 1)]);
    assert!(good.iter().all(|one| one.met), "{good:?}");
    let (bad, _) = judged(rules(), &[(0, 3, 1)]);
    let missed = bad.iter().filter(|one| !one.met);
    let told: Vec<String> = missed
        .map(|one| format!("{}: {}", one.text, one.finding()))
        .collect();
    let expected = [
        "fail_on no_success: no request ended ok",
        "fail_on failed_requests: 3 failed requests",
        "fail_on failed_checks: 3 failed checks",
        "fail_on dropped_arrivals: 3 dropped arrivals",
    ];
    assert_eq!(told, expected);
    let errors = iterations(vec![FailOn::ScriptErrors.threshold()]).remove(0);
    assert_eq!(errors.finding(), "2 script errors");
    assert!(!errors.met && errors.is_shown() && !good[0].is_shown());
}
