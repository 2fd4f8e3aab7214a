//! Reading a profile, from the file through the text to the plan; and the rules it follows:
//!
#![doc = include_str!("../../docs/profile.md")]

mod connections;
mod data;
mod fields;
mod loads;
mod outside;
mod phases;
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
use fields::Table;
use outside::Outside;
pub use outside::RateFunctions;

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

/// Reads the profile at `path` and looks whether its script is a file.
///
/// # Errors
/// All problems at once: the file cannot be read, is above 1 MiB or not UTF-8, is no TOML, or says
/// what is not allowed.
pub fn load(path: &Path) -> Result<Plan, Errors> {
    load_with(path, &no_functions)
}

/// As [`load`], for profiles with phases that are functions of the script: `functions` asks them.
///
/// # Errors
/// As [`load`], and what `functions` says.
pub fn load_with(path: &Path, functions: &RateFunctions<'_>) -> Result<Plan, Errors> {
    let of_file = |message: String| Errors::of_file(path, message);
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file too large shows.
    File::open(path)
        .and_then(|file| file.take(PROFILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| of_file(format!("cannot read the profile: {error}")))?;
    if bytes.len() as u64 > PROFILE_BYTES_MAX {
        return Err(of_file(format!(
            "found more than {PROFILE_BYTES_MAX} bytes, allowed is 1 MiB"
        )));
    }
    // Unreadable bytes are replaced, so that the rest of the file is judged as well.
    let text = String::from_utf8_lossy(&bytes);
    let bad_byte = first_bad_byte(&bytes);
    read(&text, path, (ScriptCheck::IsFile, functions), bad_byte)
}

/// Reads a profile from `text`. `path` is where it came from: it is named in messages, its folder
/// is where `script` is found, and its stem is the default name. Nothing on disk is looked at.
///
/// # Errors
/// All problems at once: no TOML, or says what is not allowed.
pub fn parse(text: &str, path: &Path) -> Result<Plan, Errors> {
    read(text, path, (ScriptCheck::None, &no_functions), None)
}

fn no_functions(_script: &Path, name: &str, _seconds: u64) -> Result<Vec<f64>, String> {
    Err(format!(
        "found the function {}, but scripts are not asked here",
        quoted(name)
    ))
}

/// Whether the script must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScriptCheck {
    None,
    IsFile,
}

/// A byte that is not UTF-8, and where its replacement stands in the replaced text.
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
    (script_check, functions): (ScriptCheck, &RateFunctions<'_>),
    bad_byte: Option<BadByte>,
) -> Result<Plan, Errors> {
    let mut document = Document::parse(text);
    let report = &mut document.report;
    if let Some(BadByte { at, byte }) = bad_byte {
        report.syntax(
            at..at,
            format!("found the byte 0x{byte:02x}, allowed is UTF-8"),
        );
    }
    let root = Table::root(&document.root);
    root.refuse_unknown(report, &TABLES);
    let run = run::read(&root, path, script_check, report);
    let outside = Outside {
        profile: path,
        check: script_check,
        script: run.as_ref().map(run::Run::script),
        functions,
    };
    let loads = loads::read(&root, outside, report);
    if let (Some(run), Some(loads)) = (&run, &loads) {
        run.refuse_long_warmup(loads, report);
    }
    let thresholds = thresholds::read(&root, report);
    let data = data::read(&root, path, script_check, report);
    let web = web::read(&root, report);
    let tls = tls::read(&root, path, script_check, report);
    let tables = loads.zip(thresholds).zip(data);
    let connections = connections::read(&root, report);
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
        // Each reader reports why it yields nothing; should one forget, the profile is refused.
        (None, ..) => Err(Errors::of_file(
            path,
            "the profile cannot be used".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
