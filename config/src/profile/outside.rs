//! Phases whose curve stands outside the profile: files of points, and functions of the script.

use std::path::Path;
use std::time::Duration;

use super::ScriptCheck;
use super::fields;
use super::loads::{Kind, USERS_MAX};
use super::phases::{PIECES_MAX, Piece};
use crate::document::{Report, Value, quoted};
use crate::units;

/// Asks the script at a path for the values of one of its rate functions in so many seconds, one
/// per second. The error says what is wrong with script, function or value.
pub type RateFunctions<'a> = dyn Fn(&Path, &str, u64) -> Result<Vec<f64>, String> + 'a;

/// Longest phase made by a function: it is asked once per second.
pub(super) const FUNCTION_MAX: Duration = Duration::from_secs(PIECES_MAX as u64);
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What phases take from outside the text of a profile.
#[derive(Clone, Copy)]
pub(super) struct Outside<'a> {
    /// The profile's file; others are found from its folder.
    pub(super) profile: &'a Path,
    /// Whether files may be looked at.
    pub(super) check: ScriptCheck,
    /// The script, where the profile names one.
    pub(super) script: Option<&'a Path>,
    pub(super) functions: &'a RateFunctions<'a>,
}

/// The pieces between the points of a file of times and values.
pub(super) fn file(
    value: &Value<'_>,
    kind: Kind,
    outside: Outside<'_>,
    report: &mut Report,
) -> Option<Vec<Piece>> {
    const ALLOWED: &str = "the path of a CSV file of time,value, relative to the profile";
    let text = fields::text(value, "load.phases.file", ALLOWED, report)?;
    let path = outside.profile.parent().unwrap_or(Path::new("")).join(text);
    let read = match outside.check {
        ScriptCheck::IsFile => content(&path),
        ScriptCheck::None => Err("is not read here".to_owned()),
    };
    let shown = quoted(&path.to_string_lossy());
    let content = match read {
        Ok(content) => content,
        Err(fault) => {
            let message = format!("found the file {shown}, which {fault} (`load.phases.file`)");
            report.found(value.span(), message);
            return None;
        }
    };
    match points(&content, kind) {
        Ok(pieces) => Some(pieces),
        Err((line, fault)) => {
            let message = format!("found in line {line} of {shown} {fault} (`load.phases.file`)");
            report.found(value.span(), message);
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

/// The straight pieces between points. A fault comes with its line, from 1.
fn points(content: &str, kind: Kind) -> Result<Vec<Piece>, (usize, String)> {
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
            // The names of the columns.
            Err(_) if begins => continue,
            Err(fault) => return Err((line, fault)),
        };
        match before {
            None if !point.0.is_zero() => {
                return Err((line, "a first time that is not 0".to_owned()));
            }
            Some((time, _)) if point.0 < time => {
                return Err((line, "a time before the one above".to_owned()));
            }
            // A second value for the same time: the curve jumps.
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
        return Err((lines, "the end, allowed are two points at least".to_owned()));
    }
    Ok(pieces)
}

fn point(text: &str, kind: Kind) -> Result<(Duration, f64), String> {
    let fault = |allowed: &str| format!("{}, allowed is {allowed}", quoted(text));
    let (time, value) = text
        .split_once(',')
        .ok_or_else(|| fault("time,value such as 30,100"))?;
    let time = seconds(time.trim()).ok_or_else(|| {
        fault("a time in seconds or with its unit, such as 30 or 1m30s, at most 30 days")
    })?;
    let value = value.trim();
    let (value, most) = match kind {
        Kind::Open => (
            number(value).or_else(|| units::rate(value).ok()),
            fields::RATE_PER_S_MAX,
        ),
        Kind::Closed => (number(value), USERS_MAX as f64),
    };
    let value = value.filter(|value| *value <= most);
    let allowed = match kind {
        Kind::Open => "a rate per second such as 100 or 2k/s",
        Kind::Closed => "a number of users",
    };
    Ok((time, value.ok_or_else(|| fault(allowed))?))
}

fn seconds(text: &str) -> Option<Duration> {
    let time = match number(text) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        None => units::duration(text).ok()?,
    };
    (time <= super::phases::LENGTH_MAX).then_some(time)
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

/// The pieces of a function of the script, a second each, the last one shorter.
pub(super) fn function(
    value: &Value<'_>,
    kind: Kind,
    length: Duration,
    outside: Outside<'_>,
    report: &mut Report,
) -> Option<Vec<Piece>> {
    const PATH: &str = "load.phases.lua";
    let name = fields::name(value, PATH, report)?;
    let seconds = length.as_secs() + u64::from(length.subsec_nanos() > 0);
    let most = match kind {
        Kind::Open => fields::RATE_PER_S_MAX,
        Kind::Closed => USERS_MAX as f64,
    };
    let values = (outside.functions)(outside.script?, name, seconds).and_then(|values| {
        let bad = (0..)
            .zip(&values)
            .find(|(_, value)| !(0.0..=most).contains(*value));
        match bad {
            Some((second, bad)) => Err(format!(
                "the function {} gave {bad} for second {second}, allowed are 0 to {most}",
                quoted(name)
            )),
            None => Ok(values),
        }
    });
    let values = match values {
        Ok(values) => values,
        Err(message) => {
            report.found(value.span(), format!("{message} (`{PATH}`)"));
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
                points(text, Kind::Open).as_deref(),
                Ok(expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn wrong_points_are_told_with_their_line() {
        let rows = [
            ("", 0, "two points"),
            ("0,1", 1, "two points"),
            ("5,1\n6,1", 1, "first time that is not 0"),
            ("0,1\n3,1\n2,1", 3, "before the one above"),
            ("0,1\nx,1", 2, "a time in seconds"),
            ("0,1\n1", 2, "time,value"),
            ("0,1\n1,-4", 2, "a rate per second"),
            ("0,1\n1,2e9", 2, "a rate per second"),
            ("0,1\n1,NaN", 2, "a rate per second"),
            ("0,1\n31d,1", 2, "at most 30 days"),
        ];
        for (text, line, fault) in rows {
            let found = points(text, Kind::Open).expect_err(text);
            assert_eq!(found.0, line, "{text:?}");
            assert!(found.1.contains(fault), "{text:?}: {}", found.1);
        }
        assert!(points("0,10\n1,2k/s", Kind::Closed).is_err());
    }
}
