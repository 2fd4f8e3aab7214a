//! The licences of everything that is built into the program, with their texts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files;
use crate::Failure;
use crate::project::{cargo, root};
use crate::run;

/// Beginnings of the names of files with a licence.
const NAMES: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "copyright",
    "unlicense",
    "notice",
];
/// How deep below a crate's folder they may be: C sources have theirs beside them.
const DEPTH_MAX: usize = 3;
/// Longer files are something else.
const BYTES_MAX: u64 = 100_000;

/// The whole document.
///
/// # Errors
/// Cargo cannot tell the dependencies.
pub fn text() -> Result<String, Failure> {
    let mut command = cargo(&["metadata", "--format-version", "1", "--offline"]);
    command.args(["--filter-platform", &host()?]);
    let metadata: Value = serde_json::from_str(&run::capture(command, super::STEP_LIMIT)?.stdout)?;
    let mut list = String::new();
    // a text, and who has it
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |who: &str, file: &Path| {
        if let Ok(text) = std::fs::read_to_string(file) {
            texts.entry(text).or_default().insert(who.to_owned());
        }
    };
    for package in shipped(&metadata) {
        let field = |key: &str| package[key].as_str().unwrap_or("see its text");
        let who = format!("{} {}", field("name"), field("version"));
        list += &format!("{who}: {}\n", field("license"));
        let folder = Path::new(field("manifest_path")).parent().unwrap_or(root());
        let mut found = Vec::new();
        find(folder, 0, &mut found);
        found.iter().for_each(|file| add(&who, file));
    }
    add("uPlot", &root().join("server/assets/vendor/uplot/LICENSE"));
    let mut document = format!(
        "Mistress contains the following libraries, under these licences. Where there is a choice \
         (OR), it uses the first that it can. The texts are those of the libraries themselves.\n\n\
         {list}uPlot: MIT\n"
    );
    for (text, who) in texts {
        let who: Vec<String> = who.into_iter().collect();
        document += &format!(
            "\n{}\n{}\n\n{}\n",
            "=".repeat(78),
            who.join(", "),
            text.trim_end()
        );
    }
    Ok(document)
}

/// The packages that go into the program: what it depends on, and what builds those (LuaJIT's
/// source is a dependency of a build), without tests and without our own.
fn shipped(metadata: &Value) -> Vec<&Value> {
    let array = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let packages = metadata["packages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in array(&metadata["resolve"]["nodes"]) {
        let id = node["id"].as_str().unwrap_or_default().to_owned();
        let used = array(&node["deps"]).into_iter().filter(|dep| {
            let kinds = array(&dep["dep_kinds"]);
            kinds.iter().any(|kind| kind["kind"] != "dev")
        });
        let used = used.filter_map(|dep| dep["pkg"].as_str().map(str::to_owned));
        edges.insert(id, used.collect());
    }
    let start = packages
        .iter()
        .find(|package| package["name"] == "mistress");
    let mut open: Vec<String> = start
        .and_then(|p| p["id"].as_str())
        .map(str::to_owned)
        .into_iter()
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if seen.insert(id.clone()) {
            open.extend(edges.get(&id).cloned().unwrap_or_default());
        }
    }
    let is_foreign = |package: &&Value| !package["source"].is_null();
    let is_seen = |package: &&Value| package["id"].as_str().is_some_and(|id| seen.contains(id));
    packages.iter().filter(is_foreign).filter(is_seen).collect()
}

/// Adds the files with a licence below a folder.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = files::name(&path).to_lowercase();
        let is_short = path.metadata().is_ok_and(|data| data.len() <= BYTES_MAX);
        if path.is_dir() && depth < DEPTH_MAX && !name.starts_with("test") {
            find(&path, depth + 1, found);
        } else if path.is_file() && is_short && NAMES.iter().any(|start| name.starts_with(start)) {
            let is_code = [".rs", ".h", ".c", ".py", ".toml"]
                .iter()
                .any(|end| name.ends_with(end));
            if !is_code {
                found.push(path);
            }
        }
    }
}

/// The target that cargo builds for here, such as `x86_64-unknown-linux-gnu`.
fn host() -> Result<String, Failure> {
    let mut rustc = std::process::Command::new("rustc");
    rustc.arg("-vV").current_dir(root());
    let told = run::capture(rustc, super::STEP_LIMIT)?.stdout;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}
