//! Rules on manifests: who may use whom, reasons, panics, lints.

use toml::{Table, Value};

use super::{Tree, finds, obeys};

/// Which of our crates each of our crates may use; folders, "" is the root.
const USES: [(&str, &[&str]); 11] = [
    (
        "",
        &[
            "config",
            "scripting",
            "engine",
            "stats",
            "server",
            "wire",
            "recorder",
        ],
    ),
    ("engine", &["config", "scripting", "stats"]),
    ("server", &["stats", "wire"]),
    ("config", &["stats"]),
    ("scripting", &[]),
    ("stats", &["wire"]),
    ("wire", &[]),
    ("recorder", &[]),
    ("testkit", &[]),
    ("benches", &["stats", "wire"]),
    ("xtask", &["testkit"]),
];
/// Packages that only some of our crates may use.
const EXCLUSIVE: [(&str, &[&str]); 8] = [
    ("glommio", &["engine"]),
    ("io-uring", &["engine", "benches"]),
    ("rustls", &["engine", "server", "testkit"]),
    ("mlua", &["scripting"]),
    ("axum", &["server"]),
    ("rusqlite", &["server"]),
    ("clap", &[""]),
    ("anyhow", &[""]),
];
/// Of our crates, the one that all may use in their tests.
const IN_TESTS: &str = "testkit";

/// One line of a dependency table.
struct Dependency {
    package: String,
    /// The folder, when it is one of ours.
    ours: Option<String>,
    is_for_tests: bool,
    is_inherited: bool,
}

fn crates_use_only_what_they_may(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    let root = parse(tree, "Cargo.toml", &mut problems);
    for (path, _) in tree.all().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        let folder = path.trim_end_matches("Cargo.toml").trim_end_matches('/');
        let Some((_, uses)) = USES.iter().find(|(name, _)| *name == folder) else {
            problems.push(format!("{path}: not in the table of who may use whom"));
            continue;
        };
        let manifest = parse(tree, path, &mut problems);
        for dependency in dependencies(&manifest, &root) {
            if let Some(ours) = &dependency.ours {
                let is_test_aid = dependency.is_for_tests && ours == IN_TESTS;
                if !uses.contains(&ours.as_str()) && !is_test_aid {
                    problems.push(format!("{path}: may not use {ours}"));
                }
            }
            let users = EXCLUSIVE
                .iter()
                .find(|(name, _)| *name == dependency.package);
            if users.is_some_and(|(_, users)| !users.contains(&folder)) {
                problems.push(format!("{path}: may not use {}", dependency.package));
            }
            if !dependency.is_inherited {
                let package = &dependency.package;
                problems.push(format!(
                    "{path}: {package} is not from [workspace.dependencies]"
                ));
            }
        }
    }
    problems
}

/// All dependencies of a manifest, of every kind and target.
fn dependencies(manifest: &Table, root: &Table) -> Vec<Dependency> {
    let mut found = Vec::new();
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    for table in std::iter::once(manifest).chain(targets) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = table
                .get(kind)
                .and_then(Value::as_table)
                .into_iter()
                .flatten();
            found.extend(entries.map(|(key, value)| {
                let is_inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
                let source = if is_inherited {
                    workspace_entry(root, key)
                } else {
                    Some(value)
                };
                let text = |name| {
                    source
                        .and_then(|source| source.get(name))
                        .and_then(Value::as_str)
                };
                Dependency {
                    package: text("package").unwrap_or(key).to_owned(),
                    ours: text("path").map(|path| path.trim_start_matches("../").to_owned()),
                    is_for_tests: kind == "dev-dependencies",
                    is_inherited,
                }
            }));
        }
    }
    found
}

fn workspace_entry<'a>(root: &'a Table, key: &str) -> Option<&'a Value> {
    root.get("workspace")?.get("dependencies")?.get(key)
}

fn parse(tree: &Tree, path: &str, problems: &mut Vec<String>) -> Table {
    let text = tree.text(path).unwrap_or_default();
    text.parse().unwrap_or_else(|error| {
        problems.push(format!("{path}: {error}"));
        Table::new()
    })
}

fn dependencies_have_reasons(tree: &Tree) -> Vec<String> {
    let text = tree.text("Cargo.toml").unwrap_or_default();
    let Some((_, section)) = text.split_once("\n[workspace.dependencies]\n") else {
        return vec!["Cargo.toml: no [workspace.dependencies]".to_owned()];
    };
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let external = lines.filter(|line| !line.contains("path ="));
    let bare = external.filter(|line| {
        line.rsplit_once("# ")
            .is_none_or(|(_, reason)| reason.contains('"') || reason.len() < 8)
    });
    bare.map(|line| format!("Cargo.toml: no reason beside: {line}"))
        .collect()
}

