//! Tables and the values in them: reading each kind, with its limits, or reporting why not.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::document::{Report, Span, Value, quoted};
use crate::units::{self, Fault};

/// Longest name of a run or a scenario.
const NAME_BYTES_MAX: usize = 200;
/// Most arrivals per second.
pub(super) const RATE_PER_S_MAX: f64 = 1e9;

const DURATIONS: &str =
    r#"a length of time such as "250ms", "10s" or "1m30s" (units ns, us, ms, s, m, h, d)"#;
const RATES: &str =
    r#"a rate such as "100/s", "1.5k/s" or "30/m" (units /s, /m, /h; k and M before them)"#;

/// A table of the profile.
pub(super) struct Table<'d, 't> {
    /// Name in messages: `run`, `load`, `load.phases`; empty for the whole file.
    name: &'static str,
    entries: &'d DeTable<'t>,
    /// Its header, or itself when inline.
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

    /// `value` as a table, or a report that `allowed` was expected.
    pub(super) fn of(
        value: &'d Value<'t>,
        name: &'static str,
        allowed: &str,
        report: &mut Report,
    ) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(Self {
                name,
                entries,
                span: value.span(),
            }),
            _ => wrong(report, value, name, allowed),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'d Value<'t>> {
        self.entries.get(key)
    }

    /// The value of `key`, or a report that it is missing.
    pub(super) fn require(
        &self,
        key: &str,
        allowed: &str,
        report: &mut Report,
    ) -> Option<&'d Value<'t>> {
        let value = self.get(key);
        if value.is_none() {
            let path = self.path(key);
            report.doubtful(
                self.span.clone(),
                format!("found no `{path}`, needed is {allowed}"),
            );
        }
        value
    }

    /// The place of a key, if it is there.
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

    /// Reports every key that is not among `allowed`, with the nearest that is.
    pub(super) fn refuse_unknown(&self, report: &mut Report, allowed: &[&str]) {
        for (key, span, _) in self.in_order() {
            if allowed.contains(&key) {
                continue;
            }
            let hint = nearest(key, allowed).map_or(String::new(), |known| {
                format!(", meant is perhaps `{known}`")
            });
            let (key, allowed) = (quoted(key), allowed.join(", "));
            match self.name {
                // A header that is not closed makes a table of what follows it.
                "" => report.doubtful(
                    span,
                    format!("found the unknown table {key}{hint}, allowed are {allowed}"),
                ),
                name => report.found(
                    span,
                    format!("found the unknown key {key}{hint}, allowed in `{name}` are {allowed}"),
                ),
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

/// The key of `allowed` that `key` may have been meant to be: the one fewest slips of the pen
/// away, at most a third of its letters.
pub(super) fn nearest<'k>(key: &str, allowed: &[&'k str]) -> Option<&'k str> {
    let key = key.to_lowercase();
    allowed
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&key, known), *known))
        .filter(|(slips, known)| *slips <= known.len() / 3)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}

/// What a value is, in words.
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

/// Reports that `value` is not what is allowed; the place comes with the report.
pub(super) fn wrong<T>(
    report: &mut Report,
    value: &Value<'_>,
    path: impl Display,
    allowed: impl Display,
) -> Option<T> {
    let found = describe(value);
    report.found(
        value.span(),
        format!("found {found}, allowed is {allowed} (`{path}`)"),
    );
    None
}

/// A text.
pub(super) fn text<'d>(
    value: &'d Value<'_>,
    path: &str,
    allowed: &str,
    report: &mut Report,
) -> Option<&'d str> {
    match value.get_ref() {
        DeValue::String(text) => Some(text),
        _ => wrong(report, value, path, allowed),
    }
}

/// Why a text is no name, if it is none.
pub(super) fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("found an empty name".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(format!(
            "found a name of {} bytes, allowed are {NAME_BYTES_MAX}",
            name.len()
        ));
    }
    let control = name.chars().find(|c| c.is_control())?;
    Some(format!("found the control character {control:?} in a name"))
}

/// A name: not empty, not long, without control characters.
pub(super) fn name<'d>(value: &'d Value<'_>, path: &str, report: &mut Report) -> Option<&'d str> {
    let name = text(value, path, "a name in quotes", report)?;
    if let Some(fault) = name_fault(name) {
        report.found(value.span(), format!("{fault} (`{path}`)"));
        return None;
    }
    Some(name)
}

/// A whole number within `allowed`.
pub(super) fn whole(
    value: &Value<'_>,
    path: &str,
    allowed: RangeInclusive<u64>,
    report: &mut Report,
) -> Option<u64> {
    let number = match value.get_ref() {
        DeValue::Integer(n) => u64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    };
    match number.filter(|number| allowed.contains(number)) {
        Some(number) => Some(number),
        None => {
            let (min, max) = allowed.into_inner();
            wrong(
                report,
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
    report: &mut Report,
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
    wrong(report, value, path, format!("one of {}", words.join(", ")))
}

/// True or false.
pub(super) fn truth(value: &Value<'_>, path: &str, report: &mut Report) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(truth) => Some(*truth),
        _ => wrong(report, value, path, "true or false"),
    }
}

/// A number, whole or not.
pub(super) fn number(value: &Value<'_>) -> Option<f64> {
    match value.get_ref() {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .ok()
            .map(|n| n as f64),
        DeValue::Float(n) => n.as_str().parse().ok(),
        _ => None,
    }
}

/// A length of time within `allowed`, which `limits` puts in words.
pub(super) fn duration(
    value: &Value<'_>,
    path: &str,
    allowed: RangeInclusive<Duration>,
    limits: &str,
    report: &mut Report,
) -> Option<Duration> {
    let duration = with_unit(value, path, units::duration, DURATIONS, report)?;
    match allowed.contains(&duration) {
        true => Some(duration),
        false => wrong(report, value, path, limits),
    }
}

/// A rate, per second.
pub(super) fn rate(value: &Value<'_>, path: &str, report: &mut Report) -> Option<f64> {
    let rate = with_unit(value, path, units::rate, RATES, report)?;
    match rate <= RATE_PER_S_MAX {
        true => Some(rate),
        false => wrong(report, value, path, format!("at most {RATE_PER_S_MAX:e}/s")),
    }
}

fn with_unit<T>(
    value: &Value<'_>,
    path: &str,
    read: impl Fn(&str) -> Result<T, Fault>,
    allowed: &str,
    report: &mut Report,
) -> Option<T> {
    let fault = match value.get_ref() {
        DeValue::String(text) => match read(text) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        },
        _ => match number(value) {
            Some(number) if number < 0.0 => Fault::Negative,
            Some(_) => Fault::NoUnit,
            None => Fault::Form,
        },
    };
    let found = describe(value);
    let what = match fault {
        Fault::NoUnit => format!("{found} without a unit"),
        Fault::Unit(unit) => format!("{found} with the unknown unit {}", quoted(&unit)),
        Fault::Negative => format!("{found}, which is negative"),
        Fault::Digits => format!("{found}, which has too many digits"),
        Fault::Form => found,
    };
    report.found(
        value.span(),
        format!("found {what}, allowed is {allowed} (`{path}`)"),
    );
    None
}
