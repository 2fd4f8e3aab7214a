//! What people said about a run.

use serde::{Deserialize, Serialize};

/// What people said about a run on a stats server; empty for a run that has just ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Remarks {
    /// The comment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Annotations on its axis, by time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
}

/// What happened at a moment of a run, or during some of its seconds, as somebody says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// Its number on the server.
    pub id: i64,
    /// When it begins, in seconds from the start of the load.
    pub at_s: f64,
    /// When it ends, later than `at_s`; none for a moment.
    pub until_s: Option<f64>,
    /// One word, such as `deploy`.
    pub kind: String,
    /// What happened.
    pub text: String,
    /// Who said so.
    pub author: String,
    /// When that was said, in microseconds since 1970.
    pub created_us: i64,
    /// When it was last changed, in microseconds since 1970.
    pub edited_us: Option<i64>,
}
