//! Regular expressions on bodies.

use mlua::{IntoLua, Lua, LuaString, MultiValue, Value};
use regex::bytes::{Captures, Regex, RegexBuilder};
use rustix::time::{ClockId, clock_gettime};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{ExtractCaches, Found};
use crate::location;

/// Size limit of a compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 2 << 20;

/// Most matches one query returns.
const MATCHES_MAX: usize = 500_000;
/// Processor time limit of one query: a single search takes linear time, but each of many matches
/// may need to search to the end of the body.
const TIME_MAX: Duration = Duration::from_secs(1);

/// A pattern, and the group to return.
type Query = (LuaString, Value);

fn pattern(caches: &ExtractCaches, text: &LuaString) -> Result<Rc<Regex>, String> {
    let text = text.as_bytes();
    caches.patterns.of(&text, || {
        let text = std::str::from_utf8(&text).map_err(|_| "the pattern must be UTF-8")?;
        let mut builder = RegexBuilder::new(text);
        let compiled = builder.size_limit(COMPILED_BYTES_MAX).build();
        compiled.map_err(|error| format!("the pattern {}", one_line(&error.to_string())))
    })
}

/// The library's messages show the pattern over several lines.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.filter(|line| !line.starts_with('^'));
    message.collect::<Vec<_>>().join(" ")
}

/// The index of a group; `None` when none was given.
fn group(pattern: &Regex, wanted: &Value) -> Result<Option<usize>, String> {
    let known = pattern.captures_len();
    let number = match wanted {
        Value::Nil => return Ok(None),
        Value::Integer(number) => usize::try_from(*number).ok(),
        Value::Number(number) if number.fract() == 0.0 && *number >= 0.0 => Some(*number as usize),
        Value::String(name) => {
            let name = name.to_string_lossy();
            let mut names = pattern.capture_names();
            names.position(|known| known == Some(name.as_str()))
        }
        _ => None,
    };
    match number {
        Some(number) if number < known => Ok(Some(number)),
        _ => Err(format!(
            "the pattern has no group {}; it has {}",
            location::kind(wanted),
            known - 1
        )),
    }
}

fn text(lua: &Lua, captures: &Captures<'_>, group: usize) -> mlua::Result<Value> {
    match captures.get(group) {
        Some(found) => lua.create_string(found.as_bytes())?.into_lua(lua),
        None => Ok(Value::Nil),
    }
}

fn compiled(
    caches: &ExtractCaches,
    (text, wanted): &Query,
) -> Result<(Rc<Regex>, Option<usize>), String> {
    let pattern = pattern(caches, text)?;
    let group = group(&pattern, wanted)?;
    Ok((pattern, group))
}

/// The first match: the requested group, or all groups, or the whole match if there are none.
pub(super) fn first(
    lua: &Lua,
    caches: &ExtractCaches,
    body: &[u8],
    question: Query,
) -> mlua::Result<Found> {
    let (pattern, group) = match compiled(caches, &question) {
        Ok(compiled) => compiled,
        Err(fault) => return Ok(Err(fault)),
    };
    let Some(captures) = pattern.captures(body) else {
        return Ok(Ok(MultiValue::from_iter([Value::Nil])));
    };
    let groups = match group {
        Some(group) => group..group + 1,
        None if captures.len() == 1 => 0..1,
        None => 1..captures.len(),
    };
    let values = groups.map(|group| text(lua, &captures, group));
    values.collect::<mlua::Result<MultiValue>>().map(Ok)
}

/// A list of all matches: for each the requested group, or the only group or the whole match, or a
/// list of its groups.
pub(super) fn all(
    lua: &Lua,
    caches: &ExtractCaches,
    body: &[u8],
    question: Query,
) -> mlua::Result<Found> {
    let (pattern, group) = match compiled(caches, &question) {
        Ok(compiled) => compiled,
        Err(fault) => return Ok(Err(fault)),
    };
    let list = lua.create_table()?;
    let groups = pattern.captures_len();
    let begun = Instant::now();
    let begun_cpu = cpu_time();
    for (count, captures) in pattern.captures_iter(body).enumerate() {
        if count >= MATCHES_MAX {
            return Ok(Err(format!(
                "the pattern matches more than {MATCHES_MAX} times"
            )));
        }
        // The monotonic clock is cheaper to read, and never behind the processor clock.
        if begun.elapsed() > TIME_MAX && cpu_time().saturating_sub(begun_cpu) > TIME_MAX {
            return Ok(Err(format!(
                "the matches took more than {} s of processor time",
                TIME_MAX.as_secs()
            )));
        }
        let value = match group {
            Some(group) => text(lua, &captures, group)?,
            None if groups <= 2 => text(lua, &captures, groups - 1)?,
            None => {
                let parts = lua.create_table_with_capacity(groups - 1, 0)?;
                for group in 1..groups {
                    parts.raw_set(group, or_null(text(lua, &captures, group)?))?;
                }
                Value::Table(parts)
            }
        };
        list.raw_push(or_null(value))?;
    }
    Ok(Ok(MultiValue::from_iter([Value::Table(list)])))
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Replaces a group that took no part in the match with null, so that positions are kept.
fn or_null(value: Value) -> Value {
    if value.is_nil() { Value::NULL } else { value }
}
