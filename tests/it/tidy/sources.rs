//! Rules on Rust files: size, purpose, unfinished work, unsafe code, printing.

use super::masked::{block_end, body_start, line_of, masked, without_tests, words};
use super::{Tree, finds, obeys};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
/// The only files that may hold unsafe code.
const UNSAFE_FILES: [&str; 3] = [
    "engine/src/ring/sys.rs",
    "benches/src/bin/bare.rs",
    // Counting the allocations of all threads takes an allocator, which is an unsafe trait.
    "engine/tests/it/allocation.rs",
];
/// How far above an unsafe block its invariant may begin.
const SAFETY_LINES_MAX: usize = 8;
/// Libraries: they do not print, do not read arguments or the environment, do not exit.
const SILENT: [&str; 6] = [
    "config",
    "scripting",
    "engine",
    "stats",
    "server",
    "recorder",
];

fn files_are_short_and_say_their_purpose(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.with_ending("rs") {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            problems.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
        let purpose = text
            .strip_prefix("//!")
            .and_then(|text| text.lines().next());
        if purpose.is_none_or(|purpose| purpose.trim().len() < 10) {
            problems.push(format!(
                "{path}: does not begin with a `//!` line on its purpose"
            ));
        }
    }
    problems
}

fn functions_fit_a_screen(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.with_ending("rs") {
        let code = masked(text);
        for at in words(&code, "fn") {
            let Ok(open) = body_start(&code, at) else {
                continue;
            };
            let first = line_of(&code, at);
            let lines = line_of(&code, block_end(&code, open) - 1) - first + 1;
            if lines > FUNCTION_LINES_MAX {
                problems.push(format!(
                    "{path}:{first}: a function of {lines} lines, at most {FUNCTION_LINES_MAX}"
                ));
            }
        }
    }
    problems
}

fn nothing_is_unfinished(tree: &Tree) -> Vec<String> {
    const MARKS: [&str; 3] = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    const MACROS: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
    let mut problems = Vec::new();
    for (path, text) in tree.with_ending("rs").chain(tree.with_ending("lua")) {
        for mark in MARKS {
            for at in words(text, mark) {
                problems.push(format!("{path}:{}: {mark}", line_of(text, at)));
            }
        }
        let code = masked(text);
        for call in MACROS {
            for (at, _) in code.match_indices(call) {
                problems.push(format!("{path}:{}: {call}", line_of(text, at)));
            }
        }
    }
    problems
}

fn unsafe_code_stays_in_its_files(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.with_ending("rs") {
        let code = masked(text);
        let is_allowed = UNSAFE_FILES.contains(&path);
        for at in words(&code, "unsafe") {
            let line = line_of(&code, at);
            if !is_allowed {
                problems.push(format!("{path}:{line}: unsafe code outside its files"));
            } else if !has_invariant(text, line) {
                problems.push(format!("{path}:{line}: unsafe code without its invariant"));
            }
        }
        for at in words(&code, "unsafe_code").filter(|_| !is_allowed) {
            let before = &code[..at];
            if !before.ends_with("forbid(") && !before.ends_with("deny(") {
                let line = line_of(&code, at);
                problems.push(format!("{path}:{line}: the lint on unsafe code is changed"));
            }
        }
    }
    problems
}

/// True when a comment with "SAFETY:" (or a "# Safety" section) stands above line `line`.
fn has_invariant(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let above = &lines[line.saturating_sub(1 + SAFETY_LINES_MAX)..line];
    above.iter().any(|line| {
        let comment = line.trim_start();
        comment.starts_with("// SAFETY:") || comment.starts_with("/// # Safety")
    })
}

fn libraries_do_not_speak_or_exit(tree: &Tree) -> Vec<String> {
    const MACROS: [&str; 4] = ["println", "print", "eprintln", "eprint"];
    const PATHS: [&str; 7] = [
        "env::args",
        "env::args_os",
        "env::var",
        "env::var_os",
        "process::exit",
        "io::stdout",
        "io::stderr",
    ];
    let mut problems = Vec::new();
    for (path, text) in tree.with_ending("rs").filter(|(path, _)| is_silent(path)) {
        let code = without_tests(&masked(text));
        let mut found = |at: usize, what: &str| {
            problems.push(format!(
                "{path}:{}: {what} in a library",
                line_of(&code, at)
            ));
        };
        for name in MACROS {
            let calls = words(&code, name).filter(|at| code[at + name.len()..].starts_with('!'));
            calls.for_each(|at| found(at, name));
        }
        for name in PATHS {
            words(&code, name).for_each(|at| found(at, name));
        }
    }
    problems
}

