//! A run's series as CSV (RFC 4180 with bare line feeds): a row per second, with the columns that
//! `mistress run --csv` writes.

use serde_json::Value;
use std::collections::BTreeSet;

/// The columns before those of single cores, and where their values are in a row of the series.
const COLUMNS: [(&str, &str); 37] = [
    ("time_s", "/time_s"),
    ("seconds", "/seconds"),
    ("users_min", "/users/min"),
    ("users_max", "/users/max"),
    ("connections_min", "/connections/min"),
    ("connections_max", "/connections/max"),
    ("planned", "/planned"),
    ("started", "/started"),
    ("dropped", "/dropped"),
    ("iterations_finished", "/iterations/finished"),
    ("iterations_failed", "/iterations/failed"),
    ("iterations_unfinished", "/iterations/unfinished"),
    ("sent", "/sent"),
    ("ok", "/ok"),
    ("failed", "/failed"),
    ("unfinished", "/unfinished"),
    ("bytes_in", "/bytes_in"),
    ("bytes_out", "/bytes_out"),
    ("latency_p50_us", "/latency/p50_us"),
    ("latency_p90_us", "/latency/p90_us"),
    ("latency_p99_us", "/latency/p99_us"),
    ("latency_p999_us", "/latency/p999_us"),
    ("latency_max_us", "/latency/max_us"),
    ("latency_failed_p50_us", "/latency_failed/p50_us"),
    ("latency_failed_p90_us", "/latency_failed/p90_us"),
    ("latency_failed_p99_us", "/latency_failed/p99_us"),
    ("latency_failed_p999_us", "/latency_failed/p999_us"),
    ("latency_failed_max_us", "/latency_failed/max_us"),
    ("latency_all_p50_us", "/latency_all/p50_us"),
    ("latency_all_p90_us", "/latency_all/p90_us"),
    ("latency_all_p99_us", "/latency_all/p99_us"),
    ("latency_all_p999_us", "/latency_all/p999_us"),
    ("latency_all_max_us", "/latency_all/max_us"),
    ("lag_p99_us", "/lag/p99_us"),
    ("lag_max_us", "/lag/max_us"),
    ("turn_max_us", ""),
    ("generator_limited", "/generator_limited"),
];

/// A core: its node where there are several, and its number there.
type CoreName = (Option<u64>, u64);

/// The rows of a series as `super::rows` gives them. After the fixed columns comes `busy_core_N`,
/// 0 to 1, for each core (`busy_core_NODE_N` where there are several nodes); empty when that core
/// delivered nothing for the row.
pub(super) fn of(rows: &[Value]) -> String {
    let cores: BTreeSet<CoreName> = rows
        .iter()
        .flat_map(cores_of)
        .map(|(name, _)| name)
        .collect();
    let mut heads: Vec<String> = COLUMNS.iter().map(|(head, _)| (*head).to_owned()).collect();
    heads.extend(cores.iter().map(|core| match core {
        (None, core) => format!("busy_core_{core}"),
        (Some(node), core) => format!("busy_core_{node}_{core}"),
    }));
    let mut text = heads.join(",") + "\n";
    for row in rows {
        let mut cells: Vec<String> = COLUMNS.iter().map(|column| cell(row, *column)).collect();
        for core in &cores {
            let own = cores_of(row).find(|(name, _)| name == core);
            let busy = own.and_then(|(_, own)| own["busy_share"].as_f64());
            cells.push(busy.map_or(String::new(), |busy| format!("{busy:.3}")));
        }
        text += &(cells.join(",") + "\n");
    }
    text
}

fn cores_of(row: &Value) -> impl Iterator<Item = (CoreName, &Value)> {
    let cores = row["cores"].as_array().into_iter().flatten();
    cores.map(|core| {
        let name = (core["node"].as_u64(), core["core"].as_u64().unwrap_or(0));
        (name, core)
    })
}

fn cell(row: &Value, (head, place): (&str, &str)) -> String {
    if head == "turn_max_us" {
        let turns = cores_of(row).filter_map(|(_, core)| core["turn_max_us"].as_u64());
        return turns.max().map_or(String::new(), |turn| turn.to_string());
    }
    match row.pointer(place) {
        None | Some(Value::Null) => String::new(),
        Some(Value::Bool(is)) => u8::from(*is).to_string(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_stand_under_their_heads_and_are_empty_where_nothing_was_measured() {
        let core = |core: u32, busy: f64, turn: u64| json!({"core": core, "busy_share": busy, "turn_max_us": turn});
        let rows = [
            json!({
                "time_s": 7, "seconds": 1, "users": {"min": 1, "max": 2}, "failed": 3,
                "latency": {"count": 2, "p50_us": 100, "max_us": 250}, "lag": {"p99_us": 9},
                "latency_failed": {"count": 0, "p50_us": null}, "generator_limited": true,
                "cores": [core(0, 0.5, 11), core(1, 0.25, 12)],
            }),
            json!({"time_s": 8, "seconds": 1, "generator_limited": false, "cores": [core(1, 1.0, 3)]}),
        ];
        let text = of(&rows);
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let heads = lines.next().expect("a head");
        let lines: Vec<Vec<&str>> = lines.collect();
        let expected = [
            ("time_s", "7", "8"),
            ("users_max", "2", ""),
            ("failed", "3", ""),
            ("latency_p50_us", "100", ""),
            ("latency_max_us", "250", ""),
            ("latency_failed_p50_us", "", ""),
            ("lag_p99_us", "9", ""),
            ("turn_max_us", "12", "3"),
            ("generator_limited", "1", "0"),
            ("busy_core_0", "0.500", ""),
            ("busy_core_1", "0.250", "1.000"),
        ];
        for (head, first, second) in expected {
            let place = heads.iter().position(|one| *one == head).expect(head);
            assert_eq!(
                (lines[0][place], lines[1][place]),
                (first, second),
                "{head}"
            );
        }
        assert!(lines.iter().all(|line| line.len() == heads.len()));
    }
}
