//! Programs in Python that read and try an OpenAPI document.
//!
//! They lie in a virtual environment below `target/`, where `cargo xtask test` puts them.

use crate::need::need;
use std::path::PathBuf;

/// The path of the environment below the root of the workspace.
pub const ENVIRONMENT: &str = "target/openapi-environment";
/// The folder of its requirements, below the root of the workspace.
pub const FOLDER: &str = "testkit/openapi";

/// A program of the environment; `None`, said loudly, when it is not there.
///
/// # Panics
/// When it is missing and `CI` is set.
pub fn program(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join(ENVIRONMENT).join("bin").join(name);
    let is_there = need(&format!("{name} (cargo xtask setup)"), path.is_file());
    is_there.then_some(path)
}
