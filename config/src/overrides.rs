//! Changes of a profile from outside of its text, applied before it is checked.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::document::{Document, Span, quoted};

/// A change of one value of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The key with the tables before it, as in `run.timeout` and `load.1.pacing`; the tables of an
    /// array are counted from 1, and the number may be left out when there is one.
    pub path: String,
    /// A TOML value; what is none is taken as a string.
    pub value: String,
    /// What messages name as its place, such as the argument it comes from.
    pub label: String,
}

/// Applies changes in their order; those that cannot be applied are reported.
pub(crate) fn apply<'t>(document: &mut Document<'t>, overrides: &'t [Override]) {
    for one in overrides {
        let span = document.label(&one.label);
        let value = match DeValue::parse(&one.value) {
            Ok(value) => moved(value.into_inner(), &span),
            Err(_) => DeValue::String(Cow::Borrowed(&one.value)),
        };
        let placed = segments(&one.path)
            .and_then(|path| set_in_table(&mut document.root, &path, &one.path, value, &span));
        if let Err(message) = placed {
            document.diagnostics.found(span, message);
        }
    }
}

/// The keys of a path; those with dots are in quotes.
fn segments(path: &str) -> Result<Vec<String>, String> {
    let wrong = || {
        let found = quoted(path);
        format!("found the key {found}, expected a path such as run.timeout or load.1.pacing")
    };
    let text = format!("{path} = 0");
    let parsed = DeTable::parse(&text).map_err(|_| wrong())?;
    let mut table = parsed.get_ref();
    let mut keys = Vec::new();
    loop {
        let mut entries = table.iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else {
            return Err(wrong());
        };
        keys.push(key.get_ref().clone().into_owned());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Ok(keys),
        }
    }
}

/// A value whose parts are all at one place.
fn moved<'t>(value: DeValue<'t>, span: &Span) -> DeValue<'t> {
    let at = |value: DeValue<'t>| Spanned::new(span.clone(), moved(value, span));
    match value {
        DeValue::Array(items) => {
            let items = items.into_iter().map(Spanned::into_inner);
            DeValue::Array(items.map(at).collect())
        }
        DeValue::Table(entries) => {
            let mut table = DeTable::new();
            for (key, value) in entries {
                let key = Spanned::new(span.clone(), key.into_inner());
                table.insert(key, at(value.into_inner()));
            }
            DeValue::Table(table)
        }
        scalar => scalar,
    }
}

/// Sets the value at `path` below a table; `whole` is the path as it was given.
fn set_in_table<'t>(
    table: &mut DeTable<'t>,
    path: &[String],
    whole: &str,
    value: DeValue<'t>,
    span: &Span,
) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(());
    };
    if !rest.is_empty()
        && let Some(inner) = table.get_mut(key.as_str())
    {
        return set_in_value(inner.get_mut(), rest, key, whole, value, span);
    }
    // the value that is there goes with its key, whose place is in the text
    table.remove(key.as_str());
    let mut new = DeTable::new();
    let value = match rest {
        [] => value,
        rest => {
            set_in_table(&mut new, rest, whole, value, span)?;
            DeValue::Table(new)
        }
    };
    let key = Spanned::new(span.clone(), Cow::Owned(key.clone()));
    table.insert(key, Spanned::new(span.clone(), value));
    Ok(())
}

/// Sets the value at `path` below the value of the key `name`.
fn set_in_value<'t>(
    inner: &mut DeValue<'t>,
    path: &[String],
    name: &str,
    whole: &str,
    value: DeValue<'t>,
    span: &Span,
) -> Result<(), String> {
    match inner {
        DeValue::Table(table) => set_in_table(table, path, whole, value, span),
        DeValue::Array(items) => {
            let (index, rest) = index_in(items, path, name)?;
            let Some(item) = items.get_mut(index) else {
                return Ok(());
            };
            match rest {
                [] => *item = Spanned::new(span.clone(), value),
                rest => set_in_value(item.get_mut(), rest, name, whole, value, span)?,
            }
            Ok(())
        }
        _ => Err(format!(
            "found `{whole}`, but `{name}` is a value and has no keys"
        )),
    }
}

/// The item of an array that a path means, and the rest of the path.
fn index_in<'p>(
    items: &DeArray<'_>,
    path: &'p [String],
    name: &str,
) -> Result<(usize, &'p [String]), String> {
    let count = items.len();
    let number = path.first().and_then(|first| first.parse::<usize>().ok());
    match number {
        Some(number) if (1..=count).contains(&number) => Ok((number - 1, &path[1..])),
        None if count == 1 => Ok((0, path)),
        Some(number) => Err(format!(
            "found entry {number} of `{name}`, expected 1 to {count}"
        )),
        None => Err(format!(
            "`{name}` has {count} entries, expected one of {name}.1 to {name}.{count}"
        )),
    }
}
