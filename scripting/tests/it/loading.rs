//! Loading: what a file must return, `require`, and what the text says it will read.

use mistress_scripting::Error;

use crate::world::{load, load_in};

fn refused(files: &[(&str, &str)]) -> String {
    match load(files) {
        Ok(_) => panic!("loaded: {files:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn files_that_do_not_return_scenarios_are_refused() {
    let rows = [
        (
            "",
            "main.lua: returned nil; the file must return a table of functions",
        ),
        (
            "return 5",
            "main.lua: returned 5; the file must return a table of functions",
        ),
        (
            "return {}",
            "main.lua: returned a table without a scenario (a function)",
        ),
        (
            "return { setup = print }",
            "main.lua: returned a table without a scenario (a function)",
        ),
        (
            "return { a = 1 }",
            "main.lua: \"a\" is 1; the returned table must hold functions only",
        ),
        (
            "return { on_start = {}, a = print }",
            "main.lua: \"on_start\" is a table; the returned table must hold functions only",
        ),
        (
            "return { print }",
            "main.lua: the returned table has the key 1; scenario names must be strings",
        ),
        (
            "return { ['\\255'] = print }",
            "main.lua: the name \"\u{fffd}\" is not UTF-8",
        ),
        ("local x = = 1", "main.lua:1: unexpected symbol near '='"),
        ("\n\nerror('stop')", "main.lua:3: stop"),
        (
            "local t = nil\nt.x = 1",
            "main.lua:2: attempt to index local 't' (a nil value)",
        ),
        (
            "function browse() end",
            "main.lua:1: undeclared global 'browse': put 'local' before it",
        ),
        (
            "return { a = helper }",
            "main.lua:1: undefined global 'helper'",
        ),
    ];
    for (source, expected) in rows {
        let message = refused(&[("main.lua", source)]);
        assert_eq!(message.lines().next().unwrap(), expected, "{source}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = load(&[("other.lua", "")]).err().unwrap();
    assert!(matches!(error, Error::Read { .. }));
    assert!(error.to_string().contains("main.lua: "), "{error}");
}

#[test]
fn scenarios_are_sorted_by_name() {
    let world = load(&[(
        "main.lua",
        "return { b = print, a = print, teardown = print }",
    )])
    .unwrap();
    assert_eq!(world.script.scenarios(), ["a", "b"]);
    assert!(world.script.hooks().teardown);
}

#[test]
fn modules_are_found_below_the_folder_and_loaded_once() {
    let world = load(&[
        (
            "main.lua",
            "local a, b = require('lib.a'), require('lib/a') local c = require('pack')
            log(a == b, a.name, c, require('lib.nothing'))
            return { main = function() log(require('lib.a').name) end }",
        ),
        ("lib/a.lua", "log('loading', ...) return { name = 'a' }"),
        ("lib/nothing.lua", ""),
        ("pack/init.lua", "return 'packed'"),
    ])
    .unwrap();
    world.once().unwrap();
    let expected = [
        "(loading) loading\tlib.a",
        "(loading) true\ta\tpacked\ttrue",
        "a",
    ];
    assert_eq!(world.host.logs.take(), expected);
}

#[test]
fn modules_elsewhere_are_refused() {
    let rows = [
        ("'../x'", "is not the name of a file below"),
        ("'/etc/passwd'", "is not the name of a file below"),
        ("'a/../../x'", "is not the name of a file below"),
        ("'..'", "is not the name of a file below"),
        ("''", "is not the name of a file below"),
        ("'.'", "is not the name of a file below"),
        ("'a\\0b'", "is not the name of a file below"),
        ("'a\\\\b'", "is not the name of a file below"),
        ("'a//b/./c'", "not found: no a//b/./c.lua"),
        (
            "'nothing'",
            "\"nothing\" not found: no nothing.lua or nothing/init.lua",
        ),
        ("5", "the name must be a string, not 5"),
        ("'io'", "not found"),
        ("'ffi'", "not found"),
        ("'jit.opt'", "not found"),
    ];
    for (name, expected) in rows {
        let source = format!("local x = require({name}) return {{ a = print }}");
        let message = refused(&[("main.lua", &source)]);
        let found = message.starts_with("main.lua:1: require: ") && message.contains(expected);
        assert!(found, "{name}: {message}");
    }
}

#[test]
fn symbolic_links_do_not_lead_out() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("x.lua"), "return 1").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("lib")).unwrap();
    std::fs::write(
        folder.path().join("main.lua"),
        "require('lib.x') return { a = print }",
    )
    .unwrap();
    let message = load_in(folder).err().unwrap().to_string();
    assert!(
        message.contains("lib/x.lua leads out of the script's folder"),
        "{message}"
    );
}

#[test]
fn modules_fail_with_their_own_place() {
    let a = |source: &'static str| {
        [
            ("main.lua", "local a = require('a') return { m = print }"),
            ("a.lua", source),
        ]
    };
    assert!(refused(&a("\nerror('broken')")).starts_with("a.lua:2: broken"));
    assert!(refused(&a("x = = 1")).contains("a.lua:1: unexpected symbol"));
    let cycle = refused(&[
        ("main.lua", "local a = require('a') return { m = print }"),
        ("a.lua", "return require('b')"),
        ("b.lua", "local a = require('a') return a"),
    ]);
    assert!(
        cycle.starts_with("b.lua:1: require: a.lua is still being loaded"),
        "{cycle}"
    );
}

