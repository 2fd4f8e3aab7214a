//! A fresh Lua state with this crate's Lua files loaded and the globals of scripts built.

use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};

use crate::bindings::Shared;
use crate::loader::Loader;
use crate::location::OWN_CHUNK;
use crate::{cookies, host_functions, integer, json, toolbox};

const CORE: &str = include_str!("lua/core.lua");
const BRANCHES: &str = include_str!("lua/branches.lua");
const EXTRACT: &str = include_str!("lua/extract.lua");
const REPLIES: &str = include_str!("lua/replies.lua");
const CHECKS: &str = include_str!("lua/checks.lua");
const COOKIES: &str = include_str!("lua/cookies.lua");
const METRICS: &str = include_str!("lua/metrics.lua");
const THINK: &str = include_str!("lua/think.lua");
const TAGS: &str = include_str!("lua/tags.lua");
const REFRESH: &str = include_str!("lua/refresh.lua");
const TOOLBOX: &str = include_str!("lua/toolbox.lua");
const SANDBOX: &str = include_str!("lua/sandbox.lua");

/// A state that can load a script.
pub(crate) struct State {
    pub lua: Lua,
    /// The functions that core.lua exports to Rust.
    pub entry: Table,
    /// What scripts read as `env`.
    pub variables: Table,
    /// The globals of scripts, and what the Lua files share.
    #[cfg(test)]
    env: Table,
    #[cfg(test)]
    common: Table,
}

impl State {
    /// Builds the state; it gets at most `memory_bytes`, now and later.
    pub(crate) fn new(
        shared: &Rc<Shared>,
        loader: &Rc<Loader>,
        memory_bytes: usize,
    ) -> mlua::Result<State> {
        let libraries =
            StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::BIT | StdLib::OS | StdLib::JIT;
        let lua = Lua::new_with(libraries, LuaOptions::default())?;
        lua.set_memory_limit(memory_bytes)?;
        integer::prepare(&lua)?;
        let native = host_functions::table(&lua, shared)?;
        native.raw_set("toolbox", toolbox::table(&lua, shared)?)?;
        loader.register(&lua, &native)?;
        let common = lua.create_table()?;
        let array = lua.create_table()?;
        array.raw_set("__metatable", "array")?;
        lua.set_named_registry_value(json::ARRAY, &array)?;
        common.raw_set("array", array)?;
        let jar = lua.create_table()?;
        lua.set_named_registry_value(cookies::JAR, &jar)?;
        common.raw_set("jar_meta", jar)?;
        common.raw_set("null", Value::NULL)?;
        common.raw_set("HEAD", lua.create_table()?)?;
        let variables = lua.create_table()?;
        common.raw_set("variables", &variables)?;
        let load = |source: &str| own_chunk(&lua, source);
        let entry: Table = load(CORE)?.call((&native, &common))?;
        load(BRANCHES)?.call::<()>((&native, &common, &entry))?;
        load(REPLIES)?.call::<()>((&native, &common))?;
        load(EXTRACT)?.call::<()>((&native, &common))?;
        load(CHECKS)?.call::<()>((&native, &common))?;
        load(COOKIES)?.call::<()>((&native, &common))?;
        load(METRICS)?.call::<()>((&native, &common))?;
        load(THINK)?.call::<()>((&native, &common))?;
        load(REFRESH)?.call::<()>((&native, &common))?;
        load(TAGS)?.call::<()>((&native, &common))?;
        load(TOOLBOX)?.call::<()>((&native, &common))?;
        let env: Table = load(SANDBOX)?.call((&native, &common))?;
        #[cfg(test)]
        let kept = env.clone();
        loader.set_environment(env);
        Ok(State {
            lua,
            entry,
            variables,
            #[cfg(test)]
            env: kept,
            #[cfg(test)]
            common,
        })
    }
}

fn own_chunk(lua: &Lua, source: &str) -> mlua::Result<Function> {
    lua.load(source)
        .set_name(format!("={OWN_CHUNK}"))
        .set_mode(ChunkMode::Text)
        .into_function()
}

#[cfg(test)]
mod tests;
