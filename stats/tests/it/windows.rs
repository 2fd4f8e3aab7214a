//! Windows by themselves: ranges, overflow, gauges, names.

use crate::{Core, MS, aggregator, finish};
use mistress_stats::{Counter, FailureKind, Recorder, Sample};

#[test]
fn a_window_covers_the_seconds_until_it_was_handed_over() {
    let mut core = Core::new(3);
    core.recorder.roll(1);
    core.recorder.roll(4);
    core.recorder.roll(4);
    core.recorder.roll(2);
    let first = core.source.pop().unwrap();
    assert_eq!((first.core(), first.seconds()), (3, 0..1));
    assert_eq!(core.source.pop().unwrap().seconds(), 1..4);
    assert!(
        core.source.pop().is_none(),
        "a second that is not later rolls nothing"
    );
    assert_eq!(core.recorder.finish().seconds(), 4..5);
}

#[test]
fn a_full_ring_grows_the_window_and_loses_nothing() {
    let mut core = Core::with_flight(0, 2);
    for second in 1..=10 {
        core.requests(second, MS, 0);
        core.recorder.roll(second);
    }
    let mut aggregator = aggregator(1);
    core.deliver(&mut aggregator);
    // two windows are out, so second 3 and those after it went into one
    core.requests(11, MS, 0);
    core.recorder.roll(11);
    core.deliver(&mut aggregator);
    let summary = finish(aggregator, vec![core]);
    assert_eq!(summary.totals.counts.ok, (1..=11).sum::<u64>());
    assert_eq!(summary.generator.cores[0].overflows, 8);
    let rows: Vec<(u64, u64, u64)> = summary
        .series
        .iter()
        .map(|s| (s.time_s, s.seconds, s.counts.ok))
        .collect();
    assert_eq!(
        rows,
        [(0, 1, 1), (1, 1, 2), (2, 9, (3..=11).sum()), (11, 1, 0)]
    );
}

#[test]
fn a_reporter_that_is_gone_stops_nobody() {
    let (mut recorder, source) = Recorder::link(0, 2);
    drop(source);
    let name = recorder.request_name("GET /");
    for second in 1..100 {
        recorder.sent(name);
        recorder.request(name, &Sample::default());
        recorder.roll(second);
    }
    assert_eq!(recorder.finish().seconds().end, 100);
}

#[test]
fn gauges_go_on_from_window_to_window() {
    let mut core = Core::new(0);
    core.recorder.users(5);
    core.recorder.users(2);
    core.recorder.connections(7);
    core.recorder.roll(1);
    core.recorder.roll(2);
    core.recorder.users(3);
    let summary = finish(aggregator(1), vec![core]);
    let users: Vec<_> = summary
        .series
        .iter()
        .map(|s| (s.users.min, s.users.max))
        .collect();
    assert_eq!(users, [(0, 5), (2, 2), (2, 3)]);
    assert_eq!(summary.series[2].connections.min, 7);
    assert_eq!(
        (summary.totals.users_max, summary.totals.connections_max),
        (5, 7)
    );
}

#[test]
fn names_are_bounded_and_the_rest_is_counted_together() {
    let (mut recorder, source) = Recorder::link(0, 1);
    let extra = 30;
    for k in 0..Recorder::NAMES_MAX + extra {
        let id = recorder.request_name(&format!("GET /{k}"));
        assert_eq!(
            id,
            recorder.request_name(&format!("GET /{k}")),
            "the same name, the same id"
        );
        recorder.sent(id);
        recorder.request(id, &Sample::default());
    }
    let t = recorder.transaction_name("one too many");
    recorder.transaction(t, MS, true);
    let name = recorder.request_name("GET /0");
    let core = Core {
        recorder,
        source,
        name,
    };
    let summary = finish(aggregator(1), vec![core]);
    assert!(summary.names_folded);
    assert_eq!(summary.names.len(), Recorder::NAMES_MAX + 2);
    let other: Vec<u64> = summary
        .names
        .iter()
        .filter(|n| n.name == Recorder::OTHER)
        .map(|n| n.ok)
        .collect();
    assert_eq!(other, [extra as u64, 1]);
    assert_eq!(
        summary.totals.counts.ok,
        (Recorder::NAMES_MAX + extra) as u64
    );
    summary.conservation().unwrap();
}

#[test]
fn every_counter_arrives() {
    let mut core = Core::new(0);
    let sample = Sample {
        latency_ns: 5_999,
        service_ns: 3_000,
        lag_ns: 2_999,
        first_byte_ns: 1_000,
        receive_ns: 0,
        status: 503,
        failure: Some(FailureKind::Status),
        bytes_in: 10,
        bytes_out: 20,
    };
    core.recorder.sent(core.name);
    core.recorder.request(core.name, &sample);
    core.recorder.sent(core.name);
    core.recorder.request_unfinished(core.name, MS);
    core.recorder.connected(core.name, 7_000);
    core.recorder.arrivals_planned(5);
    (0..3).for_each(|_| core.recorder.arrival_started());
    (0..2).for_each(|_| core.recorder.arrival_dropped());
    core.recorder.iteration_finished();
    core.recorder.iteration_failed();
    core.recorder.iteration_unfinished();
    core.recorder.count(Counter::StaleRetry, 4);
    let check = core.recorder.check_name("status is 200");
    core.recorder.check(check, true);
    core.recorder.check(check, false);
    core.recorder.check(check, false);
    let summary = finish(aggregator(1), vec![core]);
    summary.conservation().unwrap();
    let counts = &summary.totals.counts;
    assert_eq!((counts.planned, counts.started, counts.dropped), (5, 3, 2));
    assert_eq!(
        (counts.sent, counts.ok, counts.failed, counts.unfinished),
        (2, 0, 1, 1)
    );
    assert_eq!((counts.bytes_in, counts.bytes_out), (10, 20));
    let ended = counts.iterations;
    assert_eq!((ended.finished, ended.failed, ended.unfinished), (1, 1, 1));
    let phases = &summary.phases;
    // nanoseconds are rounded down to microseconds
    assert_eq!(
        (phases.latency_all.max_us, phases.latency_failed.max_us),
        (5, 5)
    );
    assert_eq!(phases.latency.count, 0, "none ended ok");
    assert_eq!((phases.service_time.max_us, phases.lag.max_us), (3, 2));
    assert_eq!((phases.first_byte.max_us, phases.connect.max_us), (1, 7));
    assert_eq!(summary.status[&503], 1);
    assert_eq!(summary.failures.count("status"), 1);
    assert_eq!(summary.events.count("stale_retry"), 4);
    assert_eq!((summary.checks[0].passed, summary.checks[0].failed), (1, 2));
}

/// A request of which no byte was sent has no service time, and without a reply no first byte.
#[test]
fn times_that_do_not_exist_are_not_recorded() {
    let mut core = Core::new(0);
    let failure = Some(FailureKind::Refused);
    let sample = Sample {
        latency_ns: 4_000,
        failure,
        ..Sample::default()
    };
    core.recorder.sent(core.name);
    core.recorder.request(core.name, &sample);
    let summary = finish(aggregator(1), vec![core]);
    assert_eq!(
        (summary.phases.latency_all.count, summary.phases.lag.count),
        (1, 1)
    );
    assert_eq!(
        (
            summary.phases.service_time.count,
            summary.phases.first_byte.count
        ),
        (0, 0)
    );
    assert!(summary.status.is_empty());
}
