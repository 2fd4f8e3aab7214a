//! Reading a profile, from file to text to plan, and the rules it follows:
#![doc = include_str!("../../docs/profile.md")]

mod connections;
mod data;
mod external;
mod fail_on;
mod fields;
mod loads;
mod model_kind;
mod phases;
mod piece;
mod run;
mod shapes;
mod thresholds;
mod tls;
mod web;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::document::{Document, quoted};
use crate::error::Errors;
use crate::plan::Plan;
use external::ExternalSources;
pub use external::RateFunctions;
pub use fail_on::FailOnRules;
use fields::Table;
pub use fields::nearest;

/// Largest profile read.
const PROFILE_BYTES_MAX: u64 = 1 << 20;
/// The tables a profile consists of.
const TABLES: [&str; 9] = [
    "run",
    "load",
    "threshold",
    "data",
    "headers",
    "http",
    "tls",
    "connections",
    "hosts",
];

/// Reads the profile at `path` and checks that the files it names exist.
///
/// # Errors
/// All problems at once: the file cannot be read, is larger than 1 MiB, is not UTF-8 or not TOML,
/// or has invalid content.
pub fn load(path: &Path) -> Result<Plan, Errors> {
    load_with(path, &no_functions)
}

/// Like [`load`], for profiles with phases that are functions of the script: `functions` evaluates
/// them.
///
/// # Errors
/// As [`load`], and whatever `functions` reports.
pub fn load_with(path: &Path, functions: &RateFunctions<'_>) -> Result<Plan, Errors> {
    let file_error = |message: String| Errors::for_file(path, message);
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that is too large is detected.
    File::open(path)
        .and_then(|file| file.take(PROFILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| file_error(format!("cannot read the profile: {error}")))?;
    if bytes.len() as u64 > PROFILE_BYTES_MAX {
        return Err(file_error(format!(
            "found more than {PROFILE_BYTES_MAX} bytes, at most 1 MiB is allowed"
        )));
    }
    // Invalid bytes are replaced, so that the rest of the file is checked as well.
    let text = String::from_utf8_lossy(&bytes);
    let bad_byte = first_bad_byte(&bytes);
    read(&text, path, FileCheck::MustExist, functions, bad_byte)
}

/// Reads a profile from `text`. `path` is where it came from: messages name it, `script` is
/// relative to its folder, and its stem is the default name. No file is accessed.
///
/// # Errors
/// All problems at once: the text is not TOML or has invalid content.
pub fn parse(text: &str, path: &Path) -> Result<Plan, Errors> {
    read(text, path, FileCheck::Skip, &no_functions, None)
}

fn no_functions(_script: &Path, name: &str, _seconds: u64) -> Result<Vec<f64>, String> {
    Err(format!(
        "found the function {}, but scripts cannot be run here",
        quoted(name)
    ))
}

/// Whether named files must exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileCheck {
    Skip,
    MustExist,
}

/// A byte that is not UTF-8, and the position of its replacement in the replaced text.
struct BadByte {
    at: usize,
    byte: u8,
}

fn first_bad_byte(bytes: &[u8]) -> Option<BadByte> {
    let chunk = bytes.utf8_chunks().next()?;
    let byte = *chunk.invalid().first()?;
    Some(BadByte {
        at: chunk.valid().len(),
        byte,
    })
}

fn read(
    text: &str,
    path: &Path,
    check: FileCheck,
    functions: &RateFunctions<'_>,
    bad_byte: Option<BadByte>,
) -> Result<Plan, Errors> {
    let mut document = Document::parse(text);
    let diagnostics = &mut document.diagnostics;
    if let Some(BadByte { at, byte }) = bad_byte {
        diagnostics.syntax(
            at..at,
            format!("found the byte 0x{byte:02x}, expected UTF-8"),
        );
    }
    let root = Table::root(&document.root);
    root.refuse_unknown(diagnostics, &TABLES);
    let run = run::read(&root, path, check, diagnostics);
    let sources = ExternalSources {
        profile: path,
        check,
        script: run.as_ref().map(run::Run::script),
        functions,
    };
    let loads = loads::read(&root, sources, diagnostics);
    if let (Some(run), Some(loads)) = (&run, &loads) {
        run.refuse_long_warmup(loads, diagnostics);
    }
    let thresholds = thresholds::read(&root, diagnostics);
    let data = data::read(&root, path, check, diagnostics);
    let web = web::read(&root, diagnostics);
    let tls = tls::read(&root, path, check, diagnostics);
    let tables = loads.zip(thresholds).zip(data);
    let connections = connections::read(&root, diagnostics);
    let transport = web.zip(tls).zip(connections);
    match (document.errors(path), run, tables.zip(transport)) {
        (None, Some(run), Some((((loads, thresholds), data), ((web, tls), connections)))) => {
            Ok(Plan {
                web,
                tls,
                connections,
                ..run.into_plan(path, text, loads, thresholds, data)
            })
        }
        (Some(errors), ..) => Err(errors),
        // Each reader reports why it returns nothing; if one forgets, the profile is rejected.
        (None, ..) => Err(Errors::for_file(
            path,
            "the profile cannot be used".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
