//! The statement that lists runs: filters, order, paging.

use super::Filter;
use rusqlite::types::Value;

/// The figures of a run as JSON, whatever is kept of it.
const FIGURES: &str = "iif(json_valid(figures), figures, '{}')";

/// What runs are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortKey {
    /// When their first batch arrived.
    #[default]
    Date,
    /// Their name.
    Name,
    /// How they came out: failed, missed, stopped, passed.
    Result,
    /// How long they took.
    Duration,
    /// How many thresholds they missed.
    Missed,
    /// Requests sent.
    Requests,
    /// The share of requests that failed or never ended.
    Failed,
    /// The median of latency.
    P50,
    /// The 99th percentile of latency.
    P99,
}

impl SortKey {
    /// All, with their words.
    pub const WORDS: [(&str, SortKey); 9] = [
        ("date", SortKey::Date),
        ("name", SortKey::Name),
        ("result", SortKey::Result),
        ("duration", SortKey::Duration),
        ("missed", SortKey::Missed),
        ("requests", SortKey::Requests),
        ("failed", SortKey::Failed),
        ("p50", SortKey::P50),
        ("p99", SortKey::P99),
    ];

    /// The key of a word.
    pub fn named(word: &str) -> Option<Self> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word);
        found.map(|(_, key)| *key)
    }

    /// The expression that is sorted by; what has none comes last.
    fn expression(self) -> String {
        let figure = |path: &str| format!("json_extract({FIGURES}, '$.{path}')");
        match self {
            SortKey::Date => "arrived_us".to_owned(),
            SortKey::Name => "lower(name)".to_owned(),
            SortKey::Result => format!(
                "CASE {} WHEN 'failed' THEN 0 WHEN 'missed' THEN 1 WHEN 'stopped' THEN 2 \
                 WHEN 'passed' THEN 3 END",
                figure("result")
            ),
            SortKey::Duration => "nullif(duration_s, 0)".to_owned(),
            SortKey::Missed => format!("json_array_length({FIGURES}, '$.thresholds.missed')"),
            SortKey::Requests => figure("totals.sent"),
            SortKey::Failed => format!(
                "(coalesce({}, 0) + coalesce({}, 0)) * 1.0 / nullif({}, 0)",
                figure("totals.failed"),
                figure("totals.unfinished"),
                figure("totals.sent")
            ),
            SortKey::P50 => figure("latency.p50_us"),
            SortKey::P99 => figure("latency.p99_us"),
        }
    }
}

/// The conditions and order behind `SELECT … FROM run`, and their values.
pub(super) fn tail(filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = " WHERE 1".to_owned();
    let mut values: Vec<Value> = Vec::new();
    for (condition, value) in conditions(filter) {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &format!("?{}", values.len())));
    }
    let way = if filter.ascending { "ASC" } else { "DESC" };
    let key = filter.sort.expression();
    sql.push_str(&format!(
        " ORDER BY {key} {way} NULLS LAST, arrived_us DESC, id DESC LIMIT {} OFFSET {}",
        filter.limit, filter.offset
    ));
    (sql, values)
}

