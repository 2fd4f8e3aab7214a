//! No files of a crate import each other in a circle. A module and what is below it are one thing
//! here: a parent may use its children, and they it.

use super::masked::{masked, without_tests, words};
use super::{Tree, finds, obeys};
use std::collections::{BTreeMap, BTreeSet};

/// A module by its path from the root of its crate; the root itself is empty.
type Module = Vec<String>;
/// Which modules each module imports from.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

fn no_files_import_each_other_in_a_circle(tree: &Tree) -> Vec<String> {
    let mut crates: BTreeMap<&str, BTreeMap<Module, &str>> = BTreeMap::new();
    for (path, text) in tree.with_ending("rs") {
        let Some((folder, file)) = path.split_once("src/") else {
            continue;
        };
        if let Some(module) = module_of(file) {
            crates.entry(folder).or_default().insert(module, text);
        }
    }
    let mut problems = Vec::new();
    for (folder, files) in crates {
        let imports = imports_of(&files);
        for circle in circles(&imports) {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            problems.push(format!("{folder}src: a circle of {}", names.join(", ")));
        }
    }
    problems
}

/// The module that a file is; none for tests and programs of their own.
fn module_of(file: &str) -> Option<Module> {
    let path = file.strip_suffix(".rs")?;
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    let is_test = |name: &String| name == "tests" || name.ends_with("_tests");
    if module.iter().any(is_test) || module[0] == "bin" {
        return None;
    }
    if matches!(
        module.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        module.pop();
    }
    Some(module)
}

fn imports_of(files: &BTreeMap<Module, &str>) -> Imports {
    let mut imports = Imports::new();
    for (module, text) in files {
        let code = without_tests(&masked(text));
        let mut paths = Vec::new();
        for start in ["crate", "super", "self"] {
            for at in words(&code, start) {
                let is_first = !code[..at].ends_with("::");
                if is_first && code[at..].starts_with(&format!("{start}::")) {
                    read_paths(&code, at, &Module::new(), &mut paths);
                }
            }
        }
        let own = paths.iter().map(|path| file_of(module, path, files));
        let is_other = |other: &Module| !other.starts_with(module) && !module.starts_with(other);
        imports.insert(module.clone(), own.filter(is_other).collect());
    }
    imports
}

/// Reads the path at `at`, with all that its braces hold; returns where it ends.
fn read_paths(code: &str, mut at: usize, before: &[String], paths: &mut Vec<Module>) -> usize {
    let mut path = before.to_vec();
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        if code[at..].starts_with('{') {
            at += 1;
            while !code[at..].is_empty() && !code[at..].starts_with('}') {
                let end = read_paths(code, at, &path, paths);
                let rest = &code[end..];
                let next = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
                at = (end + rest.len() - next.len()).max(at + 1);
            }
            return (at + 1).min(code.len());
        }
        let rest = &code[at..];
        let length = rest
            .find(|c: char| c != '_' && !c.is_alphanumeric())
            .unwrap_or(rest.len());
        if length > 0 {
            path.push(rest[..length].to_owned());
            at += length;
        }
        if length == 0 || !code[at..].starts_with("::") {
            paths.push(path);
            // The rest of an element: `*`, or another name for it.
            let end = code[at..].find([',', '}', ';', ')', '(', '\n']);
            return if before.is_empty() {
                at
            } else {
                end.map_or(code.len(), |end| at + end)
            };
        }
        at += 2;
    }
}

/// The module of the file that a path in `module` leads to.
fn file_of(module: &[String], path: &[String], files: &BTreeMap<Module, &str>) -> Module {
    let mut full = module.to_vec();
    for name in path {
        match name.as_str() {
            "crate" => full.clear(),
            "super" => drop(full.pop()),
            "self" => {}
            _ => full.push(name.clone()),
        }
    }
    while !files.contains_key(&full) && !full.is_empty() {
        full.pop();
    }
    full
}

/// Sets of modules of which each leads to every other.
fn circles(imports: &Imports) -> BTreeSet<Vec<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = imports
        .keys()
        .map(|module| (module, reachable(module, imports)))
        .collect();
    let in_circle = |module: &&Module| reached[*module].contains(*module);
    let together = |module: &Module| -> Vec<Module> {
        let both = |other: &&&Module| {
            reached[module].contains(**other) && reached[**other].contains(module)
        };
        let keys: Vec<&Module> = imports.keys().collect();
        keys.iter()
            .filter(both)
            .map(|other| (*other).clone())
            .collect()
    };
    imports.keys().filter(in_circle).map(together).collect()
}

fn reachable<'a>(from: &Module, imports: &'a Imports) -> BTreeSet<&'a Module> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Module> = imports[from].iter().collect();
    while let Some(module) = open.pop() {
        if found.insert(module) {
            open.extend(imports.get(module).into_iter().flatten());
        }
    }
    found
}

#[test]
fn no_files_go_round_in_circles() {
    obeys(no_files_import_each_other_in_a_circle);
    let circle = [
        ("engine/src/lib.rs", "mod one; mod two; use crate::one::f;"),
        (
            "engine/src/one.rs",
            "use crate::{two::{self, g}, Other};\nfn f() {}",
        ),
        ("engine/src/two.rs", "fn g() { super::one::f() }"),
    ];
    finds(
        no_files_import_each_other_in_a_circle,
        &circle,
        &["engine/src: a circle of one, two"],
    );
    let fine = [
        ("engine/src/lib.rs", "pub use one::f;"),
        (
            "engine/src/one/mod.rs",
            "mod below; use below::g; use super::two;",
        ),
        (
            "engine/src/one/below.rs",
            "use super::f; use crate::one::f as g;",
        ),
        (
            "engine/src/two.rs",
            "#[cfg(test)]\nmod tests { use crate::one::f; }\n// crate::one",
        ),
        ("xtask/src/one.rs", "use crate::two;"),
        ("xtask/src/tests/two.rs", "use crate::one;"),
    ];
    finds(no_files_import_each_other_in_a_circle, &fine, &[]);
}
