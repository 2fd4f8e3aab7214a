//! The rules that can be checked by reading the files alone.
//!
//! Each rule takes a tree of files and returns the problems in it, so that tests can show that it
//! detects a made-up bad file as well as that it finds nothing in the real tree.

mod circles;
mod interfaces;
mod manifests;
mod masked;
mod sources;
mod texts;

use std::collections::BTreeMap;
use std::path::Path;

/// Text files by their path from the root, with `/` between folders.
#[derive(Default)]
struct Tree(BTreeMap<String, String>);

/// What is wrong in a tree, one line each.
type Rule = fn(&Tree) -> Vec<String>;

/// Endings of the files that are read.
const READ: [&str; 10] = [
    "rs", "toml", "lua", "md", "sh", "js", "css", "html", "yml", "json",
];
/// Files without an ending that are read.
const READ_NAMES: [&str; 2] = ["LICENSE", "run"];
/// Hidden folders that belong to the project.
const HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];

impl Tree {
    /// The whole project.
    fn project() -> Tree {
        let mut tree = Tree::default();
        tree.read_folder(Path::new(env!("CARGO_MANIFEST_DIR")), "");
        tree
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).expect("a folder of the project") {
            let path = entry.expect("an entry of it").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let full = format!("{prefix}{name}");
            if path.is_dir() {
                if is_project_folder(&name) {
                    self.read_folder(&path, &format!("{full}/"));
                }
            } else if is_text(&name) {
                // A file that another process removes meanwhile, or that is not text.
                if let Ok(text) = std::fs::read_to_string(&path) {
                    self.0.insert(full, text);
                }
            }
        }
    }

    /// A tree of made-up files.
    fn of(files: &[(&str, &str)]) -> Tree {
        Tree(
            files
                .iter()
                .map(|&(path, text)| (path.to_owned(), text.to_owned()))
                .collect(),
        )
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// All files with this ending (without the dot).
    fn with_ending<'a>(&'a self, ending: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let ending = format!(".{ending}");
        self.all().filter(move |(path, _)| path.ends_with(&ending))
    }

    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

fn is_project_folder(name: &str) -> bool {
    let is_built = name == "target" || name.starts_with("target-") || name == "node_modules";
    !is_built && (!name.starts_with('.') || HIDDEN.contains(&name))
}

fn is_text(name: &str) -> bool {
    READ_NAMES.contains(&name)
        || name
            .rsplit_once('.')
            .is_some_and(|(_, end)| READ.contains(&end))
}

/// Fails unless the project obeys the rule.
fn obeys(rule: Rule) {
    let problems = rule(&Tree::project());
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// Fails unless the rule finds exactly these problems, each named by a part of its line.
fn finds(rule: Rule, files: &[(&str, &str)], expected: &[&str]) {
    let problems = rule(&Tree::of(files));
    let fit = problems.len() == expected.len()
        && expected
            .iter()
            .all(|part| problems.iter().any(|problem| problem.contains(part)));
    assert!(
        fit,
        "expected {expected:#?}, found {problems:#?} in {files:#?}"
    );
}

#[test]
fn the_tree_holds_the_project_and_nothing_built() {
    let tree = Tree::project();
    for path in [
        "Cargo.toml",
        "tests/it/tidy.rs",
        ".cargo/config.toml",
        ".ci/run",
    ] {
        assert!(tree.text(path).is_some(), "{path} was not read");
    }
    assert!(
        tree.all()
            .all(|(path, _)| !path.starts_with("target") && !path.contains(".git/"))
    );
    assert!(tree.with_ending("rs").count() > 20);
}
