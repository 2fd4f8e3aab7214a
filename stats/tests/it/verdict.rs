//! The verdict about the generator: what makes a run suspect, and what must not.

use crate::{Core, MS, aggregator, finish};
use mistress_stats::verdict::{ReasonKind, VerdictState};
use mistress_stats::{Aggregator, FailureKind, Model, Sample, Summary};

const SECONDS: u64 = 20;

/// A run of one core, `second` called for each of its seconds.
fn run(model: Model, mut second: impl FnMut(&mut Core, u64)) -> Summary {
    let mut aggregator = Aggregator::new(1, model);
    let mut core = Core::new(0);
    for k in 0..SECONDS {
        second(&mut core, k);
        core.recorder.roll(k + 1);
        core.deliver(&mut aggregator);
    }
    finish(aggregator, vec![core])
}

fn kinds(summary: &Summary) -> Vec<ReasonKind> {
    summary.verdict.reasons.iter().map(|r| r.kind).collect()
}

fn check_clean(summary: &Summary) {
    assert_eq!(
        summary.verdict.state,
        VerdictState::Clean,
        "{:?}",
        summary.verdict
    );
    assert_eq!(summary.verdict.reasons, []);
    assert!(summary.series.iter().all(|s| !s.generator_limited));
}

fn check_suspect(summary: &Summary, kind: ReasonKind, spans: &[(u64, u64)]) {
    assert_eq!(
        summary.verdict.state,
        VerdictState::Suspect,
        "{:?}",
        summary.verdict
    );
    let reason = summary.verdict.reasons.iter().find(|r| r.kind == kind);
    let reason = reason.unwrap_or_else(|| panic!("{kind:?} in {:?}", summary.verdict));
    assert_eq!(reason.windows, spans, "{reason:?}");
}

#[test]
fn an_idle_open_run_is_clean() {
    check_clean(&run(Model::Open, |core, _| {
        core.requests(1_000, MS, MS / 20);
        core.time(100 * MS);
    }));
}

/// A hiccup of 45 ms delays 45 of 1 000 evenly spaced arrivals, the last by 1 ms, the first by 45.
#[test]
fn single_hiccups_of_a_shared_machine_are_clean() {
    check_clean(&run(Model::Open, |core, second| {
        let late = if second % 11 == 0 { 45 } else { 0 };
        (0..late).for_each(|k| core.requests(1, (k + 2) * MS, (k + 1) * MS));
        core.requests(1_000 - late, MS, 0);
        core.time(100 * MS);
        if late > 0 {
            core.recorder.turn(45 * MS);
        }
    }));
}

#[test]
fn a_slow_target_is_not_the_generators_fault() {
    check_clean(&run(Model::Open, |core, _| {
        core.requests(500, 900 * MS, 20 * MS);
        core.requests(500, 5 * MS, 0);
        core.time(200 * MS);
    }));
}

#[test]
fn a_closed_run_at_full_speed_is_clean_with_a_note() {
    let summary = run(Model::Closed, |core, _| {
        core.requests(10_000, 2 * MS, MS / 2);
        core.time(1_000 * MS);
    });
    check_clean(&summary);
    assert_eq!(summary.verdict.notes[0].kind, ReasonKind::CoresFull);
}

#[test]
fn an_open_run_on_a_full_core_is_suspect_where_it_is_late() {
    let summary = run(Model::Open, |core, second| {
        let lag = if second >= 15 { 3 * MS } else { MS / 10 };
        core.requests(1_000, 6 * MS, lag);
        core.time(if second >= 10 { 990 * MS } else { 500 * MS });
    });
    check_suspect(&summary, ReasonKind::CoreBusy, &[(15, 19)]);
    assert_eq!(kinds(&summary), [ReasonKind::CoreBusy]);
    assert!(!summary.series[12].generator_limited && summary.series[16].generator_limited);
}

/// One core of eight blocked for 200 ms: too few requests to move the merged percentiles.
#[test]
fn one_blocked_core_among_many_is_found() {
    let mut aggregator = aggregator(8);
    let mut cores: Vec<Core> = (0..8).map(Core::new).collect();
    for second in 0..5 {
        for core in &mut cores {
            core.requests(1_000, MS, 0);
            core.time(100 * MS);
        }
        if second == 2 {
            cores[3].recorder.turn(200 * MS);
            (0..20).for_each(|k| cores[3].requests(1, (k * 10 + 1) * MS, k * 10 * MS));
        }
        for core in &mut cores {
            core.recorder.roll(second + 1);
            core.deliver(&mut aggregator);
        }
    }
    let summary = finish(aggregator, cores);
    check_suspect(&summary, ReasonKind::CoreBlocked, &[(2, 2)]);
    assert!(kinds(&summary).contains(&ReasonKind::LagBlocked));
    assert_eq!(summary.verdict.reasons[0].cores, [3]);
    let limited: Vec<u32> = summary.series[2]
        .cores
        .iter()
        .filter(|c| c.generator_limited)
        .map(|c| c.core)
        .collect();
    assert_eq!(limited, [3], "the other cores are untouched");
    assert!(
        summary
            .series
            .iter()
            .all(|s| s.generator_limited == (s.time_s == 2))
    );
}

