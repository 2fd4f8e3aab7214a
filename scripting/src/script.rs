//! The script of one core: loading it, and driving its users' coroutines step by step.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use mlua::state::{GcIncParams, GcMode};
use mlua::{Lua, Value};
use serde_json::Value as Json;

use crate::functions::{Functions, fetch_failure, load_chunk};
use crate::loader::Loader;
use crate::module::{self, HOOKS};
use crate::native::Shared;
use crate::state::State;
use crate::{Entry, Error, Hooks, Host, Reply, ScriptError, Step, json, place};

/// What core.lua hands back below the template numbers; the same numbers stand there.
mod code {
    pub(super) const DONE: i64 = -1;
    pub(super) const FAILED: i64 = -2;
    pub(super) const REQUEST: i64 = -3;
    pub(super) const SLEEP: i64 = -4;
    pub(super) const LEAVE: i64 = -5;
    /// Below this come the numbers of branches.
    pub(super) const PARALLEL: i64 = -1000;
}

/// How much memory the Lua state of one core may take.
pub(crate) const MEMORY_BYTES_MAX: usize = 1 << 30;

/// What LuaJIT says when an allocation is refused.
const OUT_OF_MEMORY: &str = "not enough memory";

/// How a reply's outcome is told to Lua; above `NOT_OK` come the failures by name.
const OK: u32 = 0;
const NOT_OK: u32 = 1;
/// Added to the outcome when the load asks the user to stop; stands in core.lua too.
const STOPPING: u32 = 65_536;

/// Below this a state counts as small.
const SMALL_STATE_BYTES: usize = 4 << 20;
/// From this a state counts as large: six times small, so that a state collected rarely does not
/// look large just before a collection and small after it, over and over.
const LARGE_STATE_BYTES: usize = 24 << 20;
/// The state may grow to four times what is alive before the next collection. More would be
/// marked less often still, but frees whole pages at a time, which the allocator gives back and
/// the kernel then clears again: ten times cost a page fault for every 26 requests.
const RARE_PAUSE_PERCENT: std::ffi::c_int = 400;
/// LuaJIT's default.
const USUAL_PAUSE_PERCENT: std::ffi::c_int = 200;
/// Steps of the collector at once, of some 2 KiB each.
const COLLECTOR_STEPS: u32 = 32;

/// Where a user's coroutine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// No user on this slot.
    Absent,
    /// Between entries.
    Idle,
    /// Waiting for a reply.
    Requesting,
    /// Waiting for a wake.
    Sleeping,
    /// Waiting for its branches.
    Forked,
}

/// One core's Lua state with its users' coroutines. Not `Send`: it lives and dies on its core.
///
/// A user is a small integer, its slot: [`attach`](Script::attach) makes it, then entries are
/// run one after another. Each call that runs Lua returns the user's next [`Step`]; the engine
/// carries it out and resumes the user with [`reply`](Script::reply) or [`wake`](Script::wake).
/// Calling one that doesn't fit where the user stands is a bug of the caller and panics.
pub struct Script {
    lua: Lua,
    shared: Rc<Shared>,
    loader: Rc<Loader>,
    functions: Functions,
    scenarios: Vec<String>,
    hooks: Hooks,
    /// By slot.
    stands: RefCell<Vec<Stand>>,
    /// The failure kinds told to Lua so far; the place is the code minus `NOT_OK + 1`.
    failures: RefCell<Vec<&'static str>>,
    /// The user that is running `setup`.
    setup_slot: Cell<Option<u32>>,
    setup_result: RefCell<Json>,
    memory_bytes_max: usize,
    /// How many more failures for want of memory pass before the next full collection.
    collections_skipped: Cell<u32>,
}

/// A script's file that has been read and run once.
pub(crate) struct Opened {
    /// Its name, for messages.
    pub(crate) file: String,
    pub(crate) state: State,
    shared: Rc<Shared>,
    loader: Rc<Loader>,
    functions: Functions,
    /// What it returned.
    pub(crate) module: Value,
}

