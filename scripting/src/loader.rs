//! Finds and compiles the script's files, and detects what they may read from replies.

use std::cell::{Cell, RefCell};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaString, Table};

use crate::location;

/// First byte of every precompiled chunk of LuaJIT and of plain Lua.
const BYTECODE_MARK: u8 = 0x1b;

/// The files of one script, all below one folder.
pub(crate) struct Loader {
    /// The script's folder, without symbolic links.
    root: PathBuf,
    /// The globals of scripts, set once they are built.
    environment: RefCell<Option<Table>>,
    /// False once the script is loaded: reading files later would stall the core.
    open: Cell<bool>,
    reads_bodies: Cell<bool>,
    reads_heads: Cell<bool>,
}

impl Loader {
    pub(crate) fn new(root: PathBuf) -> Rc<Loader> {
        Rc::new(Loader {
            root,
            environment: RefCell::new(None),
            open: Cell::new(true),
            reads_bodies: Cell::new(false),
            reads_heads: Cell::new(false),
        })
    }

    pub(crate) fn set_environment(&self, environment: Table) {
        *self.environment.borrow_mut() = Some(environment);
    }

    /// From now on `require` returns loaded files only.
    pub(crate) fn close(&self) {
        self.open.set(false);
        // The table holds the Lua state, whose functions hold this loader.
        *self.environment.borrow_mut() = None;
    }

    pub(crate) fn reads_bodies(&self) -> bool {
        self.reads_bodies.get()
    }

    pub(crate) fn reads_heads(&self) -> bool {
        self.reads_heads.get()
    }

    /// Adds `resolve` and `compile` to the native functions.
    pub(crate) fn register(self: &Rc<Self>, lua: &Lua, native: &Table) -> mlua::Result<()> {
        let loader = Rc::clone(self);
        let resolve = lua.create_function(move |_, name: LuaString| {
            Ok(match loader.resolve(&name.to_string_lossy()) {
                Ok(file) => (Some(file), None),
                Err(message) => (None, Some(message)),
            })
        })?;
        native.raw_set("resolve", resolve)?;
        let loader = Rc::clone(self);
        let compile = lua.create_function(move |lua, file: String| {
            Ok(match loader.compile_module(lua, &file) {
                Ok(function) => (Some(function), None),
                Err(message) => (None, Some(message)),
            })
        })?;
        native.raw_set("compile", compile)
    }

    /// The file of a module, relative to the script's folder.
    fn resolve(&self, name: &str) -> Result<String, String> {
        let shown = location::quoted(name.as_bytes(), 60);
        if !self.open.get() {
            return Err(format!(
                "{shown} is not loaded yet: call require at the top of the file"
            ));
        }
        let stem = name.strip_suffix(".lua").unwrap_or(name);
        let path = if stem.contains('/') {
            stem.to_owned()
        } else {
            stem.replace('.', "/")
        };
        let inside = !path.is_empty()
            && !path.contains(['\0', '\\'])
            && Path::new(&path)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(format!(
                "{shown} is not the name of a file below the script's folder"
            ));
        }
        let candidates = [format!("{path}.lua"), format!("{path}/init.lua")];
        for file in &candidates {
            let Ok(real) = self.root.join(file).canonicalize() else {
                continue;
            };
            let Ok(relative) = real.strip_prefix(&self.root) else {
                return Err(format!("{shown}: {file} leads out of the script's folder"));
            };
            if real.is_file() {
                return Ok(relative.to_string_lossy().into_owned());
            }
        }
        Err(format!(
            "{shown} not found: no {} below the script's folder",
            candidates.join(" or ")
        ))
    }

    fn compile_module(&self, lua: &Lua, file: &str) -> Result<Function, String> {
        let source =
            std::fs::read(self.root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        self.compile(lua, file, &source)
            .map_err(|error| location::cause(&error))
    }

    /// Compiles text, never bytecode, to run in the scripts' globals.
    pub(crate) fn compile(&self, lua: &Lua, file: &str, source: &[u8]) -> mlua::Result<Function> {
        if source.first() == Some(&BYTECODE_MARK) {
            let message =
                format!("{file}: bytecode is refused: binary chunks can break out of Lua");
            return Err(mlua::Error::runtime(message));
        }
        self.note(source);
        let environment = self.environment.borrow().clone();
        let chunk = lua
            .load(source)
            .set_name(format!("@{file}"))
            .set_mode(ChunkMode::Text);
        match environment {
            Some(environment) => chunk.set_environment(environment).into_function(),
            None => Err(mlua::Error::runtime("the script is loaded already")),
        }
    }

    /// Any word that may read a body or a head counts, even in a comment: a false positive costs a
    /// copy per reply, a false negative would be an error in the script.
    fn note(&self, source: &[u8]) {
        for (word, assigned) in words(source) {
            match word {
                b"contains" | b"matches" | b"match" | b"json_at" | b"regex" | b"regex_all"
                | b"css" | b"css_all" => self.reads_bodies.set(true),
                b"body" | b"json" if !assigned => self.reads_bodies.set(true),
                b"header" | b"headers_all" | b"cookie" => self.reads_heads.set(true),
                b"headers" | b"cookies" if !assigned => self.reads_heads.set(true),
                _ => {}
            }
        }
    }
}

/// The identifiers of a text, each with whether a single `=` follows, as after a key of an options
/// table.
fn words(source: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut rest = source;
    std::iter::from_fn(move || {
        let start = rest.iter().position(is_word)?;
        let length = rest[start..]
            .iter()
            .take_while(|byte| is_word(byte))
            .count();
        let (word, after) = rest[start..].split_at(length);
        rest = after;
        let after = after.trim_ascii_start();
        Some((
            word,
            after.first() == Some(&b'=') && after.get(1) != Some(&b'='),
        ))
    })
}

#[cfg(test)]
mod tests;
