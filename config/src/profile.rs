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
mod proxy;
mod run;
mod secrets;
mod shapes;
mod thresholds;
mod tls;
mod web;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::document::{Document, quoted};
use crate::error::Errors;
use crate::expansion;
use crate::overrides::{self, Override};
use crate::plan::Plan;
use crate::variables::Variables;
use external::ExternalSources;
pub use external::{RateFunction, RateFunctions};
pub use fail_on::FailOnRules;
use fields::Table;
pub use fields::{parse_duration, parse_rate};

/// Largest profile read.
const PROFILE_BYTES_MAX: u64 = 1 << 20;
/// The tables a profile consists of.
const TABLES: [&str; 10] = [
    "run",
    "load",
    "threshold",
    "data",
    "headers",
    "http",
    "tls",
    "connections",
    "hosts",
    "secrets",
];

/// What a profile is read with, besides its text.
pub struct ReadOptions<'a> {
    /// Evaluates phases that are functions of the script.
    pub functions: &'a RateFunctions<'a>,
    /// The variables that strings of the profile and the script use.
    pub variables: Variables,
    /// Changes of the text, in their order.
    pub overrides: Vec<Override>,
    /// Parts of the text whose problems are told under a name of their own, in bytes; for texts
    /// that are made from arguments.
    pub labels: Vec<(Range<usize>, String)>,
}

impl Default for ReadOptions<'_> {
    /// No functions, variables or changes.
    fn default() -> Self {
        ReadOptions {
            functions: &no_functions,
            variables: Variables::default(),
            overrides: Vec::new(),
            labels: Vec::new(),
        }
    }
}

/// Reads the profile at `path` and checks that the files it names exist.
///
/// # Errors
/// All problems at once: the file cannot be read, is larger than 1 MiB, is not UTF-8 or not TOML,
/// or has invalid content.
pub fn load(path: &Path) -> Result<Plan, Errors> {
    ReadOptions::default().load(path)
}

impl ReadOptions<'_> {
    /// Like [`load`], with variables, changes and functions of the script.
    ///
    /// # Errors
    /// As [`load`], and whatever the functions report.
    pub fn load(&self, path: &Path) -> Result<Plan, Errors> {
        let file = File::open(path);
        self.read(file.map_err(|error| unreadable(path, &error))?, path)
    }

    /// Like [`ReadOptions::load`], for a profile that is not in a file. `path` is what messages
    /// name; files are relative to its folder.
    ///
    /// # Errors
    /// As [`ReadOptions::load`].
    pub fn read(&self, source: impl Read, path: &Path) -> Result<Plan, Errors> {
        let mut bytes = Vec::new();
        // One byte more than allowed, so that a file that is too large is detected.
        source
            .take(PROFILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(path, &error))?;
        if bytes.len() as u64 > PROFILE_BYTES_MAX {
            let message =
                format!("found more than {PROFILE_BYTES_MAX} bytes, at most 1 MiB is allowed");
            return Err(Errors::for_file(path, message));
        }
        // Invalid bytes are replaced, so that the rest of the file is checked as well.
        let text = String::from_utf8_lossy(&bytes);
        let bad_byte = first_bad_byte(&bytes);
        read(&text, path, FileCheck::MustExist, self, bad_byte)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Errors {
    Errors::for_file(path, format!("cannot read the profile: {error}"))
}

/// Reads a profile from `text`. `path` is where it came from: messages name it, `script` is
/// relative to its folder, and its stem is the default name. No file is accessed.
///
/// # Errors
/// All problems at once: the text is not TOML or has invalid content.
pub fn parse(text: &str, path: &Path) -> Result<Plan, Errors> {
    read(text, path, FileCheck::Skip, &ReadOptions::default(), None)
}

fn no_functions(function: &RateFunction<'_>) -> Result<Vec<f64>, String> {
    let name = quoted(function.name);
    Err(format!(
        "found the function {name}, but scripts cannot be run here"
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
    options: &ReadOptions<'_>,
    bad_byte: Option<BadByte>,
) -> Result<Plan, Errors> {
    let mut document = Document::parse(text);
    if let Some(BadByte { at, byte }) = bad_byte {
        let message = format!("found the byte 0x{byte:02x}, expected UTF-8");
        document.diagnostics.syntax(at..at, message);
    }
    for (part, label) in &options.labels {
        document.label_part(part.clone(), label);
    }
    overrides::apply(&mut document, &options.overrides);
    let mut variables = options.variables.clone();
    secrets::read(
        &document.root,
        path,
        check,
        &mut variables,
        &mut document.diagnostics,
    );
    expansion::expand(&mut document, &variables);
    proxy::hide_credentials(&document.root, &mut variables);
    let redactor = variables.redactor();
    read_plan(document, path, check, options.functions, variables)
        .map_err(|errors| errors.redacted(&redactor))
}

/// Reads the tables of a document whose variables are expanded.
fn read_plan(
    mut document: Document<'_>,
    path: &Path,
    check: FileCheck,
    functions: &RateFunctions<'_>,
    variables: Variables,
) -> Result<Plan, Errors> {
    let text = document.text();
    let environment = proxy::environment(&mut document, &variables);
    let diagnostics = &mut document.diagnostics;
    let root = Table::root(&document.root);
    root.refuse_unknown(diagnostics, &TABLES);
    let run = run::read(&root, path, check, diagnostics);
    let sources = ExternalSources {
        profile: path,
        check,
        script: run.as_ref().map(run::Run::script),
        functions,
        variables: &variables,
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
    let connections = connections::read(&root, environment, diagnostics);
    if let (Some(tls), Some((_, data)), Some(connections)) = (&tls, &tables, &connections) {
        tls::check_client_data(&root, tls, data, connections.pool, diagnostics);
    }
    let transport = web.zip(tls).zip(connections);
    match (document.errors(path), run, tables.zip(transport)) {
        (None, Some(run), Some((((loads, thresholds), data), ((web, tls), connections)))) => {
            Ok(Plan {
                web,
                tls,
                connections,
                variables,
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
