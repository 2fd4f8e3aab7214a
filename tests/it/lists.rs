//! The lists of phases, failures, counters and words of thresholds: documents name what the program
//! has, and nothing else.

use crate::schema::schema;
use serde_json::Value;
use stats::custom::CustomKind;
use stats::report::Ending;
use stats::threshold::{FailOn, Metric, Of};
use stats::verdict::ReasonKind;
use stats::{Counter, FailureKind, Model, NameKind, Phase};
use std::collections::BTreeSet;
use std::path::Path;

/// The rows of the first table below a heading: its cells.
fn table(document: &str, below: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(document);
    let text = std::fs::read_to_string(path).expect("the document is there");
    let (_, part) = text
        .split_once(below)
        .unwrap_or_else(|| panic!("no {below:?}"));
    let rows = part.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        line.trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.map(cells).collect()
}

/// The words in backquotes of the first cells.
fn words(rows: &[Vec<String>]) -> BTreeSet<String> {
    let quoted = rows
        .iter()
        .flat_map(|row| row[0].split('`').skip(1).step_by(2));
    quoted.map(str::to_owned).collect()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn documents_name_every_phase_failure_counter_and_metric() {
    let phases = Phase::ALL.iter().map(|one| one.as_str());
    let found = words(&table("result.md", "## What is measured"));
    assert_eq!(found, set(phases.chain(["latency_all"])));
    let failures = FailureKind::ALL.iter().map(|one| one.as_str());
    assert_eq!(
        words(&table("result.md", "### Kinds of failures")),
        set(failures)
    );
    let metrics = Metric::ALL.iter().map(|one| one.as_str());
    assert_eq!(words(&table("profile.md", "delay = \"30s\"")), set(metrics));
    let rules = FailOn::ALL.iter().map(|one| one.as_str());
    assert_eq!(words(&table("profile.md", "### `fail_on`")), set(rules));
    for (row, counter) in table("result.md", "### Events").iter().zip(Counter::ALL) {
        let expected = [
            format!("`{counter}`"),
            counter.unit().to_owned(),
            counter.meaning().to_owned(),
        ];
        assert_eq!(row[..], expected);
    }
    assert_eq!(table("result.md", "### Events").len(), Counter::COUNT);
}

#[test]
fn the_schema_has_the_words_of_the_lists() {
    let schema = schema();
    let check = |pointer: &str, names: Vec<&str>| {
        let words = schema.pointer(pointer).and_then(Value::as_array);
        let words = words.unwrap_or_else(|| panic!("no {pointer}"));
        assert_eq!(
            set(words.iter().filter_map(Value::as_str)),
            set(names),
            "{pointer}"
        );
    };
    macro_rules! names {
        ($list:ty) => {
            <$list>::ALL.iter().map(|one| one.as_str()).collect()
        };
    }
    check("/properties/run/properties/ended/enum", names!(Ending));
    check("/properties/model/enum", names!(Model));
    check("/$defs/reason/properties/kind/enum", names!(ReasonKind));
    let threshold = "/properties/thresholds/items/properties";
    check(&format!("{threshold}/metric/enum"), names!(Metric));
    check(&format!("{threshold}/of/enum"), names!(Of));
    check(&format!("{threshold}/fail_on/enum"), names!(FailOn));
    check(
        "/properties/metrics/items/properties/kind/enum",
        names!(CustomKind),
    );
    check(
        "/properties/names/items/properties/kind/enum",
        names!(NameKind),
    );
    let fields = schema["properties"].as_object().expect("it has fields");
    for phase in Phase::ALL {
        assert!(fields.contains_key(phase.as_str()), "{phase}");
    }
}
