//! The list of stored runs.

use crate::render::flow::{Paint, Style};
use crate::render::format;
use crate::render::table::Table;
use serde_json::Value;
use std::time::Duration;

/// Columns of a terminal below which some of the table's are left out ...
const WIDE: usize = 100;
/// ... p50 and the length of the run.
const NARROW_LACKS: [usize; 2] = [4, 2];
/// Columns of the shortest beginning of an id.
const ID_MIN: usize = 8;

/// Runs, each as the card of the API with its `thresholds`, as a table. `ids` are those of all
/// runs of the store: each run is shown by the beginning of its id that no other has.
pub fn render(cards: &[Value], ids: &[&str], width: usize, style: Style) -> String {
    let id_columns = id_columns(ids);
    let head = format!("{:<id_columns$}  name", "run");
    let mut table = Table::new(&[
        &head,
        "started (UTC)",
        "took",
        "req/s",
        "p50",
        "p99",
        "failed",
        "verdict",
        "thresholds",
    ]);
    table.rows = cards.iter().map(|card| row(card, id_columns)).collect();
    if width < WIDE {
        for row in table.rows.iter_mut().chain([&mut table.head]) {
            NARROW_LACKS
                .iter()
                .for_each(|column| drop(row.remove(*column)));
        }
    }
    let mut lines = table.lines(width).into_iter();
    let head = lines.next().unwrap_or_default();
    let mut text = style.apply(Paint::Faint, &head) + "\n";
    for line in lines {
        let missed = line.ends_with("missed") || line.ends_with("failed");
        let paint = if missed { Paint::Bad } else { Paint::None };
        text += &style.apply(paint, &line);
        text.push('\n');
    }
    text
}

/// The least columns in which all ids differ, but no id is cut longer than it is.
fn id_columns(ids: &[&str]) -> usize {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let common = |pair: &[&str]| {
        let same = pair[0].bytes().zip(pair[1].bytes());
        same.take_while(|(a, b)| a == b).count()
    };
    let most = sorted.windows(2).map(common).max().unwrap_or(0);
    (most + 1).max(ID_MIN)
}

fn row(card: &Value, id_columns: usize) -> Vec<String> {
    let text = |key: &str| format::escape(card[key].as_str().unwrap_or_default());
    let id: String = text("id").chars().take(id_columns).collect();
    let started = format::utc(card["started_us"].as_u64().unwrap_or(0) / 1_000_000);
    let started = started.get(..16).unwrap_or(&started).replace('T', " ");
    let took = card["duration_s"].as_f64().unwrap_or(0.0).clamp(0.0, 1e9);
    let took = format::length(Duration::from_secs(took.round() as u64));
    let rate = card["throughput"]["requests_per_s"].as_f64();
    let totals = |key: &str| card["totals"][key].as_u64().unwrap_or(0);
    let failed = totals("failed") + totals("unfinished");
    let latency = |key: &str| format::time_known(card["latency"][key].as_u64());
    let state = match text("state").as_str() {
        "done" => text("verdict"),
        state => state.to_owned(),
    };
    vec![
        format!("{id:<id_columns$}  {}", text("name")),
        started,
        took,
        rate.map_or("-".to_owned(), |rate| format::number(rate.round())),
        latency("p50_us"),
        latency("p99_us"),
        format::percent_of(failed, totals("sent")),
        state,
        thresholds(card["thresholds"].as_array().map_or(&[][..], Vec::as_slice)),
    ]
}

/// `3 met`, `1 of 3 missed`; `-` where there are none.
fn thresholds(rows: &[Value]) -> String {
    let missed = rows.iter().filter(|row| row["met"] == false).count();
    let open = rows.iter().filter(|row| row["met"].is_null()).count();
    match (rows.len(), missed, open) {
        (0, ..) => "-".to_owned(),
        (all, 0, 0) => format!("{all} met"),
        (all, 0, _) => format!("{all} open"),
        (all, missed, _) => format!("{missed} of {all} missed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_are_told_apart_by_the_beginning_of_their_ids() {
        assert_eq!(id_columns(&[]), 8);
        assert_eq!(id_columns(&["0198c2a1-aaaa", "0197c2a1-aaaa"]), 8);
        assert_eq!(id_columns(&["0198c2a1-aaaa", "0198c2a1-aaab"]), 13);
    }

    #[test]
    fn a_list_of_runs() {
        let card = |id: &str, name: &str, verdict: &str, met: bool| {
            json!({
                "id": id, "name": name, "started_us": 1_732_315_506_000_000_u64,
                "duration_s": 65.2, "state": "done", "verdict": verdict,
                "throughput": { "requests_per_s": 12_345.6 },
                "latency": { "count": 9, "p50_us": 900, "p99_us": 12_300 },
                "totals": { "sent": 1_000, "failed": 9, "unfinished": 1 },
                "thresholds": [{ "met": true }, { "met": met }],
            })
        };
        let live = json!({
            "id": "0197c2a1-c", "name": "api\u{1b}[31m", "started_us": 0, "duration_s": 0,
            "state": "live", "totals": {}, "latency": { "count": 0 },
        });
        let cards = [
            card("0198c2a1-a", "shop", "clean", true),
            card("0198c2a0-b", "a name that is longer", "suspect", false),
            live,
        ];
        let ids: Vec<&str> = cards
            .iter()
            .filter_map(|card| card["id"].as_str())
            .collect();
        let text = render(&cards, &ids, 120, Style::Plain);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "run       name                      started (UTC)  took   req/s    p50     p99  failed  verdict     thresholds",
            "0198c2a1  shop                   2024-11-22 22:45  1m5s  12,346  900\u{b5}s  12.3ms   1.0 %    clean          2 met",
            "0198c2a0  a name that is longer  2024-11-22 22:45  1m5s  12,346  900\u{b5}s  12.3ms   1.0 %  suspect  1 of 2 missed",
            "0197c2a1  api\\u{1b}[31m          1970-01-01 00:00    0s       -      -       -   0.0 %     live              -",
        ];
        for (line, expected) in lines.iter().zip(expected) {
            assert_eq!(*line, expected);
        }
        let narrow = render(&cards, &ids, 80, Style::Plain);
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 80),
            "{narrow}"
        );
    }
}
