//! Rows of the series: cores line up, late ones are seen, and the rows always add up.

use crate::{Core, MS, aggregator, finish};
use mistress_stats::{Aggregator, Model, Sample, Second, Summary, WindowSource};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn shape(rows: &[Second]) -> Vec<(u64, u64, u64)> {
    rows.iter()
        .map(|s| (s.time_s, s.seconds, s.counts.ok))
        .collect()
}

#[test]
fn a_second_is_ready_when_every_core_has_delivered_it() {
    let mut aggregator = aggregator(2);
    let (mut a, mut b) = (Core::new(0), Core::new(1));
    a.requests(1, 10 * MS, 0);
    a.recorder.roll(1);
    a.requests(2, 10 * MS, 0);
    a.recorder.roll(2);
    a.deliver(&mut aggregator);
    assert!(aggregator.take_ready().is_none());
    b.requests(99, 1_000 * MS, 0);
    b.recorder.roll(1);
    b.deliver(&mut aggregator);
    let second = aggregator.take_ready().unwrap();
    assert_eq!(
        (second.time_s, second.seconds, second.counts.ok),
        (0, 1, 100)
    );
    // of 100 values one is 10 ms: merged, not averaged
    assert!(
        (1_000_000..1_000_500).contains(&second.latency.p50_us),
        "{:?}",
        second.latency
    );
    assert!(aggregator.take_ready().is_none());
    let summary = finish(aggregator, vec![a, b]);
    assert_eq!(shape(&summary.series), [(0, 1, 100), (1, 1, 2), (2, 1, 0)]);
    assert_eq!(summary.series[1].cores.len(), 2);
}

#[test]
fn a_core_that_covers_several_seconds_makes_one_row_of_them() {
    let mut aggregator = aggregator(2);
    let (mut a, mut b) = (Core::new(0), Core::new(1));
    for second in 1..=3 {
        a.requests(1, MS, 0);
        a.recorder.roll(second);
    }
    b.requests(5, MS, 0);
    b.recorder.roll(1);
    b.requests(7, MS, 0);
    b.recorder.roll(3);
    a.deliver(&mut aggregator);
    b.deliver(&mut aggregator);
    let rows: Vec<Second> = std::iter::from_fn(|| aggregator.take_ready()).collect();
    assert_eq!(shape(&rows), [(0, 1, 6), (1, 2, 9)]);
}

#[test]
fn a_late_core_leaves_a_gap_and_counts_in_a_later_row() {
    let mut aggregator = aggregator(2);
    let (mut a, mut b) = (Core::with_flight(0, 8), Core::new(1));
    for second in 1..=4 {
        a.requests(1, MS, 0);
        a.recorder.roll(second);
    }
    b.recorder.users(9);
    b.recorder.roll(1);
    a.deliver(&mut aggregator);
    b.deliver(&mut aggregator);
    let rows: Vec<Second> = std::iter::from_fn(|| aggregator.take_late(3)).collect();
    assert_eq!(shape(&rows), [(0, 1, 1), (1, 1, 1), (2, 1, 1)]);
    assert_eq!(rows[0].gaps, [] as [u32; 0]);
    assert_eq!((&rows[1].gaps[..], &rows[2].gaps[..]), (&[1][..], &[1][..]));
    assert_eq!(
        (rows[2].users.min, rows[2].users.max),
        (9, 9),
        "as it was when last heard of"
    );
    b.requests(50, MS, 0);
    b.recorder.roll(4);
    b.deliver(&mut aggregator);
    let row = aggregator.take_ready().unwrap();
    assert_eq!(
        (row.time_s, row.seconds, row.counts.ok, &row.late[..]),
        (3, 1, 51, &[1][..])
    );
    let summary = finish(aggregator, vec![a, b]);
    assert_eq!(summary.series.iter().map(|s| s.counts.ok).sum::<u64>(), 54);
}

#[test]
fn seconds_nobody_delivered_have_no_row_when_late() {
    let mut aggregator = aggregator(2);
    assert!(aggregator.take_late(100).is_none());
    let summary = finish(aggregator, vec![]);
    assert!(summary.series.is_empty());
}

