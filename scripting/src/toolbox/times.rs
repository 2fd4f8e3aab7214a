//! `time.*`: the wall clock in Unix milliseconds, and how times are written and read, in UTC.

use std::rc::Rc;
use std::time::UNIX_EPOCH;

use mlua::Value;
use time::format_description::well_known::Iso8601;
use time::format_description::{OwnedFormatItem, parse_strftime_owned};
use time::parsing::Parsed;
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

use super::{Tools, text, utf8};
use crate::bindings::or_message;
use crate::cache::Cache;
use crate::location::{kind, quoted};

const NS_PER_MS: i128 = 1_000_000;

/// How a time is written.
enum TimeFormat {
    /// `2026-11-27T19:27:02.123Z`.
    Iso,
    /// `Fri, 27 Nov 2026 19:27:02 GMT`.
    Http,
    Pattern(Rc<OwnedFormatItem>),
}

const HTTP: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Patterns, compiled once.
type Patterns = Cache<OwnedFormatItem>;

impl TimeFormat {
    fn read(patterns: &Patterns, value: &Value) -> Result<TimeFormat, String> {
        let given = match value {
            Value::Nil => return Ok(TimeFormat::Iso),
            other => text("the format", other)?,
        };
        match &*given.as_bytes() {
            b"iso" => Ok(TimeFormat::Iso),
            b"http" => Ok(TimeFormat::Http),
            pattern if pattern.contains(&b'%') => {
                let compiled = compile(patterns, &String::from_utf8_lossy(pattern))?;
                Ok(TimeFormat::Pattern(compiled))
            }
            _ => Err(format!(
                "the format must be \"iso\", \"http\" or a pattern such as \"%Y-%m-%d\", not {}",
                kind(value)
            )),
        }
    }
}

fn compile(patterns: &Patterns, pattern: &str) -> Result<Rc<OwnedFormatItem>, String> {
    patterns.of(pattern.as_bytes(), || {
        let compiled = parse_strftime_owned(pattern);
        compiled.map_err(|error| format!("the format {}: {error}", quoted(pattern.as_bytes(), 40)))
    })
}

/// A moment given in milliseconds since 1970; fractions are cut off.
pub(super) fn moment(what: &str, value: &Value) -> Result<OffsetDateTime, String> {
    let ms = match value {
        Value::Integer(ms) => Some(i128::from(*ms)),
        Value::Number(ms) if ms.is_finite() => Some(ms.floor() as i128),
        _ => None,
    };
    let moment = ms.and_then(|ms| {
        let ns = ms.checked_mul(NS_PER_MS)?;
        OffsetDateTime::from_unix_timestamp_nanos(ns).ok()
    });
    moment.ok_or_else(|| {
        format!(
            "{what} must be milliseconds since 1970 in the years -9999 to 9999, not {}",
            kind(value)
        )
    })
}

fn format(patterns: &Patterns, at: OffsetDateTime, form: &TimeFormat) -> Result<String, String> {
    let pattern = match form {
        TimeFormat::Iso => {
            let (date, (hour, minute, second, ms)) = (at.date(), at.time().as_hms_milli());
            return Ok(format!("{date}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"));
        }
        TimeFormat::Http => &compile(patterns, HTTP)?,
        TimeFormat::Pattern(pattern) => pattern,
    };
    let written = at.format(&**pattern);
    written.map_err(|error| format!("the format: {error}"))
}

/// Milliseconds since 1970, without fractions.
fn parse(text: &str, form: &TimeFormat) -> Result<f64, String> {
    let at = match form {
        TimeFormat::Iso => parse_iso(text),
        TimeFormat::Http => {
            let read = httpdate::parse_http_date(text).ok();
            let since = read.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            return since
                .map(|since| since.as_millis() as f64)
                .ok_or_else(|| format!("not a date of HTTP: {}", quoted(text.as_bytes(), 40)));
        }
        TimeFormat::Pattern(pattern) => parse_pattern(text, pattern),
    };
    let ns = at?.unix_timestamp_nanos();
    Ok(ns.div_euclid(NS_PER_MS) as f64)
}

/// A date, perhaps with a time, perhaps with an offset; without one it is UTC.
fn parse_iso(text: &str) -> Result<OffsetDateTime, String> {
    if let Ok(at) = OffsetDateTime::parse(text, &Iso8601::PARSING) {
        return Ok(at);
    }
    let local = PrimitiveDateTime::parse(text, &Iso8601::PARSING);
    let local = local.or_else(|_| {
        let date = Date::parse(text, &Iso8601::PARSING);
        date.map(|date| date.with_time(Time::MIDNIGHT))
    });
    let at = local.map(PrimitiveDateTime::assume_utc);
    at.map_err(|error| format!("not ISO 8601: {} ({error})", quoted(text.as_bytes(), 40)))
}

/// A text in the form of a pattern; without a time of day it is midnight, without an offset UTC.
fn parse_pattern(text: &str, pattern: &OwnedFormatItem) -> Result<OffsetDateTime, String> {
    let shown = || quoted(text.as_bytes(), 40);
    let fail =
        |error: &dyn std::fmt::Display| format!("{} does not fit the format: {error}", shown());
    let mut parsed = Parsed::new();
    let rest = parsed.parse_item(text.as_bytes(), pattern);
    let rest = rest.map_err(|error| fail(&error))?;
    if !rest.is_empty() {
        return Err(fail(&format!("{} is left", quoted(rest, 40))));
    }
    if let Some(ns) = parsed.unix_timestamp_nanos() {
        return OffsetDateTime::from_unix_timestamp_nanos(ns).map_err(|error| fail(&error));
    }
    let date = Date::try_from(parsed).map_err(|error| fail(&error))?;
    let has_time = parsed.hour_24().is_some() || parsed.hour_12().is_some();
    let time = if has_time {
        Time::try_from(parsed).map_err(|error| fail(&error))?
    } else {
        Time::MIDNIGHT
    };
    let offset = UtcOffset::try_from(parsed).unwrap_or(UtcOffset::UTC);
    Ok(date.with_time(time).assume_offset(offset))
}

pub(super) fn register(tools: &Tools<'_>) -> mlua::Result<()> {
    tools.add("time.now", |_, shared, ()| Ok(shared.host.unix_ms() as f64))?;
    let patterns = Rc::new(Patterns::default());
    let known = Rc::clone(&patterns);
    tools.add("time.format", move |_, _, (at, form): (Value, Value)| {
        let at = moment("the time", &at)?;
        let form = TimeFormat::read(&known, &form)?;
        Ok(format(&known, at, &form)?)
    })?;
    tools.add("time.parse", move |_, _, (given, form): (Value, Value)| {
        let given = utf8("the text", &given)?;
        let form = TimeFormat::read(&patterns, &form)?;
        Ok(or_message(parse(given.trim(), &form)))
    })
}