fn conditions(filter: &Filter) -> Vec<(String, Value)> {
    let text = |sql: &str, value: &Option<String>| {
        let value = value.clone()?;
        Some((sql.to_owned(), Value::from(value)))
    };
    let time = |sql: &str, value: Option<u64>| {
        let value = i64::try_from(value?).unwrap_or(i64::MAX);
        Some((sql.to_owned(), Value::from(value)))
    };
    let seconds = |sql: &str, value: Option<f64>| Some((sql.to_owned(), Value::from(value?)));
    let lower = |value: &Option<String>| value.as_ref().map(|value| value.to_lowercase());
    let projects = filter.projects.as_ref();
    let state = filter.state.map(|state| state.as_str().to_owned());
    let rows = [
        text("project = ?", &filter.project),
        text(
            "project IN (SELECT value FROM json_each(?))",
            &projects.map(|list| serde_json::json!(list).to_string()),
        ),
        text("state = ?", &state),
        text("verdict = ?", &filter.verdict),
        text(
            &format!("json_extract({FIGURES}, '$.result') = ?"),
            &filter.result,
        ),
        text(
            &format!(
                "EXISTS (SELECT 1 FROM json_each({FIGURES}, '$.thresholds.missed') \
                 WHERE instr(lower(value), ?))"
            ),
            &lower(&filter.missed),
        ),
        text(
            "EXISTS (SELECT 1 FROM tag WHERE run = run.id AND tag = ?)",
            &filter.tag,
        ),
        time("arrived_us < ?", filter.before_us),
        time("started_us >= ?", filter.since_us),
        time("started_us < ?", filter.until_us),
        seconds("duration_s >= ?", filter.min_s),
        seconds("duration_s < ?", filter.max_s),
        text(
            "(instr(lower(name), ?) OR instr(lower(project), ?) OR instr(lower(comment), ?) \
             OR instr(lower(target), ?) OR instr(id, ?))",
            &lower(&filter.text),
        ),
    ];
    rows.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::meta::Meta;
    use super::super::{RunRecord, State};
    use super::*;

    /// Three runs that ended and one that is live, by id: state, seconds, figures.
    const RUNS: [(&str, f64, &str); 4] = [
        (
            "a",
            30.0,
            r#"{"result":"passed","totals":{"sent":9,"failed":0,"unfinished":0},
               "latency":{"p99_us":70},"thresholds":{"met":1,"missed":[]}}"#,
        ),
        (
            "b",
            700.0,
            r#"{"result":"missed","totals":{"sent":100,"failed":10,"unfinished":0},
               "latency":{"p99_us":9},"thresholds":{"met":0,"missed":["Latency p99 < 5ms"]}}"#,
        ),
        ("c", 5.0, ""),
        ("d", 0.0, ""),
    ];

    fn ids(meta: &Meta, filter: Filter) -> String {
        let limit = if filter.limit == 0 { 50 } else { filter.limit };
        let runs = meta.runs(&Filter { limit, ..filter }).expect("a list");
        runs.iter().map(|run| run.id.as_str()).collect()
    }

    fn some_runs(folder: &std::path::Path) -> Meta {
        let meta = Meta::open(folder).expect("a store");
        for (at, (id, duration_s, figures)) in RUNS.iter().enumerate() {
            let run = RunRecord {
                id: (*id).to_owned(),
                project: "p".to_owned(),
                name: format!("run {}", 9 - at),
                started_us: 1_000 * (at as u64 + 1),
                ..RunRecord::default()
            };
            meta.put_run(&run).expect("a run");
            if *duration_s > 0.0 {
                let closed = meta.close_run(id, State::Done, "clean", *duration_s, figures);
                closed.expect("it ends");
            }
        }
        meta
    }

    #[test]
    fn runs_are_found_by_result_duration_date_and_threshold() {
        let folder = tempfile::tempdir().expect("a folder");
        let meta = some_runs(folder.path());
        let text = |text: &str| Some(text.to_owned());
        let any = Filter::default;
        let rows: [(Filter, &str); 7] = [
            (
                Filter {
                    result: text("missed"),
                    ..any()
                },
                "b",
            ),
            (
                Filter {
                    missed: text("latency P99"),
                    ..any()
                },
                "b",
            ),
            (
                Filter {
                    missed: text("p95"),
                    ..any()
                },
                "",
            ),
            (
                Filter {
                    min_s: Some(30.0),
                    ..any()
                },
                "ba",
            ),
            (
                Filter {
                    max_s: Some(30.0),
                    min_s: Some(1.0),
                    ..any()
                },
                "c",
            ),
            (
                Filter {
                    since_us: Some(2_000),
                    until_us: Some(4_000),
                    ..any()
                },
                "cb",
            ),
            (
                Filter {
                    offset: 1,
                    limit: 2,
                    ..any()
                },
                "cb",
            ),
        ];
        for (filter, expected) in rows {
            let told = format!("{filter:?}");
            assert_eq!(ids(&meta, filter), expected, "{told}");
        }
    }

    #[test]
    fn runs_are_sorted_by_every_key_and_those_without_a_figure_come_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let meta = some_runs(folder.path());
        let rows = [
            ("date", true, "abcd"),
            ("name", true, "dcba"),
            ("result", true, "badc"),
            ("duration", false, "bacd"),
            ("missed", false, "badc"),
            ("requests", false, "badc"),
            ("failed", false, "badc"),
            ("p50", false, "dcba"),
            ("p99", false, "abdc"),
            ("p99", true, "badc"),
        ];
        for (word, ascending, expected) in rows {
            let sort = SortKey::named(word).expect(word);
            let filter = Filter {
                sort,
                ascending,
                ..Filter::default()
            };
            assert_eq!(
                ids(&meta, filter),
                expected,
                "{word}, ascending: {ascending}"
            );
        }
        assert_eq!(SortKey::named("colour"), None);
    }
}
