//! Curves: known answers, then properties over random phases with a fixed seed.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

fn curve(phases: &[(f64, f64, f64)]) -> Curve {
    let phases: Vec<_> = phases
        .iter()
        .map(|&(s, from, to)| (Duration::from_secs_f64(s), from, to))
        .collect();
    Curve::new(&phases).unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_constant_rate_is_exact_to_the_nanosecond() {
    let minute = curve(&[(60.0, 1000.0, 1000.0)]);
    assert_eq!(minute.total(), 60_000.0);
    for k in 0..60_000u64 {
        assert_eq!(minute.inverse(k as f64), Some(ms(k)), "arrival {k}");
    }
    assert_eq!(minute.inverse(60_000.0), None);
    // Late in the longest run allowed, where 53 bits no longer hold a nanosecond of a product.
    let month = curve(&[(2_592_000.0, 1000.0, 1000.0)]);
    for k in (2_591_000_000..2_592_000_000u64).step_by(7919) {
        assert_eq!(month.inverse(k as f64), Some(ms(k)), "arrival {k}");
    }
    assert_eq!(month.inverse(2_592_000_000.0), None);
    // Every third is a whole nanosecond; the others are rounded.
    let thirds = curve(&[(10.0, 3.0, 3.0)]);
    let expected = [0, 333_333_333, 666_666_667, 1_000_000_000, 1_333_333_333];
    for (k, ns) in expected.into_iter().enumerate() {
        assert_eq!(thirds.inverse(k as f64), Some(Duration::from_nanos(ns)));
    }
}

#[test]
fn rounding_adds_no_arrival_and_takes_none() {
    // Each rate per minute or hour, which binary numbers miss, over whole minutes and hours.
    for per_minute in 1..2000u32 {
        for (unit_s, minutes) in [(60.0, 1.0), (60.0, 7.0), (3600.0, 60.0), (3600.0, 180.0)] {
            let rate = f64::from(per_minute) / unit_s;
            let curve = curve(&[(minutes * 60.0, rate, rate), (1.0, 0.0, 0.0)]);
            let total = f64::from(per_minute) * minutes * 60.0 / unit_s;
            assert_eq!(
                curve.total(),
                total,
                "{per_minute} per {unit_s} s for {minutes} min"
            );
            assert!(curve.inverse(total - 1.0).is_some());
            assert_eq!(curve.inverse(total), None);
        }
    }
}

#[test]
fn ramps_follow_the_square_root() {
    // Rising from 0 to 100/s in 10 s: 5 t^2 arrivals by t, so arrival n is at sqrt(n / 5).
    let rise = curve(&[(10.0, 0.0, 100.0)]);
    assert_eq!(rise.total(), 500.0);
    assert_eq!(rise.inverse(0.0), Some(Duration::ZERO));
    assert_eq!(rise.inverse(5.0), Some(ms(1000)));
    assert_eq!(rise.inverse(20.0), Some(ms(2000)));
    assert_eq!(rise.inverse(405.0), Some(ms(9000)));
    assert_eq!(rise.cumulative(ms(2000)), 20.0);
    assert_eq!(rise.at(ms(2500)), 25.0);
    // Falling is the mirror: 500 - 5 (10 - t)^2.
    let fall = curve(&[(10.0, 100.0, 0.0)]);
    assert_eq!(fall.inverse(0.0), Some(Duration::ZERO));
    assert_eq!(fall.inverse(495.0), Some(ms(9000)));
    assert_eq!(fall.inverse(95.0), Some(ms(1000)));
    assert_eq!(fall.inverse(500.0), None);
    // From a height: 100 t + 5 t^2, at 2 s 220.
    let step = curve(&[(10.0, 100.0, 200.0)]);
    assert_eq!(step.inverse(220.0), Some(ms(2000)));
}

#[test]
fn nothing_is_due_in_a_pause() {
    let curve = curve(&[
        (5.0, 0.0, 0.0),
        (1.0, 10.0, 10.0),
        (4.0, 0.0, 0.0),
        (1.0, 10.0, 10.0),
    ]);
    assert_eq!(curve.inverse(0.0), Some(ms(5000)));
    assert_eq!(curve.inverse(9.0), Some(ms(5900)));
    assert_eq!(curve.inverse(10.0), Some(ms(10_000)));
    assert_eq!(curve.inverse(19.0), Some(ms(10_900)));
    assert_eq!(curve.inverse(20.0), None);
    assert_eq!(curve.cumulative(ms(7000)), 10.0);
    assert_eq!(curve.at(ms(7000)), 0.0);
}

#[test]
fn borders_belong_to_the_later_phase() {
    let curve = curve(&[(1.0, 10.0, 20.0), (2.0, 5.0, 5.0)]);
    assert_eq!(curve.duration(), ms(3000));
    assert_eq!(curve.at(ms(0)), 10.0);
    assert_eq!(curve.at(ms(500)), 15.0);
    assert_eq!(curve.at(ms(1000)), 5.0);
    assert_eq!(curve.at(ms(3000)), 0.0);
    assert_eq!(curve.at(Duration::MAX), 0.0);
    assert_eq!(curve.max(), 20.0);
    assert_eq!(curve.total(), 25.0);
    assert_eq!(curve.cumulative(Duration::MAX), 25.0);
    assert_eq!(curve.phases()[1].start, ms(1000));
    assert_eq!(curve.phases()[1].end(), ms(3000));
    assert_eq!(curve.inverse(-1.0), Some(Duration::ZERO));
    assert_eq!(curve.inverse(f64::NAN), None);
    assert_eq!(curve.inverse(f64::INFINITY), None);
}

#[test]
fn impossible_phases_make_no_curve() {
    let s = Duration::from_secs(1);
    assert_eq!(Curve::new(&[]), None);
    assert_eq!(Curve::new(&[(Duration::ZERO, 1.0, 1.0)]), None);
    assert_eq!(Curve::new(&[(s, -1.0, 1.0)]), None);
    assert_eq!(Curve::new(&[(s, 1.0, f64::NAN)]), None);
    assert_eq!(Curve::new(&[(s, f64::INFINITY, 1.0)]), None);
    assert_eq!(Curve::new(&[(Duration::MAX, 1.0, 1.0)]), None);
    assert_eq!(
        Curve::new(&[(s, 1.0, 1.0), (Duration::MAX, 1.0, 1.0)]),
        None
    );
}

#[test]
fn users_are_active_while_the_curve_is_above_their_number() {
    let flat = curve(&[(10.0, 64.0, 64.0)]);
    assert_eq!(flat.crossings(0.0), [(ms(0), None)]);
    assert_eq!(flat.crossings(63.0), [(ms(0), None)]);
    assert_eq!(flat.crossings(64.0), []);

    let rise = curve(&[(64.0, 0.0, 64.0), (10.0, 64.0, 64.0)]);
    assert_eq!(rise.crossings(0.0), [(ms(0), None)]);
    assert_eq!(rise.crossings(63.0), [(ms(63_000), None)]);
    assert_eq!(rise.crossings(64.0), []);

    let hill = curve(&[(4.0, 0.0, 4.0), (2.0, 4.0, 4.0), (4.0, 4.0, 0.0)]);
    assert_eq!(hill.crossings(0.0), [(ms(0), None)]);
    assert_eq!(hill.crossings(1.0), [(ms(1000), Some(ms(9000)))]);
    assert_eq!(hill.crossings(3.0), [(ms(3000), Some(ms(7000)))]);

    // Down and up again: the lowest user goes on through the point of no users.
    let valley = curve(&[(4.0, 4.0, 0.0), (4.0, 0.0, 4.0)]);
    assert_eq!(valley.crossings(0.0), [(ms(0), None)]);
    assert_eq!(
        valley.crossings(1.0),
        [(ms(0), Some(ms(3000))), (ms(5000), None)]
    );

    let steps = curve(&[
        (1.0, 1.0, 1.0),
        (1.0, 3.0, 3.0),
        (1.0, 2.0, 2.0),
        (1.0, 3.0, 3.0),
    ]);
    assert_eq!(steps.crossings(0.0), [(ms(0), None)]);
    assert_eq!(steps.crossings(1.0), [(ms(1000), None)]);
    assert_eq!(
        steps.crossings(2.0),
        [(ms(1000), Some(ms(2000))), (ms(3000), None)]
    );
}

fn phases() -> impl Strategy<Value = Vec<(Duration, f64, f64)>> {
    let length = prop_oneof![
        1..=1000u64,
        1_000_000..=10_000_000_000u64,
        Just(86_400_000_000_000)
    ]
    .prop_map(Duration::from_nanos);
    let value = prop_oneof![
        Just(0.0),
        0.0..1.0f64,
        1.0..10_000.0f64,
        (0..1000u32).prop_map(f64::from)
    ];
    let flat = value.clone().prop_map(|value| (value, value));
    let heights = prop_oneof![flat, (value.clone(), value)];
    let phase = (length, heights).prop_map(|(length, (from, to))| (length, from, to));
    prop::collection::vec(phase, 1..6)
}

fn property<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config {
        cases: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, test)
        .unwrap();
}

