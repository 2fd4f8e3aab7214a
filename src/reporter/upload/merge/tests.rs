//! What is sent adds up to what was measured, merged or not.

use super::absorb;
use prost::Message as _;
use stats::Histogram;
use wire::{Count, HistogramRow, Kind, SecondRow, StatusCount};

#[test]
fn a_histogram_keeps_its_exact_figures() {
    let mut histogram = Histogram::new();
    for value in [1, 77_777, 123_456_789] {
        histogram.record(value);
    }
    let row = histogram.to_row("latency");
    let back = HistogramRow::decode(row.encode_to_vec().as_slice()).expect("its own bytes");
    let back = Histogram::from_row(&back).expect("its own payload");
    assert_eq!(
        (back.count(), back.min_us(), back.max_us()),
        (3, 1, 123_456_789)
    );
    assert_eq!(back.mean_us(), histogram.mean_us());
}

/// A run of two cores whose windows are sent second by second, and the summary of the same run.
#[test]
fn rows_of_all_seconds_add_up_to_the_summary() {
    let (rows, summary) = run_of_two_cores(true);
    assert_eq!(rows.len(), summary.series.len());
    let mut merged = rows[0].clone();
    rows[1..]
        .iter()
        .for_each(|row| absorb(&mut merged, row.clone()));
    let totals = &summary.totals.counts;
    let requests = || merged.names.iter().filter(|n| n.kind() == Kind::Request);
    assert_eq!(requests().map(|n| n.sent).sum::<u64>(), totals.sent);
    assert_eq!(requests().map(|n| n.failed).sum::<u64>(), totals.failed);
    assert_eq!(merged.planned, totals.planned);
    assert_eq!(merged.counters, [count("connection_opened", 6)]);
    assert_eq!((merged.checks[0].passed, merged.checks[0].failed), (6, 0));
    assert_eq!((merged.customs[0].count, merged.customs[0].sum), (6, 9.0));
    for (name, expected) in requests().zip(&summary.names) {
        assert_eq!(name.name, expected.name);
        assert_eq!(name.failures, [count("timeout", 6)]);
        assert_eq!(
            name.statuses,
            [StatusCount {
                status: 200,
                count: 24
            }]
        );
        let latency = name.histograms.iter().find(|h| h.phase == "latency");
        let latency = latency
            .and_then(|h| Histogram::from_row(h).ok())
            .unwrap_or_default();
        assert_eq!(
            stats::summary::Percentiles::of(&latency),
            expected.phases.latency_all
        );
    }
}

#[test]
fn nobody_who_does_not_ask_gets_detail() {
    let (rows, summary) = run_of_two_cores(false);
    assert!(rows.is_empty() && !summary.series.is_empty());
}

fn count(name: &str, count: u64) -> Count {
    let name = name.to_owned();
    Count { name, count }
}

fn run_of_two_cores(detailed: bool) -> (Vec<SecondRow>, stats::Summary) {
    let mut aggregator = stats::Aggregator::new(2, stats::Model::Open);
    if detailed {
        aggregator = aggregator.with_detail();
    }
    let mut rows = Vec::new();
    let mut take = |aggregator: &mut stats::Aggregator, rest: bool| {
        let next = |aggregator: &mut stats::Aggregator| match rest {
            true => aggregator.take_rest(),
            false => aggregator.take_ready(),
        };
        while let Some(second) = next(aggregator) {
            let detail = aggregator.take_detail();
            rows.extend(detail.map(|detail| detail.to_row(&second)));
        }
    };
    let mut links: Vec<_> = (0..2).map(|core| stats::Recorder::link(core, 4)).collect();
    for second in 1..=3 {
        for (core, (recorder, source)) in (0_u64..).zip(&mut links) {
            record_second(recorder, core * 1_000 + second);
            recorder.roll(second);
            while let Some(window) = source.pop() {
                aggregator.add(&window);
                source.give_back(window);
            }
        }
        take(&mut aggregator, false);
    }
    for (recorder, _) in links {
        aggregator.add(&recorder.finish());
    }
    take(&mut aggregator, true);
    (rows, aggregator.summary())
}

/// Four requests that end well, one that does not, a check and a counter.
fn record_second(recorder: &mut stats::Recorder, seed: u64) {
    let name = recorder.request_name("GET /");
    recorder.arrivals_planned(1);
    recorder.arrival_started();
    for k in 0..5 {
        recorder.sent(name);
        let sample = stats::Sample {
            latency_ns: (seed + k) * 1_234_567,
            status: if k == 4 { 0 } else { 200 },
            failure: (k == 4).then_some(stats::FailureKind::Timeout),
            ..stats::Sample::default()
        };
        recorder.request(name, &sample);
    }
    recorder.count(stats::Counter::ConnectionOpened, 1);
    let check = recorder.check_name("fits");
    recorder.check(check, true);
    let custom = recorder.custom_name(stats::custom::CustomKind::Counter, "coins");
    recorder.custom(custom, 1.5);
}
