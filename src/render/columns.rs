//! The columns of the summary's tables of names.

use crate::render::format::{count, per_second, percent_of, time_us};
use stats::summary::{NameSummary, Percentiles};
use std::str::FromStr;

/// One column: its word and what it shows of a name.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The head of the column, and its word on the command line.
    pub word: &'static str,
    figure: fn(&NameSummary) -> String,
}

/// All columns there are.
const COLUMNS: [Column; 15] = [
    column("ok", |name| count(name.ok)),
    column("failed", |name| count(name.failed)),
    column("unfinished", |name| count(name.unfinished)),
    column("failures", |name| {
        percent_of(name.failed + name.unfinished, name.sent)
    }),
    column("rate", |name| {
        let rate = name.per_s.map(|rate| per_second(1, 1.0 / rate));
        rate.unwrap_or_else(|| "-".to_owned())
    }),
    column("mean", |name| time(name, |t| t.mean_us.round() as u64)),
    column("min", |name| time(name, |t| t.min_us)),
    column("p50", |name| time(name, |t| t.p50_us)),
    column("p75", |name| time(name, |t| t.p75_us)),
    column("p90", |name| time(name, |t| t.p90_us)),
    column("p95", |name| time(name, |t| t.p95_us)),
    column("p99", |name| time(name, |t| t.p99_us)),
    column("p99.9", |name| time(name, |t| t.p999_us)),
    column("max", |name| time(name, |t| t.max_us)),
    column("sent", |name| count(name.sent)),
];
/// The columns that are shown unless others are chosen.
const DEFAULT: [&str; 8] = ["ok", "failed", "rate", "mean", "p50", "p95", "p99", "max"];

const fn column(word: &'static str, figure: fn(&NameSummary) -> String) -> Column {
    Column { word, figure }
}

fn time(name: &NameSummary, figure: fn(&Percentiles) -> u64) -> String {
    let times = &name.phases.latency;
    match times.count {
        0 => "-".to_owned(),
        _ => time_us(figure(times)),
    }
}

impl Column {
    fn named(word: &str) -> Option<Column> {
        COLUMNS.iter().find(|one| one.word == word).copied()
    }

    /// What it shows of a name.
    pub fn figure(&self, name: &NameSummary) -> String {
        (self.figure)(name)
    }
}

/// Columns that were chosen, in their order; none: those by default.
#[derive(Clone, Debug, Default)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// The columns for these names.
    pub fn of(&self, names: &[&NameSummary]) -> Vec<Column> {
        if !self.0.is_empty() {
            return self.0.clone();
        }
        let mut words = DEFAULT.to_vec();
        if names.iter().any(|name| name.unfinished > 0) {
            words.insert(2, "unfinished");
        }
        words.into_iter().filter_map(Column::named).collect()
    }
}

impl FromStr for Columns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |word: &str| {
            Column::named(word.trim()).ok_or_else(|| {
                let known: Vec<&str> = COLUMNS.iter().map(|one| one.word).collect();
                format!("found {word:?}, expected some of {}", known.join(","))
            })
        };
        text.split(',')
            .map(named)
            .collect::<Result<_, _>>()
            .map(Columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_words_in_their_order() {
        let words = |text: &str| {
            let columns: Columns = text.parse()?;
            Ok(columns.of(&[]).iter().map(|one| one.word).collect())
        };
        let found: Result<Vec<&str>, String> = words("p99, rate,failures");
        assert_eq!(found, Ok(vec!["p99", "rate", "failures"]));
        let default = Columns::default().of(&[]);
        assert_eq!(default.len(), DEFAULT.len());
        for wrong in ["", "p98", "p50,", "p50 p99"] {
            let told = words(wrong).expect_err(wrong);
            assert!(told.contains("expected some of ok,failed"), "{told}");
        }
    }
}
