//! How much of a crate its users can name: few items are a small interface.
//!
//! Counted are the items that `cargo doc` lists of a library: what is `pub` and reachable through
//! `pub` modules and `pub use` from lib.rs, each name once. Methods and fields are not counted, and
//! neither are modules.

use super::{Tree, finds, obeys};
use std::collections::{BTreeMap, BTreeSet};

/// The crates by folder, and how many items each may have at most.
const ITEMS_MAX: [(&str, usize); 6] = [
    ("config", 60),
    ("engine", 25),
    ("scripting", 35),
    ("server", 15),
    ("stats", 60),
    ("wire", 45),
];
/// The words that begin an item.
const KINDS: [&str; 8] = [
    "struct", "enum", "union", "trait", "fn", "const", "static", "type",
];
/// Words between `pub` and `fn`; `const` may be another.
const QUALIFIERS: [&str; 3] = ["unsafe", "async", "extern"];

/// What a module has for those who use it.
#[derive(Default)]
struct Module {
    /// Its own items, with a macro that is exported from it.
    items: Vec<String>,
    /// Modules by name, and whether they are `pub`.
    modules: BTreeMap<String, bool>,
    /// Paths of `pub use`, each with the name it has here; `*` for all of a module.
    uses: Vec<(Vec<String>, String)>,
}

fn interfaces_are_small(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (folder, most) in ITEMS_MAX {
        if tree.text(&format!("{folder}/src/lib.rs")).is_none() {
            continue;
        }
        match items_of(tree, folder) {
            Ok(items) if items.len() > most => {
                let names: Vec<&str> = items.iter().map(String::as_str).collect();
                problems.push(format!(
                    "{folder}: {} public items, at most {most} are allowed: {}",
                    items.len(),
                    names.join(" ")
                ));
            }
            Ok(_) => {}
            Err(problem) => problems.push(format!("{folder}: {problem}")),
        }
    }
    problems
}

/// The items of a crate by their path from its root.
fn items_of(tree: &Tree, folder: &str) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    collect(tree, &format!("{folder}/src"), &[], "", &mut found)?;
    Ok(found)
}

/// Adds what the module at `path` shows, under `prefix`.
fn collect(
    tree: &Tree,
    source: &str,
    path: &[String],
    prefix: &str,
    found: &mut BTreeSet<String>,
) -> Result<(), String> {
    let module = module_at(tree, source, path)?;
    found.extend(module.items.iter().map(|item| format!("{prefix}{item}")));
    for (name, _) in module.modules.iter().filter(|(_, is_pub)| **is_pub) {
        let inner = [path, std::slice::from_ref(name)].concat();
        collect(tree, source, &inner, &format!("{prefix}{name}::"), found)?;
    }
    for (target, name) in &module.uses {
        // an item of another crate is of that crate's interface
        let Some(target) = resolved(&module, path, target) else {
            continue;
        };
        if name == "*" {
            collect(tree, source, &target, prefix, found)?;
        } else if module_text(tree, source, &target).is_some() {
            collect(tree, source, &target, &format!("{prefix}{name}::"), found)?;
        } else if !is_reachable(tree, source, &target)? {
            // what is reachable where it is made is listed there, once
            found.insert(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// A path of `use` from the root of the crate; none when it leads to another crate.
fn resolved(module: &Module, path: &[String], target: &[String]) -> Option<Vec<String>> {
    let (first, rest) = target.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([path, rest].concat()),
        "super" => Some([path.split_last()?.1, rest].concat()),
        name => (module.modules.contains_key(name)).then(|| [path, target].concat()),
    }
}

/// Whether every module on the way to an item is `pub`, and so is the item in the last of them.
fn is_reachable(tree: &Tree, source: &str, target: &[String]) -> Result<bool, String> {
    let Some((name, modules)) = target.split_last() else {
        return Ok(false);
    };
    for depth in 0..modules.len() {
        let outer = module_at(tree, source, &modules[..depth])?;
        if outer.modules.get(&modules[depth]) != Some(&true) {
            return Ok(false);
        }
    }
    let module = module_at(tree, source, modules)?;
    Ok(module.items.contains(name) || module.uses.iter().any(|(_, shown)| shown == name))
}

/// Reads the module at a path.
fn module_at(tree: &Tree, source: &str, path: &[String]) -> Result<Module, String> {
    let text = module_text(tree, source, path);
    let text = text.ok_or_else(|| format!("no file of the module {}", path.join("::")))?;
    Ok(read(text))
}

/// The file of a module, `x.rs` or `x/mod.rs`.
fn module_text<'a>(tree: &'a Tree, source: &str, path: &[String]) -> Option<&'a str> {
    let path = path.join("/");
    if path.is_empty() {
        return tree.text(&format!("{source}/lib.rs"));
    }
    let file = tree.text(&format!("{source}/{path}.rs"));
    file.or_else(|| tree.text(&format!("{source}/{path}/mod.rs")))
}

/// The items, modules and uses at the outermost level of a file.
fn read(text: &str) -> Module {
    let mut module = Module::default();
    let mut is_exported = false;
    let mut is_for_tests = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        // rustfmt indents what is within something
        let Some(statement) = statement(line, &mut lines) else {
            continue;
        };
        if statement.starts_with("#[") {
            is_for_tests |= statement.starts_with("#[cfg(test)]");
            is_exported |= statement.starts_with("#[macro_export]");
            continue;
        }
        if !is_for_tests && statement.ends_with("! {") {
            module.items.extend(made_by_macro(&mut lines));
        } else if !is_for_tests {
            add(&mut module, &statement, is_exported);
        }
        (is_for_tests, is_exported) = (false, false);
    }
    module
}

