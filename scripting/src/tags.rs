//! Tags of requests, as the option `tags` and `user:with_tags` give them.

use mlua::Value;

use crate::location::{kind, quoted};
use crate::option_values::scalar;
use crate::text;

/// A key, of letters, digits and `_ - .`, and its value.
pub type Tag = (String, String);

/// Most tags that one request can give, and most that the stretches around it can.
pub const TAGS_MAX: usize = 8;

/// Longest key, in bytes.
const KEY_MAX: usize = 64;
/// Longest value, in bytes.
const VALUE_MAX: usize = 128;

type Result<T> = std::result::Result<T, String>;

/// The tags in a table, in the order of their keys. The error names the tag.
pub(crate) fn read(value: &Value) -> Result<Vec<Tag>> {
    let Value::Table(table) = value else {
        return Err(format!(
            "tags must be a table such as {{ kind = \"static\" }}, not {}",
            kind(value)
        ));
    };
    let mut tags = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        let name = key(&name)?;
        let value = value_of(&name, &value)?;
        tags.push((name, value));
    }
    at_most(tags.len())?;
    tags.sort();
    Ok(tags)
}

/// Checks the number of tags.
///
/// # Errors
/// There are more than [`TAGS_MAX`].
pub(crate) fn at_most(found: usize) -> Result<()> {
    if found <= TAGS_MAX {
        return Ok(());
    }
    Err(format!(
        "tags: found {found}, at most {TAGS_MAX} are allowed"
    ))
}

fn key(value: &Value) -> Result<String> {
    let Value::String(name) = value else {
        return Err(format!(
            "tags: the key of a tag must be a string, not {}",
            kind(value)
        ));
    };
    let name = name.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let allowed = (1..=KEY_MAX).contains(&name.len()) && name.iter().all(is_plain);
    if !allowed {
        return Err(format!(
            "tags: the key {} must be 1 to {KEY_MAX} letters, digits, _, - or .",
            quoted(&name, 80)
        ));
    }
    Ok(String::from_utf8_lossy(&name).into_owned())
}

fn value_of(key: &str, value: &Value) -> Result<String> {
    let what = format!("tags: {key}");
    let text = match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => scalar(&what, value)?,
        other => {
            return Err(format!(
                "{what} must be a string or a number, not {}",
                kind(other)
            ));
        }
    };
    let text = text::utf8(&what, text)?;
    if text.is_empty() || text.len() > VALUE_MAX || text.chars().any(char::is_control) {
        return Err(format!(
            "{what} must be 1 to {VALUE_MAX} bytes without control characters, not {}",
            quoted(text.as_bytes(), 160)
        ));
    }
    Ok(text)
}
