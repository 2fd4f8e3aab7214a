//! Locations in the script, and how messages show values.

use mlua::{Error, Lua, Value};

use crate::integer;

/// The chunk name of this crate's own Lua files, as Lua prints it.
pub(crate) const OWN_CHUNK: &str = "[mistress]";

/// Most calls in a traceback.
const CALLS_MAX: usize = 20;

/// Most stack levels searched for a line of the script.
const LEVELS_MAX: usize = 200;

/// `file:line: ` of the innermost call in script code; empty when there is none.
pub(crate) fn here(lua: &Lua) -> String {
    for level in 0..LEVELS_MAX {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            match (source.short_src.as_deref(), debug.current_line()) {
                (Some(file), Some(line)) if file != OWN_CHUNK && file != "[C]" => {
                    Some(format!("{file}:{line}: "))
                }
                _ => None,
            }
        });
        match found {
            Some(Some(location)) => return location,
            Some(None) => {}
            None => break,
        }
    }
    String::new()
}

/// Puts the script's location before the message: added when Lua gave none, and replacing a line of
/// this crate's own files.
pub(crate) fn with_location(lua: &Lua, message: &str) -> String {
    match location_length(message) {
        Some(length) if message.starts_with(OWN_CHUNK) => here(lua) + &message[length..],
        Some(_) => message.to_owned(),
        None => here(lua) + message,
    }
}

/// The length of a leading `file:line: `.
fn location_length(message: &str) -> Option<usize> {
    let line = message.lines().next()?;
    let (file, rest) = line.split_once(':')?;
    let (number, _) = rest.split_once(": ")?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| file.len() + 1 + number.len() + 2)
}

/// The script's calls, innermost first, one per line, without this crate's own files.
pub(crate) fn calls(lua: &Lua) -> String {
    let Ok(text) = lua.traceback(None, 0) else {
        return String::new();
    };
    calls_of(&text.to_string_lossy())
}

/// The script's lines in a Lua traceback.
pub(crate) fn calls_of(traceback: &str) -> String {
    let calls = traceback
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && *line != "stack traceback:")
        .filter(|line| !line.starts_with(OWN_CHUNK) && !line.starts_with("[C]"));
    calls
        .take(CALLS_MAX)
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Describes an error value that is not a Lua string.
pub(crate) fn error_text(value: &Value) -> String {
    match value {
        Value::Error(error) => cause(error),
        Value::LightUserData(light) if light.0.is_null() => "the error value is null".to_owned(),
        other => format!("the error value is a {}", other.type_name()),
    }
}

/// The innermost cause of an error that passed through Rust, without tracebacks.
pub(crate) fn cause(error: &Error) -> String {
    match error {
        Error::CallbackError { cause: inner, .. } => cause(inner),
        Error::RuntimeError(text) | Error::MemoryError(text) => text.clone(),
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// A value as shown in messages: short values in full, others by their type.
pub(crate) fn kind(value: &Value) -> String {
    const SHOWN_MAX: usize = 40;
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Boolean(b) => b.to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Number(n) => n.to_string(),
        Value::LightUserData(light) if light.0.is_null() => "null".to_owned(),
        Value::String(s) => quoted(&s.as_bytes(), SHOWN_MAX),
        other => match integer::of(other) {
            Some(integer) => integer.to_string(),
            None => format!("a {}", other.type_name()),
        },
    }
}

/// Bytes in quotes, escaped and cut after `max` characters.
pub(crate) fn quoted(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text
        .chars()
        .take(max)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
