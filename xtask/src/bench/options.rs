//! `--name value` pairs of the bench commands.

use std::str::FromStr;

use crate::Failure;

/// Reads the value of `name`.
///
/// # Errors
/// Names the option and what was found.
pub fn value<T: FromStr>(name: &str, text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|_| format!("{name}: {text:?} is not a fitting value").into())
}

/// Reads a comma-separated list of at least one value.
pub fn list<T: FromStr>(name: &str, text: &str) -> Result<Vec<T>, Failure> {
    text.split(',')
        .map(|part| value(name, part.trim()))
        .collect()
}

/// The pairs; `None` when help is asked for.
pub fn pairs<'a>(args: &[&'a str]) -> Result<Option<Vec<(&'a str, &'a str)>>, Failure> {
    if args.iter().any(|arg| matches!(*arg, "--help" | "-h")) {
        return Ok(None);
    }
    let pair = |pair: &[&'a str]| match pair {
        [name, value] => Ok((*name, *value)),
        _ => Err(format!("{}: needs a value", pair.join(" ")).into()),
    };
    args.chunks(2).map(pair).collect::<Result<_, _>>().map(Some)
}
