//! The sparse histogram against the `hdrhistogram` crate, and on its own.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const QUANTILES: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];

fn runner() -> TestRunner {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    TestRunner::new_with_rng(
        Config {
            cases: 200,
            failure_persistence: None,
            ..Config::default()
        },
        rng,
    )
}

fn dense() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new_with_bounds(1, VALUE_MAX_US, DIGITS).unwrap()
}

fn of(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|v| histogram.record(*v));
    histogram
}

/// Values of every magnitude: a few bits up to 33, so that some are above 1 h (2^31.7).
fn values() -> impl Strategy<Value = Vec<u64>> {
    let value = (0_u32..34, any::<u64>()).prop_map(|(bits, v)| v & ((1 << bits) - 1));
    prop::collection::vec(value, 1..300)
}

fn same(a: &Histogram, b: &Histogram) {
    assert!(a.iter().eq(b.iter()));
    assert_eq!((a.count(), a.clamped()), (b.count(), b.clamped()));
    assert_eq!((a.min_us(), a.max_us()), (b.min_us(), b.max_us()));
    assert_eq!(a.mean_us().to_bits(), b.mean_us().to_bits());
}

#[test]
fn percentiles_are_those_of_hdrhistogram() {
    runner()
        .run(&values(), |values| {
            let sparse = of(&values);
            let mut reference = dense();
            values.iter().for_each(|v| reference.saturating_record(*v));
            for q in QUANTILES {
                // the reference rounds its maximum up to the bucket's end; ours is exact
                let max = values.iter().copied().max().unwrap().min(VALUE_MAX_US);
                prop_assert_eq!(sparse.value_at(q), reference.value_at_quantile(q).min(max));
            }
            prop_assert_eq!(sparse.count(), reference.len());
            Ok(())
        })
        .unwrap();
}

