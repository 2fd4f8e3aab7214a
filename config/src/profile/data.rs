//! The tables `[data.NAME]`: files whose rows are handed out to users.

use std::path::{Path, PathBuf};

use super::FileCheck;
use super::fields::{self, Table, choose, wrong};
use crate::document::{Diagnostics, Value, quoted};
use crate::plan::{AtEnd, Data, Format, Order};
use toml::de::DeValue;

const KEYS: [&str; 6] = ["file", "format", "separator", "columns", "order", "at_end"];
const SOURCES_MAX: usize = 100;
const COLUMNS_MAX: usize = 1_000;

/// Reads all `[data.NAME]`; `None` when something was reported. Whether the files exist is checked
/// only if the script is checked too.
pub(super) fn read(
    root: &Table<'_, '_>,
    path: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<Vec<Data>> {
    const ALLOWED: &str = "tables such as [data.accounts]";
    let Some(value) = root.get("data") else {
        return Some(Vec::new());
    };
    let entries = Table::from_value(value, "data", ALLOWED, errors)?.in_order();
    if entries.len() > SOURCES_MAX {
        let found = entries.len();
        errors.found(
            value.span(),
            format!("found {found} tables [data.NAME], at most {SOURCES_MAX} are allowed"),
        );
        return None;
    }
    let sources: Vec<Option<Data>> = entries
        .into_iter()
        .map(|(name, span, value)| {
            let fault = fields::name_fault(name);
            if let Some(fault) = &fault {
                errors.found(span, format!("{fault} (`data`)"));
            }
            let table = Table::from_value(value, "data.NAME", "a table: [data.NAME]", errors)?;
            let data = read_one(name, &table, path, check, errors);
            data.filter(|_| fault.is_none())
        })
        .collect();
    sources.into_iter().collect()
}

fn read_one(
    name: &str,
    table: &Table<'_, '_>,
    profile: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<Data> {
    table.refuse_unknown(errors, &KEYS);
    let file = table
        .require("file", "the path of a CSV, JSON or JSON lines file", errors)
        .and_then(|value| Some((value, read_file(value, profile, check, errors)?)));
    let format = match table.get("format") {
        Some(value) => {
            let words = [
                ("csv", Format::Csv),
                ("json", Format::Json),
                ("jsonl", Format::JsonLines),
            ];
            choose(value, "data.NAME.format", &words, errors)
        }
        None => file
            .as_ref()
            .and_then(|(value, file)| by_ending(value, file, errors)),
    };
    let separator = match table.get("separator") {
        Some(value) => read_separator(value, format, errors).map(Some),
        None => Some(None),
    };
    let columns = match table.get("columns") {
        Some(value) => read_columns(value, format, errors).map(Some),
        None => Some(None),
    };
    let order = match table.get("order") {
        Some(value) => {
            let words = [
                ("sequential", Order::Sequential),
                ("random", Order::Random),
                ("shuffled", Order::Shuffled),
                ("unique", Order::Unique),
            ];
            choose(value, "data.NAME.order", &words, errors)
        }
        None => Some(Order::Sequential),
    };
    let at_end = match (table.get("at_end"), order) {
        (Some(value), order) => read_at_end(value, order, errors),
        (None, Some(Order::Unique)) => Some(AtEnd::Error),
        (None, _) => Some(AtEnd::Wrap),
    };
    Some(Data {
        name: name.to_owned(),
        file: file?.1,
        format: format?,
        separator: separator?,
        columns: columns?,
        order: order?,
        at_end: at_end?,
    })
}

/// Reports a key that is only allowed for CSV files.
fn is_csv(
    value: &Value<'_>,
    path: &str,
    format: Option<Format>,
    errors: &mut Diagnostics,
) -> Option<()> {
    match format {
        Some(Format::Json | Format::JsonLines) => {
            errors.found(
                value.span(),
                format!("`{path}` is only allowed for CSV files"),
            );
            None
        }
        _ => Some(()),
    }
}

fn read_separator(
    value: &Value<'_>,
    format: Option<Format>,
    errors: &mut Diagnostics,
) -> Option<u8> {
    const PATH: &str = "data.NAME.separator";
    const ALLOWED: &str =
        "one character such as \",\", \";\", \"|\" or \"\\t\", not a letter, digit or quote";
    let text = fields::text(value, PATH, ALLOWED, errors)?;
    let is_fit =
        |c: u8| c == b'\t' || c == b' ' || c.is_ascii_punctuation() && !b"\"'".contains(&c);
    match text.as_bytes() {
        [separator] if is_fit(*separator) => {
            is_csv(value, PATH, format, errors)?;
            Some(*separator)
        }
        _ => wrong(errors, value, PATH, ALLOWED),
    }
}

fn read_columns(
    value: &Value<'_>,
    format: Option<Format>,
    errors: &mut Diagnostics,
) -> Option<Vec<String>> {
    const PATH: &str = "data.NAME.columns";
    const ALLOWED: &str = "a list of 1 to 1000 column names, none empty or repeated";
    let DeValue::Array(items) = value.get_ref() else {
        return wrong(errors, value, PATH, ALLOWED);
    };
    if !(1..=COLUMNS_MAX).contains(&items.len()) {
        return wrong(errors, value, PATH, ALLOWED);
    }
    let mut columns: Vec<String> = Vec::new();
    for item in items {
        let name = fields::text(item, PATH, ALLOWED, errors)?;
        if name.trim().is_empty() || columns.iter().any(|known| known == name) {
            return wrong(errors, item, PATH, ALLOWED);
        }
        columns.push(name.to_owned());
    }
    is_csv(value, PATH, format, errors)?;
    Some(columns)
}

fn read_at_end(value: &Value<'_>, order: Option<Order>, errors: &mut Diagnostics) -> Option<AtEnd> {
    const PATH: &str = "data.NAME.at_end";
    let words = [
        ("wrap", AtEnd::Wrap),
        ("stop", AtEnd::Stop),
        ("error", AtEnd::Error),
    ];
    let at_end = choose(value, PATH, &words, errors)?;
    match (order, at_end) {
        (Some(Order::Unique), AtEnd::Wrap) => {
            let allowed = "\"stop\" or \"error\", because rows are unique";
            wrong(errors, value, PATH, allowed)
        }
        (Some(Order::Random), AtEnd::Stop | AtEnd::Error) => wrong(
            errors,
            value,
            PATH,
            "\"wrap\", because random rows have no end",
        ),
        _ => Some(at_end),
    }
}

fn by_ending(value: &Value<'_>, file: &Path, errors: &mut Diagnostics) -> Option<Format> {
    let ending = file.extension().map(|ending| ending.to_ascii_lowercase());
    match ending.as_deref().and_then(|ending| ending.to_str()) {
        Some("csv") => Some(Format::Csv),
        Some("json") => Some(Format::Json),
        Some("jsonl" | "ndjson") => Some(Format::JsonLines),
        _ => {
            let allowed = "a name that ends in .csv, .json, .jsonl or .ndjson, or a `format`";
            wrong(errors, value, "data.NAME.file", allowed)
        }
    }
}

fn read_file(
    value: &Value<'_>,
    profile: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<PathBuf> {
    const PATH: &str = "data.NAME.file";
    const ALLOWED: &str = "the path of a CSV, JSON or JSON lines file";
    let text = fields::text(value, PATH, ALLOWED, errors)?;
    if text.is_empty() || text.contains('\0') {
        return wrong(errors, value, PATH, ALLOWED);
    }
    let file = profile.parent().unwrap_or(Path::new("")).join(text);
    if check == FileCheck::MustExist {
        let fault = match file.metadata() {
            Ok(metadata) if metadata.is_file() => return Some(file),
            Ok(_) => "is not a file".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let shown = quoted(&file.to_string_lossy());
        errors.found(
            value.span(),
            format!("found the data file {shown}, which {fault} (`{PATH}`)"),
        );
        return None;
    }
    Some(file)
}
