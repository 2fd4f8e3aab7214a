//! Profiles: those that come with the project work, and a wrong one is told whole before any
//! traffic.

use crate::binary::{Scratch, can_run, conserved, count, run};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use testkit::shop::Shop;

/// The profiles that users start from.
fn profiles() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let paths = files.map(|file| file.expect("it can be read").path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no profile in scenarios/");
    found
}

/// The server that a profile needs instead of the built-in one, and the arguments that name it;
/// `None` when it is not to be had here.
fn server_for(profile: &Path) -> Option<(Option<Shop>, Vec<String>)> {
    if profile.file_stem().is_none_or(|stem| stem != "browser") {
        return Some((None, Vec::new()));
    }
    let shop = testkit::shop::start(None)?;
    let arguments = vec!["--target".to_owned(), shop.url()];
    Some((Some(shop), arguments))
}

/// A profile with each phase or step half a second long, its script and its data beside it.
fn shortened(profile: &Path) -> Scratch {
    let text = std::fs::read_to_string(profile).expect("it can be read");
    let script = profile.with_extension("lua");
    let script_name = script.file_name().unwrap().to_str().unwrap().to_owned();
    let script = std::fs::read_to_string(script).expect("each profile has a script of its name");
    let short = with_half_seconds(&with_half_seconds(&text, "for"), "each");
    let scratch = Scratch::of(&short, "");
    scratch.write(&script_name, &script);
    let data = profile.with_extension("csv");
    if let Ok(rows) = std::fs::read_to_string(&data) {
        scratch.write(data.file_name().unwrap().to_str().unwrap(), &rows);
    }
    scratch
}

/// The text with each `key = "…"` half a second.
fn with_half_seconds(text: &str, key: &str) -> String {
    let start = format!("{key} = \"");
    let mut parts = text.split(&start);
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('"').expect("the string ends").1;
        short.push_str(&format!("{start}500ms\"{rest}"));
    }
    short
}

#[test]
fn every_profile_of_the_project_runs_without_a_failure() {
    if !can_run() {
        return;
    }
    for path in profiles() {
        let Some((_server, arguments)) = server_for(&path) else {
            continue;
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let scratch = shortened(&path);
        let done = scratch.run(&arguments).expect(0).says(&["verdict"]);
        let result = scratch.result();
        conserved(&result);
        let place = path.display();
        assert!(count(&result, "/totals/ok") > 0, "{place}: {}", done.out);
        for pointer in [
            "/totals/failed",
            "/totals/unfinished",
            "/totals/iterations/failed",
        ] {
            assert_eq!(
                count(&result, pointer),
                0,
                "{place}: {pointer}\n{}",
                done.out
            );
        }
        for check in result["checks"].as_array().unwrap() {
            // how long a request takes is the machine's affair
            let timed = check["name"].as_str().unwrap().starts_with("latency");
            assert!(timed || count(check, "/failed") == 0, "{place}: {check}");
        }
    }
}

#[test]
fn every_profile_of_the_project_checks() {
    if !can_run() {
        return;
    }
    for path in profiles() {
        let Some((_server, mut arguments)) = server_for(&path) else {
            continue;
        };
        let check = ["check", path.to_str().unwrap()].map(str::to_owned);
        arguments.splice(..0, check);
        run(&arguments).expect(0).says(&["scenario "]);
    }
}

#[test]
fn everything_wrong_is_told_at_once_and_before_any_traffic() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let url = format!("http://{}", target.local_addr().unwrap());
    let profile = format!(
        "[run]\nscript = \"p.lua\"\ntarget = \"{url}\"\ntimeout = 10\nseeed = 1\n\
         [[load]]\nmodel = \"open\"\nscenarios = \"main\"\nphases = [{{ rate = \"-5/s\", for = \"1s\" }}]\n\
         [[load]]\nmodel = \"closed\"\nscenarios = \"main\"\nphases = [{{ users = 0, for = \"1x\" }}]\n"
    );
    let scratch = Scratch::of(
        &profile,
        "return { main = function(user) user:get('/') end }",
    );
    let path = scratch.profile();
    for command in ["run", "check"] {
        let done = run(&[command, &path]).expect(2);
        // line:column of each: a number without unit, an unknown key, a negative rate, no users,
        // an unknown unit
        for place in ["4:11", "5:1", "9:20", "13:21", "13:30"] {
            assert!(
                done.err.contains(&format!("{path}:{place}: ")),
                "no {place}:\n{}",
                done.err
            );
        }
        assert!(done.err.contains("`seed`"), "no nearest key:\n{}", done.err);
        assert!(done.out.is_empty(), "{}", done.out);
    }
    let accepted = target.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(
        accepted,
        Err(std::io::ErrorKind::WouldBlock),
        "somebody connected"
    );
}

#[test]
fn a_wrong_script_is_told_with_its_place() {
    if !can_run() {
        return;
    }
    let load = "[[load]]\nmodel = \"open\"\nscenarios = { main = 1, mian = 1, other = 1 }\n\
        phases = [{ rate = \"1/s\", for = \"1s\" }]";
    let fine = "return { main = function(user) user:get('/') end }";
    let rows: [(&str, &[&str]); 4] = [
        (fine, &["\"mian\"", "\"other\"", "it has: main"]),
        (
            "return {\n  main = function(user)\n    user:get(\n  end\n}",
            &["p.lua:4:"],
        ),
        ("error('not today')", &["p.lua:1: not today"]),
        ("return 3", &["p.lua"]),
    ];
    for (script, parts) in rows {
        let scratch = Scratch::new("", load, script);
        run(&["run", &scratch.profile()]).expect(2).complains(parts);
    }
}

#[test]
fn a_source_of_another_machine_is_told_before_any_traffic() {
    if !can_run() {
        return;
    }
    // RFC 5737: no machine has this address.
    let tables = "[connections]\nsource = [\"127.0.0.2\", \"192.0.2.7\"]\n[[load]]\nmodel = \"open\"\n\
        scenarios = \"main\"\nphases = [{ rate = \"1/s\", for = \"1s\" }]";
    let script = "return { main = function(user) user:get('/') end }";
    let scratch = Scratch::new("", tables, script);
    run(&["run", &scratch.profile()])
        .expect(2)
        .complains(&["connections.source", "192.0.2.7"]);
}
