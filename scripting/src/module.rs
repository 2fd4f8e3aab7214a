//! The value a script's file returned: its hooks and scenarios.

use mlua::{Function, Table, Value};

use crate::{Error, Hooks, location};

/// The hooks, in the order of their entry numbers; scenarios follow.
pub(crate) const HOOKS: [&str; 4] = ["setup", "teardown", "on_start", "on_stop"];

/// The key of the function that makes a report of a result.
pub(crate) const SUMMARY: &str = "summary";

/// The key of the table of rate functions.
pub(crate) const RATES: &str = "rates";

/// Rejects anything but a table of named functions.
fn rate_functions(rates: &Value) -> Result<(), String> {
    let found = location::kind(rates);
    let Value::Table(table) = rates else {
        return Err(format!(
            "rates is {found}; it must be a table of functions of time"
        ));
    };
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| location::cause(&error))?;
        if !matches!((&key, &value), (Value::String(_), Value::Function(_))) {
            let (key, found) = (location::kind(&key), location::kind(&value));
            return Err(format!(
                "rates has {key}, which is {found}; it must hold named functions only"
            ));
        }
    }
    Ok(())
}

/// Checks the returned table and passes the functions to core.lua by entry number: hooks first,
/// then the scenarios sorted by name.
pub(crate) fn entries(
    file: &str,
    module: &Value,
    entry: &Table,
) -> Result<(Vec<String>, Hooks), Error> {
    let shape = |message: String| Error::Shape {
        file: file.to_owned(),
        message,
    };
    let Value::Table(table) = module else {
        let found = location::kind(module);
        return Err(shape(format!(
            "returned {found}; the file must return a table of functions"
        )));
    };
    let scenarios = scenarios(table).map_err(&shape)?;
    if scenarios.is_empty() {
        return Err(shape(
            "returned a table without a scenario (a function)".to_owned(),
        ));
    }
    let hooks = register(table, &scenarios, entry)
        .map_err(|error| Error::State(location::cause(&error)))?;
    Ok((scenarios, hooks))
}

fn scenarios(table: &Table) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| location::cause(&error))?;
        let shown = location::kind(&key);
        let Value::String(name) = &key else {
            return Err(format!(
                "the returned table has the key {shown}; scenario names must be strings"
            ));
        };
        if *name.as_bytes() == *RATES.as_bytes() {
            rate_functions(&value)?;
            continue;
        }
        if !matches!(value, Value::Function(_)) {
            let found = location::kind(&value);
            return Err(format!(
                "{shown} is {found}; the returned table must hold functions only"
            ));
        }
        let name = name
            .to_str()
            .map_err(|_| format!("the name {shown} is not UTF-8"))?
            .to_string();
        if !HOOKS.contains(&name.as_str()) && name != SUMMARY {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn register(table: &Table, scenarios: &[String], entry: &Table) -> mlua::Result<Hooks> {
    let set: Function = entry.raw_get("set_entry")?;
    let names = HOOKS
        .into_iter()
        .chain(scenarios.iter().map(String::as_str));
    let mut exists = [false; HOOKS.len()];
    for (index, name) in names.enumerate() {
        let function: Option<Function> = table.raw_get(name)?;
        if let Some(exists) = exists.get_mut(index) {
            *exists = function.is_some();
        }
        set.call::<()>((index, function))?;
    }
    let [setup, teardown, on_start, on_stop] = exists;
    Ok(Hooks {
        setup,
        teardown,
        on_start,
        on_stop,
    })
}