#[test]
fn cores_may_know_names_in_different_orders() {
    let (mut a, mut b) = (Core::new(0), Core::new(1));
    let login = |core: &mut Core| {
        let id = core.recorder.request_name("POST /login");
        core.recorder.sent(id);
        core.recorder.request(
            id,
            &Sample {
                latency_ns: 3 * MS,
                ..Sample::default()
            },
        );
    };
    let mut aggregator = aggregator(2);
    a.requests(1, MS, 0);
    a.recorder.roll(1);
    a.deliver(&mut aggregator);
    login(&mut a);
    b.recorder.request_name("never used");
    login(&mut b);
    b.requests(2, MS, 0);
    let summary = finish(aggregator, vec![a, b]);
    let names: Vec<_> = summary
        .names
        .iter()
        .map(|n| (n.name.as_str(), n.ok))
        .collect();
    assert_eq!(names, [("GET /", 3), ("POST /login", 2)]);
    assert_eq!(summary.names[1].phases.latency.count, 2);
}

/// What may happen to a core in a step.
#[derive(Debug, Clone)]
enum Step {
    Requests(usize, u64),
    Roll(usize),
    Deliver(usize),
    Ready,
    Late(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_usize..3, 1_u64..20).prop_map(|(core, n)| Step::Requests(core, n)),
        (0_usize..3).prop_map(Step::Roll),
        (0_usize..3).prop_map(Step::Deliver),
        Just(Step::Ready),
        (0_u64..12).prop_map(Step::Late),
    ];
    prop::collection::vec(step, 1..120)
}

#[test]
fn rows_add_up_to_the_totals_whatever_the_order() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, rng)
        .run(&steps(), |steps| {
            let (summary, requests) = play(&steps);
            prop_assert_eq!(summary.totals.counts.ok, requests);
            prop_assert_eq!(
                summary.series.iter().map(|s| s.counts.ok).sum::<u64>(),
                requests
            );
            prop_assert_eq!(summary.phases.latency.count, requests);
            prop_assert_eq!(
                summary.series.iter().map(|s| s.latency.count).sum::<u64>(),
                requests
            );
            for pair in summary.series.windows(2) {
                prop_assert!(pair[0].time_s + pair[0].seconds <= pair[1].time_s);
            }
            prop_assert!(summary.conservation().is_ok());
            Ok(())
        })
        .unwrap();
}

fn play(steps: &[Step]) -> (Summary, u64) {
    let mut aggregator = aggregator(3);
    let mut cores: Vec<Core> = (0..3).map(|n| Core::with_flight(n, 2)).collect();
    let mut seconds = [0; 3];
    let mut requests = 0;
    for step in steps {
        match step {
            Step::Requests(core, n) => {
                cores[*core].requests(*n, MS, 0);
                requests += n;
            }
            Step::Roll(core) => {
                seconds[*core] += 1;
                cores[*core].recorder.roll(seconds[*core]);
            }
            Step::Deliver(core) => cores[*core].deliver(&mut aggregator),
            Step::Ready => drop(aggregator.take_ready()),
            Step::Late(until) => drop(aggregator.take_late(*until)),
        }
    }
    (finish(aggregator, cores), requests)
}

/// Two threads, one ring: whatever the interleaving, every request arrives once.
#[test]
fn nothing_is_lost_between_threads() {
    const SECONDS: u64 = 3_000;
    let mut core = Core::with_flight(0, 2);
    let mut source = std::mem::replace(&mut core.source, link_end());
    let recording = std::thread::spawn(move || {
        for second in 1..=SECONDS {
            core.requests(10, MS, 0);
            core.recorder.roll(second);
        }
        core.recorder.finish()
    });
    let mut aggregator = Aggregator::new(1, Model::Closed);
    let mut drain = |aggregator: &mut Aggregator| {
        while let Some(window) = source.pop() {
            aggregator.add(&window);
            source.give_back(window);
        }
    };
    while !recording.is_finished() {
        drain(&mut aggregator);
        std::thread::yield_now();
    }
    drain(&mut aggregator);
    aggregator.add(&recording.join().unwrap());
    while aggregator.take_rest().is_some() {}
    assert_eq!(aggregator.counts().ok, SECONDS * 10);
    let summary = aggregator.summary();
    assert_eq!(
        summary.series.iter().map(|s| s.seconds).sum::<u64>(),
        SECONDS + 1
    );
}

fn link_end() -> WindowSource {
    mistress_stats::Recorder::link(0, 1).1
}
