//! `mistress init`: writes an example to start from into the working folder.

use super::console::Stream;
use super::exit::{Exit, Failure};
use crate::cli::{Example, InitArguments};
use anyhow::anyhow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// Tells editors the functions that scripts have.
const API_FILE: &str = "mistress-api.lua";
const API_NOTE: &str =
    "mistress-api.lua tells editors with a Lua language server what scripts can call.\n";

/// Writes a profile and its script, and says what to do with them.
///
/// # Errors
/// The name is no name of a file, or a file exists or cannot be written.
pub fn execute(arguments: &InitArguments) -> Result<Exit, Failure> {
    let example = arguments.example;
    let name = arguments.name.as_deref().unwrap_or(example.as_str());
    let name = name.strip_suffix(".toml").unwrap_or(name);
    let fits = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    if !name.chars().all(fits) || name.starts_with(['.', '-']) || name.len() > NAME_BYTES_MAX {
        return Err(Failure::usage(anyhow!(
            "{name:?}: expected a name of letters, digits, _, - and . for two files in this folder"
        )));
    }
    let (profile, script) = texts(example);
    let (profile_file, script_file) = (format!("{name}.toml"), format!("{name}.lua"));
    // both are looked for before one is written
    for file in [&profile_file, &script_file] {
        if fs::symlink_metadata(file).is_ok() {
            return Err(exists(file));
        }
    }
    write(&profile_file, &profile.replace("NAME", name))?;
    write(&script_file, script)?;
    let api = match write(API_FILE, scripting::EDITOR_DEFINITIONS) {
        // one of an example before
        Err(_) if Path::new(API_FILE).exists() => "",
        written => {
            written?;
            API_NOTE
        }
    };
    Stream::Out.print(&format!(
        "wrote {profile_file} and {script_file}. Next:\n\
         \x20 mistress check {profile_file}    tries it with one user and shows every request\n\
         \x20 mistress run {profile_file}      runs it against a server that comes with mistress\n\
         To load your own server, change `target` in {profile_file} or add --target URL.\n{api}"
    ));
    Ok(Exit::Done)
}

fn texts(example: Example) -> (&'static str, &'static str) {
    match example {
        Example::Shop => (
            include_str!("init/shop.toml"),
            include_str!("init/shop.lua"),
        ),
        Example::Api => (include_str!("init/api.toml"), include_str!("init/api.lua")),
        Example::Browser => (
            include_str!("init/browser.toml"),
            include_str!("init/browser.lua"),
        ),
    }
}

/// Writes a file that must not exist.
fn write(file: &str, text: &str) -> Result<(), Failure> {
    let new = File::create_new(Path::new(file));
    let written = new.and_then(|mut new| new.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(file),
        _ => Failure::failed(anyhow!("{file}: not written: {error}")),
    })
}

fn exists(file: &str) -> Failure {
    Failure::usage(anyhow!(
        "{file}: the file exists and is not overwritten; give another name: mistress init NAME"
    ))
}
