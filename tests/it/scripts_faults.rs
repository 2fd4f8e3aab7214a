//! Scripts that go wrong: the iteration fails with its place, or the run ends with scenario and
//! user named; the other users go on.

use crate::binary::{Done, Program, Scratch, can_run, conserved, count};
use crate::harness::{cpus, measuring, name};
use serde_json::Value;

/// 100/s of users that do nothing wrong, for two seconds, and the given loads beside them.
fn with_good_users(more: &str) -> String {
    format!(
        "[[load]]\nmodel = \"open\"\nscenarios = \"good\"\narrivals = \"even\"\n\
         phases = [{{ rate = \"100/s\", for = \"2s\" }}]\n{more}"
    )
}

/// Three users of this scenario, at once and then each 100 ms.
fn three_of(scenario: &str) -> String {
    format!(
        "[[load]]\nmodel = \"open\"\nscenarios = \"{scenario}\"\narrivals = \"even\"\n\
         phases = [{{ rate = \"10/s\", for = \"300ms\" }}]\n"
    )
}

/// A wrong scenario: its name, its lines, and a part of what is told of it with the line's number;
/// none where the error is memory, whose one text is told once for all of them.
type Wrong = (&'static str, &'static str, Option<&'static str>);

const WRONG: [Wrong; 22] = [
    ("text", "error('plain text')", Some("plain text")),
    ("table_value", "error({ code = 7 })", Some("")),
    ("nil_value", "error(nil)", Some("")),
    ("no_value", "error()", Some("")),
    ("number_value", "error(42)", Some("42")),
    ("boolean_value", "error(false)", Some("false")),
    ("function_value", "error(print)", Some("")),
    (
        "error_in_tostring",
        "error(setmetatable({}, { __tostring = function() error('inner') end }))",
        Some(""),
    ),
    (
        "error_in_index",
        "local t = setmetatable({}, { __index = function() error('in __index') end }) user:log(t.x)",
        Some("in __index"),
    ),
    (
        "error_in_concat",
        "local t = setmetatable({}, { __concat = function() error('in __concat') end }) user:log(t .. 'x')",
        Some("in __concat"),
    ),
    (
        "error_in_eq",
        "local m = { __eq = function() error('in __eq') end } user:log(setmetatable({}, m) == setmetatable({}, m))",
        Some("in __eq"),
    ),
    (
        "nil_call",
        "local f = user.nothing f()",
        Some("attempt to call"),
    ),
    (
        "deep_recursion",
        "local function f(n) return 1 + f(n + 1) end user:log(f(1))",
        Some("stack overflow"),
    ),
    (
        "deep_pcall",
        "local function f() return pcall(f) and 1 or error('too deep') end user:log(f()) error('after')",
        Some(""),
    ),
    (
        "huge_string",
        "local s = string.rep('x', 2 ^ 31 - 2) user:log(#s)",
        None,
    ),
    (
        "doubled_string",
        "local s = string.rep('x', 2 ^ 20) while true do s = s .. s end",
        None,
    ),
    (
        "grown_table",
        "local t = {} while true do t[#t + 1] = string.rep('x', 2 ^ 20) .. #t end",
        None,
    ),
    ("undeclared_global", "counter = 1", Some("counter")),
    (
        "line_end_in_header",
        "user:get('/', { headers = { ['x-a'] = 'b\\r\\nx-evil: 1' } })",
        Some("x-a"),
    ),
    (
        "line_end_in_header_name",
        "user:get('/', { headers = { ['x-a\\nx-evil'] = 'b' } })",
        Some("header"),
    ),
    (
        "line_end_in_url",
        "user:get('/a\\r\\nx-evil: 1')",
        Some("url"),
    ),
    (
        "yield_in_callback",
        "; ('x'):gsub('x', function() user:get('/') end)",
        Some(""),
    ),
];

#[test]
fn an_iteration_fails_with_its_place_and_the_others_go_on() {
    let Some(_alone) = measuring() else { return };
    let mut script =
        String::from("local s = {}\nfunction s.good(user) user:get('/', { name = 'good' }) end\n");
    let mut loads = String::new();
    for (scenario, lines, _) in WRONG {
        script +=
            &format!("function s.{scenario}(user) user:get('/', {{ name = 'bad' }}) {lines} end\n");
        loads += &three_of(scenario);
    }
    let scratch = Scratch::new(
        "stats = false",
        &with_good_users(&loads),
        &(script + "return s\n"),
    );
    let done = scratch.run(&["--quiet", "--cores", "1"]).expect(1);
    let result = scratch.result();
    conserved(&result);
    let bad = 3 * WRONG.len() as u64;
    assert_eq!(count(&result, "/totals/planned"), 200 + bad, "{}", done.out);
    assert_eq!(
        count(&result, "/totals/iterations/failed"),
        bad,
        "{}",
        done.out
    );
    assert_eq!(
        count(&result, "/totals/iterations/finished"),
        200,
        "{}",
        done.out
    );
    assert_eq!(count(name(&result, "good"), "/ok"), 200, "{}", done.out);
    assert_eq!(count(name(&result, "bad"), "/ok"), bad, "{}", done.out);
    assert!(done.out.contains("not enough memory"), "{}", done.out);
    for (index, (scenario, _, text)) in WRONG.iter().enumerate() {
        if let Some(text) = text {
            check_told(&done.out, scenario, text, index + 3);
        }
    }
}

/// Fails unless the error of a scenario is told with scenario, user, text and line.
fn check_told(out: &str, scenario: &str, text: &str, line: usize) {
    let head = format!("script error ({scenario}, user ");
    let told = out.lines().find(|told| told.starts_with(&head));
    let told = told.unwrap_or_else(|| panic!("no {head:?} in:\n{out}"));
    let location = format!("p.lua:{line}: ");
    assert!(
        told.contains(text) && told.contains(&location),
        "no {text:?} or {location:?}: {told}"
    );
}

/// The given lines in `bad`, whose only user is the first of its load.
fn stuck(lines: &str) -> Scratch {
    let script = format!(
        "local s = {{}}\n\
         function s.good(user) user:get('/', {{ name = 'good' }}) user:sleep(0.01) end\n\
         function s.bad(user) user:get('/', {{ name = 'bad' }}) user:sleep(1.5) {lines} end\n\
         return s\n"
    );
    let loads = "[[load]]\nmodel = \"closed\"\nscenarios = \"good\"\n\
                 phases = [{ users = 8, for = \"1m\" }]\n\
                 [[load]]\nmodel = \"open\"\nscenarios = \"bad\"\narrivals = \"even\"\n\
                 phases = [{ rate = \"1k/s\", for = \"1ms\" }]\n";
    Scratch::new("stats = false", loads, &script)
}

/// A core that computes for ever ends the run after ten seconds, with a report of all that was
/// handed over before; on another core the users go on until then.
#[test]
fn an_endless_loop_ends_the_run_and_is_named() {
    let Some(_alone) = measuring() else { return };
    let loops = [
        ("compiled", "local n = 0 while true do n = n + 1 end"),
        // making closures is not compiled by LuaJIT
        (
            "interpreted",
            "local f while true do f = function() return f end end",
        ),
        // a loop that the script itself protects
        ("protected", "while true do pcall(error, 'again') end"),
        (
            "in a branch",
            "user:parallel { function() user:sleep(0.1) while true do end end }",
        ),
    ];
    let cores = cpus().min(2);
    let start = |(kind, lines): (&'static str, &str)| {
        let scratch = stuck(lines);
        let mut command = scratch.run_command(&["--quiet", "--cores", &cores.to_string()]);
        command.env("LC_ALL", "C");
        (kind, Program::start(command), scratch)
    };
    for (kind, program, scratch) in loops.map(start) {
        let done = program.finish();
        check_stuck(kind, done, &scratch, cores);
    }
}

fn check_stuck(kind: &str, done: Done, scratch: &Scratch, cores: usize) {
    let said = format!("{kind}:\n{}\n{}", done.out, done.err);
    let done = done.expect(3);
    let named = |text: &str| {
        text.lines()
            .any(|line| line.contains("bad") && line.contains("user 0"))
    };
    assert!(named(&done.err), "{said}");
    assert!(named(&done.out), "{said}");
    assert!(done.out.contains("verdict"), "no report: {said}");
    let result = scratch.result();
    assert_eq!(result["run"]["ended"], "failed", "{said}");
    conserved(&result);
    let blames = "the script is blocking the core";
    assert!(done.err.contains(blames), "{said}");
    assert!(count(name(&result, "good"), "/ok") > 0, "{said}");
    if cores < 2 {
        return;
    }
    let after: Vec<&Value> = result["series"]
        .as_array()
        .expect("a series of seconds")
        .iter()
        .filter(|second| (4..8).contains(&count(second, "/time_s")))
        .collect();
    // four users of the other core, each waiting for 10 ms and an answer
    let ok: u64 = after.iter().map(|second| count(second, "/ok")).sum();
    assert!(ok > 0, "nobody went on: {said}");
}

#[test]
fn bytecode_is_refused() {
    if !can_run() {
        return;
    }
    let load = with_good_users("");
    let bytecode = "\x1bLJ\x02\x08\x05@p.lua";
    let scratch = Scratch::new("", &load, bytecode);
    scratch.run(&[]).expect(2).complains(&["p.lua", "bytecode"]);
    let scratch = Scratch::new("", &load, "local m = require('m') return { good = m.good }");
    scratch.write("m.lua", bytecode);
    scratch.run(&[]).expect(2).complains(&["m.lua", "bytecode"]);
}
