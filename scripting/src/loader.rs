//! Finds and compiles the script's files, and detects what they may read from replies.

use std::cell::{Cell, RefCell};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaString, Table};

use crate::location;

/// First byte of every precompiled chunk of LuaJIT and of plain Lua.
const BYTECODE_MARK: u8 = 0x1b;

/// Largest file that `read` reads: the script of every core has it in its memory.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The files of one script, all below one folder.
pub(crate) struct Loader {
    /// The script's folder, without symbolic links.
    root: PathBuf,
    /// The globals of scripts, set once they are built.
    environment: RefCell<Option<Table>>,
    /// False once the script is loaded: reading files later would stall the core.
    open: Cell<bool>,
    /// `setup` runs, before any load.
    reading: Cell<bool>,
    reads_bodies: Cell<bool>,
    reads_heads: Cell<bool>,
    reads_timings: Cell<bool>,
    judges_replies: Cell<bool>,
}

impl Loader {
    pub(crate) fn new(root: PathBuf) -> Rc<Loader> {
        Rc::new(Loader {
            root,
            environment: RefCell::new(None),
            open: Cell::new(true),
            reading: Cell::new(false),
            reads_bodies: Cell::new(false),
            reads_heads: Cell::new(false),
            reads_timings: Cell::new(false),
            judges_replies: Cell::new(false),
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

    /// Whether `read` may read files although the script is loaded.
    pub(crate) fn set_reading(&self, reading: bool) {
        self.reading.set(reading);
    }

    pub(crate) fn reads_timings(&self) -> bool {
        self.reads_timings.get()
    }

    pub(crate) fn judges_replies(&self) -> bool {
        self.judges_replies.get()
    }

    pub(crate) fn reads_bodies(&self) -> bool {
        self.reads_bodies.get()
    }

    pub(crate) fn reads_heads(&self) -> bool {
        self.reads_heads.get()
    }

    /// Adds `resolve`, `compile` and `read` to the native functions.
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
        let read = lua.create_function(move |lua, name: LuaString| {
            Ok(match loader.read(&name.to_string_lossy()) {
                Ok(bytes) => (Some(lua.create_string(bytes)?), None),
                Err(message) => (None, Some(message)),
            })
        })?;
        native.raw_set("read", read)?;
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
        if !is_inside(&path) {
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

    /// The content of a file below the script's folder.
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let shown = location::quoted(name.as_bytes(), 60);
        if !(self.open.get() || self.reading.get()) {
            return Err(format!(
                "{shown}: files are read before the load, at the top of the script or in setup"
            ));
        } else if !is_inside(name) {
            return Err(format!(
                "{shown} is not the name of a file below the script's folder"
            ));
        }
        let failed = |error: std::io::Error| format!("{shown}: {error}");
        let real = self.root.join(name).canonicalize().map_err(failed)?;
        let about = real.metadata().map_err(failed)?;
        if !real.starts_with(&self.root) {
            return Err(format!("{shown} leads out of the script's folder"));
        } else if !about.is_file() {
            return Err(format!("{shown} is not a file"));
        } else if about.len() > FILE_BYTES_MAX {
            let found = about.len();
            return Err(format!(
                "{shown} has {found} bytes, at most {FILE_BYTES_MAX} can be read"
            ));
        }
        std::fs::read(real).map_err(failed)
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
        for (at, word) in words(source) {
            let assigned = is_assigned(&source[at + word.len()..]);
            match word {
                b"json" if is_toolbox(source, at, word) => {}
                b"contains" | b"matches" | b"match" | b"json_at" | b"regex" | b"regex_all"
                | b"css" | b"css_all" | b"xpath" | b"xpath_all" => self.reads_bodies.set(true),
                b"body" | b"json" if !assigned => self.reads_bodies.set(true),
                b"timings" => self.reads_timings.set(true),
                b"fail" | b"expect" => self.judges_replies.set(true),
                b"header" | b"headers_all" | b"cookie" => self.reads_heads.set(true),
                b"headers" | b"cookies" if !assigned => self.reads_heads.set(true),
                _ => {}
            }
        }
    }
}

/// Whether a name stays below the folder that it starts from.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty()
        && !name.contains(['\0', '\\'])
        && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Whether the word at `at` names a table of the toolbox: it stands before a dot, and not after a
/// dot or a colon.
fn is_toolbox(source: &[u8], at: usize, word: &[u8]) -> bool {
    let before = source[..at].trim_ascii_end().last();
    let after = source[at + word.len()..].trim_ascii_start().first();
    after == Some(&b'.') && !matches!(before, Some(b'.' | b':'))
}

/// Whether a single `=` follows, as after a key of an options table.
fn is_assigned(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    rest.first() == Some(&b'=') && rest.get(1) != Some(&b'=')
}

/// The identifiers of a text with their places.
fn words(source: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    std::iter::from_fn(move || {
        at += source[at..].iter().position(is_word)?;
        let rest = &source[at..];
        let length = rest.iter().take_while(|byte| is_word(byte)).count();
        let word = (at, &rest[..length]);
        at += length;
        Some(word)
    })
}

#[cfg(test)]
mod tests;
