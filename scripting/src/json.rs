//! Conversion between Lua values and JSON.
//!
//! A table is an array when its keys are exactly 1..n (n > 0), or when it was made with
//! `array(...)` or decoded from an array; otherwise it is an object, whose keys must be strings and
//! are written sorted, because Lua's order differs between runs.

pub(crate) mod path;

use mlua::{Lua, Table, Value};
use path::Path;
use serde_json::{Map, Number, Value as Json};

use crate::integer;

/// Maximum nesting depth, which also bounds cycles.
const DEPTH_MAX: usize = 128;

/// Most values of one text: each takes about a hundred bytes, and beyond this they get slower
/// because they no longer fit the processor's caches.
const VALUES_MAX: usize = 400_000;

/// Registry key of the metatable of arrays.
pub(crate) const ARRAY: &str = "mistress.array";

/// Reads a text that a server may have chosen.
///
/// # Errors
///
/// It is not JSON, or can have too many values.
pub(crate) fn read(text: &[u8]) -> Result<Json, String> {
    // Each value but the first follows one of these characters, so their count is an upper bound.
    let values = memchr::memchr3_iter(b',', b'[', b'{', text).count();
    if values > VALUES_MAX {
        return Err(format!("the JSON can have more than {VALUES_MAX} values"));
    }
    serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))
}

/// The bytes of a value as the option `json` of a request sends them; errors as [`encode`] has
/// them.
pub(crate) fn bytes(lua: &Lua, value: &Value, path: &str) -> Result<Vec<u8>, String> {
    let json = encode(lua, value, path)?;
    serde_json::to_vec(&json).map_err(|error| format!("{path}: {error}"))
}

/// The value as JSON, or why not: `path` of the offending part (`a.b[3]`) and what was found.
pub(crate) fn encode(lua: &Lua, value: &Value, path: &str) -> Result<Json, String> {
    let array = lua.named_registry_value::<Table>(ARRAY).ok();
    Encoder { array }.value(value, &mut path.to_owned(), 0)
}

struct Encoder {
    array: Option<Table>,
}

impl Encoder {
    fn value(&self, value: &Value, path: &mut String, depth: usize) -> Result<Json, String> {
        if depth > DEPTH_MAX {
            let shown = path.chars().take(60).collect::<String>();
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
                number(*n).ok_or_else(|| format!("{path}: {n} is not a number that JSON can hold"))
            }
            Value::String(s) => match s.to_str() {
                Ok(text) => Ok(Json::String(text.to_string())),
                Err(_) => Err(format!("{path}: a string that is not UTF-8")),
            },
            Value::Table(table) => match integer::of(value).and_then(integer::Integer::json) {
                Some(number) => Ok(Json::Number(number)),
                None => self.table(table, path, depth),
            },
            other => Err(format!("{path}: a {} can't be JSON", other.type_name())),
        }
    }

    /// Encodes values one at a time: holding thousands of Lua values at once would exhaust the
    /// bounded stack that holds their handles.
    fn table(&self, table: &Table, path: &mut String, depth: usize) -> Result<Json, String> {
        let mut entries: Vec<(String, Json)> = Vec::new();
        let mut sequence: Vec<(i64, Json)> = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair.map_err(|error| format!("{path}: {error}"))?;
            let mark = path.len();
            match key {
                Value::String(key) => {
                    let Ok(key) = key.to_str() else {
                        return Err(format!("{path}: a key that is not UTF-8"));
                    };
                    path.push('.');
                    path.push_str(&key);
                    entries.push((key.to_string(), self.value(&value, path, depth + 1)?));
                }
                Value::Integer(index) if index >= 1 => {
                    path.push_str(&format!("[{index}]"));
                    sequence.push((index, self.value(&value, path, depth + 1)?));
                }
                other => {
                    let shown = crate::location::kind(&other);
                    return Err(format!(
                        "{path}: the key {shown}; keys are strings, or 1..n"
                    ));
                }
            }
            path.truncate(mark);
        }
        let marked = self.array.is_some() && table.metatable() == self.array;
        if !entries.is_empty() && (marked || !sequence.is_empty()) {
            return Err(format!(
                "{path}: a table with both numbers and strings as keys"
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
                "{path}: a list with gaps; put null where nothing is"
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

/// The value at a path, for Lua; a list if the path can match several values; nil and a reason if
/// there is nothing.
pub(crate) fn at(
    lua: &Lua,
    json: &Json,
    path: &Path,
    text: &str,
) -> mlua::Result<(Value, Option<String>)> {
    let found = path.find(json);
    if path.is_many() {
        let list = lua.create_table_with_capacity(found.len(), 0)?;
        for (index, item) in found.into_iter().enumerate() {
            list.raw_set(index + 1, item_value(lua, item)?)?;
        }
        list.set_metatable(lua.named_registry_value(ARRAY)?)?;
        return Ok((Value::Table(list), None));
    }
    match found.first() {
        Some(found) => Ok((value(lua, found)?, None)),
        None => Ok((Value::Nil, Some(format!("nothing at {text}")))),
    }
}

/// An item of a list; null becomes `null`, so that positions are kept.
fn item_value(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    if json.is_null() {
        Ok(Value::NULL)
    } else {
        value(lua, json)
    }
}

/// Converts a JSON value to Lua: null becomes nil in objects (the key is absent) and at the top
/// level, and `null` in arrays, so that positions are kept.
pub(crate) fn value(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    match json {
        Json::Null => Ok(Value::Nil),
        Json::Bool(b) => Ok(Value::Boolean(*b)),
        Json::Number(number) => integer::from_json(lua, number),
        Json::String(s) => Ok(Value::String(lua.create_string(s)?)),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, item_value(lua, item)?)?;
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
