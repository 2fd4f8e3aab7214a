//! The shape of the JSON result.

use crate::{Core, MS, aggregator, finish};
use mistress_stats::report::RunFacts;
use mistress_stats::{FailureKind, Histogram, RunReport, Sample, Summary};
use serde_json::{Value, json};

fn summary() -> Summary {
    let mut core = Core::new(0);
    core.recorder.arrivals_planned(1);
    core.recorder.arrival_started();
    core.recorder.users(1);
    core.requests(3, 2 * MS, MS / 2);
    core.time(250 * MS);
    core.recorder.roll(1);
    core.recorder.sent(core.name);
    let failure = Some(FailureKind::Timeout);
    core.recorder.request(
        core.name,
        &Sample {
            latency_ns: 9 * MS,
            failure,
            ..Sample::default()
        },
    );
    let login = core.recorder.transaction_name("login");
    core.recorder.transaction(login, 4 * MS, true);
    let check = core.recorder.check_name("status is 200");
    core.recorder.check(check, true);
    core.recorder.iteration_finished();
    finish(aggregator(1), vec![core])
}

/// The JSON result.
fn result() -> Value {
    let report = RunReport::new(RunFacts::default(), Vec::new(), summary());
    serde_json::from_str(&report.to_json()).expect("it is JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn the_result_has_the_documented_fields() {
    let result = result();
    let top = "schema run notices model verdict totals throughput latency latency_failed latency_all service_time lag \
               first_byte connect tls queue dns send receive status failures events histogram \
               histogram_failed checks metrics thresholds names names_folded generator series";
    assert_eq!(keys(&result), top.split_whitespace().collect::<Vec<_>>());
    let totals = "planned started dropped iterations sent ok failed unfinished bytes_in bytes_out \
                  users_max connections connections_max";
    assert_eq!(
        keys(&result["totals"]),
        totals.split_whitespace().collect::<Vec<_>>()
    );
    let block = "count min_us mean_us p50_us p75_us p90_us p95_us p99_us p999_us max_us";
    assert_eq!(
        keys(&result["lag"]),
        block.split_whitespace().collect::<Vec<_>>()
    );
    let row = "time_s seconds users connections planned started dropped iterations sent ok failed \
               unfinished bytes_in bytes_out latency latency_failed latency_all lag cores \
               generator_limited";
    assert_eq!(
        keys(&result["series"][0]),
        row.split_whitespace().collect::<Vec<_>>()
    );
}

#[test]
fn the_result_has_the_figures() {
    let result = result();
    assert_eq!(result["model"], "open");
    assert_eq!(result["status"], json!({ "200": 3 }));
    assert_eq!(result["failures"], json!({ "timeout": 1 }));
    assert_eq!(
        result["checks"],
        json!([{ "name": "status is 200", "passed": 1, "failed": 0 }])
    );
    assert_eq!(result["thresholds"], json!([]));
    assert_eq!(result["verdict"]["state"], "clean");
    assert_eq!(result["totals"]["iterations"]["finished"], 1);
    assert_eq!(result["latency"]["mean_us"], 2_000.0);
    assert_eq!(result["latency_failed"]["mean_us"], 9_000.0);
    // (3 * 2 000 + 9 000) / 4
    assert_eq!(result["latency_all"]["mean_us"], 3_750.0);
    // nothing was measured
    assert_eq!(result["tls"]["count"], 0);
    assert!(result["tls"]["p50_us"].is_null() && result["tls"]["mean_us"].is_null());
    assert_eq!(result["series"][0]["cores"][0]["busy_share"], 0.25);
    assert_eq!(result["series"][1]["users"], json!({ "min": 1, "max": 1 }));
    let names: Vec<_> = result["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| (&n["kind"], &n["name"]))
        .collect();
    assert_eq!(
        names,
        [
            (&json!("request"), &json!("GET /")),
            (&json!("transaction"), &json!("login"))
        ]
    );
}

#[test]
fn histograms_of_names_merge_to_that_of_the_run() {
    let summary = summary();
    let mut merged = Histogram::new();
    merged.add(&Histogram::from_base64(&summary.names[0].histogram).unwrap());
    let whole = Histogram::from_base64(&summary.histogram).unwrap();
    assert!(whole.iter().eq(merged.iter()));
    assert_eq!(whole.count(), 3);
    let failed = Histogram::from_base64(&summary.histogram_failed).unwrap();
    assert_eq!(failed.count(), 1);
}
