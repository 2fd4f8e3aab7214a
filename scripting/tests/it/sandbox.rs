//! The walls: what scripts must not reach.

use crate::world::{check_fails, check_logs, load, load_in};

#[test]
fn globals_are_guarded() {
    check_fails(&[
        ("x = 1", &["undeclared global 'x': put 'local' before it"]),
        ("function f() end", &["undeclared global 'f'"]),
        ("log(undefined)", &["undefined global 'undefined'"]),
        (
            "coroutine.wrap(function() y = 1 end)()",
            &["undeclared global 'y'"],
        ),
        ("(function() z = 1 end)()", &["undeclared global 'z'"]),
    ]);
}

#[test]
fn what_is_absent_says_so() {
    let names = [
        "io",
        "debug",
        "ffi",
        "jit",
        "package",
        "module",
        "_G",
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "getfenv",
        "setfenv",
        "newproxy",
        "gcinfo",
    ];
    for name in names {
        let absent = format!("'{name}' is not available: ");
        check_fails(&[
            (&format!("log({name})"), &[&absent]),
            (&format!("{name} = 1"), &["undeclared global"]),
        ]);
    }
    let fields = [
        "os.execute",
        "os.exit",
        "os.remove",
        "os.rename",
        "os.tmpname",
        "os.getenv",
        "os.setlocale",
        "string.dump",
        "math.ffi",
        "table.jit",
    ];
    for field in fields {
        check_logs(&[(&format!("log({field})"), &["nil"])]);
    }
}

#[test]
fn ways_around_the_walls_are_closed() {
    check_logs(&[
        ("log(getmetatable(''))", &["string"]),
        (
            "log(getmetatable(user), getmetatable(user:get('/')))",
            &["user\treply"],
        ),
        (
            "log(pcall(setmetatable, user, {}))",
            &["false\tcannot change a protected metatable"],
        ),
        (
            "log(pcall(setmetatable, user:get('/'), nil))",
            &["false\tcannot change a protected metatable"],
        ),
        ("log((''):rep(3), ('x').dump)", &["\tnil"]),
        (
            "log(pcall(collectgarbage, 'stop'))",
            &["false\tmain.lua:1: collectgarbage: only collectgarbage(\"count\") is there"],
        ),
        (
            "log(pcall(collectgarbage))",
            &["false\tmain.lua:1: collectgarbage: only collectgarbage(\"count\") is there"],
        ),
        ("log(collectgarbage('count') > 0)", &["true"]),
        (
            "log(pcall(require, 'os'))",
            &[
                "false\tmain.lua:1: require: \"os\" is not loaded yet: call require at the top of the file",
            ],
        ),
        (
            "log(type(os.time()), os.date('!%Y', 0), os.difftime(3, 1))",
            &["number\t1970\t2"],
        ),
        ("log(bit.band(6, 3), unpack({ 1, 2 }))", &["2\t1\t2"]),
    ]);
}

#[test]
fn what_scripts_change_does_not_reach_the_inside() {
    check_logs(&[
        ("math.floor, string.find, string.lower, table.concat, table.sort = nil, nil, nil, nil, nil
          coroutine.resume, coroutine.yield = nil, nil
          local r = user:get('/') user:check(r, { status = 200, contains = '', header = { A = false } })
          log(user:random(6) <= 6)", &["true"]),
        ("rawset(user, 'get', 5) user.id = 'mine' log(user.id, user.get)", &["mine\t5"]),
        ("local r = user:get('/') r.status, r.ok = 1, nil log(r.status, r.ok)", &["1\tnil"]),
    ]);
}

#[test]
fn bytecode_is_refused() {
    // The head of LuaJIT's bytecode: ESC "LJ" version.
    let bytecode: &[u8] = b"\x1bLJ\x02\x0a\x00";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.lua"), bytecode).unwrap();
    let message = load_in(folder).err().unwrap().to_string();
    assert!(
        message.starts_with("main.lua: bytecode is refused"),
        "{message}"
    );

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.lua"), bytecode).unwrap();
    std::fs::write(
        folder.path().join("main.lua"),
        "require('a') return { a = print }",
    )
    .unwrap();
    let message = load_in(folder).err().unwrap().to_string();
    assert!(message.starts_with("main.lua:1: require: "), "{message}");

    // With a byte order mark before it.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("main.lua"),
        [b"\xef\xbb\xbf", bytecode].concat(),
    )
    .unwrap();
    assert!(load_in(folder).is_err());
}

#[test]
fn text_with_a_mark_or_a_first_comment_line_loads() {
    for source in [
        "\u{feff}return { a = print }",
        "#!/usr/bin/lua\nreturn { a = print }",
    ] {
        assert!(load(&[("main.lua", source)]).is_ok(), "{source:?}");
    }
}
