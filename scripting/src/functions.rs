//! Handles to the functions of core.lua.

use mlua::{Function, LuaString, Table, Value};

use crate::ScriptError;
use crate::state::State;

/// Handles to core.lua's functions, made once because every live handle occupies a slot of a
/// bounded stack.
pub(crate) struct Functions {
    pub run: Function,
    pub reply: Function,
    pub reply_kept: Function,
    pub wake: Function,
    pub fork: Function,
    pub attach: Function,
    pub detach: Function,
    pub set_data: Function,
    pub set_failure: Function,
    pub sleep_times: Function,
    pub failure: Function,
    pub outcome: Function,
    pub drop: Function,
}

/// Runs the file's chunk; returns its value, or the Lua error that ended it.
pub(crate) fn load_chunk(
    state: &State,
    chunk: &Function,
    functions: &Functions,
) -> mlua::Result<Result<Value, ScriptError>> {
    let load: Function = state.entry.raw_get("load")?;
    match load.call::<(bool, Value)>(chunk)? {
        (true, module) => Ok(Ok(module)),
        (false, _) => fetch_failure(&functions.failure).map(Err),
    }
}

/// The message and the call stack of the last Lua error.
pub(crate) fn fetch_failure(failure: &Function) -> mlua::Result<ScriptError> {
    let (text, calls): (Option<LuaString>, Option<LuaString>) = failure.call(())?;
    let lossy = |string: Option<LuaString>| string.map(|s| s.to_string_lossy()).unwrap_or_default();
    Ok(ScriptError {
        message: lossy(text),
        traceback: lossy(calls),
    })
}

impl Functions {
    pub(crate) fn new(entry: &Table) -> mlua::Result<Functions> {
        Ok(Functions {
            run: entry.raw_get("run")?,
            reply: entry.raw_get("reply")?,
            reply_kept: entry.raw_get("reply_kept")?,
            wake: entry.raw_get("wake")?,
            fork: entry.raw_get("fork")?,
            attach: entry.raw_get("attach")?,
            detach: entry.raw_get("detach")?,
            set_data: entry.raw_get("set_data")?,
            set_failure: entry.raw_get("set_failure")?,
            sleep_times: entry.raw_get("sleep_times")?,
            failure: entry.raw_get("failure")?,
            outcome: entry.raw_get("outcome")?,
            drop: entry.raw_get("drop")?,
        })
    }
}
