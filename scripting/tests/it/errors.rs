//! Errors of scripts: any value, anywhere, ends the iteration and nothing else.

use mistress_scripting::Entry;

use crate::world::{fails, load, world};

#[test]
fn any_error_value_is_survived() {
    let rows: [(&str, &str); 16] = [
        ("error('text')", "main.lua:1: text"),
        ("error('bare', 0)", "main.lua:1: bare"),
        ("error('at the caller', 2)", "main.lua:1: at the caller"),
        ("error()", "main.lua:1: the error value is nil"),
        ("error(nil)", "main.lua:1: the error value is nil"),
        ("error(42)", "main.lua:1: 42"),
        ("error(true)", "main.lua:1: true"),
        ("error(print)", "main.lua:1: the error value is a function"),
        ("error(null)", "main.lua:1: the error value is null"),
        (
            "error(coroutine.create(print))",
            "main.lua:1: the error value is a thread",
        ),
        (
            "error(setmetatable({}, { __tostring = function() return 'shown' end }))",
            "main.lua:1: shown",
        ),
        (
            "error(setmetatable({}, { __tostring = function() error('worse') end }))",
            "main.lua:1: the error value is a table",
        ),
        (
            "error(setmetatable({}, { __tostring = function() return 1 end }))",
            "main.lua:1: the error value is a table",
        ),
        (
            "error(setmetatable({}, { __tostring = function() user:sleep(1) end }))",
            "main.lua:1: the error value is a table",
        ),
        (
            "local t = nil; t.x = 1",
            "main.lua:1: attempt to index local 't' (a nil value)",
        ),
        (
            "user:get('/'):nothing()",
            "main.lua:1: attempt to call method 'nothing' (a nil value)",
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(fails(body).message, expected, "{body}");
    }
    let table = fails("error({ code = 5 })").message;
    assert!(table.starts_with("main.lua:1: table: 0x"), "{table}");
}

#[test]
fn errors_in_metamethods_and_conversions_are_survived() {
    for body in [
        "local t = setmetatable({}, { __index = function() error('in index') end }) log(t.x)",
        "local t = setmetatable({}, { __add = function() error('in add') end }) log(t + 1)",
        "local t = setmetatable({}, { __eq = function() error('in eq') end })
         log(t == setmetatable({}, getmetatable(t)))",
        "log(setmetatable({}, { __tostring = function() error('in tostring') end }))",
        "log(setmetatable({}, { __tostring = function() return {} end }))",
    ] {
        let error = fails(body);
        assert!(
            error.message.contains("in ") || error.message.contains("'tostring'"),
            "{error}"
        );
    }
}

#[test]
fn the_calls_are_listed_innermost_first() {
    let source = "local function deep(user)\n  local x = nil\n  return 1 + x.y\nend\n\
                  local m = {}\nfunction m.main(user)\n  user:get('/')\n  local v = deep(user)\n  return v\nend\nreturn m";
    let world = load(&[("main.lua", source)]).unwrap();
    let error = world.once().unwrap_err();
    assert_eq!(
        error.message,
        "main.lua:3: attempt to index local 'x' (a nil value)"
    );
    let calls: Vec<_> = error.traceback.lines().map(str::trim).collect();
    assert_eq!(calls.len(), 2, "{error}");
    assert!(
        calls[0].starts_with("main.lua:3: in upvalue 'deep'"),
        "{error}"
    );
    assert!(
        calls[1].starts_with("main.lua:8: in function <main.lua:6>"),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        format!("{}\n{}", error.message, error.traceback)
    );
}

#[test]
fn deep_recursion_ends_the_iteration() {
    for body in [
        "local function f() return 1 + f() end f()",
        "local f f = function() local t = setmetatable({}, { __index = function() return f() end }) return t.x .. '' end f()",
        "local s = ('('):rep(300) log(('x'):match(s))",
        "log(unpack({}, 1, 1e8))",
    ] {
        let error = fails(body);
        let known = [
            "stack overflow",
            "too complex",
            "malformed pattern",
            "too many",
            "C-call",
            "error in error handling",
            "not enough memory",
            "unfinished capture",
        ];
        assert!(
            known.iter().any(|part| error.message.contains(part)),
            "{body}: {error}"
        );
    }
}

#[test]
fn a_user_runs_on_after_a_failure_and_others_are_untouched() {
    let world = load(&[(
        "main.lua",
        "return {
        bad = function(user) user:get('/') local function f() return 1 + f() end f() end,
        good = function(user) user:get('/') log(user.id, 'fine') end }",
    )])
    .unwrap();
    for slot in 0..2 {
        world.script.attach(slot, u64::from(slot)).unwrap();
    }
    for _ in 0..3 {
        let waiting = world.script.run(1, Entry::Scenario(1), false);
        world.finish(0, Entry::Scenario(0)).unwrap_err();
        let done = world.resume(1, &waiting);
        assert!(matches!(done, mistress_scripting::Step::Done), "{done:?}");
        world.finish(0, Entry::Scenario(1)).unwrap();
    }
    assert_eq!(world.host.logs.take().len(), 6);
}

#[test]
fn huge_strings_fail_the_iteration() {
    for body in [
        "local s = ('x'):rep(2 ^ 31 - 1)",
        "local s = ('x'):rep(2 ^ 30)",
        "local s = 'x' while true do s = s .. s end",
    ] {
        let world = world(body);
        let error = world.once().unwrap_err();
        let known = [
            "not enough memory",
            "string length overflow",
            "resulting string too large",
        ];
        assert!(
            known.iter().any(|part| error.message.contains(part)),
            "{body}: {error}"
        );
        assert!(world.script.memory_bytes() < 1 << 30);
        world.once().unwrap_err();
    }
}

#[test]
fn a_panic_of_the_host_passes_through_lua() {
    let world = world("pcall(function() user:get('/new') end) user:sleep(1)");
    world.host.panics.set(true);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.once()));
    let payload = caught.expect_err("a script's pcall must not hide it");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the host panics"));
}
