//! `summary(result)`: a script makes a report of its own.

use std::rc::Rc;

use mlua::{Function, Value};
use serde_json::Value as Json;

use crate::host::NullHost;
use crate::module::{self, SUMMARY};
use crate::script::{LoadedFile, MEMORY_BYTES_MAX};
use crate::source::Source;
use crate::{json, location};

/// What the function `summary` of a script makes of the result of a run: texts by the
/// names of the files to write, or by `stdout` and `stderr`. `None` when there is no such function.
///
/// # Errors
/// The script is unusable, fails, or returns something else; described in one line.
pub fn summary<'a>(
    source: impl Into<Source<'a>>,
    result: &Json,
) -> Result<Option<Vec<(String, String)>>, String> {
    let in_one_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let opened = LoadedFile::new(&source.into(), Rc::new(NullHost), MEMORY_BYTES_MAX)
        .map_err(|error| in_one_line(error.to_string()))?;
    module::entries(&opened.file, &opened.module, &opened.state.entry)
        .map_err(|error| in_one_line(error.to_string()))?;
    let Value::Table(module) = &opened.module else {
        return Ok(None);
    };
    let lua_cause = |error: mlua::Error| in_one_line(location::cause(&error));
    let Some(function) = module
        .raw_get::<Option<Function>>(SUMMARY)
        .map_err(lua_cause)?
    else {
        return Ok(None);
    };
    let result = json::value(&opened.state.lua, result).map_err(lua_cause)?;
    let made = function.call::<Value>(result).map_err(lua_cause)?;
    parts(&made).map(Some)
}

/// A text alone is for stdout.
fn parts(made: &Value) -> Result<Vec<(String, String)>, String> {
    let expected = "expected a text, or a table of texts by file name, stdout or stderr";
    match made {
        Value::Nil => Ok(Vec::new()),
        Value::String(text) => Ok(vec![("stdout".to_owned(), text.to_string_lossy())]),
        Value::Table(table) => {
            let mut parts = Vec::new();
            for pair in table.pairs::<Value, Value>() {
                match pair.map_err(|error| location::cause(&error))? {
                    (Value::String(name), Value::String(text)) => {
                        parts.push((name.to_string_lossy(), text.to_string_lossy()));
                    }
                    (name, value) => {
                        let (name, found) = (location::kind(&name), location::kind(&value));
                        return Err(format!("summary returned {found} for {name}, {expected}"));
                    }
                }
            }
            parts.sort();
            Ok(parts)
        }
        other => Err(format!(
            "summary returned {}, {expected}",
            location::kind(other)
        )),
    }
}
