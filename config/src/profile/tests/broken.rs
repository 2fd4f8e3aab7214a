//! Files with many problems, broken TOML, hostile and unreadable files.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

#[test]
fn all_problems_are_shown_at_once_in_order() {
    let text = "[run]\nscript = \"s.lua\"\ntarget = \"ftp://x\"\nseed = -4\ntimeout = 10\n\
                timeout = 20\ncolour = 1\n\n[[load]]\nmodel = \"closed\"\nscenarios = { ä = -1, b = 0 }\n\
                phases = [{ users = 0, for = 10s }, { users = 5, for = \"10x\" }]\n\
                [[load]]\nmodel = \"open\"\nscenarios = \"a\"\nusers_max = -1\n\
                phases = [\n{ rate = \"1e12/s\", for = \"1s\" },\n{ rate = 5, for = \"1s\" }]\n";
    check(
        text,
        &[
            "3:10: found the scheme \"ftp\"",
            "4:8: found the number -4",
            "5:11: found the number 10 without a unit",
            "6:1: duplicate key `timeout`",
            "7:1: unknown key `colour`",
            // `ä` has no quotes, which TOML 1.1 refuses.
            "11:15: ",
            "12:30: found a string without quotes, expected \"10s\"",
            "16:13: found the number -1",
            "18:10: found \"1e12/s\"",
            "19:10: found the number 5 without a unit",
        ],
    );
}

#[test]
fn broken_toml_blames_nothing_on_what_it_hides() {
    check(
        "[run\nscript = \"s\"\n",
        &["1:5: unclosed table, expected `]`"],
    );
    // An empty value hides nothing but itself.
    check(
        &format!("[run]\nscript =\n{LOAD}"),
        &["1:1: missing `run.target`", "2:9: found no value after `=`"],
    );
    check(
        &format!("{RUN}seed = 5 6\nseed\n{LOAD}"),
        &[
            "4:8: found a string without quotes, expected \"5 6\"",
            "5:5: key with no value",
        ],
    );
    check(
        &format!("{RUN}name = \"a\n{LOAD}"),
        &["4:10: invalid basic string"],
    );
    check(
        &format!("{RUN}timeout = 1.2.3\n{LOAD}"),
        &["4:14: invalid float"],
    );
    check(
        &format!("{RUN}timeout = 10 s\n{LOAD}"),
        &["4:11: found a string without quotes, expected \"10 s\""],
    );
    // One bracket is missing: said once, and the loads after it are not called wrong.
    check(
        &format!("{RUN}cores = [1, 2\n{LOAD}"),
        &["5:1: missing comma between array elements"],
    );
    check_load(
        &LOAD.replace("\"1/s\", for", "\"1/s\" for"),
        &["7:26: missing comma between key-value pairs"],
    );
    check_load(
        &format!("{LOAD}[run]\nseed = 2\n"),
        &["8:2: duplicate key `run`"],
    );
    check_load(
        &format!("{LOAD}model = \"open\"\n"),
        &["8:1: duplicate key `model`"],
    );
}

#[test]
fn a_file_of_garbage_shows_a_hundred_problems_and_counts_the_rest() {
    let many: String = (0..150).map(|n| format!("key{n} = 1\n")).collect();
    let errors = read_text(&format!("{RUN}{many}{LOAD}")).unwrap_err();
    assert_eq!(errors.problems().len(), 100);
    assert!(
        errors
            .to_string()
            .ends_with("\np.toml: 50 more problems are not shown")
    );
    // A bound on work, not on time: were each error compared with each value, 10^11 steps.
    let garbage = "a = b\n".repeat(150_000);
    assert_eq!(read_text(&garbage).unwrap_err().problems().len(), 100);
}

#[test]
fn hostile_keys_and_values_are_shown_harmlessly() {
    let long = "x".repeat(10_000);
    let text =
        format!("{RUN}\"\\u001b[2J\" = 1\n\"{long}\" = 1\ncores = \"\\u001b{long}\"\n{LOAD}");
    let shown = problems(&text).join("\n");
    assert!(!shown.contains('\u{1b}'));
    assert!(shown.len() < 1000, "{shown}");
    assert!(shown.contains("\\u{1b}[2J"));
}