#[test]
fn inverse_undoes_cumulative() {
    property((phases(), 0.0..1.0f64), |(phases, share)| {
        let curve = Curve::new(&phases).unwrap();
        let n = curve.total() * share;
        let Some(t) = curve.inverse(n) else {
            prop_assert!(n >= curve.total());
            return Ok(());
        };
        prop_assert!(t < curve.duration());
        // Half a nanosecond of rounding at the highest value, and two where a phase's last
        // nanosecond is kept; then what sums of this size lose in binary.
        let tolerance = 2e-9 * curve.max() + 1e-9 + 1e-12 * curve.total();
        let off = (curve.cumulative(t) - n).abs();
        prop_assert!(
            off <= tolerance,
            "n {n} t {t:?} off by {off}, allowed {tolerance}"
        );
        Ok(())
    });
}

#[test]
fn both_ways_never_go_back() {
    property(
        (phases(), 0.0..1.0f64, 0.0..1.0f64),
        |(phases, one, other)| {
            let curve = Curve::new(&phases).unwrap();
            let (low, high) = (one.min(other), one.max(other));
            let at = |share: f64| {
                curve
                    .inverse(curve.total() * share)
                    .unwrap_or(curve.duration())
            };
            prop_assert!(at(low) <= at(high));
            let t = |share| curve.duration().mul_f64(share);
            // A ramp's formula rounds, so that two near times may differ by the last bits.
            let rounding = 1e-12 * curve.total();
            prop_assert!(curve.cumulative(t(low)) <= curve.cumulative(t(high)) + rounding);
            Ok(())
        },
    );
}