/// True for the sources of a library, but for its tests.
fn is_silent(path: &str) -> bool {
    let mut parts = path.split('/');
    let is_library = parts.next().is_some_and(|folder| SILENT.contains(&folder));
    is_library
        && parts.next() == Some("src")
        && !path.ends_with("/tests.rs")
        && !path.contains("/tests/")
}

fn modules_are_files_beside_their_folders(tree: &Tree) -> Vec<String> {
    let paths = tree.with_ending("rs").map(|(path, _)| path);
    paths
        .filter(|path| path.ends_with("/mod.rs"))
        .map(|path| format!("{path}: a module is `x.rs` beside the folder `x`"))
        .collect()
}

#[test]
fn there_is_one_style_of_modules() {
    let rule = modules_are_files_beside_their_folders;
    let files = [("a/b/mod.rs", ""), ("a/b.rs", ""), ("a/b/amod.rs", "")];
    finds(rule, &files, &["a/b/mod.rs"]);
    obeys(rule);
}

#[test]
fn every_file_is_short_and_says_its_purpose() {
    let rule = files_are_short_and_say_their_purpose;
    let long = "//! A purpose to speak of.\n".to_owned() + &"\n".repeat(600);
    finds(rule, &[("a.rs", &long)], &["a.rs: 601 lines"]);
    finds(rule, &[("a.rs", &long[..long.len() - 1])], &[]);
    let bare = [("a.rs", "fn main() {}"), ("b.rs", "//!\n\nfn main() {}")];
    finds(
        rule,
        &bare,
        &["a.rs: does not begin", "b.rs: does not begin"],
    );
    obeys(rule);
}

#[test]
fn every_function_fits_a_screen() {
    let function = |lines: usize| format!("fn a(x: [u8; 2]) {{\n{}}}\n", "{}\n".repeat(lines - 2));
    finds(functions_fit_a_screen, &[("a.rs", &function(70))], &[]);
    let two = format!(
        "fn b();\n// fn c() {{\nconst D: fn() = e;\n{}",
        function(71)
    );
    finds(
        functions_fit_a_screen,
        &[("a.rs", &two)],
        &["a.rs:4: a function of 71 lines"],
    );
    obeys(functions_fit_a_screen);
}

#[test]
fn no_work_is_left_for_later() {
    let bad = format!("// {}: more\nfn f() {{ todo!() }}\n", concat!("TO", "DO"));
    finds(
        nothing_is_unfinished,
        &[("a.rs", &bad)],
        &["a.rs:1", "a.rs:2"],
    );
    let bad = "#[test]\n#[ignore = \"slow\"]\nfn f() { dbg!(1); }";
    finds(
        nothing_is_unfinished,
        &[("a.rs", bad)],
        &["a.rs:2", "a.rs:3"],
    );
    finds(
        nothing_is_unfinished,
        &[("a.rs", "//! Says \"dbg!\" only.")],
        &[],
    );
    obeys(nothing_is_unfinished);
}

#[test]
fn unsafe_code_is_in_its_files_with_its_invariants() {
    let rule = unsafe_code_stays_in_its_files;
    let block = "fn f() {\n    // SAFETY: it is.\n    unsafe { g() }\n}\n";
    finds(
        rule,
        &[("src/a.rs", block)],
        &["src/a.rs:3: unsafe code outside"],
    );
    finds(rule, &[(UNSAFE_FILES[0], block)], &[]);
    let silent = block.replace("SAFETY", "well");
    finds(
        rule,
        &[(UNSAFE_FILES[0], &silent)],
        &["without its invariant"],
    );
    finds(
        rule,
        &[("src/a.rs", "#![allow(unsafe_code)]")],
        &["the lint"],
    );
    finds(
        rule,
        &[("src/a.rs", "#![forbid(unsafe_code)] // unsafe")],
        &[],
    );
    obeys(rule);
}

#[test]
fn only_the_root_speaks_and_exits() {
    let rule = libraries_do_not_speak_or_exit;
    let bad = "fn f() { println!(\"\"); std::process::exit(1) }\nuse std::env::var;\n";
    let expected = [
        "config/src/a.rs:1: println",
        "1: process::exit",
        "2: env::var",
    ];
    finds(rule, &[("config/src/a.rs", bad)], &expected);
    let tests = "#[cfg(test)]\nmod tests { fn f() { println!() } }\n// eprintln!()\n";
    finds(rule, &[("stats/src/a.rs", tests)], &[]);
    finds(
        rule,
        &[("src/main.rs", bad), ("config/src/a/tests.rs", bad)],
        &[],
    );
    obeys(rule);
}
