//! The JSON result: stable and versioned.

use crate::render::facts::RunFacts;
use serde::Serialize;
use stats::Summary;

/// Raised when a field changes its meaning or goes; new fields do not raise it.
pub const SCHEMA: u32 = 2;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    run: &'a RunFacts,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// The result without its series, for whoever has the series otherwise.
///
/// # Errors
/// As [`render`].
pub fn without_series(run: &RunFacts, summary: &Summary) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(Document {
        schema: SCHEMA,
        run,
        summary,
    })?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("series");
    }
    serde_json::to_string(&value)
}

/// The result as one line of JSON.
///
/// # Errors
/// Never for data of this program; the serialiser's error is passed on.
pub fn render(run: &RunFacts, summary: &Summary) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(&Document {
        schema: SCHEMA,
        run,
        summary,
    })?;
    text.push('\n');
    Ok(text)
}