#[test]
fn merging_is_recording_everything_in_one() {
    runner()
        .run(&(values(), values()), |(left, right)| {
            let mut merged = of(&left);
            merged.add(&of(&right));
            same(&merged, &of(&[left, right].concat()));
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_is_left_of_a_sum_without_a_part_is_the_rest() {
    runner()
        .run(&(values(), values()), |(rest, part)| {
            let mut left = of(&[&rest[..], &part[..]].concat());
            left.subtract(&of(&part));
            let rest = of(&rest);
            prop_assert!(left.iter().eq(rest.iter()));
            prop_assert_eq!(
                (left.count(), left.clamped()),
                (rest.count(), rest.clamped())
            );
            prop_assert_eq!(left.mean_us().to_bits(), rest.mean_us().to_bits());
            prop_assert_eq!(index_of(left.min_us()), index_of(rest.min_us()));
            prop_assert_eq!(index_of(left.max_us()), index_of(rest.max_us()));
            left.subtract(&rest);
            same(&left, &Histogram::new());
            Ok(())
        })
        .unwrap();
}

#[test]
fn extremes_of_the_rest_are_exact_where_the_part_is_within() {
    // all, part, smallest and largest of the rest
    let rows: [(&[u64], &[u64], u64, u64); 6] = [
        (&[70_001, 80_001, 90_001], &[80_001], 70_001, 90_001),
        (&[2, 200_003], &[2], 200_003, 200_003),
        (&[2, 200_003], &[200_003], 2, 2),
        // to 3 digits: 200_003 lies in 199_936..=200_063
        (&[2, 200_003, 200_003], &[2], 199_936, 200_003),
        (&[2, 2, 200_003], &[200_003], 2, 2),
        // what is not there is not taken
        (&[5, 70_001], &[6, 5_000_000], 5, 70_001),
    ];
    for (all, part, min, max) in rows {
        let mut left = of(all);
        left.subtract(&of(part));
        assert_eq!(
            (left.min_us(), left.max_us()),
            (min, max),
            "{all:?} {part:?}"
        );
    }
}

#[test]
fn a_cleared_histogram_is_as_new() {
    runner()
        .run(&(values(), values()), |(before, after)| {
            let mut reused = of(&before);
            reused.clear();
            same(&reused, &Histogram::new());
            after.iter().for_each(|v| reused.record(*v));
            same(&reused, &of(&after));
            Ok(())
        })
        .unwrap();
}

#[test]
fn encoding_keeps_every_bucket() {
    runner()
        .run(&values(), |values| {
            let histogram = of(&values);
            let text = histogram.to_base64();
            prop_assert!(text.starts_with("HISTFAAA"), "{}", text);
            let read = Histogram::from_base64(&text).unwrap();
            prop_assert!(read.iter().eq(histogram.iter()));
            Ok(())
        })
        .unwrap();
}

#[test]
fn text_that_is_no_histogram_is_refused() {
    assert!(
        Histogram::from_base64("!")
            .unwrap_err()
            .starts_with("not base64")
    );
    assert!(
        Histogram::from_base64("AAAA")
            .unwrap_err()
            .starts_with("not a V2 histogram")
    );
}

#[test]
fn an_empty_histogram_is_all_zero() {
    let empty = Histogram::new();
    assert_eq!((empty.count(), empty.min_us(), empty.max_us()), (0, 0, 0));
    assert_eq!(empty.value_at(0.99), 0);
    assert_eq!(empty.mean_us(), 0.0);
    assert_eq!(
        Histogram::from_base64(&empty.to_base64()).unwrap().count(),
        0
    );
}

#[test]
fn values_above_an_hour_are_clamped_and_counted() {
    let histogram = of(&[VALUE_MAX_US, VALUE_MAX_US + 1, u64::MAX]);
    assert_eq!(histogram.clamped(), 2);
    assert_eq!(histogram.count(), 3);
    assert_eq!(histogram.max_us(), VALUE_MAX_US);
    assert_eq!(histogram.value_at(0.5), VALUE_MAX_US);
}

#[test]
fn buckets_cover_the_range_without_gaps() {
    let last = index_of(VALUE_MAX_US);
    assert!(last < CHUNKS * CHUNK_LEN);
    for index in 0..=last {
        assert_eq!(index_of(lowest_of(index)), index);
        assert_eq!(index_of(highest_of(index)), index);
        assert_eq!(highest_of(index) + 1, lowest_of(index + 1));
        // 3 digits: a bucket is at most a thousandth of its values wide
        assert!((highest_of(index) - lowest_of(index)) * 1_000 <= lowest_of(index).max(999));
    }
}

#[test]
fn ranks_are_exact() {
    // 0.999 has no exact binary form; the rank must not depend on which side it falls
    assert_eq!(rank(0.999, 1_000), 999);
    assert_eq!(rank(0.95, 2_000), 1_900);
    assert_eq!(rank(0.95, 2_001), 1_901);
    assert_eq!(rank(0.0, 10), 1);
    assert_eq!(rank(1.0, 10), 10);
    assert_eq!(rank(2.0, 10), 10);
}

/// Truth test L14: A has 1 000 × 10 ms, B 900 × 10 ms and 100 × 1 000 ms. Of the 2 000 values 1 900
/// are 10 ms, so the 95th percentile is 10 ms; the mean of the parts' percentiles would be 505 ms.
#[test]
fn percentiles_of_parts_are_merged_not_averaged() {
    let mut a = of(&[10_000; 1_000]);
    let mut b = of(&[10_000; 900]);
    (0..100).for_each(|_| b.record(1_000_000));
    let mean_us = (a.value_at(0.95) + b.value_at(0.95)) / 2;
    assert!((505_000..505_500).contains(&mean_us), "{mean_us}");
    a.add(&b);
    // the bucket of 10 ms is 8 µs wide
    assert!(
        (10_000..10_008).contains(&a.value_at(0.95)),
        "{}",
        a.value_at(0.95)
    );
}
