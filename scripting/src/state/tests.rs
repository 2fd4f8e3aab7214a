//! The definitions for editors name what scripts have, and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::*;
use crate::EDITOR_DEFINITIONS;
use crate::host::NullHost;

/// Globals that editors know from Lua.
const OF_LUA: &str = "_VERSION assert bit collectgarbage coroutine error getmetatable ipairs math next \
    os pairs pcall print rawequal rawget rawset require select setmetatable string table tonumber \
    tostring type unpack xpcall";
/// What replies and users have without a method; replies make most of it when it is asked for.
const REPLY_FIELDS: &str = "status ok failure latency_ms body headers cookies url timings";
const USER_FIELDS: &str = "id index iteration";

type Names = BTreeSet<String>;

fn words(text: &str) -> Names {
    text.split_whitespace().map(str::to_owned).collect()
}

fn keys(table: &Table) -> Names {
    let pairs = table.pairs::<String, Value>();
    pairs.map(|pair| pair.unwrap().0).collect()
}

/// Functions as they are declared, `hash.md5`, `User:get` or `log`, and other globals.
fn declared() -> Names {
    let mut names = Names::new();
    for line in EDITOR_DEFINITIONS.lines() {
        if let Some(rest) = line.strip_prefix("function ") {
            names.insert(rest.split('(').next().unwrap_or_default().to_owned());
        } else if let Some((name, _)) = line.split_once(" = ")
            && !name.contains(' ')
            && !line.starts_with('-')
        {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The fields of a class.
fn fields(class: &str) -> Names {
    let (_, rest) = EDITOR_DEFINITIONS
        .split_once(&format!("---@class {class}\n"))
        .unwrap_or_else(|| panic!("no class {class}"));
    let lines = rest
        .lines()
        .map_while(|line| line.strip_prefix("---@field "));
    let names = lines.filter(|line| !line.starts_with('['));
    names
        .filter_map(|line| line.split([' ', '?']).next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn editors_know_what_scripts_have_and_nothing_else() {
    let shared = Shared::new(Rc::new(NullHost));
    let loader = Loader::new(PathBuf::from("."));
    let state = State::new(&shared, &loader, 64 << 20).unwrap();
    let (env, common) = (&state.env, &state.common);
    let mut known = Names::new();
    for name in keys(env).difference(&words(OF_LUA)) {
        known.insert(name.clone());
        if let Ok(Value::Table(group)) = env.raw_get::<Value>(name.as_str()) {
            let functions = keys(&group).into_iter().filter(|key| {
                matches!(group.raw_get::<Value>(key.as_str()), Ok(Value::Function(_)))
            });
            known.extend(functions.map(|key| format!("{name}.{key}")));
        }
    }
    let classes = [
        ("User", "User"),
        ("Reply", "methods"),
        ("CookieJar", "cookie_jar"),
    ];
    for (class, table) in classes {
        let methods: Table = common.raw_get(table).unwrap();
        known.extend(
            keys(&methods)
                .iter()
                .map(|method| format!("{class}:{method}")),
        );
    }
    assert_eq!(declared(), known);
    assert_eq!(fields("User"), words(USER_FIELDS));
    assert_eq!(fields("Reply"), words(REPLY_FIELDS));
    assert_eq!(
        fields("RequestOptions"),
        words(&crate::options::KEYS.join(" "))
    );
    let conditions: String = common.raw_get("conditions").unwrap();
    assert_eq!(fields("Conditions"), words(&conditions));
}

#[test]
fn the_definitions_are_lua() {
    let lua = Lua::new();
    lua.load(EDITOR_DEFINITIONS).into_function().unwrap();
}