impl Opened {
    pub(crate) fn new(
        path: &Path,
        host: Rc<dyn Host>,
        memory_bytes: usize,
    ) -> Result<Opened, Error> {
        let unreadable = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let source = std::fs::read(path).map_err(unreadable)?;
        let real = path.canonicalize().map_err(unreadable)?;
        let root = real.parent().unwrap_or(Path::new("/")).to_owned();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();

        let shared = Shared::new(host);
        let loader = Loader::new(root);
        let state = State::new(&shared, &loader, memory_bytes).map_err(state_error)?;
        let chunk = loader
            .compile(&state.lua, &file, &source)
            .map_err(lua_error)?;
        let functions = Functions::new(&state.entry).map_err(state_error)?;
        let module = load_chunk(&state, &chunk, &functions);
        if shared.panicked.get() {
            shared.resume_panic();
        }
        let module = module.map_err(state_error)?.map_err(Error::Lua)?;
        Ok(Opened {
            file,
            state,
            shared,
            loader,
            functions,
            module,
        })
    }
}

impl Script {
    /// Reads the file, runs it once in a fresh state and checks that it returns a table of
    /// functions with at least one scenario. Errors carry file and line.
    pub fn load(path: &Path, host: Rc<dyn Host>) -> Result<Script, Error> {
        Script::load_within(path, host, MEMORY_BYTES_MAX)
    }

    /// [`load`](Script::load) with a memory limit of one's own, in bytes.
    pub(crate) fn load_within(
        path: &Path,
        host: Rc<dyn Host>,
        memory_bytes: usize,
    ) -> Result<Script, Error> {
        let opened = Opened::new(path, host, memory_bytes)?;
        let (scenarios, hooks) =
            module::entries(&opened.file, &opened.module, &opened.state.entry)?;
        opened.loader.close();
        Ok(Script {
            lua: opened.state.lua,
            shared: opened.shared,
            loader: opened.loader,
            functions: opened.functions,
            scenarios,
            hooks,
            stands: RefCell::new(Vec::new()),
            failures: RefCell::new(Vec::new()),
            setup_slot: Cell::new(None),
            setup_result: RefCell::new(Json::Null),
            memory_bytes_max: memory_bytes,
            collections_skipped: Cell::new(0),
        })
    }

    /// The scenarios, sorted by name.
    pub fn scenarios(&self) -> &[String] {
        &self.scenarios
    }

    /// Which hooks the script has.
    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// Gives scenarios and hooks the result of `setup()` as their second argument. The users of
    /// a core share it.
    pub fn set_data(&self, data: &Json) -> Result<(), Error> {
        let value = json::value(&self.lua, data).map_err(state_error)?;
        self.functions
            .set_data
            .call::<()>(value)
            .map_err(state_error)
    }

    /// A user begins to exist on `slot`, a small integer that may be used again after
    /// [`detach`](Script::detach). `number` is the user's number in the run, from 0: `user.id`.
    pub fn attach(&self, slot: u32, number: u64) -> Result<(), Error> {
        let mut stands = self.stands.borrow_mut();
        let index = slot as usize;
        if stands.len() <= index {
            stands.resize(index + 1, Stand::Absent);
        }
        assert_eq!(stands[index], Stand::Absent, "slot {slot} has a user");
        self.functions
            .attach
            .call::<()>((slot, number as f64))
            .map_err(state_error)?;
        stands[index] = Stand::Idle;
        Ok(())
    }

    /// Begins an entry of an idle user. A hook that the script doesn't have is `Done` at once.
    /// `stopping` says that the load asks the user to stop: what `user:running()` tells.
    pub fn run(&self, slot: u32, entry: Entry, stopping: bool) -> Step {
        self.expect(slot, Stand::Idle);
        let hooks = self.hooks;
        let (exists, index) = match entry {
            Entry::Setup => (hooks.setup, 0),
            Entry::Teardown => (hooks.teardown, 1),
            Entry::OnStart => (hooks.on_start, 2),
            Entry::OnStop => (hooks.on_stop, 3),
            Entry::Scenario(scenario) => {
                assert!(
                    (scenario as usize) < self.scenarios.len(),
                    "no scenario {scenario}"
                );
                (true, HOOKS.len() as u32 + scenario)
            }
        };
        if !exists {
            return Step::Done;
        }
        if entry == Entry::Setup {
            self.setup_slot.set(Some(slot));
        }
        self.step(slot, self.functions.run.call((slot, index, stopping)))
    }

    /// Resumes a user after a request.
    pub fn reply(&self, slot: u32, reply: &Reply<'_>) -> Step {
        self.expect(slot, Stand::Requesting);
        let code = match (reply.ok, reply.failure) {
            (true, _) => OK,
            (false, None) => NOT_OK,
            (false, Some(failure)) => self.failure_code(failure),
        };
        let code = if reply.stopping {
            code + STOPPING
        } else {
            code
        };
        let numbers = (slot, reply.status, code, reply.latency_ms);
        if reply.head.is_none() && reply.body.is_none() {
            return self.step(slot, self.functions.reply.call(numbers));
        }
        self.step(slot, self.reply_kept(numbers, reply))
    }

