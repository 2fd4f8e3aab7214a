//! Tables and their values: reading each kind within its limits, or reporting why that fails.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::piece::LENGTH_MAX;
use crate::document::{Diagnostics, Span, Value, quoted};
use crate::nearest::nearest;
use crate::units::{self, Fault};

/// Longest name of a run or a scenario.
const NAME_BYTES_MAX: usize = 200;
/// Most arrivals per second.
pub(super) const RATE_PER_S_MAX: f64 = 1e9;

const DURATIONS: &str =
    r#"a duration such as "250ms", "10s" or "1m30s" (units ns, us, ms, s, m, h, d)"#;
const RATES: &str =
    r#"a rate such as "100/s", "1.5k/s" or "30/m" (units /s, /m, /h; k and M before them)"#;

/// A table of the profile.
pub(super) struct Table<'d, 't> {
    /// Name in messages: `run`, `load`, `load.phases`; empty for the whole file.
    name: &'static str,
    entries: &'d DeTable<'t>,
    /// Its header, or the whole table when it is inline.
    pub(super) span: Span,
}

impl<'d, 't> Table<'d, 't> {
    /// The whole file.
    pub(super) fn root(entries: &'d DeTable<'t>) -> Self {
        Self {
            name: "",
            entries,
            span: 0..0,
        }
    }

    /// `value` as a table; reports that `allowed` was expected if it is not one.
    pub(super) fn from_value(
        value: &'d Value<'t>,
        name: &'static str,
        allowed: &str,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(Self {
                name,
                entries,
                span: value.span(),
            }),
            _ => wrong(errors, value, name, allowed),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'d Value<'t>> {
        self.entries.get(key)
    }

    /// The value of `key`; reports it if it is missing.
    pub(super) fn require(
        &self,
        key: &str,
        allowed: &str,
        errors: &mut Diagnostics,
    ) -> Option<&'d Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            let path = self.path(key);
            errors.doubtful(
                self.span.clone(),
                format!("missing `{path}`, expected {allowed}"),
            );
        }
        value
    }

    /// The position of a key, if it is present.
    pub(super) fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.get_key_value(key).map(|(key, _)| key.span())
    }

    /// The entries in the order of the file.
    pub(super) fn in_order(&self) -> Vec<(&'d str, Span, &'d Value<'t>)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// Reports every key that is not among `allowed`, with the nearest one that is.
    pub(super) fn refuse_unknown(&self, errors: &mut Diagnostics, allowed: &[&str]) {
        for (key, span, _) in self.in_order() {
            if allowed.contains(&key) {
                continue;
            }
            let hint = match nearest(key, allowed) {
                Some(known) => format!("; did you mean `{known}`?"),
                None => format!(", expected one of {}", allowed.join(", ")),
            };
            let shown = quoted(key);
            let shown = shown.trim_matches('"');
            match self.name {
                // A header that is not closed makes a table of what follows it.
                "" => errors.doubtful(span, format!("unknown table `{shown}`{hint}")),
                name => {
                    let heading = heading(name);
                    errors.found(span, format!("unknown key `{shown}` in `{heading}`{hint}"));
                }
            }
        }
    }

    /// `key` with the table's name before it.
    pub(super) fn path(&self, key: &str) -> String {
        match self.name {
            "" => key.to_owned(),
            name => format!("{name}.{key}"),
        }
    }
}

/// A table's name as its header shows it; inline tables have no header.
fn heading(name: &str) -> String {
    match name {
        "load" | "threshold" => format!("[[{name}]]"),
        "data.NAME" => "[data.NAME]".to_owned(),
        name if name.contains('.') => name.to_owned(),
        name => format!("[{name}]"),
    }
}

/// Describes a value for messages.
pub(super) fn describe(value: &Value<'_>) -> String {
    match value.get_ref() {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Reports that `value` is not what is allowed; the report adds the position.
pub(super) fn wrong<T>(
    errors: &mut Diagnostics,
    value: &Value<'_>,
    path: impl Display,
    allowed: impl Display,
) -> Option<T> {
    let found = describe(value);
    errors.found(
        value.span(),
        format!("found {found}, expected {allowed} (`{path}`)"),
    );
    None
}

/// A string.
pub(super) fn text<'d>(
    value: &'d Value<'_>,
    path: &str,
    allowed: &str,
    errors: &mut Diagnostics,
) -> Option<&'d str> {
    match value.get_ref() {
        DeValue::String(text) => Some(text),
        _ => wrong(errors, value, path, allowed),
    }
}

/// Why a string is not a valid name, or `None` if it is one.
pub(super) fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("found an empty name".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(format!(
            "found a name of {} bytes, at most {NAME_BYTES_MAX} are allowed",
            name.len()
        ));
    }
    let control = name.chars().find(|c| c.is_control())?;
    Some(format!("found the control character {control:?} in a name"))
}

/// A name: not empty, not too long, without control characters.
pub(super) fn name<'d>(
    value: &'d Value<'_>,
    path: &str,
    errors: &mut Diagnostics,
) -> Option<&'d str> {
    let name = text(value, path, "a name in quotes", errors)?;
    if let Some(fault) = name_fault(name) {
        errors.found(value.span(), format!("{fault} (`{path}`)"));
        return None;
    }
    Some(name)
}