#[test]
fn files_are_read_and_scripts_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("quick.toml");
    let messages = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        load(&path).map_err(|errors| {
            let shown = errors
                .to_string()
                .replace(&*dir.path().to_string_lossy(), "DIR");
            shown.lines().map(str::to_owned).collect::<Vec<_>>()
        })
    };
    let good = format!("{RUN}{LOAD}");
    let missing = messages(good.as_bytes()).unwrap_err();
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0].starts_with(
            "DIR/quick.toml:2:10: found the script \"DIR/s.lua\", which cannot be read: "
        ),
        "{missing:?}"
    );

    std::fs::create_dir(dir.path().join("s.lua")).unwrap();
    let folder = messages(good.as_bytes()).unwrap_err();
    assert_eq!(
        folder,
        ["DIR/quick.toml:2:10: found the script \"DIR/s.lua\", which is not a file (`run.script`)"]
    );

    std::fs::remove_dir(dir.path().join("s.lua")).unwrap();
    std::fs::write(dir.path().join("s.lua"), "return {}").unwrap();
    let plan = messages(good.as_bytes()).unwrap();
    assert_eq!(plan.name, "quick");
    assert_eq!(plan.script, dir.path().join("s.lua"));

    // Latin-1 in a comment: named with its place, and the rest is judged too.
    let latin: Vec<u8> = [
        b"# \xc3\xa4 caf\xe9\n".as_slice(),
        RUN.as_bytes(),
        b"seed = -1\n",
        LOAD.as_bytes(),
    ]
    .concat();
    let latin = messages(&latin).unwrap_err();
    assert_eq!(
        latin[0],
        "DIR/quick.toml:1:8: found the byte 0xe9, expected UTF-8"
    );
    assert!(latin[1].starts_with("DIR/quick.toml:5:8: found the number -1"));
    assert_eq!(latin.len(), 2);

    let large = messages(&vec![b'#'; (1 << 20) + 1]).unwrap_err();
    assert_eq!(
        large,
        ["DIR/quick.toml: found more than 1048576 bytes, at most 1 MiB is allowed"]
    );
    let absent = load(&dir.path().join("none.toml")).unwrap_err();
    assert!(
        absent
            .to_string()
            .contains("none.toml: cannot read the profile: ")
    );
    assert!(load(dir.path()).is_err());
}

#[test]
fn the_errors_in_the_reference_are_the_real_ones() {
    let reference = include_str!("../../../../docs/profile.md");
    let text = "[run]\nscript = \"s.lua\"\ntarget = \"builtin\"\ntimeout = 10\n[[load]]\n\
                model = \"open\"\nscenarios = \"a\"\nphases = [{ rate = \"1/s\", for = \"1s\" }]\n\
                user_max = 5\n";
    let shown = parse(text, Path::new("shop.toml")).unwrap_err().to_string();
    assert!(reference.contains(&shown), "{shown}");
}

/// Pieces of profiles. In any order they are far more often near the limits than random characters.
const PIECES: [&str; 64] = [
    "[[threshold]]",
    "metric",
    "\"latency\"",
    "stat",
    "\"p99\"",
    "is",
    "\"< 1s\"",
    "steps",
    "spike",
    "sine",
    "pause",
    "each",
    "[run]",
    "[[load]]",
    "[load]",
    "[[run]]",
    "[load.phases]",
    "[[load.phases]]",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "script",
    "target",
    "phases",
    "model",
    "rate",
    "for",
    "users",
    "scenarios",
    "=",
    "=",
    "=",
    ".",
    ",",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\"\"\"",
    "\"1s\"",
    "\"1/s\"",
    "\"open\"",
    "\"closed\"",
    "\"builtin\"",
    "1",
    "-1",
    "1e400",
    "0x",
    "true",
    "inf",
    "nan",
    "1979-05-27",
    "#",
    "\\",
    "\u{0}",
    "\u{feff}",
    "ä",
    "😀",
    " ",
    "\t",
];

#[test]
fn no_text_makes_it_panic_and_places_are_in_the_text() {
    let piece = prop::sample::select(&PIECES[..]);
    let text = prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat());
    let config = Config {
        cases: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    TestRunner::new_with_rng(config, rng)
        .run(&text, |text| {
            let errors = match read_text(&text) {
                Ok(_) => return Ok(()),
                Err(errors) => errors,
            };
            prop_assert!(!errors.problems().is_empty());
            for problem in errors.problems() {
                let line = text.split('\n').nth(problem.line.wrapping_sub(1));
                let inside = line.is_some_and(|line| problem.column <= line.chars().count() + 1);
                prop_assert!(inside && problem.column > 0, "{text:?}: {problem:?}");
            }
            Ok(())
        })
        .unwrap();
}
