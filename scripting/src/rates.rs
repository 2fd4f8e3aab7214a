//! Rate functions of a script: the load per second, evaluated before the run.

use std::rc::Rc;

use mlua::{Function, Table, Value};

use crate::host::NullHost;
use crate::location;
use crate::module::{self, RATES};
use crate::script::{LoadedFile, MEMORY_BYTES_MAX};
use crate::source::Source;

/// The values of the function `rates.NAME` of the script for the seconds 0 to `seconds` - 1,
/// checked only to be numbers.
///
/// # Errors
/// The script is unusable, has no such function, fails, or returns something other than a number;
/// described in one line.
pub fn rates<'a>(
    source: impl Into<Source<'a>>,
    name: &str,
    seconds: u64,
) -> Result<Vec<f64>, String> {
    let in_one_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let opened = LoadedFile::new(&source.into(), Rc::new(NullHost), MEMORY_BYTES_MAX)
        .map_err(|error| in_one_line(error.to_string()))?;
    module::entries(&opened.file, &opened.module, &opened.state.entry)
        .map_err(|error| in_one_line(error.to_string()))?;
    let function = function(&opened.module, name)?;
    let ask = |second| match function.call::<Value>(second) {
        Ok(Value::Number(value)) => Ok(value),
        Ok(Value::Integer(value)) => Ok(value as f64),
        Ok(other) => Err(format!(
            "rates.{name} returned {} for second {second}, expected a number",
            location::kind(&other)
        )),
        Err(error) => Err(in_one_line(location::cause(&error))),
    };
    (0..seconds).map(ask).collect()
}

fn function(module: &Value, name: &str) -> Result<Function, String> {
    let table = |value: Value| match value {
        Value::Table(table) => Some(table),
        _ => None,
    };
    let rates: Option<Table> = table(module.clone())
        .and_then(|module| module.raw_get(RATES).ok())
        .and_then(table);
    let Some(rates) = rates else {
        return Err(format!(
            "found no function {name:?}: the script's table has no `rates`"
        ));
    };
    if let Ok(Value::Function(function)) = rates.raw_get(name) {
        return Ok(function);
    }
    let names = rates
        .pairs::<String, Value>()
        .flatten()
        .map(|(name, _)| name);
    let mut names: Vec<String> = names.collect();
    names.sort();
    Err(format!(
        "found no function {name:?}; the script's rates are {}",
        names.join(", ")
    ))
}
