//! Puts the values of variables into the strings of a document.

use std::borrow::Cow;

use toml::de::DeValue;

use crate::document::{Diagnostics, Document, Value};
use crate::variables::Variables;

/// The key of `[run]` that holds a script, which reads its variables itself.
pub(crate) const SCRIPT_TEXT: &str = "script_text";

/// Expands all strings but the script, and reports variables that are missing.
pub(crate) fn expand(document: &mut Document<'_>, variables: &Variables) {
    for (table, value) in document.root.iter_mut() {
        let without = match table.get_ref().as_ref() {
            "run" => SCRIPT_TEXT,
            _ => "",
        };
        expand_value(value, variables, without, &mut document.diagnostics);
    }
}

/// Expands the strings of a value, in a table without those of the key `without`.
fn expand_value(
    value: &mut Value<'_>,
    variables: &Variables,
    without: &str,
    diagnostics: &mut Diagnostics,
) {
    let span = value.span();
    match value.get_mut() {
        DeValue::String(text) => match variables.expand(text) {
            Ok(None) => {}
            Ok(Some(expanded)) => {
                *text = Cow::Owned(expanded);
                diagnostics.note_expanded(&span);
            }
            Err(message) => diagnostics.found(span, message),
        },
        DeValue::Array(items) => {
            for item in items.iter_mut() {
                expand_value(item, variables, "", diagnostics);
            }
        }
        DeValue::Table(entries) => {
            for (key, value) in entries.iter_mut() {
                if key.get_ref() != without {
                    expand_value(value, variables, "", diagnostics);
                }
            }
        }
        _ => {}
    }
}