fn panics_unwind(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.with_ending("toml") {
        let dense: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '"')
            .collect();
        if dense.contains(concat!("panic=", "abort")) {
            problems.push(format!("{path}: a panic must unwind"));
        }
    }
    let root = parse(tree, "Cargo.toml", &mut problems);
    let profiles = root
        .get("profile")
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default();
    for name in ["dev", "release"]
        .into_iter()
        .filter(|name| !profiles.contains_key(*name))
    {
        problems.push(format!("Cargo.toml: no [profile.{name}]"));
    }
    for (name, profile) in &profiles {
        if profile.get("panic").and_then(Value::as_str) != Some("unwind") {
            problems.push(format!(
                "Cargo.toml: [profile.{name}] does not say panic = \"unwind\""
            ));
        }
    }
    problems
}

fn lints_are_inherited(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, _) in tree.all().filter(|(path, _)| path.ends_with("Cargo.toml")) {
        let manifest = parse(tree, path, &mut problems);
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            problems.push(format!("{path}: does not inherit the workspace's lints"));
        }
        let Some(workspace) = manifest.get("workspace") else {
            continue;
        };
        let level = workspace["lints"]["rust"]["unsafe_code"].as_str();
        if !matches!(level, Some("deny" | "forbid")) {
            problems.push(format!("{path}: unsafe_code is not denied"));
        }
    }
    problems
}

/// A root manifest as far as the rules look at it.
const ROOT: &str = r#"
[workspace]
[workspace.dependencies]
engine = { package = "mistress-engine", path = "engine" }
testkit = { package = "mistress-testkit", path = "testkit" }
mlua = "0.12"   # runs the scripts
[workspace.lints.rust]
unsafe_code = "deny"
[lints]
workspace = true
[profile.dev]
panic = "unwind"
[profile.release]
panic = "unwind"
"#;

#[test]
fn each_crate_uses_only_what_it_may() {
    let rule = crates_use_only_what_they_may;
    let with = |path, text: &str, expected: &[&str]| {
        finds(rule, &[("Cargo.toml", ROOT), (path, text)], expected);
    };
    with(
        "config/Cargo.toml",
        "[dependencies]\nengine.workspace = true",
        &["may not use engine"],
    );
    with(
        "engine/Cargo.toml",
        "[dependencies]\nmlua.workspace = true",
        &["may not use mlua"],
    );
    with(
        "scripting/Cargo.toml",
        "[dependencies]\nmlua.workspace = true",
        &[],
    );
    with(
        "stats/Cargo.toml",
        "[dev-dependencies]\ntestkit.workspace = true",
        &[],
    );
    with(
        "stats/Cargo.toml",
        "[dependencies]\ntestkit.workspace = true",
        &["may not use testkit"],
    );
    with(
        "stats/Cargo.toml",
        "[dependencies]\nrtrb = \"0.4\"",
        &["rtrb is not from"],
    );
    with("extra/Cargo.toml", "", &["not in the table"]);
    let renamed = "[dependencies]\nlua = { package = \"mlua\", version = \"0.12\" }";
    with(
        "stats/Cargo.toml",
        renamed,
        &["may not use mlua", "mlua is not from"],
    );
    let direct = "[target.'cfg(unix)'.dependencies]\nengine = { path = \"../engine\" }";
    with(
        "stats/Cargo.toml",
        direct,
        &["may not use engine", "engine is not from"],
    );
    obeys(rule);
}

#[test]
fn each_dependency_has_its_reason() {
    finds(dependencies_have_reasons, &[("Cargo.toml", ROOT)], &[]);
    let bare = ROOT.replace("# runs the scripts", "");
    finds(
        dependencies_have_reasons,
        &[("Cargo.toml", &bare)],
        &["no reason beside: mlua"],
    );
    finds(
        dependencies_have_reasons,
        &[("Cargo.toml", "")],
        &["no [workspace.dependencies]"],
    );
    obeys(dependencies_have_reasons);
}

#[test]
fn every_panic_unwinds() {
    finds(panics_unwind, &[("Cargo.toml", ROOT)], &[]);
    let abort = ROOT.replace("unwind", "abort");
    let expected = ["a panic must unwind", "[profile.dev]", "[profile.release]"];
    finds(panics_unwind, &[("Cargo.toml", &abort)], &expected);
    let flags = "[build]\nrustflags = [\"-C\", \"panic = abort\"]";
    let files = [("Cargo.toml", ROOT), (".cargo/config.toml", flags)];
    finds(panics_unwind, &files, &[".cargo/config.toml"]);
    finds(
        panics_unwind,
        &[("Cargo.toml", "")],
        &["[profile.dev]", "[profile.release]"],
    );
    obeys(panics_unwind);
}

#[test]
fn each_crate_inherits_the_lints() {
    finds(lints_are_inherited, &[("Cargo.toml", ROOT)], &[]);
    let files = [("Cargo.toml", ROOT), ("stats/Cargo.toml", "[package]")];
    finds(
        lints_are_inherited,
        &files,
        &["stats/Cargo.toml: does not inherit"],
    );
    let warned = ROOT.replace("deny", "warn");
    finds(
        lints_are_inherited,
        &[("Cargo.toml", &warned)],
        &["unsafe_code is not denied"],
    );
    obeys(lints_are_inherited);
}
