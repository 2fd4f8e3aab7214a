//! The same work for any number of cores, at the right times.

use super::*;
use config::{Arrivals as Spacing, Curve};
use proptest::prelude::*;
use std::time::Duration;

fn curve(phases: &[(u64, f64, f64)]) -> Curve {
    let phases: Vec<_> = phases
        .iter()
        .map(|&(s, from, to)| (Duration::from_secs(s), from, to))
        .collect();
    Curve::new(&phases).unwrap()
}

/// All arrivals of a run over `cores` cores, by number.
fn union(rate: &Curve, spacing: Spacing, seed: u64, cores: u32) -> Vec<(u64, Duration)> {
    let mut all: Vec<(u64, Duration)> = (0..cores)
        .flat_map(|core| {
            let share = Share::new(Segment::WHOLE, core, cores);
            let one = Arrivals::new(rate.clone(), spacing, seed, 0, share).collect::<Vec<_>>();
            assert!(
                one.is_sorted_by_key(|arrival| arrival.due),
                "in the order of time"
            );
            assert!(
                one.iter().all(|arrival| share.owns(arrival.number)),
                "only its own"
            );
            one
        })
        .map(|arrival| (arrival.number, arrival.due))
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn even_arrivals_are_evenly_spaced_and_complete() {
    let all = union(&curve(&[(60, 1000.0, 1000.0)]), Spacing::Even, 1, 2);
    assert_eq!(all.len(), 60_000);
    for (k, (number, due)) in all.iter().enumerate() {
        assert_eq!((*number, *due), (k as u64, Duration::from_millis(k as u64)));
    }
}

#[test]
fn jittered_arrivals_fill_one_slot_each() {
    let all = union(&curve(&[(20, 1000.0, 1000.0)]), Spacing::Jittered, 1, 2);
    assert_eq!(all.len(), 20_000);
    let offset = |&(number, due): &(u64, Duration)| due.as_secs_f64() * 1e3 - number as f64;
    // To the nanosecond that due times are rounded to.
    let slot = -1e-6..1.0 + 1e-6;
    assert!(all.iter().all(|arrival| slot.contains(&offset(arrival))));
    // Uniform: mean 0.5 and variance 1/12; five standard errors, 0.289 / sqrt(20 000) = 0.002.
    let mean = all.iter().map(offset).sum::<f64>() / all.len() as f64;
    assert!((mean - 0.5).abs() < 0.01, "{mean}");
    let square = |arrival| (offset(arrival) - 0.5_f64).powi(2);
    let variance = all.iter().map(square).sum::<f64>() / all.len() as f64;
    assert!((variance - 1.0 / 12.0).abs() < 0.003, "{variance}");
}

#[test]
fn poisson_arrivals_have_the_rate_and_the_spread_of_a_poisson_process() {
    let all = union(&curve(&[(100, 500.0, 500.0)]), Spacing::Poisson, 7, 2);
    // 50 000 expected, standard deviation 224: five of them.
    assert!((48_880..51_120).contains(&all.len()), "{}", all.len());
    let mut times: Vec<f64> = all.iter().map(|(_, due)| due.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    let variation = variance.sqrt() / mean;
    // Standard error of an exponential's coefficient of variation is 1/sqrt(n) = 0.0045.
    assert!((0.97..1.03).contains(&variation), "{variation}");
}

#[test]
fn another_seed_gives_other_arrivals() {
    let rate = curve(&[(5, 100.0, 100.0)]);
    assert_ne!(
        union(&rate, Spacing::Poisson, 1, 1),
        union(&rate, Spacing::Poisson, 2, 1)
    );
}

#[test]
fn closed_users_come_with_the_ramp_and_go_with_it() {
    let users = curve(&[(10, 0.0, 10.0), (10, 10.0, 0.0)]);
    let all = active_spans(&users, Share::new(Segment::WHOLE, 0, 1));
    assert_eq!(all.len(), 10);
    for stay in &all {
        let number = stay.number as f64;
        assert!((stay.from.as_secs_f64() - number).abs() < 1e-6, "{stay:?}");
        assert!(
            (stay.until.as_secs_f64() - (20.0 - number)).abs() < 1e-6,
            "{stay:?}"
        );
    }
}

#[test]
fn weights_are_kept_in_proportion() {
    let count = (0..100_000)
        .filter(|&k| choose(3, 0, k, &[7.0, 3.0]) == 0)
        .count();
    // Binomial, standard deviation 145: five of them.
    assert!((69_275..70_725).contains(&count), "{count}");
}

#[test]
fn parts_of_a_cap_add_up() {
    for whole in [0, 1, 7, 50, 1_000] {
        for cores in 1..9 {
            let parts = (0..cores).map(|core| Share::new(Segment::WHOLE, core, cores).part(whole));
            assert_eq!(parts.sum::<u64>(), whole);
        }
    }
}

#[test]
fn segments_share_out_the_shards_by_weight() {
    let rows: [(&[f64], &[u64]); 5] = [
        (&[1.0], &[1024]),
        (&[1.0, 1.0, 1.0], &[342, 341, 341]),
        (&[1.0, 2.0, 5.0], &[128, 256, 640]),
        (&[3.0, 3.0, 1.0], &[439, 439, 146]),
        (&[1e-9, 1.0], &[0, 1024]),
    ];
    for (weights, expected) in rows {
        let segments = (1..=weights.len()).map(|index| Segment::of(index, weights).unwrap());
        let owned = segments.map(|segment| {
            let share = Share::new(segment, 0, 1);
            (0..SHARDS).filter(|&k| share.owns(k)).count() as u64
        });
        assert_eq!(owned.collect::<Vec<_>>(), expected, "{weights:?}");
    }
    for (index, weights) in [
        (0, &[1.0][..]),
        (2, &[1.0]),
        (1, &[]),
        (1, &[0.0, 1.0]),
        (1, &[f64::NAN]),
        (1, &[f64::INFINITY, 1.0]),
        (1, &[1.0; 1025]),
    ] {
        assert!(
            Segment::of(index, weights).is_err(),
            "{index} of {weights:?}"
        );
    }
}

#[test]
fn a_segment_has_evenly_spread_users() {
    // Of any run of users each segment has its share, to within the discrepancy of van der
    // Corput's sequence: log2(1024) / 2 + 1 at most.
    for index in 1..=3 {
        let share = Share::new(Segment::of(index, &[1.0, 1.0, 2.0]).unwrap(), 0, 1);
        let part = if index == 3 { 0.5 } else { 0.25 };
        for users in [64, 100, 1000, 4096] {
            let owned = (0..users).filter(|&k| share.owns(k)).count() as f64;
            let off = owned - users as f64 * part;
            assert!(off.abs() <= 6.0, "{owned} of {users} in segment {index}");
        }
    }
}

#[test]
fn streams_do_not_meet() {
    let purposes = [
        Purpose::Gaps,
        Purpose::Choice,
        Purpose::User,
        Purpose::Jitter,
        Purpose::Data,
    ];
    let mut keys = std::collections::HashSet::new();
    for purpose in purposes {
        for load in [0, 1, 0xfff] {
            for item in [0, 1, 1023, 1 << 40] {
                assert!(keys.insert(stream(purpose, load, item)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_cores_gives_the_same_arrivals(
        seed in any::<u64>(),
        spacing in prop::sample::select(vec![Spacing::Even, Spacing::Poisson, Spacing::Jittered]),
        from in 0.0..400.0f64,
        to in 1.0..400.0f64,
        cores in 2..7u32,
    ) {
        let rate = curve(&[(3, from, to), (2, to, to)]);
        prop_assert_eq!(union(&rate, spacing, seed, 1), union(&rate, spacing, seed, cores));
    }

    #[test]
    fn any_number_of_cores_gives_the_same_users(users in 1..3_000u32, cores in 2..7u32) {
        let users = curve(&[(4, 0.0, f64::from(users)), (2, f64::from(users), f64::from(users))]);
        let mut split: Vec<ActiveSpan> =
            (0..cores).flat_map(|core| active_spans(&users, Share::new(Segment::WHOLE, core, cores))).collect();
        split.sort_by_key(|stay| (stay.from, stay.number));
        prop_assert_eq!(active_spans(&users, Share::new(Segment::WHOLE, 0, 1)), split);
    }
}

/// A plan of these loads.
fn plan(loads: &str) -> config::Plan {
    let profile = format!("[run]\nscript = \"p.lua\"\ntarget = \"builtin\"\nseed = 3\n{loads}");
    config::parse(&profile, std::path::Path::new("p.toml")).unwrap()
}

#[test]
fn a_limit_is_split_over_the_segments_that_can_reach_it() {
    let closed = |users: &str| {
        format!(
            "[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
             phases = [{{ users = {users}, for = \"10s\" }}]\n"
        )
    };
    let open = |arrivals: &str, rate: u32| {
        format!(
            "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"{arrivals}\"\n\
             iterations = 2\nphases = [{{ rate = \"{rate}/s\", for = \"10s\" }}]\n"
        )
    };
    let loads = [
        closed("1"),
        closed("2"),
        closed("[0, 5]"),
        closed("1500"),
        open("even", 1),
        open("poisson", 1),
        open("jittered", 70),
        closed("1") + &open("even", 1),
        closed("40") + &open("poisson", 30),
    ];
    for text in &loads {
        let plan = plan(text);
        for weights in [&[1.0][..], &[1.0, 1.0], &[5.0, 1.0, 0.5], &[1.0; 9]] {
            for limit in [1, 2, 3, 10, 19, 101, 1_000_000] {
                let mut sum = 0;
                for index in 1..=weights.len() {
                    let segment = Segment::of(index, weights).unwrap();
                    let part = part_of_limit(&plan, segment, limit);
                    let users = users_of(&plan, segment);
                    sum += part;
                    assert!(
                        part == 0 || users.1 > 0,
                        "{text}: {part} of {limit} for nobody"
                    );
                    if users.0 == 0 && limit <= users.2 {
                        // Arrivals only: not more than the segment has.
                        assert!(part <= users.1, "{text}: {part} of {limit}, {users:?}");
                    }
                }
                assert_eq!(sum, limit, "{text} over {weights:?}");
            }
        }
    }
}

/// Closed users of a segment, all users with their passes, and passes of all arrivals of the run.
fn users_of(plan: &config::Plan, segment: Segment) -> (u64, u64, u64) {
    let share = Share::new(segment, 0, 1);
    let whole = Share::new(Segment::WHOLE, 0, 1);
    let (mut closed, mut all, mut planned) = (0, 0, 0);
    for (index, load) in plan.loads.iter().enumerate() {
        match &load.model {
            config::Model::Closed { users, .. } => {
                closed += active_spans(users, share).len() as u64;
                all += active_spans(users, share).len() as u64;
            }
            config::Model::Open {
                rate,
                arrivals,
                iterations,
                ..
            } => {
                let count = |share| {
                    let own = Arrivals::new(rate.clone(), *arrivals, plan.seed, index, share);
                    own.count() as u64 * u64::from(*iterations)
                };
                all += count(share);
                planned += count(whole);
            }
        }
    }
    (closed, all, planned)
}
