//! What the documentation shows works as it stands: the tour of the README, and every recipe.

use crate::binary::{Program, Scratch, can_run, conserved, count, mistress};
use crate::harness::one_arrival;
use std::path::Path;

/// The blocks of a language below a heading, up to the next of the same depth.
fn blocks(document: &str, heading: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).expect("the document is there");
    let part = match heading {
        "" => &text,
        _ => {
            let (_, rest) = text.split_once(heading).expect("the heading is there");
            rest.split("\n## ").next().unwrap_or(rest)
        }
    };
    let fence = format!("```{language}\n");
    let rest = part.split(&fence).skip(1);
    rest.filter_map(|rest| rest.split("```").next())
        .map(str::to_owned)
        .collect()
}

/// Scenarios of a script: its functions of a user that are no hooks.
fn scenarios(script: &str) -> Vec<String> {
    let hooks = ["setup", "teardown", "on_start", "on_stop"];
    let named = script.lines().filter_map(|line| {
        let line = line.strip_prefix("function ")?;
        let (_, name) = line.split_once('(')?.0.split_once('.')?;
        Some(name.to_owned())
    });
    let mut found: Vec<String> = named
        .filter(|name| !hooks.contains(&name.as_str()))
        .collect();
    if script.contains("main = function(user)") {
        found.push("main".to_owned());
    }
    found
}

/// A target that serves for a test, and its address.
fn target() -> (Program, String) {
    let mut target = Program::start(mistress(&["target", "--listen", "127.0.0.1:0"]));
    let line = target.until("listening on http://");
    let url = line.trim_start_matches("listening on ").to_owned();
    (target, url)
}

#[test]
fn the_tour_of_the_readme_works_as_written() {
    if !can_run() {
        return;
    }
    let part = |language| blocks("README.md", "## A tour", language).remove(0);
    let (profile, script, commands) = (part("toml"), part("lua"), part("sh"));
    assert!(commands.contains("mistress target"), "{commands}");
    let scratch = Scratch::of("", "");
    scratch.write("shop.lua", &script);
    scratch.write("shop.toml", &profile);
    let (_target, url) = target();
    let check = ["check", &scratch.argument("shop.toml"), "--target", &url];
    let done = Program::start(mistress(&check)).finish().expect(0);
    let done = done.says(&["scenario browse", "scenario buy", "check passed"]);
    assert!(!done.out.contains("FAILED"), "{}", done.out);
    // the same, shorter, and as many users as come within a second
    let short = profile
        .replace("\"30s\"", "\"1s\"")
        .replace("\"5m\"", "\"500ms\"");
    scratch.write("shop.toml", &short.replace("500/s", "50/s"));
    let result = scratch.argument("r.json");
    let run = [
        "run",
        &scratch.argument("shop.toml"),
        "--quiet",
        "--target",
        &url,
    ];
    let mut run = mistress(&run);
    run.args(["--json", &result, "--csv", &scratch.argument("seconds.csv")]);
    Program::start(run).finish().expect(0);
    let result = scratch.result();
    conserved(&result);
    assert!(count(&result, "/totals/ok") > 20, "{}", result["totals"]);
    assert_eq!(
        count(&result, "/totals/failed"),
        0,
        "{}",
        result["failures"]
    );
    assert_eq!(count(&result, "/totals/iterations/failed"), 0);
}

#[test]
fn every_recipe_and_worked_script_works() {
    if !can_run() {
        return;
    }
    let (_target, url) = target();
    let mut scripts = blocks("docs/recipes.md", "", "lua");
    scripts.extend(blocks("docs/coming-from.md", "", "lua"));
    assert!(scripts.len() >= 14, "{}", scripts.len());
    let data = "[data.accounts]\nfile = \"accounts.csv\"\n";
    let start = |script: &String| {
        let names = scenarios(script);
        assert!(!names.is_empty(), "no scenario in\n{script}");
        let run = format!("[run]\nscript = \"p.lua\"\ntarget = \"{url}\"\n{data}");
        let loads: String = names.iter().map(|name| one_arrival(name)).collect();
        let scratch = Scratch::of(&(run + &loads), script);
        scratch.write("accounts.csv", "user,password\nann,secret\n");
        let program = Program::start(mistress(&["check", &scratch.profile()]));
        (scratch, program)
    };
    // most of their time they sleep
    let started: Vec<_> = scripts.iter().map(start).collect();
    for ((_scratch, program), script) in started.into_iter().zip(&scripts) {
        let done = program.finish();
        assert_eq!(done.code, Some(0), "{script}\n{}\n{}", done.out, done.err);
    }
}
