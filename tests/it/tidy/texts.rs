//! Rules on all text files: no paths of somebody's machine, scenarios in pairs.

use super::{Tree, finds, obeys};

/// Folders that hold pairs of a profile and its script.
const PAIRED: [&str; 6] = [
    "scenarios/coming-from/k6/",
    "scenarios/coming-from/locust/",
    "scenarios/coming-from/gatling/",
    "scenarios/coming-from/wrk/",
    "scenarios/",
    "benches/scenarios/",
];

fn no_path_is_of_one_machine(tree: &Tree) -> Vec<String> {
    const FOLDERS: [&str; 4] = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
    ];
    let mut problems = Vec::new();
    for (path, text) in tree.all() {
        for (number, line) in text.lines().enumerate() {
            if FOLDERS.iter().any(|folder| begins_a_path(line, folder)) {
                problems.push(format!("{path}:{}: a path of one machine", number + 1));
            }
        }
    }
    problems
}

/// True when `folder` stands in the line as the start of a path, not within one or within a URL.
fn begins_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        let is_start = !before.is_some_and(|c| c.is_alphanumeric() || "/._-}>".contains(c));
        is_start && after.is_some_and(|c| c.is_alphanumeric())
    })
}

fn scenarios_come_in_pairs(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, _) in tree.all() {
        let Some(name) = PAIRED.iter().find_map(|folder| path.strip_prefix(folder)) else {
            continue;
        };
        // Folders below hold modules that scripts share.
        if name.contains('/') {
            continue;
        }
        let other = match path.rsplit_once('.') {
            Some((stem, "toml")) => format!("{stem}.lua"),
            Some((stem, "lua")) => format!("{stem}.toml"),
            _ => continue,
        };
        if tree.text(&other).is_none() {
            problems.push(format!("{path}: no {other} beside it"));
        }
    }
    problems
}

#[test]
fn paths_fit_every_machine() {
    let bad = format!("see {}somebody/notes\n", concat!("/ho", "me/"));
    finds(
        no_path_is_of_one_machine,
        &[("README.md", &bad)],
        &["README.md:1"],
    );
    let good = format!("GET http://host{}page\n", concat!("/ho", "me/"));
    finds(no_path_is_of_one_machine, &[("README.md", &good)], &[]);
    obeys(no_path_is_of_one_machine);
}

#[test]
fn every_scenario_has_its_profile_and_its_script() {
    let files = [
        ("scenarios/a.toml", ""),
        ("scenarios/a.lua", ""),
        ("scenarios/lib/b.lua", ""),
    ];
    finds(scenarios_come_in_pairs, &files, &[]);
    let expected = [
        "scenarios/a.toml: no scenarios/a.lua",
        "c.lua: no benches/scenarios/c.toml",
    ];
    let files = [("scenarios/a.toml", ""), ("benches/scenarios/c.lua", "")];
    finds(scenarios_come_in_pairs, &files, &expected);
    obeys(scenarios_come_in_pairs);
}
