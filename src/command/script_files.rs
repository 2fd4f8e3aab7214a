//! The files of a script: itself and the modules that it names.

use config::ScriptText;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use wire::FileText;

/// Maximum number of files besides the script.
const FILES_MAX: usize = 64;
/// Maximum size of a file, in bytes.
const FILE_LEN_MAX: u64 = 1 << 20;

/// The script and the modules in its folder that it names in a `require`. A script in the profile
/// is left out: it is no file.
pub fn read(script: ScriptText<'_>) -> Vec<FileText> {
    let folder = script.path.parent().unwrap_or(Path::new("."));
    let mut wanted = match script.text {
        Some(text) => required(text),
        None => {
            let name = script.path.file_name().unwrap_or_default();
            vec![name.to_string_lossy().into_owned()]
        }
    };
    let mut known = BTreeSet::new();
    let mut files = Vec::new();
    while let Some(name) = wanted.pop() {
        if files.len() == FILES_MAX || !known.insert(name.clone()) {
            continue;
        }
        let Some(text) = read_small(&folder.join(&name)) else {
            continue;
        };
        wanted.extend(required(&text));
        files.push(FileText { name, text });
    }
    files
}

fn read_small(path: &Path) -> Option<String> {
    let small = fs::metadata(path).ok()?.len() <= FILE_LEN_MAX;
    let bytes = small.then(|| fs::read(path).ok()).flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files of `require "a.b"` and `require('a.b')`, found by a text search.
fn required(text: &str) -> Vec<String> {
    let after = text.split("require").skip(1);
    let name = |rest: &str| {
        let rest = rest.trim_start().trim_start_matches('(').trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let name = rest[1..].split(quote).next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_module = !name.is_empty() && name.len() <= 200 && name.chars().all(plain);
        let up = name.split('.').any(str::is_empty);
        (is_module && !up).then(|| name.replace('.', "/") + ".lua")
    };
    after.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_where_they_are_named() {
        let text = "local a = require \"lib.carts\"\nlocal b = require('users')\n\
                    require(name) require \"../secret\" require \"a..b\" -- require";
        assert_eq!(required(text), ["lib/carts.lua", "users.lua"]);
    }

    #[test]
    fn a_script_comes_with_its_modules_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a file in it");
        };
        write("main.lua", "local a = require 'a'");
        write(
            "a.lua",
            "local main = require 'main'\nlocal none = require 'none'",
        );
        let path = folder.path().join("main.lua");
        let files = read(ScriptText {
            path: &path,
            text: None,
        });
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["main.lua", "a.lua"]);
    }
}
