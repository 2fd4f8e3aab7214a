//! What recording costs: `cargo run --release -p mistress-stats --example record`.
//!
//! Prints nanoseconds per call of the calls made for each request, the same for the dense
//! histograms of the `hdrhistogram` crate, and what a window costs the reporter.

use mistress_stats::{Aggregator, Model, NameId, Recorder, Sample};
use std::hint::black_box;
use std::time::Instant;

const REQUESTS: u64 = 4_000_000;
const ROUNDS: usize = 5;

fn main() {
    let samples = samples();
    let (mut recorder, mut source) = Recorder::link(0, 3);
    let names: Vec<NameId> = (0..4)
        .map(|k| recorder.request_name(&format!("GET /{k}")))
        .collect();

    report("sent + request + turn/16, 1 name", || {
        record(&mut recorder, &names[..1], &samples)
    });
    report("sent + request + turn/16, 4 names", || {
        record(&mut recorder, &names, &samples)
    });
    report("4 x Histogram::record", || sparse(&samples));
    report("4 x hdrhistogram saturating_record", || dense(&samples));

    let mut aggregator = Aggregator::new(1, Model::Closed);
    let mut second = 0;
    let started = Instant::now();
    const WINDOWS: u64 = 200;
    for _ in 0..WINDOWS {
        for (k, sample) in samples.iter().enumerate() {
            recorder.request(names[k % names.len()], sample);
        }
        second += 1;
        recorder.roll(second);
        while let Some(window) = source.pop() {
            aggregator.add(&window);
            source.give_back(window);
        }
        black_box(aggregator.take_ready());
    }
    let per_window = started.elapsed() / WINDOWS as u32;
    println!(
        "{:<40} {per_window:?} with {} requests",
        "window of 4 names, all told",
        samples.len()
    );
    println!("checksum {}", aggregator.counts().ok);
}

/// Latencies between 50 µs and some ms, as a quick target gives.
fn samples() -> Vec<Sample> {
    let mut state = 1_u64;
    (0..4_096)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let jitter = (state >> 33) % 2_000_000;
            Sample {
                latency_ns: 60_000 + jitter,
                service_ns: 50_000 + jitter,
                lag_ns: 10_000 + jitter / 100,
                first_byte_ns: 49_000 + jitter,
                receive_ns: 0,
                status: 200,
                failure: None,
                bytes_in: 500,
                bytes_out: 100,
            }
        })
        .collect()
}

fn record(recorder: &mut Recorder, names: &[NameId], samples: &[Sample]) {
    for (k, sample) in samples.iter().cycle().take(REQUESTS as usize).enumerate() {
        let name = names[k % names.len()];
        recorder.sent(name);
        recorder.request(name, black_box(sample));
        if k % 16 == 0 {
            recorder.turn(100_000);
            recorder.processor(1_000, 11_000);
        }
    }
}

fn sparse(samples: &[Sample]) {
    let mut histograms = [(); 4].map(|()| mistress_stats::Histogram::new());
    for sample in samples.iter().cycle().take(REQUESTS as usize) {
        for (histogram, ns) in histograms.iter_mut().zip(times(black_box(sample))) {
            histogram.record(ns / 1_000);
        }
    }
    black_box(histograms[0].count());
}

fn dense(samples: &[Sample]) {
    let new = || hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3);
    let mut histograms = [(); 4].map(|()| new().expect("valid bounds"));
    for sample in samples.iter().cycle().take(REQUESTS as usize) {
        for (histogram, ns) in histograms.iter_mut().zip(times(black_box(sample))) {
            histogram.saturating_record(ns / 1_000);
        }
    }
    black_box(histograms[0].len());
}

fn times(sample: &Sample) -> [u64; 4] {
    [
        sample.latency_ns,
        sample.service_ns,
        sample.lag_ns,
        sample.first_byte_ns,
    ]
}

fn report(what: &str, mut run: impl FnMut()) {
    let best = (0..ROUNDS).map(|_| {
        let started = Instant::now();
        run();
        started.elapsed().as_nanos() as f64 / REQUESTS as f64
    });
    let best = best.fold(f64::INFINITY, f64::min);
    println!("{what:<40} {best:.1} ns per request, best of {ROUNDS}");
}
