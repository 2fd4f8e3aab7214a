//! Short runs, and the pieces of a second at their end; cores that are lost; shares of time.

use crate::{Core, MS, aggregator, finish};
use mistress_stats::verdict::{ReasonKind, VerdictState};
use mistress_stats::{Aggregator, Model, Summary};
use std::time::Duration;

/// A run of `seconds` on two cores, each second made by `second`, with a piece of 3 ms after the
/// load in which each core is fully busy and one more request ends.
fn run(model: Model, seconds: u64, mut second: impl FnMut(&mut Core)) -> Summary {
    let mut aggregator = Aggregator::new(2, model);
    let mut cores = [Core::new(0), Core::new(1)];
    for k in 1..=seconds {
        for core in &mut cores {
            second(core);
            match k == seconds {
                true => core.recorder.roll_ending(k),
                false => core.recorder.roll(k),
            }
            core.deliver(&mut aggregator);
        }
        let ready = aggregator.take_ready();
        // the last second waits for what is left of it
        assert_eq!(ready.is_some(), k < seconds, "second {k}");
    }
    for mut core in cores {
        core.requests(1, 4 * MS, 0);
        core.recorder.processor(3 * MS, 3 * MS);
        let window = core.recorder.finish_after(Duration::from_secs(seconds));
        aggregator.add(&window);
    }
    while aggregator.take_rest().is_some() {}
    aggregator.summary()
}

fn quiet(core: &mut Core) {
    core.requests(20, 4 * MS, 0);
    core.time(20 * MS);
}

fn kinds(summary: &Summary) -> Vec<ReasonKind> {
    summary.verdict.reasons.iter().map(|r| r.kind).collect()
}

fn notes(summary: &Summary) -> Vec<ReasonKind> {
    summary.verdict.notes.iter().map(|r| r.kind).collect()
}

#[test]
fn the_piece_after_the_load_is_no_second() {
    for seconds in 1..=4 {
        let summary = run(Model::Open, seconds, quiet);
        assert_eq!(
            summary.verdict.state,
            VerdictState::Clean,
            "{:?}",
            summary.verdict
        );
        assert_eq!(notes(&summary), [], "{seconds} s: {:?}", summary.verdict);
        let series = &summary.series;
        assert_eq!(series.len() as u64, seconds, "{series:?}");
        let ok: u64 = series.iter().map(|row| row.counts.ok).sum();
        assert_eq!(ok, summary.totals.counts.ok);
        assert_eq!(ok, seconds * 40 + 2);
        let last = series.last().unwrap();
        assert_eq!((last.counts.ok, last.latency.count), (42, 42));
        for core in series.iter().flat_map(|row| &row.cores) {
            assert!((core.busy_share - 0.02).abs() < 1e-6, "{core:?}");
        }
    }
}

#[test]
fn a_piece_whose_second_is_closed_has_a_row_without_shares() {
    let mut aggregator = aggregator(1);
    let mut core = Core::new(0);
    quiet(&mut core);
    core.recorder.roll(1);
    core.deliver(&mut aggregator);
    assert!(aggregator.take_ready().is_some());
    core.requests(1, MS, 0);
    core.recorder.processor(2 * MS, 2 * MS);
    // the load was ended by hand a moment into the second
    let window = core.recorder.finish_after(Duration::from_micros(1_000_500));
    aggregator.add(&window);
    let row = aggregator.take_rest().unwrap();
    assert_eq!((row.time_s, row.counts.ok, row.cores.len()), (1, 1, 0));
    assert_eq!(aggregator.summary().verdict.notes, []);
}

/// Half a second with load in it is a row of its own, by its own length.
#[test]
fn a_part_of_a_second_with_load_is_a_row() {
    let mut aggregator = aggregator(1);
    let mut core = Core::new(0);
    quiet(&mut core);
    core.recorder.roll(1);
    core.requests(10, MS, 0);
    core.recorder.processor(50 * MS, 500 * MS);
    core.deliver(&mut aggregator);
    aggregator.add(&core.recorder.finish_after(Duration::from_millis(1_500)));
    while aggregator.take_rest().is_some() {}
    let series = aggregator.summary().series;
    assert_eq!(series.len(), 2);
    assert!((series[1].cores[0].busy_share - 0.1).abs() < 1e-6);
}

#[test]
fn full_cores_are_told_by_time() {
    let full = |core: &mut Core| {
        core.requests(100, 4 * MS, 0);
        core.time(990 * MS);
    };
    let summary = run(Model::Closed, 1, full);
    assert_eq!(notes(&summary), [ReasonKind::CoresFull]);
    let text = &summary.verdict.notes[0].text;
    assert!(text.contains("100.0 % of the time"), "{text}");
}

/// Latency, lag, and what is said of a run of one second.
#[test]
fn lag_in_the_tail_is_told_in_short_runs() {
    let check = |latency_us: u64, lag_us: u64, reasons: &[ReasonKind], noted: &[ReasonKind]| {
        let summary = run(Model::Open, 1, |core| {
            core.requests(200, latency_us * 1_000, lag_us * 1_000);
            core.time(100 * MS);
        });
        assert_eq!(kinds(&summary), reasons, "{latency_us} {lag_us}");
        assert_eq!(notes(&summary), noted, "{latency_us} {lag_us}");
    };
    let tail = [ReasonKind::LagTail];
    check(20_000, 2_500, &tail, &[]);
    check(20_000, 2_000, &tail, &[]);
    check(20_000, 1_999, &[], &[]);
    check(19_000, 1_999, &[], &tail);
    check(1_000, 100, &[], &tail);
    check(1_000, 90, &[], &[]);
    check(200_000, 5_000, &[], &[]);
    check(1_000, 0, &[], &[]);
}