    fn reply_kept(
        &self,
        (slot, status, code, latency_ms): (u32, u16, u32, f64),
        reply: &Reply<'_>,
    ) -> mlua::Result<i64> {
        let string = |bytes: Option<&[u8]>| bytes.map(|b| self.lua.create_string(b)).transpose();
        let (head, body) = (string(reply.head)?, string(reply.body)?);
        self.functions
            .reply_kept
            .call((slot, status, code, latency_ms, head, body))
    }

    /// Resumes a user after a sleep; `stopping` as for [`run`](Script::run).
    pub fn wake(&self, slot: u32, stopping: bool) -> Step {
        self.expect(slot, Stand::Sleeping);
        self.step(slot, self.functions.wake.call((slot, stopping)))
    }

    /// Begins branch `index` (from 0) of a user that wants branches, on a slot of its own. To the
    /// script it is the same user. When it is `Done` or `Failed` it is to be detached.
    pub fn fork(&self, slot: u32, parent: u32, index: u32, stopping: bool) -> Step {
        self.expect(parent, Stand::Forked);
        let mut stands = self.stands.borrow_mut();
        if stands.len() <= slot as usize {
            stands.resize(slot as usize + 1, Stand::Absent);
        }
        assert_eq!(stands[slot as usize], Stand::Absent, "slot {slot} is taken");
        drop(stands);
        let forked = (slot, parent, index + 1, stopping);
        self.step(slot, self.functions.fork.call(forked))
    }

    /// Resumes a user whose branches have all ended; `stopping` as for [`run`](Script::run).
    pub fn join(&self, slot: u32, stopping: bool) -> Step {
        self.expect(slot, Stand::Forked);
        self.step(slot, self.functions.wake.call((slot, stopping)))
    }

    /// Tunes the garbage collector to the size of the state: a small one is collected rarely, since
    /// marking it costs each request a share; a large one as often as usual, to bound its memory.
    /// To be called about once a second.
    pub fn tend(&self) {
        let used = self.lua.used_memory();
        let pause = match used {
            ..SMALL_STATE_BYTES => RARE_PAUSE_PERCENT,
            LARGE_STATE_BYTES.. => USUAL_PAUSE_PERCENT,
            _ => return,
        };
        let params = GcIncParams::default().pause(pause);
        self.lua.gc_set_mode(GcMode::Incremental(params));
    }

    /// Takes the collector a small piece further (some tens of microseconds), for a core with
    /// nothing else to do; true when a whole round of it ended. Users that went leave garbage
    /// behind that otherwise stays until those that are left have allocated as much again.
    pub fn collect_some(&self) -> bool {
        (0..COLLECTOR_STEPS).any(|_| self.lua.gc_step().unwrap_or(true))
    }

    /// Forgets the user of `slot`, whether idle or in the middle of something.
    pub fn detach(&self, slot: u32) {
        let Some(stand) = self
            .stands
            .borrow_mut()
            .get_mut(slot as usize)
            .map(|stand| std::mem::replace(stand, Stand::Absent))
        else {
            return;
        };
        if stand != Stand::Absent {
            // It only writes table slots that exist, so it can't fail for want of memory.
            let _: mlua::Result<()> = self.functions.detach.call((slot, stand == Stand::Idle));
        }
    }

    /// What `setup` returned, once [`Entry::Setup`] was `Done`; null before.
    pub fn setup_result(&self) -> Json {
        self.setup_result.borrow().clone()
    }

    /// Whether the script's text may ask for a body after the reply came, so that bodies should
    /// be retained until the user's next step.
    pub fn reads_bodies(&self) -> bool {
        self.loader.reads_bodies()
    }

    /// Whether the script's text may read headers, so that [`Reply::head`] should be given.
    pub fn reads_heads(&self) -> bool {
        self.loader.reads_heads()
    }

