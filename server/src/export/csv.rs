//! A run's series as CSV (RFC 4180), a row per step: whatever the series of the JSON API holds,
//! flattened.

use serde_json::Value;

/// The columns of `series`, an object of arrays of one length; arrays within objects become
/// columns named after the way to them, `latency_p99`.
pub(super) fn of(series: &Value) -> String {
    let times = series["time_s"].as_array().map_or(0, Vec::len);
    let mut columns = Vec::new();
    collect(&mut columns, "", series, times);
    let names: Vec<String> = columns.iter().map(|(name, _)| quoted(name)).collect();
    let mut text = names.join(",") + "\r\n";
    for row in 0..times {
        let cells = columns.iter().map(|(_, values)| cell(&values[row]));
        text += &(cells.collect::<Vec<String>>().join(",") + "\r\n");
    }
    text
}

fn collect<'a>(to: &mut Vec<(String, &'a [Value])>, prefix: &str, value: &'a Value, rows: usize) {
    let under = |key: &str| match prefix {
        "" => key.to_owned(),
        prefix => format!("{prefix}_{key}"),
    };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                collect(to, &under(key), value, rows);
            }
        }
        // of cores: each says which it is
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                let place = |key: &str| item[key].as_u64().unwrap_or(0);
                let name = under(&format!("{}_{}", place("node"), place("core")));
                collect(to, &name, item, rows);
            }
        }
        Value::Array(items) if items.len() == rows => to.push((prefix.to_owned(), items)),
        _ => {}
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A text as one field. What a spreadsheet would take for a formula gets a quote before it.
fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_named_after_their_place() {
        let series = json!({
            "time_s": [0, 1], "step_s": 1, "done": [5, 7.5],
            "latency": {"p50": [100, null], "p99": [200, 210]},
            "failures": {},
            "cores": [{"node": 0, "core": 1, "busy": [0.5, 0.25]}],
        });
        assert_eq!(
            of(&series),
            "time_s,done,latency_p50,latency_p99,cores_0_1_busy\r\n\
             0,5,100,200,0.5\r\n1,7.5,,210,0.25\r\n"
        );
    }

    #[test]
    fn hostile_names_stay_in_their_field() {
        let series = json!({"time_s": [0], "checks": {"a,\"b\"\n": [1], "x": ["=1+1"]}});
        assert_eq!(
            of(&series),
            "time_s,\"checks_a,\"\"b\"\"\n\",checks_x\r\n0,1,'=1+1\r\n"
        );
    }
}
