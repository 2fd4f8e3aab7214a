//! Phases whose curve comes from outside the profile: files of points, and functions of the script.

use std::path::Path;
use std::time::Duration;

use super::FileCheck;
use super::fields;
use super::model_kind::{ModelKind, USERS_MAX};
use super::piece::{LENGTH_MAX, PIECES_MAX, Piece};
use crate::document::{Diagnostics, Value, quoted};
use crate::plan::ScriptText;
use crate::units;
use crate::variables::Variables;

/// A function of the script that gives the load.
#[derive(Clone, Copy, Debug)]
pub struct RateFunction<'a> {
    /// The script.
    pub script: ScriptText<'a>,
    /// The variables that the script uses.
    pub variables: &'a Variables,
    /// The function's name.
    pub name: &'a str,
    /// Number of seconds, from 0.
    pub seconds: u64,
}

/// Evaluates a rate function for a number of seconds, one value per second. The error says what is
/// wrong with the script, the function or the value.
pub type RateFunctions<'a> = dyn Fn(&RateFunction<'_>) -> Result<Vec<f64>, String> + 'a;

/// Longest phase defined by a function, which is called once per second.
pub(super) const FUNCTION_MAX: Duration = Duration::from_secs(PIECES_MAX as u64);
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What phases may use besides the text of the profile.
#[derive(Clone, Copy)]
pub(super) struct ExternalSources<'a> {
    /// The profile's path; other files are relative to its folder.
    pub(super) profile: &'a Path,
    /// Whether files may be accessed.
    pub(super) check: FileCheck,
    /// The script, if the profile has one.
    pub(super) script: Option<ScriptText<'a>>,
    pub(super) functions: &'a RateFunctions<'a>,
    pub(super) variables: &'a Variables,
}

/// The segments between the points of a file of times and values.
pub(super) fn file(
    value: &Value<'_>,
    kind: ModelKind,
    sources: ExternalSources<'_>,
    errors: &mut Diagnostics,
) -> Option<Vec<Piece>> {
    const ALLOWED: &str = "the path of a CSV file of time,value, relative to the profile";
    let text = fields::text(value, "load.phases.file", ALLOWED, errors)?;
    let path = sources.profile.parent().unwrap_or(Path::new("")).join(text);
    let read = match sources.check {
        FileCheck::MustExist => content(&path),
        FileCheck::Skip => Err("cannot be read here".to_owned()),
    };
    let shown = quoted(&path.to_string_lossy());
    let content = match read {
        Ok(content) => content,
        Err(fault) => {
            let message = format!("found the file {shown}, which {fault} (`load.phases.file`)");
            errors.found(value.span(), message);
            return None;
        }
    };
    match points(&content, kind) {
        Ok(pieces) => Some(pieces),
        Err((line, fault)) => {
            let message = format!("{shown}, line {line}: found {fault} (`load.phases.file`)");
            errors.found(value.span(), message);
            None
        }
    }
}

fn content(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err("is larger than 16 MiB".to_owned());
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// The linear segments between points. An error comes with its line, from 1.
fn points(content: &str, kind: ModelKind) -> Result<Vec<Piece>, (usize, String)> {
    let mut pieces = Vec::new();
    let mut before: Option<(Duration, f64)> = None;
    let mut is_first = true;
    for (line, text) in (1..).zip(content.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let begins = std::mem::take(&mut is_first);
        let point = match point(text, kind) {
            Ok(point) => point,
            // A header line with column names.
            Err(_) if begins => continue,
            Err(fault) => return Err((line, fault)),
        };
        match before {
            None if !point.0.is_zero() => {
                return Err((line, "a first time other than 0".to_owned()));
            }
            Some((time, _)) if point.0 < time => {
                return Err((line, "a time earlier than the one before it".to_owned()));
            }
            // A second value at the same time: the curve jumps.
            Some((time, value)) if point.0 > time => pieces.push((point.0 - time, value, point.1)),
            _ => {}
        }
        before = Some(point);
        if pieces.len() > PIECES_MAX {
            return Err((line, format!("more than {PIECES_MAX} points")));
        }
    }
    if pieces.is_empty() {
        let lines = content.lines().count();
        return Err((
            lines,
            "the end of the file, expected at least two points".to_owned(),
        ));
    }
    Ok(pieces)
}

fn point(text: &str, kind: ModelKind) -> Result<(Duration, f64), String> {
    let fault = |allowed: &str| format!("{}, expected {allowed}", quoted(text));
    let (time, value) = text
        .split_once(',')
        .ok_or_else(|| fault("time,value such as 30,100"))?;
    let time = seconds(time.trim()).ok_or_else(|| {
        fault("a time in seconds or with its unit, such as 30 or 1m30s, at most 30 days")
    })?;
    let value = value.trim();
    let (value, most) = match kind {
        ModelKind::Open => (
            number(value).or_else(|| units::rate(value).ok()),
            fields::RATE_PER_S_MAX,
        ),
        ModelKind::Closed => (number(value), USERS_MAX as f64),
    };
    let value = value.filter(|value| *value <= most);
    let allowed = match kind {
        ModelKind::Open => "a rate per second such as 100 or 2k/s",
        ModelKind::Closed => "a number of users",
    };
    Ok((time, value.ok_or_else(|| fault(allowed))?))
}

fn seconds(text: &str) -> Option<Duration> {
    let time = match number(text) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        None => units::duration(text).ok()?,
    };
    (time <= LENGTH_MAX).then_some(time)
}