#[test]
fn whole_arrivals_come_in_order_and_where_something_is_due() {
    let small = phases().prop_filter("few arrivals", |phases| {
        Curve::new(phases).is_some_and(|curve| curve.total() < 20_000.0)
    });
    property(small, |phases| {
        let curve = Curve::new(&phases).unwrap();
        let times: Vec<Duration> = (0..).map_while(|k| curve.inverse(f64::from(k))).collect();
        prop_assert_eq!(times.len(), curve.total().ceil() as usize);
        prop_assert!(times.is_sorted());
        for t in times {
            let inside = |s: &Segment| s.start <= t && t < s.end() && s.from.max(s.to) > 0.0;
            prop_assert!(curve.phases().iter().any(inside), "{t:?} is in a pause");
        }
        Ok(())
    });
}

#[test]
fn crossings_are_where_the_value_is_above() {
    property(
        (phases(), 0..1000u32, 0.0..1.0f64),
        |(phases, level, share)| {
            let curve = Curve::new(&phases).unwrap();
            let level = f64::from(level) * curve.max() / 1000.0;
            let spans = curve.crossings(level);
            for pair in spans.windows(2) {
                prop_assert!(pair[0].1.is_some_and(|end| end < pair[1].0), "{spans:?}");
            }
            prop_assert!(
                spans
                    .iter()
                    .all(|(start, end)| end.is_none_or(|end| *start < end))
            );
            let t = curve.duration().mul_f64(share);
            let end_of = |end: &Option<Duration>| end.unwrap_or(curve.duration());
            let inside = spans
                .iter()
                .any(|(start, end)| *start <= t && t < end_of(end));
            // At a distance of a nanosecond from a border both answers are right.
            let ns = Duration::from_nanos(1);
            let near = |border: Duration| t <= border + ns && border <= t + ns;
            if !spans
                .iter()
                .any(|(start, end)| near(*start) || near(end_of(end)))
            {
                let steps = curve.phases().iter().all(|s| !near(s.start));
                let value = curve.at(t);
                let apart = (value - level).abs() > 1e-9 * curve.max();
                prop_assert!(
                    !(steps && apart) || inside == (value > level),
                    "{t:?} {value} {level}"
                );
            }
            Ok(())
        },
    );
}