/// The name of the type that a macro makes public: `Name {` beneath the macro's own line.
fn made_by_macro<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let named = lines.find_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    named.map(str::to_owned)
}

/// The line, joined to those that follow up to its `;` when it is a `use` of several lines; none
/// for comments, blanks and what is indented.
fn statement<'a>(line: &'a str, lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    let is_inner = line.starts_with([' ', '}', ')', ']']);
    if line.is_empty() || is_inner || line.starts_with("//") {
        return None;
    }
    let mut statement = line.to_owned();
    while statement.starts_with("pub use ") && !statement.contains(';') {
        statement.push_str(lines.next()?.trim());
    }
    Some(statement)
}

fn add(module: &mut Module, statement: &str, is_exported: bool) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let name = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    if let Some(rest) = statement.strip_prefix("macro_rules! ") {
        module.items.extend(is_exported.then(|| name(rest)));
        return;
    }
    if let Some(rest) = statement.strip_prefix("mod ") {
        module.modules.insert(name(rest), false);
        return;
    }
    let Some(rest) = statement.strip_prefix("pub ") else {
        return;
    };
    if let Some(rest) = rest.strip_prefix("mod ") {
        module.modules.insert(name(rest), true);
        return;
    }
    if let Some(rest) = rest.strip_prefix("use ") {
        let tree = rest.trim_end_matches(';').trim();
        module.uses.extend(uses(tree, &[]));
        return;
    }
    let mut words = rest.split([' ', '<', '(', ':', ';', '{', '=']);
    let mut kind = words.next().unwrap_or_default();
    let mut next = words.next().unwrap_or_default();
    while QUALIFIERS.contains(&kind) || (kind == "const" && KINDS.contains(&next)) {
        (kind, next) = (next, words.next().unwrap_or_default());
    }
    if KINDS.contains(&kind) {
        module.items.push(name(next));
    }
}

/// The paths of a tree of `use`, each with its last name.
fn uses(tree: &str, before: &[String]) -> Vec<(Vec<String>, String)> {
    let (path, group) = match tree.split_once('{') {
        Some((path, group)) => (path, Some(group.trim_end().trim_end_matches('}'))),
        None => (tree, None),
    };
    let (path, renamed) = match path.split_once(" as ") {
        Some((path, name)) => (path, Some(name.trim().to_owned())),
        None => (path, None),
    };
    let words = path.split("::").map(str::trim).filter(|w| !w.is_empty());
    let mut all = before.to_vec();
    all.extend(words.map(str::to_owned));
    match group {
        Some(group) => group
            .split(',')
            .map(|one| one.trim().trim_end_matches('}'))
            .filter(|one| !one.is_empty())
            .flat_map(|one| uses(one, &all))
            .collect(),
        None => {
            let Some(last) = all.last().cloned() else {
                return Vec::new();
            };
            if last == "*" || last == "self" {
                all.pop();
            }
            let shown = renamed.unwrap_or(last);
            vec![(all, shown)]
        }
    }
}

#[test]
fn each_crate_has_a_small_interface() {
    let rule = interfaces_are_small;
    let lib = |uses: &str| format!("mod inner;\npub mod outer;\nmod private;\n{uses}\n");
    let many: String = (0..14).map(|n| format!("pub struct S{n};\n")).collect();
    let with = |uses: &str, outer: &str, expected: &[&str]| {
        let (lib, outer) = (lib(uses), format!("{many}{outer}"));
        let files = [
            ("server/src/lib.rs", lib.as_str()),
            ("server/src/outer.rs", &outer),
            ("server/src/inner.rs", "pub struct A;\npub fn b() {}\n"),
            ("server/src/private.rs", "pub struct Hidden;\n"),
        ];
        finds(rule, &files, expected);
    };
    with("pub use inner::A;", "", &[]);
    with(
        "pub use inner::{A, b};",
        "",
        &["server: 16 public items, at most 15"],
    );
    with(
        "pub use inner::*;",
        "",
        &["server: 16 public items, at most 15 are allowed: A b "],
    );
    with("pub use inner::{\n    A,\n    b as c,\n};", "", &[": A c "]);
    // what is reachable twice is one item, and another crate's is none of ours
    with("pub use outer::{S0, S1};\npub use std::io::Error;", "", &[]);
    with("pub(crate) use inner::{A, b};", "", &[]);
    let kinds = [
        "pub const fn x() {}\npub unsafe fn y() {}",
        "pub const X: u8 = 0;\npub static Y: u8 = 0;",
        "pub type X = u8;\npub trait Y: Send {\n    fn z();\n}",
        "#[macro_export]\nmacro_rules! x {}\nclosed_enum! {\n    /// Text.\n    Y {\n        Z => \"z\",\n    }\n}",
    ];
    for two in kinds {
        with("", two, &["server: 16 public items"]);
    }
    let own = "#[cfg(test)]\npub struct X;\nmacro_rules! y {}\npub(crate) struct Z;\nimpl S0 {\n    pub fn a() {}\n}";
    with("", own, &[]);
    obeys(rule);
}