#[test]
fn lag_that_comes_back_is_suspect() {
    let summary = run(Model::Open, |core, second| {
        let lag = if second % 5 == 0 { 20 * MS } else { 0 };
        core.requests(100, 21 * MS, lag);
        core.time(100 * MS);
    });
    check_suspect(
        &summary,
        ReasonKind::LagRepeated,
        &[(0, 0), (5, 5), (10, 10), (15, 15)],
    );
    assert_eq!(kinds(&summary), [ReasonKind::LagRepeated]);
}

#[test]
fn lag_in_the_middle_of_all_requests_is_suspect() {
    let summary = run(Model::Closed, |core, _| {
        core.requests(1_000, 3 * MS, 2 * MS);
        core.time(1_000 * MS);
    });
    check_suspect(&summary, ReasonKind::LagTypical, &[]);
}

#[test]
fn lag_in_a_good_part_of_the_slowest_requests_is_suspect() {
    let of_lag = |lag: u64, late: u64| {
        run(Model::Open, move |core, second| {
            core.requests(980, 5 * MS, 0);
            let lag = if second < late { lag } else { 0 };
            core.requests(20, 40 * MS, lag);
            core.time(100 * MS);
        })
    };
    let summary = of_lag(6 * MS, 20);
    assert_eq!(kinds(&summary), [ReasonKind::LagTail]);
    // 5 % of the percentile, and lag of two seconds only
    assert_eq!(kinds(&of_lag(2 * MS, 20)), []);
    assert_eq!(kinds(&of_lag(6 * MS, 2)), []);
}

#[test]
fn dropped_arrivals_are_suspect() {
    let summary = run(Model::Open, |core, second| {
        core.recorder.arrivals_planned(2);
        core.recorder.arrival_started();
        if second == 4 {
            core.recorder.arrival_dropped();
        } else {
            core.recorder.arrival_started();
        }
    });
    check_suspect(&summary, ReasonKind::ArrivalsDropped, &[(4, 4)]);
    assert_eq!(
        summary.verdict.reasons[0].text,
        "1 of 40 arrivals dropped (2.5 %)"
    );
}

#[test]
fn exhausted_resources_are_suspect() {
    for (failure, kind) in [
        (FailureKind::Descriptors, ReasonKind::Descriptors),
        (FailureKind::PortsExhausted, ReasonKind::PortsExhausted),
    ] {
        let summary = run(Model::Open, |core, second| {
            if second == 7 {
                core.recorder.sent(core.name);
                let sample = Sample {
                    failure: Some(failure),
                    ..Sample::default()
                };
                core.recorder.request(core.name, &sample);
            }
        });
        check_suspect(&summary, kind, &[(7, 7)]);
    }
}

#[test]
fn overflow_is_suspect() {
    let mut core = Core::with_flight(0, 1);
    (1..=3).for_each(|second| core.recorder.roll(second));
    let summary = finish(aggregator(1), vec![core]);
    check_suspect(&summary, ReasonKind::RingOverflow, &[(1, 3)]);
}

#[test]
fn sums_that_do_not_hold_are_invalid() {
    let unaccounted = run(Model::Open, |core, second| {
        if second == 0 {
            core.recorder.sent(core.name);
        }
    });
    assert_eq!(unaccounted.verdict.state, VerdictState::Invalid);
    let text = "1 requests sent, but 0 ok + 0 failed + 0 unfinished = 0";
    assert_eq!(unaccounted.conservation().unwrap_err(), text);
    assert_eq!(unaccounted.verdict.reasons[0].text, text);
    let undecided = run(Model::Open, |core, _| core.recorder.arrivals_planned(1));
    assert_eq!(undecided.verdict.state, VerdictState::Invalid);
}

#[test]
fn a_core_that_waits_for_its_processor_is_suspect_where_it_does() {
    let waits = |share_ms: u64, from: u64| {
        run(Model::Closed, move |core, second| {
            core.requests(1_000, MS, 0);
            core.time(500 * MS);
            core.recorder.waited(if second >= from {
                share_ms * MS
            } else {
                5 * MS
            });
        })
    };
    let summary = waits(150, 12);
    check_suspect(&summary, ReasonKind::CoreShared, &[(12, 19)]);
    assert_eq!(kinds(&summary), [ReasonKind::CoreShared]);
    assert!(
        summary.verdict.reasons[0].text.contains("in 8 of 20"),
        "{:?}",
        summary.verdict
    );
    assert!(!summary.series[11].generator_limited && summary.series[12].generator_limited);
    assert_eq!(summary.series[12].cores[0].waited_share, 0.15);
    check_clean(&waits(99, 0));
    // Two seconds of it are a hiccup of the machine.
    assert_eq!(waits(500, 18).verdict.state, VerdictState::Clean);
}

#[test]
fn stolen_processor_time_is_suspect() {
    let stolen = |seconds: u64, part: f64| {
        let mut aggregator = Aggregator::new(1, Model::Open);
        let mut core = Core::new(0);
        for second in 0..SECONDS {
            core.requests(1_000, MS, 0);
            core.time(100 * MS);
            aggregator.stolen(0, second, if second < seconds { part } else { 0.0 });
            core.recorder.roll(second + 1);
            core.deliver(&mut aggregator);
        }
        finish(aggregator, vec![core])
    };
    check_suspect(&stolen(4, 0.08), ReasonKind::TimeStolen, &[(0, 3)]);
    check_clean(&stolen(20, 0.04));
    check_clean(&stolen(2, 0.5));
}