    /// The memory the Lua state holds now, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    fn expect(&self, slot: u32, wanted: Stand) {
        let stand = self
            .stands
            .borrow()
            .get(slot as usize)
            .copied()
            .unwrap_or(Stand::Absent);
        assert_eq!(stand, wanted, "the user of slot {slot}");
    }

    /// What the number from core.lua means, and where the user stands now.
    fn step(&self, slot: u32, result: mlua::Result<i64>) -> Step {
        if self.shared.panicked.get() {
            self.shared.resume_panic();
        }
        let (stand, step) = match result {
            Ok(template) if template >= 0 => (Stand::Requesting, Step::Template(template as u32)),
            Ok(code::SLEEP) => self.sleep(),
            Ok(code::REQUEST) => match self.shared.request.borrow_mut().take() {
                Some(request) => (Stand::Requesting, Step::Request(request)),
                None => self.broken(slot, "a request without its content"),
            },
            Ok(code::DONE) => self.done(slot),
            Ok(code::LEAVE) => (Stand::Idle, Step::Leave),
            Ok(code::FAILED) => (Stand::Idle, self.failed()),
            Ok(code) if code < code::PARALLEL => {
                let branches = (code::PARALLEL - code) as u32;
                (Stand::Forked, Step::Parallel(branches))
            }
            Ok(code) => self.broken(slot, &format!("unknown step {code}")),
            Err(error) => self.broken(slot, &place::cause(&error)),
        };
        self.stands.borrow_mut()[slot as usize] = stand;
        step
    }

    fn sleep(&self) -> (Stand, Step) {
        match self.functions.sleep_times.call::<(f64, f64)>(()) {
            // core.lua bounds the seconds.
            Ok((min, max)) => {
                let (min, max) = (Duration::from_secs_f64(min), Duration::from_secs_f64(max));
                (Stand::Sleeping, Step::Sleep { min, max })
            }
            Err(error) => (Stand::Sleeping, failed_with(place::cause(&error))),
        }
    }

    fn done(&self, slot: u32) -> (Stand, Step) {
        if self.setup_slot.get() != Some(slot) {
            return (Stand::Idle, Step::Done);
        }
        self.setup_slot.set(None);
        let outcome = self
            .functions
            .outcome
            .call::<Value>(())
            .map_err(|e| place::cause(&e));
        let step = match outcome.and_then(|value| json::encode(&self.lua, &value, "data")) {
            Ok(data) => {
                *self.setup_result.borrow_mut() = data;
                Step::Done
            }
            Err(message) => failed_with(format!("the result of setup: {message}")),
        };
        (Stand::Idle, step)
    }

    fn failed(&self) -> Step {
        self.setup_slot.set(None);
        match fetch_failure(&self.functions.failure) {
            Ok(error) => {
                self.make_room(&error.message);
                Step::Failed(Box::new(error))
            }
            Err(error) => failed_with(place::cause(&error)),
        }
    }

    /// After an error for want of memory, collects what the failed iteration held: LuaJIT's
    /// collector begins at twice the live size, which may lie beyond the limit. When that frees
    /// little, the next failures don't try again, since each try stops the core.
    fn make_room(&self, message: &str) {
        const TRIES_SKIPPED: u32 = 1000;
        if !message.contains(OUT_OF_MEMORY) {
            return;
        }
        if let Some(left) = self.collections_skipped.get().checked_sub(1) {
            self.collections_skipped.set(left);
            return;
        }
        let _: mlua::Result<()> = self.lua.gc_collect();
        if self.lua.used_memory() > self.memory_bytes_max / 2 {
            self.collections_skipped.set(TRIES_SKIPPED);
        }
    }

    /// The coroutine can't be resumed any more; the user gets a new one.
    fn broken(&self, slot: u32, message: &str) -> (Stand, Step) {
        let _: mlua::Result<()> = self.functions.drop.call(slot);
        self.make_room(message);
        (Stand::Idle, failed_with(message.to_owned()))
    }

    fn failure_code(&self, failure: &'static str) -> u32 {
        let mut failures = self.failures.borrow_mut();
        let known = failures.iter().position(|known| *known == failure);
        let index = known.unwrap_or(failures.len());
        let code = NOT_OK + 1 + index as u32;
        if known.is_none()
            && self
                .functions
                .set_failure
                .call::<()>((code, failure))
                .is_ok()
        {
            failures.push(failure);
        }
        code
    }
}

fn failed_with(message: String) -> Step {
    Step::Failed(Box::new(ScriptError {
        message,
        traceback: String::new(),
    }))
}

fn state_error(error: mlua::Error) -> Error {
    Error::State(place::cause(&error))
}

fn lua_error(error: mlua::Error) -> Error {
    Error::Lua(ScriptError {
        message: place::cause(&error),
        traceback: String::new(),
    })
}

#[cfg(test)]
mod tests;
