//! Lua values as JSON and back.
//!
//! A table is an array when its keys are exactly 1..n (n > 0) or when it was made with
//! `array(...)` or decoded from one; otherwise an object, whose keys must be strings and are
//! written sorted, because Lua's order differs between runs.

use mlua::{Lua, Table, Value};
use serde_json::{Map, Number, Value as Json};

/// How deep values may nest; also what ends a cycle.
const DEPTH_MAX: usize = 128;

/// Where the registry of a Lua state keeps the metatable of arrays.
pub(crate) const ARRAY: &str = "mistress.array";

/// The value as JSON, or why not: `place` of the offending part (`a.b[3]`) and what was found.
pub(crate) fn encode(lua: &Lua, value: &Value, place: &str) -> Result<Json, String> {
    let array = lua.named_registry_value::<Table>(ARRAY).ok();
    Encoder { array }.value(value, &mut place.to_owned(), 0)
}

struct Encoder {
    array: Option<Table>,
}

impl Encoder {
    fn value(&self, value: &Value, place: &mut String, depth: usize) -> Result<Json, String> {
        if depth > DEPTH_MAX {
            let shown = place.chars().take(60).collect::<String>();
            return Err(format!(
                "{shown}…: nested deeper than {DEPTH_MAX} levels (a cycle?)"
            ));
        }
        match value {
            Value::Nil => Ok(Json::Null),
            Value::LightUserData(light) if light.0.is_null() => Ok(Json::Null),
            Value::Boolean(b) => Ok(Json::Bool(*b)),
            Value::Integer(i) => Ok(Json::from(*i)),
            Value::Number(n) => {
                number(*n).ok_or_else(|| format!("{place}: {n} is not a number that JSON can hold"))
            }
            Value::String(s) => match s.to_str() {
                Ok(text) => Ok(Json::String(text.to_string())),
                Err(_) => Err(format!("{place}: a string that is not UTF-8")),
            },
            Value::Table(table) => self.table(table, place, depth),
            other => Err(format!("{place}: a {} can't be JSON", other.type_name())),
        }
    }

    /// Each value is encoded as it is met: holding thousands of Lua values at once would
    /// exhaust the bounded stack their handles live on.
    fn table(&self, table: &Table, place: &mut String, depth: usize) -> Result<Json, String> {
        let mut entries: Vec<(String, Json)> = Vec::new();
        let mut sequence: Vec<(i64, Json)> = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair.map_err(|error| format!("{place}: {error}"))?;
            let mark = place.len();
            match key {
                Value::String(key) => {
                    let Ok(key) = key.to_str() else {
                        return Err(format!("{place}: a key that is not UTF-8"));
                    };
                    place.push('.');
                    place.push_str(&key);
                    entries.push((key.to_string(), self.value(&value, place, depth + 1)?));
                }
                Value::Integer(index) if index >= 1 => {
                    place.push_str(&format!("[{index}]"));
                    sequence.push((index, self.value(&value, place, depth + 1)?));
                }
                other => {
                    let shown = crate::place::kind(&other);
                    return Err(format!(
                        "{place}: the key {shown}; keys are strings, or 1..n"
                    ));
                }
            }
            place.truncate(mark);
        }
        let marked = self.array.is_some() && table.metatable() == self.array;
        if !entries.is_empty() && (marked || !sequence.is_empty()) {
            return Err(format!(
                "{place}: a table with both numbers and strings as keys"
            ));
        }
        if !marked && sequence.is_empty() {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            return Ok(Json::Object(Map::from_iter(entries)));
        }
        sequence.sort_by_key(|(index, _)| *index);
        if sequence
            .last()
            .is_some_and(|(index, _)| *index != sequence.len() as i64)
        {
            return Err(format!(
                "{place}: a list with gaps; put null where nothing is"
            ));
        }
        Ok(Json::Array(
            sequence.into_iter().map(|(_, value)| value).collect(),
        ))
    }
}

/// Whole numbers are written without a fraction; NaN and infinities can't be.
fn number(n: f64) -> Option<Json> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53
    if n.fract() == 0.0 && n.abs() <= EXACT_MAX {
        return Some(Json::from(n as i64));
    }
    Number::from_f64(n).map(Json::Number)
}

/// Parses a text: the value, or `nil` and what is wrong with it.
pub(crate) fn decode(lua: &Lua, text: &[u8]) -> mlua::Result<(Value, Option<String>)> {
    match serde_json::from_slice::<Json>(text) {
        Ok(json) => Ok((value(lua, &json)?, None)),
        Err(error) => Ok((Value::Nil, Some(format!("not JSON: {error}")))),
    }
}

/// What is at a path of a JSON text: nil and why where there is nothing. Keys are parted by dots,
/// `[n]` is an item of an array, counted from 1 as in Lua.
pub(crate) fn decode_at(
    lua: &Lua,
    text: &[u8],
    path: &str,
) -> mlua::Result<(Value, Option<String>)> {
    let json = match serde_json::from_slice::<Json>(text) {
        Ok(json) => json,
        Err(error) => return Ok((Value::Nil, Some(format!("not JSON: {error}")))),
    };
    match at(&json, path) {
        Some(found) => Ok((value(lua, found)?, None)),
        None => Ok((Value::Nil, Some(format!("nothing at {path}")))),
    }
}

/// The part of a value that a path leads to.
fn at<'j>(json: &'j Json, path: &str) -> Option<&'j Json> {
    let mut found = json;
    for step in path.split('.') {
        let (key, indices) = step.split_once('[').unwrap_or((step, ""));
        if !key.is_empty() {
            found = found.get(key)?;
        }
        for index in indices.split_terminator('[') {
            let place: usize = index.strip_suffix(']')?.parse().ok()?;
            found = found.get(place.checked_sub(1)?)?;
        }
    }
    Some(found)
}

/// A JSON value for Lua: null is nil in objects (the key is absent) and at the top, and `null`
/// in arrays, so that positions hold.
pub(crate) fn value(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    match json {
        Json::Null => Ok(Value::Nil),
        Json::Bool(b) => Ok(Value::Boolean(*b)),
        Json::Number(n) => Ok(Value::Number(n.as_f64().unwrap_or(f64::NAN))),
        Json::String(s) => Ok(Value::String(lua.create_string(s)?)),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                let item = if item.is_null() {
                    Value::NULL
                } else {
                    value(lua, item)?
                };
                table.raw_set(index + 1, item)?;
            }
            table.set_metatable(lua.named_registry_value(ARRAY)?)?;
            Ok(Value::Table(table))
        }
        Json::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map.iter().filter(|(_, item)| !item.is_null()) {
                table.raw_set(key.as_str(), value(lua, item)?)?;
            }
            Ok(Value::Table(table))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let json = serde_json::json!({"a": {"b": [1, {"c": "x"}, [7, 8]]}, "": 0, "n": null});
        let rows = [
            ("a.b[1]", Some("1")),
            ("a.b[2].c", Some("\"x\"")),
            ("a.b[3][2]", Some("8")),
            ("n", Some("null")),
            ("a.b[0]", None),
            ("a.b[4]", None),
            ("a.b[x]", None),
            ("a.b[1", None),
            ("a.c", None),
            ("a.b.c", None),
            ("a[1]", None),
        ];
        for (path, expected) in rows {
            let found = at(&json, path).map(Json::to_string);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        assert_eq!(at(&serde_json::json!([5, 6]), "[2]"), Some(&Json::from(6)));
    }
}
