//! Messages that come back as they went.

use super::*;
use crate::Histogram;
use prost::Message as _;

#[test]
fn a_histogram_keeps_its_exact_figures() {
    let mut histogram = Histogram::new();
    for value in [1, 77_777, 123_456_789] {
        histogram.record(value);
    }
    let row = HistogramRow::of("latency", &histogram);
    let back = HistogramRow::decode(row.encode_to_vec().as_slice()).expect("its own bytes");
    let back = back.read().expect("its own payload");
    assert_eq!(
        (back.count(), back.min_us(), back.max_us()),
        (3, 1, 123_456_789)
    );
    assert_eq!(back.mean_us(), histogram.mean_us());
}
