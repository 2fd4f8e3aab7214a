//! The table `[secrets]`: variables whose values are never shown, and where they come from.

use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::FileCheck;
use super::fields::{Table, wrong};
use crate::document::{Diagnostics, Value, quoted};
use crate::redactor::SECRET_BYTES_MIN;
use crate::variables::{VariableSource, Variables};

/// Largest file of a secret.
const FILE_BYTES_MAX: u64 = 64 << 10;
const ALLOWED: &str =
    "\"env\" (from --env-file or the environment) or \"@FILE\", relative to the profile";

/// Marks the secret variables, and reads those that have a file of their own.
pub(super) fn read(
    root: &DeTable<'_>,
    profile: &Path,
    check: FileCheck,
    variables: &mut Variables,
    errors: &mut Diagnostics,
) {
    let root = Table::root(root);
    let Some(value) = root.get("secrets") else {
        return;
    };
    let table = Table::from_value(value, "secrets", "a table: [secrets]", errors);
    for (name, span, value) in table.map(|table| table.in_order()).unwrap_or_default() {
        if !Variables::is_name(name) {
            let found = quoted(name);
            let message = format!(
                "found the name {found}, expected letters, digits and underscores (`secrets`)"
            );
            errors.found(span, message);
            continue;
        }
        if variables.source(name) == Some(VariableSource::Argument) {
            errors.found(
                span,
                format!(
                    "found a value of the secret `{name}` among the arguments (-e), which every \
                     user of this machine can read; expected it in --env-file, in the environment \
                     or in a file: {name} = \"@FILE\""
                ),
            );
        }
        let found = value_of(name, value, profile, check, variables, errors);
        variables.add_secret(name, found);
    }
}

/// The value of a secret from its own file; one from elsewhere is only checked.
fn value_of(
    name: &str,
    value: &Value<'_>,
    profile: &Path,
    check: FileCheck,
    variables: &Variables,
    errors: &mut Diagnostics,
) -> Option<String> {
    let path = format!("secrets.{name}");
    let file = match value.get_ref() {
        DeValue::String(text) if text == "env" => None,
        DeValue::String(text) if text.len() > 1 && text.starts_with('@') => Some(&text[1..]),
        _ => return wrong(errors, value, path, ALLOWED),
    };
    if check == FileCheck::Skip {
        // known, but not here
        return Some(String::new());
    }
    let read = match file {
        Some(file) => read_file(&profile.parent().unwrap_or(Path::new("")).join(file)).map(Some),
        None if variables.get(name).is_none() => Err(format!(
            "found no value of the secret `{name}`, expected one in --env-file or in the environment"
        )),
        None => Ok(None),
    };
    let secret = match read {
        Ok(secret) => secret,
        Err(message) => {
            errors.found(value.span(), format!("{message} (`{path}`)"));
            return None;
        }
    };
    let text = secret
        .as_deref()
        .or(variables.get(name))
        .unwrap_or_default();
    if text.len() < SECRET_BYTES_MIN {
        let message = format!(
            "found a secret of {} bytes, expected at least {SECRET_BYTES_MIN}: a shorter one \
             cannot be told from other text (`{path}`)",
            text.len()
        );
        errors.found(value.span(), message);
    }
    secret
}

/// The text of a file, without the line feed at its end.
fn read_file(path: &Path) -> Result<String, String> {
    let shown = quoted(&path.to_string_lossy());
    let mut text = String::new();
    let file = std::fs::File::open(path);
    let read = file.and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(format!(
            "found the file {shown}, which cannot be read: {error}"
        )),
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => Err(format!(
            "found the file {shown} of more than {FILE_BYTES_MAX} bytes"
        )),
        Ok(_) => {
            let end = text.trim_end_matches(['\r', '\n']).len();
            text.truncate(end);
            Ok(text)
        }
    }
}
