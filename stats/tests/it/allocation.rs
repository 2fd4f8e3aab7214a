//! No allocation per request: neither while recording nor when a window is handed over.

use allocation_counter::measure;
use mistress_stats::{Counter, FailureKind, Recorder, Sample, TagsId};

/// Enough seconds for every window of the ring to have been in use.
const SECONDS_WARM: u64 = 8;
const SECONDS: u64 = 20;
const REQUESTS_PER_SECOND: u64 = 500;

#[test]
fn recording_and_rolling_allocate_nothing_after_warm_up() {
    let (mut recorder, mut source) = Recorder::link(0, 3);
    let names: Vec<_> = (0..50)
        .map(|k| recorder.request_name(&format!("GET /{k}")))
        .collect();
    let login = recorder.transaction_name("login");
    let check = recorder.check_name("status is 200");
    let tags = [("kind".to_owned(), "static".to_owned())];
    let mut second = |second: u64| {
        for k in 0..REQUESTS_PER_SECOND {
            let failed = k % 10 == 0;
            let sample = Sample {
                latency_ns: 300_000 + k * 1_000,
                service_ns: 200_000 + k * 1_000,
                lag_ns: k * 100,
                first_byte_ns: 100_000,
                receive_ns: 0,
                status: if failed { 503 } else { 200 },
                failure: failed.then_some(FailureKind::Status),
                bytes_in: 1,
                bytes_out: 1,
            };
            let own = if k % 2 == 0 { &tags[..] } else { &[] };
            let own = recorder.tags(TagsId::default(), own);
            let name = names[(k % 50) as usize].with_tags(own);
            recorder.sent(name);
            recorder.request(name, &sample);
            recorder.connected(name, 50_000);
            recorder.transaction(login, 1_000_000, !failed);
            recorder.check(check, !failed);
            recorder.count(Counter::ConnectionReused, 1);
            recorder.users(k as u32);
            recorder.turn(10_000);
            recorder.processor(1_000, 11_000);
        }
        recorder.roll(second + 1);
    };
    assert!(
        measure(|| second(0)).count_total > 0,
        "the first values need memory"
    );
    for k in 1..SECONDS_WARM {
        second(k);
        give_back_all(&mut source);
    }
    for k in SECONDS_WARM..SECONDS_WARM + SECONDS {
        let recorded = measure(|| second(k));
        assert_eq!(recorded.count_total, 0, "recording in second {k}");
        let given_back = measure(|| give_back_all(&mut source));
        assert_eq!(given_back.count_total, 0, "clearing in second {k}");
    }
}

/// A value where none was before needs a chunk of the histogram; it comes from the window's supply.
#[test]
fn an_outlier_allocates_nothing() {
    let (mut recorder, mut source) = Recorder::link(0, 1);
    let name = recorder.request_name("GET /");
    let sample = |latency_ns| Sample {
        latency_ns,
        ..Sample::default()
    };
    for second in 1..=4 {
        recorder.request(name, &sample(1_000_000));
        recorder.roll(second);
        give_back_all(&mut source);
    }
    let outliers = measure(|| {
        for shift in 0..12 {
            recorder.request(name, &sample(1_000_000 << shift));
        }
    });
    assert_eq!(outliers.count_total, 0);
}

fn give_back_all(source: &mut mistress_stats::WindowSource) {
    while let Some(window) = source.pop() {
        source.give_back(window);
    }
}
