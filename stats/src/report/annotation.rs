//! What users write on the axis of a run.

use serde::{Deserialize, Serialize};

/// A user's description of a moment of a run, or of some of its seconds.
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
    /// The user who wrote it.
    pub author: String,
    /// When it was written, in microseconds since 1970.
    pub created_us: i64,
    /// When it was last changed, in microseconds since 1970.
    pub edited_us: Option<i64>,
}