/// An integer within `allowed`.
pub(super) fn whole(
    value: &Value<'_>,
    path: &str,
    allowed: RangeInclusive<u64>,
    errors: &mut Diagnostics,
) -> Option<u64> {
    let number = match value.get_ref() {
        DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => from_variable(value, errors),
    };
    match number.filter(|number| allowed.contains(number)) {
        Some(number) => Some(number),
        None => {
            let (min, max) = allowed.into_inner();
            wrong(
                errors,
                value,
                path,
                format!("a whole number from {min} to {max}"),
            )
        }
    }
}

/// One of a few words.
pub(super) fn choose<T: Copy>(
    value: &Value<'_>,
    path: &str,
    words: &[(&str, T)],
    errors: &mut Diagnostics,
) -> Option<T> {
    let found = match value.get_ref() {
        DeValue::String(text) => words.iter().find(|(word, _)| word == text),
        _ => None,
    };
    if let Some((_, meant)) = found {
        return Some(*meant);
    }
    let words: Vec<String> = words
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    wrong(errors, value, path, format!("one of {}", words.join(", ")))
}

/// True or false.
pub(super) fn boolean(value: &Value<'_>, path: &str, errors: &mut Diagnostics) -> Option<bool> {
    let truth = match value.get_ref() {
        DeValue::Boolean(truth) => Some(*truth),
        _ => from_variable(value, errors),
    };
    truth.or_else(|| wrong(errors, value, path, "true or false"))
}

/// What the text of variables stands for, where no string is expected.
fn from_variable<T: FromStr>(value: &Value<'_>, errors: &Diagnostics) -> Option<T> {
    match value.get_ref() {
        DeValue::String(text) if errors.is_expanded(&value.span()) => text.parse().ok(),
        _ => None,
    }
}

/// A number, with or without a fraction.
pub(super) fn number(value: &Value<'_>, errors: &Diagnostics) -> Option<f64> {
    match value.get_ref() {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .ok()
            .map(|n| n as f64),
        DeValue::Float(n) => n.as_str().parse().ok(),
        _ => from_variable(value, errors),
    }
}

/// A duration within `allowed`; `limits` describes that range in messages.
pub(super) fn duration(
    value: &Value<'_>,
    path: &str,
    allowed: RangeInclusive<Duration>,
    limits: &str,
    errors: &mut Diagnostics,
) -> Option<Duration> {
    let duration = with_unit(value, path, units::duration, DURATIONS, errors)?;
    match allowed.contains(&duration) {
        true => Some(duration),
        false => wrong(errors, value, path, limits),
    }
}

/// A rate, per second.
pub(super) fn rate(value: &Value<'_>, path: &str, errors: &mut Diagnostics) -> Option<f64> {
    let rate = with_unit(value, path, units::rate, RATES, errors)?;
    match rate <= RATE_PER_S_MAX {
        true => Some(rate),
        false => wrong(
            errors,
            value,
            path,
            format!("a rate of at most {RATE_PER_S_MAX:e}/s"),
        ),
    }
}

fn with_unit<T>(
    value: &Value<'_>,
    path: &str,
    read: impl Fn(&str) -> Result<T, Fault>,
    allowed: &str,
    errors: &mut Diagnostics,
) -> Option<T> {
    let fault = match value.get_ref() {
        DeValue::String(text) => match read(text) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        },
        _ => match number(value, errors) {
            Some(number) if number < 0.0 => Fault::Negative,
            Some(_) => Fault::NoUnit,
            None => Fault::Form,
        },
    };
    let message = unit_message(&describe(value), &fault, allowed);
    errors.found(value.span(), format!("{message} (`{path}`)"));
    None
}

/// What is wrong with a value that needs a unit, and what is allowed.
fn unit_message(found: &str, fault: &Fault, allowed: &str) -> String {
    let what = match fault {
        Fault::NoUnit => format!("{found} without a unit"),
        Fault::Unit(unit) => format!("{found} with the unknown unit {}", quoted(unit)),
        Fault::Negative => format!("{found}, which is negative"),
        Fault::Digits => format!("{found}, which has too many digits"),
        Fault::Form => found.to_owned(),
    };
    format!("found {what}, expected {allowed}")
}

/// Reads a duration as profiles write it, above zero and at most 30 days: `"1m30s"`.
///
/// # Errors
/// A message that says what was found and what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let length =
        units::duration(text).map_err(|fault| unit_message(&quoted(text), &fault, DURATIONS))?;
    match length {
        length if length.is_zero() || length > LENGTH_MAX => Err(format!(
            "found {}, expected a duration above zero and at most \"30d\"",
            quoted(text)
        )),
        length => Ok(length),
    }
}

/// Reads a rate as profiles write it, per second, above zero and at most 1e9/s: `"1.5k/s"`.
///
/// # Errors
/// A message that says what was found and what is allowed.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = units::rate(text).map_err(|fault| unit_message(&quoted(text), &fault, RATES))?;
    match rate {
        rate if rate <= 0.0 || rate > RATE_PER_S_MAX => Err(format!(
            "found {}, expected a rate above zero and at most {RATE_PER_S_MAX:e}/s",
            quoted(text)
        )),
        rate => Ok(rate),
    }
}
