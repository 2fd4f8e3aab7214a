//! Reads the values of option tables; errors name the key and what was found.

use std::fmt::{self, Display};

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
pub(crate) fn scalar(what: impl Display, value: &Value) -> Result<Vec<u8>> {
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

/// Calls `f` with the pairs of a table, in one protected call of Lua instead of one for each.
pub(crate) fn each(table: &Table, mut f: impl FnMut(&Value, &Value) -> Result<()>) -> Result<()> {
    let mut outcome = Ok(());
    let walked = table.for_each(|key: Value, value: Value| {
        outcome = f(&key, &value);
        match &outcome {
            Ok(()) => Ok(()),
            Err(_) => Err(mlua::Error::runtime("the rest is not looked at")),
        }
    });
    outcome?;
    walked.map_err(|error| error.to_string())
}

/// A value with a name.
pub(crate) enum NamedValue {
    Scalar(Vec<u8>),
    /// The boolean, where it has a meaning of its own.
    False,
}

impl NamedValue {
    pub(crate) fn new(what: impl Display, value: &Value) -> Result<NamedValue> {
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
    each(table, |name, value| {
        let name = scalar(format_args!("a name in {key}"), name)?;
        match value {
            Value::Table(values) if integer::of(value).is_none() => {
                for value in values.sequence_values::<Value>() {
                    let value = value.map_err(|error| error.to_string())?;
                    pairs.push((name.clone(), NamedValue::new(Label(key, &name), &value)?));
                }
            }
            other => {
                let given = NamedValue::new(Label(key, &name), other)?;
                pairs.push((name, given));
            }
        }
        Ok(())
    })?;
    pairs.sort_by(|a, b| a.0.cmp(&b.0)); // stable: the values of one name keep their order
    Ok(pairs)
}

/// What a value is in messages: the option and the name in it.
struct Label<'a>(&'a str, &'a [u8]);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, quoted(self.1, 40))
    }
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
