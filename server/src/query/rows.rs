//! A run as rows, one per column of its series, with times of the calendar: for programs that
//! read lists of flat objects.

use super::{Axis, series};
use crate::Error;
use crate::store::{RunRecord, RunView};
use serde_json::{Map, Value, json};
use stats::Of;

/// Rates of the series, which get `_per_s` behind their names.
const RATES: [&str; 9] = [
    "planned",
    "started",
    "dropped",
    "sent",
    "done",
    "ok",
    "failed",
    "bytes_in",
    "bytes_out",
];
/// Extremes of the series, under their own names.
const EXTREMES: [&str; 4] = [
    "users_min",
    "users_max",
    "connections_min",
    "connections_max",
];
/// Times of the series, in microseconds.
const TIMES: [&str; 3] = ["latency", "latency_failed", "service_time"];

/// The rows; `time_ms` is in milliseconds since 1970, by the clock of the run's node.
///
/// # Errors
/// When the store fails.
pub fn rows(
    record: &RunRecord,
    view: &dyn RunView,
    axis: Axis,
    name: u32,
    of: Of,
) -> Result<Value, Error> {
    let series = series(view, axis, name, of)?;
    let rows = axis.times().into_iter().enumerate().map(|(index, time_s)| {
        let mut row = Map::new();
        let time_ms = record.started_us / 1_000 + time_s * 1_000;
        row.insert("time_ms".to_owned(), time_ms.into());
        row.insert("time_s".to_owned(), time_s.into());
        for rate in RATES {
            row.insert(format!("{rate}_per_s"), series[rate][index].clone());
        }
        for extreme in EXTREMES {
            row.insert(extreme.to_owned(), series[extreme][index].clone());
        }
        for time in TIMES {
            for (figure, values) in series[time].as_object().into_iter().flatten() {
                row.insert(format!("{time}_{figure}_us"), values[index].clone());
            }
        }
        Value::Object(row)
    });
    let rows: Vec<Value> = rows.collect();
    Ok(json!({ "of": of.as_str(), "step_s": axis.step_s, "rows": rows }))
}