#[test]
fn other_programs_are_told_of_in_a_run_of_one_second() {
    let summary = run(Model::Open, 1, |core| {
        core.requests(20, 4 * MS, 0);
        core.time(100 * MS);
        core.recorder.waited(300 * MS);
    });
    assert_eq!(kinds(&summary), [ReasonKind::CoreShared]);
}

/// Clocks that are read one after the other can say more than the time that they are divided by.
#[test]
fn no_share_of_time_is_above_one() {
    let mut aggregator = aggregator(1);
    let mut core = Core::new(0);
    core.recorder.processor(1_571 * MS, 1_000 * MS);
    core.recorder.roll(1);
    core.recorder.processor(250 * MS, 1_000 * MS);
    core.recorder.waited(2_870 * MS);
    core.recorder.roll(2);
    core.deliver(&mut aggregator);
    aggregator.stolen(0, 0, 1.0);
    let summary = finish(aggregator, vec![core]);
    let shares: Vec<(f32, f32)> = summary.series[..2]
        .iter()
        .map(|row| (row.cores[0].busy_share, row.cores[0].waited_share))
        .collect();
    assert_eq!(shares, [(1.0, 0.0), (0.25, 0.75)]);
    assert!(summary.generator.cores[0].busy_share <= 1.0);
}

#[test]
fn a_cpu_quota_is_a_reason_by_its_name() {
    // seconds with their stopped periods of ten
    let check = |throttled: &[u64], expected: &[ReasonKind], spans: &[(u64, u64)]| {
        let mut aggregator = aggregator(1);
        for (second, stopped) in (0..).zip(throttled) {
            aggregator.throttled(second, *stopped, 10);
        }
        let summary = finish(aggregator, vec![]);
        assert_eq!(kinds(&summary), expected, "{throttled:?}");
        if let Some(reason) = summary.verdict.reasons.first() {
            assert_eq!(reason.windows, spans, "{throttled:?}");
            assert!(reason.text.contains("CPU quota"), "{}", reason.text);
        }
    };
    let quota = [ReasonKind::CpuQuota];
    check(&[], &[], &[]);
    check(&[0, 0, 0], &[], &[]);
    check(&[9], &quota, &[(0, 0)]);
    check(&[10, 10], &quota, &[(0, 1)]);
    check(&[10, 0, 0, 0], &[], &[]);
    check(&[0, 3, 3, 3], &quota, &[(1, 3)]);
}

/// Of two cores one dies in second 2 with 3 of its requests under way; 7 of its arrivals never
/// came to be.
#[test]
fn a_lost_core_ends_conserved() {
    let mut aggregator = aggregator(2);
    let mut cores = [Core::new(0), Core::new(1)];
    for second in 1..=2 {
        for core in &mut cores {
            core.recorder.arrivals_planned(5);
            (0..5).for_each(|_| core.recorder.arrival_started());
            core.requests(5, MS, 0);
            core.recorder.roll(second);
        }
    }
    let [mut lost, mut other] = cores;
    (0..3).for_each(|_| lost.recorder.sent(lost.name));
    lost.recorder.users(3);
    lost.recorder.roll(3);
    other.requests(5, MS, 0);
    lost.deliver(&mut aggregator);
    other.finish(&mut aggregator);
    aggregator.lose(0, 17, 17);
    while aggregator.take_rest().is_some() {}
    let summary = aggregator.summary();
    summary.conservation().unwrap();
    let counts = &summary.totals.counts;
    assert_eq!(
        (counts.planned, counts.started, counts.dropped),
        (27, 20, 7)
    );
    assert_eq!((counts.sent, counts.ok, counts.unfinished), (28, 25, 3));
    assert_eq!(counts.iterations.unfinished, 3);
    assert_eq!(summary.names[0].unfinished, 3);
    let rows = summary.series.iter();
    let sums = rows.fold((0, 0), |(planned, unfinished), row| {
        let counts = &row.counts;
        (planned + counts.planned, unfinished + counts.unfinished)
    });
    assert_eq!(sums, (27, 3));
    let reasons = &summary.verdict.reasons;
    let text = "7 of 27 arrivals dropped (25.9 %): their core was lost";
    assert!(
        reasons
            .iter()
            .any(|one| one.kind == ReasonKind::CoreLost && one.text == text)
    );
    assert!(
        reasons
            .iter()
            .all(|one| one.kind != ReasonKind::ArrivalsDropped)
    );
}

/// Lost within the warm-up: only the arrivals after it count.
#[test]
fn a_core_lost_in_the_warm_up_owes_what_comes_after_it() {
    let mut aggregator = aggregator(1).with_warmup(5);
    let mut core = Core::new(0);
    core.recorder.arrivals_planned(4);
    (0..4).for_each(|_| core.recorder.arrival_started());
    core.recorder.roll(1);
    core.deliver(&mut aggregator);
    aggregator.lose(0, 100, 60);
    while aggregator.take_rest().is_some() {}
    let counts = aggregator.summary().totals.counts;
    assert_eq!(
        (counts.planned, counts.started, counts.dropped),
        (60, 0, 60)
    );
}
