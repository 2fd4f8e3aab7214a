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

/// A run of two cores whose windows are sent second by second, and the summary of the same run.
#[test]
fn rows_of_all_seconds_add_up_to_the_summary() {
    let (rows, summary) = run_of_two_cores(true);
    assert_eq!(rows.len(), summary.series.len());
    let mut merged = rows[0].clone();
    rows[1..].iter().for_each(|row| merged.absorb(row.clone()));
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
        let latency = latency.and_then(|h| h.read().ok()).unwrap_or_default();
        assert_eq!(
            crate::summary::Percentiles::of(&latency),
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

fn run_of_two_cores(detailed: bool) -> (Vec<SecondRow>, crate::Summary) {
    let mut aggregator = crate::Aggregator::new(2, crate::Model::Open);
    if detailed {
        aggregator = aggregator.with_detail();
    }
    let mut rows = Vec::new();
    let mut take = |aggregator: &mut crate::Aggregator, rest: bool| {
        let next = |aggregator: &mut crate::Aggregator| match rest {
            true => aggregator.take_rest(),
            false => aggregator.take_ready(),
        };
        while let Some(second) = next(aggregator) {
            let detail = aggregator.take_detail();
            rows.extend(detail.map(|detail| SecondRow::of(&second, &detail)));
        }
    };
    let mut links: Vec<_> = (0..2).map(|core| crate::link(core, 4)).collect();
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
fn record_second(recorder: &mut crate::Recorder, seed: u64) {
    let name = recorder.request_name("GET /");
    recorder.arrivals_planned(1);
    recorder.arrival_started();
    for k in 0..5 {
        recorder.sent(name);
        let sample = crate::Sample {
            latency_ns: (seed + k) * 1_234_567,
            status: if k == 4 { 0 } else { 200 },
            failure: (k == 4).then_some(crate::FailureKind::Timeout),
            ..crate::Sample::default()
        };
        recorder.request(name, &sample);
    }
    recorder.count(crate::Counter::ConnectionOpened, 1);
    let check = recorder.check_name("fits");
    recorder.check(check, true);
    let custom = recorder.custom_name(crate::custom::CustomKind::Counter, "coins");
    recorder.custom(custom, 1.5);
}

/// A field of a message: the message, the label and type, the name, the tag.
type Field = (String, String, String, u32);

/// The fields of `wire.proto`, and the values of its enum.
fn fields_of_proto() -> Vec<Field> {
    let mut fields = Vec::new();
    let mut message = String::new();
    for line in include_str!("../wire.proto").lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            ["//", ..] | [] => {}
            ["message" | "enum", name, "{"] => message = (*name).to_owned(),
            [kind @ .., name, "=", tag] if !message.is_empty() => {
                let tag = tag
                    .trim_end_matches(';')
                    .parse()
                    .expect("a tag is a number");
                fields.push((message.clone(), kind.join(" "), (*name).to_owned(), tag));
            }
            _ => {}
        }
    }
    fields
}

/// The fields of the types beside it, as prost's attributes tell them.
fn fields_of_types() -> Vec<Field> {
    let mut fields = Vec::new();
    let (mut message, mut attribute) = (String::new(), "");
    for line in include_str!("../wire.rs").lines().map(str::trim) {
        let declared = line
            .strip_prefix("pub struct ")
            .or(line.strip_prefix("pub enum "));
        if let Some(name) = declared {
            message = name.trim_end_matches(" {").to_owned();
        } else if let Some(found) = line.strip_prefix("#[prost(") {
            attribute = found;
        } else if let Some((name, value)) = line.split_once(" = ").filter(|_| message == "Kind") {
            let tag = value
                .trim_end_matches(',')
                .parse()
                .expect("a value is a number");
            let name = format!("KIND_{}", name.to_uppercase());
            fields.push((message.clone(), String::new(), name, tag));
        } else if let Some((name, kind)) =
            line.strip_prefix("pub ").and_then(|l| l.split_once(": "))
        {
            if attribute.is_empty() {
                continue;
            }
            let (_, tag) = attribute
                .split_once("tag = \"")
                .expect("every field has a tag");
            let tag = tag
                .trim_end_matches("\")]")
                .parse()
                .expect("a tag is a number");
            fields.push((
                message.clone(),
                declared_kind(attribute, kind),
                name.to_owned(),
                tag,
            ));
            attribute = "";
        }
    }
    fields
}

/// Label and type of a field in the words of protobuf.
fn declared_kind(attribute: &str, rust: &str) -> String {
    let has = |word: &str| attribute.split(", ").any(|part| part == word);
    let kind = attribute
        .split([',', ' '])
        .next()
        .expect("an attribute has words");
    let is_message = kind == "message";
    let name = match kind {
        "message" => rust
            .trim_end_matches([',', '>'])
            .rsplit('<')
            .next()
            .expect("a type"),
        "enumeration" => "Kind",
        kind => kind,
    };
    match (has("repeated"), has("optional") && !is_message) {
        (true, _) => format!("repeated {name}"),
        (_, true) => format!("optional {name}"),
        _ => name.to_owned(),
    }
}

#[test]
fn wire_proto_has_the_fields_of_the_types() {
    let fields = fields_of_proto();
    assert!(fields.len() > 100, "{fields:?}");
    assert_eq!(fields, fields_of_types());
}