/// A number without sign or unit.
fn number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E'));
    text.parse()
        .ok()
        .filter(|value: &f64| plain && value.is_finite())
}

/// The segments of a function of the script, one second each; the last one may be shorter.
pub(super) fn function(
    value: &Value<'_>,
    kind: ModelKind,
    length: Duration,
    sources: ExternalSources<'_>,
    errors: &mut Diagnostics,
) -> Option<Vec<Piece>> {
    const PATH: &str = "load.phases.lua";
    let name = fields::name(value, PATH, errors)?;
    let seconds = length.as_secs() + u64::from(length.subsec_nanos() > 0);
    let most = match kind {
        ModelKind::Open => fields::RATE_PER_S_MAX,
        ModelKind::Closed => USERS_MAX as f64,
    };
    let function = RateFunction {
        script: sources.script?,
        variables: sources.variables,
        name,
        seconds,
    };
    let values = (sources.functions)(&function).and_then(|values| {
        let bad = (0..)
            .zip(&values)
            .find(|(_, value)| !(0.0..=most).contains(*value));
        match bad {
            Some((second, bad)) => Err(format!(
                "the function {} returned {bad} for second {second}, expected 0 to {most}",
                quoted(name)
            )),
            None => Ok(values),
        }
    });
    let values = match values {
        Ok(values) => values,
        Err(message) => {
            errors.found(value.span(), format!("{message} (`{PATH}`)"));
            return None;
        }
    };
    let second = Duration::from_secs(1);
    let piece = |(k, value): (u32, f64)| (second.min(length - second * k), value, value);
    Some((0..).zip(values).map(piece).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_become_the_pieces_between_them() {
        let s = Duration::from_secs;
        let rows: [(&str, &[Piece]); 4] = [
            ("0,10\n10,20\n", &[(s(10), 10.0, 20.0)]),
            ("time,rate\n0,1k/s\n1m30s,0\n", &[(s(90), 1000.0, 0.0)]),
            (
                "# a jump\n\n0, 5\n2, 5\n2, 50\n4, 50",
                &[(s(2), 5.0, 5.0), (s(2), 50.0, 50.0)],
            ),
            ("0,0\n0.5,3", &[(Duration::from_millis(500), 0.0, 3.0)]),
        ];
        for (text, expected) in rows {
            assert_eq!(
                points(text, ModelKind::Open).as_deref(),
                Ok(expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn wrong_points_are_reported_with_their_line() {
        let rows = [
            ("", 0, "two points"),
            ("0,1", 1, "two points"),
            ("5,1\n6,1", 1, "first time other than 0"),
            ("0,1\n3,1\n2,1", 3, "earlier than the one before it"),
            ("0,1\nx,1", 2, "a time in seconds"),
            ("0,1\n1", 2, "time,value"),
            ("0,1\n1,-4", 2, "a rate per second"),
            ("0,1\n1,2e9", 2, "a rate per second"),
            ("0,1\n1,NaN", 2, "a rate per second"),
            ("0,1\n31d,1", 2, "at most 30 days"),
        ];
        for (text, line, fault) in rows {
            let found = points(text, ModelKind::Open).expect_err(text);
            assert_eq!(found.0, line, "{text:?}");
            assert!(found.1.contains(fault), "{text:?}: {}", found.1);
        }
        assert!(points("0,10\n1,2k/s", ModelKind::Closed).is_err());
    }
}
