//! Reads the values of option tables; errors name the key and what was found.

use mlua::{Table, Value};

use crate::integer;
use crate::location::{kind, quoted};

type Result<T> = std::result::Result<T, String>;

/// The bytes of a string.
pub(crate) fn bytes(key: &str, value: &Value) -> Result<Vec<u8>> {
    match value {
        Value::String(s) => Ok(s.as_bytes().to_vec()),
        other => Err(format!("{key} must be a string, not {}", kind(other))),
    }
}

/// True or false.
pub(crate) fn boolean(key: &str, value: &Value) -> Result<bool> {
    match value {
        Value::Boolean(b) => Ok(*b),
        other => Err(format!("{key} must be true or false, not {}", kind(other))),
    }
}

/// Converts a scalar to text: a string, a number or a boolean.
pub(crate) fn scalar(what: &str, value: &Value) -> Result<Vec<u8>> {
    match value {
        Value::String(s) => Ok(s.as_bytes().to_vec()),
        Value::Integer(i) => Ok(i.to_string().into_bytes()),
        Value::Number(n) => Ok(n.to_string().into_bytes()),
        Value::Boolean(b) => Ok(b.to_string().into_bytes()),
        other => match integer::of(other) {
            Some(integer) => Ok(integer.to_string().into_bytes()),
            None => Err(format!(
                "{what} must be a string, a number or a boolean, not {}",
                kind(other)
            )),
        },
    }
}

/// A value with a name.
pub(crate) enum NamedValue {
    Scalar(Vec<u8>),
    /// The boolean, where it has a meaning of its own.
    False,
}

impl NamedValue {
    pub(crate) fn new(what: &str, value: &Value) -> Result<NamedValue> {
        match value {
            Value::Boolean(false) => Ok(NamedValue::False),
            other => Ok(NamedValue::Scalar(scalar(what, other)?)),
        }
    }
}

/// Name-value pairs: a map, read in order of names (a list as value repeats the name), or a list of
/// `{ name, value }` pairs, read in its order.
pub(crate) fn pairs(key: &str, value: &Value) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let text = |given| match given {
        NamedValue::Scalar(text) => text,
        NamedValue::False => b"false".to_vec(),
    };
    let named = named(key, value)?.into_iter();
    Ok(named.map(|(name, given)| (name, text(given))).collect())
}

/// Name-value pairs as [`pairs`] reads them, with `false` told apart from text.
pub(crate) fn named(key: &str, value: &Value) -> Result<Vec<(Vec<u8>, NamedValue)>> {
    let Value::Table(table) = value else {
        return Err(format!("{key} must be a table, not {}", kind(value)));
    };
    if table.raw_len() > 0 {
        return list_of_pairs(key, table);
    }
    let mut pairs = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        let name = scalar(&format!("a name in {key}"), &name)?;
        let what = format!("{key}: {}", quoted(&name, 40));
        match &value {
            Value::Table(values) if integer::of(&value).is_none() => {
                for value in values.sequence_values::<Value>() {
                    let value = value.map_err(|error| error.to_string())?;
                    pairs.push((name.clone(), NamedValue::new(&what, &value)?));
                }
            }
            other => pairs.push((name, NamedValue::new(&what, other)?)),
        }
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the values of one name keep their order
    Ok(pairs)
}

fn list_of_pairs(key: &str, table: &Table) -> Result<Vec<(Vec<u8>, NamedValue)>> {
    let mut pairs = Vec::new();
    for (index, item) in table.sequence_values::<Value>().enumerate() {
        let what = format!("{key}[{}]", index + 1);
        let item = item.map_err(|error| error.to_string())?;
        let Value::Table(pair) = &item else {
            return Err(format!(
                "{what} must be a pair {{ name, value }}, not {}",
                kind(&item)
            ));
        };
        let part = |index: i64| {
            pair.raw_get::<Value>(index)
                .map_err(|error| error.to_string())
        };
        pairs.push((
            scalar(&what, &part(1)?)?,
            NamedValue::new(&what, &part(2)?)?,
        ));
    }
    Ok(pairs)
}
