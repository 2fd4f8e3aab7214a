//! The code blocks of the documentation and the examples of the help: profiles are accepted,
//! scripts load, commands are understood.

use crate::cli::Arguments;
use clap::{CommandFactory, Parser};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Languages of blocks; another one is a mistake, or needs a rule here.
const LANGUAGES: [&str; 7] = ["toml", "lua", "sh", "json", "text", "nginx", "yaml"];
/// What stands before a part of a profile.
const RUN: &str = "[run]\nscript = \"s.lua\"\ntarget = \"builtin\"\n";
const LOAD: &str = "[[load]]\nmodel = \"open\"\nscenarios = \"a\"\n\
    phases = [{ rate = \"1/s\", for = \"1s\" }]\n";
/// Files that blocks name.
const FILES: [(&str, &str); 3] = [
    ("s.lua", "return { a = function() end }"),
    ("day.csv", "0,1\n60,2\n"),
    ("accounts.csv", "user,password\nann,secret\n"),
];

/// A fenced block of a document.
struct Block {
    /// The document and the line of the fence.
    place: String,
    language: String,
    text: String,
}

/// README.md and all of docs/.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("docs")).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    found.push(root.join("README.md"));
    found.sort();
    found
}

fn blocks(path: &Path) -> Vec<Block> {
    let text = fs::read_to_string(path).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !is_inside => {
                blocks.push(Block {
                    place: format!("{}:{}", path.display(), number + 1),
                    language: language.to_owned(),
                    text: String::new(),
                });
                is_inside = true;
            }
            Some(_) => is_inside = false,
            None if is_inside => {
                let block = blocks.last_mut().unwrap();
                block.text += line;
                block.text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// The whole profile that a block stands for.
fn whole(block: &str) -> String {
    let load = match block.contains("[[load]]") {
        // the line with the weights alone
        true if !block.contains("model =") => {
            format!("{block}\nmodel = \"open\"\nphases = [{{ rate = \"1/s\", for = \"1s\" }}]\n")
        }
        true => block.to_owned(),
        false => format!("{block}\n{LOAD}"),
    };
    if block.contains("[run]") {
        load
    } else {
        format!("{RUN}{load}")
    }
}

/// A folder with the files that a block names, so that they are there.
fn folder(block: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for name in block.split('"').skip(1).step_by(2) {
        let is_file = [".lua", ".pem", ".p12"]
            .iter()
            .any(|end| name.ends_with(end));
        if is_file && !name.contains('/') {
            fs::write(folder.path().join(name), "").unwrap();
        }
    }
    folder
}

/// The words of a command line as a shell reads them, up to a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quote, mut is_open) = (None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                if !std::mem::replace(&mut is_open, true) {
                    words.push(String::new());
                }
            }
            (None, '>' | '<' | '|' | '#' | '&' | ';') if !is_open => break,
            (None, c) if c.is_whitespace() => is_open = false,
            (_, c) => {
                if !std::mem::replace(&mut is_open, true) {
                    words.push(String::new());
                }
                words.last_mut().unwrap().push(c);
            }
        }
    }
    words
}

/// Why a line that begins with the program's name is not understood; other lines are not ours.
fn refusal(line: &str) -> Option<String> {
    let words = words(line.trim());
    let is_ours = words.first().is_some_and(|word| word == "mistress");
    if !is_ours {
        return None;
    }
    let error = Arguments::try_parse_from(&words).err()?;
    // --help and --version are understood
    error.use_stderr().then(|| format!("{line}\n{error}"))
}

#[test]
fn every_block_of_the_documents_is_right() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for block in documents().iter().flat_map(|path| blocks(path)) {
        let Block {
            place,
            language,
            text,
        } = block;
        checked += 1;
        let problem = match language.as_str() {
            "toml" => {
                let whole = whole(&text);
                let folder = folder(&whole);
                let parsed = config::parse(&whole, &folder.path().join("p.toml"));
                parsed.err().map(|error| error.to_string())
            }
            "lua" => {
                let folder = folder("");
                let script = folder.path().join("block.lua");
                fs::write(&script, &text).unwrap();
                let loaded = scripting::rates(&script, "none", 0).err();
                loaded.filter(|error| !error.starts_with("found no function"))
            }
            "sh" => {
                let joined = text.replace("\\\n", " ");
                let refused: Vec<String> = joined.lines().filter_map(refusal).collect();
                (!refused.is_empty()).then(|| refused.join("\n"))
            }
            "json" => {
                let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
                parsed.err().map(|error| error.to_string())
            }
            other if LANGUAGES.contains(&other) => None,
            other => Some(format!("language {other:?}, expected one of {LANGUAGES:?}")),
        };
        wrong.extend(problem.map(|problem| format!("{place}: {problem}")));
    }
    assert!(checked > 40, "{checked}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_example_of_the_help_is_understood() {
    let command = Arguments::command();
    let all = std::iter::once(&command).chain(command.get_subcommands());
    let mut checked = 0;
    for one in all {
        let help = [one.get_after_help(), one.get_after_long_help()];
        let text: String = help
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect();
        for line in text.lines() {
            checked += usize::from(line.trim().starts_with("mistress "));
            assert_eq!(refusal(line), None, "{}", one.get_name());
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn words_are_those_of_a_shell() {
    let rows: [(&str, &[&str]); 5] = [
        ("a b  c", &["a", "b", "c"]),
        ("a 'b c' \"d\" e'f'", &["a", "b c", "d", "ef"]),
        ("a - >file b", &["a", "-"]),
        ("a | b", &["a"]),
        ("a b#c  # d", &["a", "b#c"]),
    ];
    for (line, expected) in rows {
        assert_eq!(words(line), expected, "{line}");
    }
    assert!(refusal("mistress run --nonsense").is_some());
    assert!(refusal("cargo --nonsense").is_none());
}