#[test]
fn modules_are_loaded_before_the_run() {
    let world = load(&[
        (
            "main.lua",
            "return { main = function() local late = require('late') end }",
        ),
        ("late.lua", "return 1"),
    ])
    .unwrap();
    let error = world.once().unwrap_err();
    assert!(
        error
            .message
            .contains("\"late\" is not loaded yet: call require at the top"),
        "{error}"
    );
}

#[test]
fn the_text_tells_what_replies_are_asked_for() {
    let rows = [
        ("user:get('/')", false, false),
        ("user:get('/', { keep_body = true })", false, false),
        (
            "user:post('/', { body = 'x', headers = {}, json = {} })",
            false,
            false,
        ),
        ("log(user:get('/').body)", true, false),
        ("local b = user:get('/').body == ''", true, false),
        ("user:get('/'):json()", true, false),
        ("user:get('/'):match('x')", true, false),
        ("user:check(user:get('/'), { contains = 'x' })", true, false),
        ("user:check(user:get('/'), { matches = 'x' })", true, false),
        ("user:check(user:get('/'), { status = 200 })", false, false),
        ("log(user:get('/').headers.x)", false, true),
        ("log(#user:get('/'):headers_all('x'))", false, true),
        (
            "user:check(user:get('/'), { header = { a = true } })",
            false,
            true,
        ),
    ];
    for (body, bodies, heads) in rows {
        let source = format!("return {{ main = function(user) {body} end }}");
        let world = load(&[("main.lua", &source)]).unwrap();
        assert_eq!(world.script.reads_bodies(), bodies, "{body}");
        assert_eq!(world.script.reads_heads(), heads, "{body}");
    }
    let world = load(&[
        ("main.lua", "local a = require('a') return { main = a }"),
        (
            "a.lua",
            "return function(user) log(user:get('/').headers.x, user:get('/').body) end",
        ),
    ])
    .unwrap();
    assert!(world.script.reads_bodies() && world.script.reads_heads());
}

#[test]
fn the_shipped_scenarios_load() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "lua") {
            let host = std::rc::Rc::new(crate::world::Fake::default());
            let script = mistress_scripting::Script::load(&path, host);
            assert!(
                script.is_ok(),
                "{}: {}",
                path.display(),
                script.err().unwrap()
            );
            count += 1;
        }
    }
    assert!(count >= 3, "{count} scenarios in {folder}");
}
