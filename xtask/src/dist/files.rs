//! Files of a package: which of the project go into it, and where.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::project::root;

/// What both packages hold of the project, besides its licence: files, and folders in full.
const PROJECT: [&str; 5] = [
    "README.md",
    "CHANGELOG.md",
    "docs",
    "scenarios",
    "packaging",
];

/// Copies what both packages hold of the project below `folder`, and the licence.
pub fn put_project(folder: &Path) -> Result<(), Failure> {
    put(&root().join("LICENSE"), &folder.join("LICENSE"))?;
    put_documents(folder)
}

/// Copies what both packages hold of the project below `folder`.
pub fn put_documents(folder: &Path) -> Result<(), Failure> {
    for entry in PROJECT {
        let from = root().join(entry);
        if from.is_file() {
            put(&from, &folder.join(entry))?;
            continue;
        }
        for file in below(&from)? {
            put(&file, &folder.join(file.strip_prefix(root())?))?;
        }
    }
    Ok(())
}

/// Copies a file, and makes the folders above it; programs stay programs, everything else is for
/// everybody to read.
pub fn put(from: &Path, to: &Path) -> Result<(), Failure> {
    let told = |error| format!("{} to {}: {error}", from.display(), to.display());
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(told)?;
    }
    std::fs::copy(from, to).map_err(told)?;
    let is_program = from.metadata()?.permissions().mode() & 0o100 != 0;
    let mode = if is_program { 0o755 } else { 0o644 };
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)).map_err(told)?;
    Ok(())
}

/// All files below a folder, in order.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(below(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
