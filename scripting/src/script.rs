//! The script of one core: loading it, and driving its users' coroutines step by step.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mlua::state::{GcIncParams, GcMode};
use mlua::{Lua, Value};
use serde_json::Value as Json;

use crate::bindings::Shared;
use crate::functions::{Functions, fetch_failure, load_chunk};
use crate::loader::Loader;
use crate::module::{self, HOOKS};
use crate::source::{Opened, Source};
use crate::state::State;
use crate::{Entry, Error, Hooks, Host, Reply, ScriptError, Step, json, location};

/// The codes core.lua returns below the template numbers; core.lua has the same ones.
mod code {
    pub(super) const DONE: i64 = -1;
    pub(super) const FAILED: i64 = -2;
    pub(super) const REQUEST: i64 = -3;
    pub(super) const SLEEP: i64 = -4;
    pub(super) const LEAVE: i64 = -5;
    pub(super) const STOP: i64 = -6;
    /// Numbers of branches are below this.
    pub(super) const PARALLEL: i64 = -1000;
}

/// Memory limit of one core's Lua state.
pub(crate) const MEMORY_BYTES_MAX: usize = 1 << 30;

/// LuaJIT's message when an allocation is refused.
const OUT_OF_MEMORY: &str = "not enough memory";

/// How a reply's outcome is passed to Lua; codes above `NOT_OK` are kinds of failure.
const OK: u32 = 0;
const NOT_OK: u32 = 1;
/// Added to the outcome when the load asks the user to stop; core.lua has the same value.
const STOPPING: u32 = 65_536;

/// Below this, a state counts as small.
const SMALL_STATE_BYTES: usize = 4 << 20;
/// From this size on, a state counts as large: six times the small size, so that a state that is
/// collected rarely does not alternate between large just before a collection and small after it.
const LARGE_STATE_BYTES: usize = 24 << 20;
/// The state may grow to four times its live size before the next collection. A higher value would
/// mark less often still, but frees whole pages at a time, which the allocator returns and the
/// kernel then clears again: ten times cost a page fault for every 26 requests.
const RELAXED_PAUSE_PERCENT: std::ffi::c_int = 400;
/// LuaJIT's default.
const DEFAULT_PAUSE_PERCENT: std::ffi::c_int = 200;
/// Collector steps per call, about 2 KiB each.
const COLLECTOR_STEPS: u32 = 32;

/// The state of a user's coroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CoroutineState {
    /// No user on this slot.
    Absent,
    /// Between entries.
    Idle,
    /// Waiting for a reply.
    Requesting,
    /// Waiting for a wake-up.
    Sleeping,
    /// Waiting for its branches.
    Forked,
}

/// One core's Lua state with its users' coroutines. Not `Send`: it never leaves its core.
///
/// A user is a small integer, its slot: [`attach`](Script::attach) creates it, then entries are run
/// one after another. Each call that runs Lua returns the user's next [`Step`]; the engine carries
/// it out and resumes the user with [`reply`](Script::reply) or [`wake`](Script::wake). A call that
/// does not match the state of the user is a bug of the caller and panics.
pub struct Script {
    lua: Lua,
    shared: Rc<Shared>,
    loader: Rc<Loader>,
    functions: Functions,
    scenarios: Vec<String>,
    hooks: Hooks,
    /// Indexed by slot.
    states: RefCell<Vec<CoroutineState>>,
    /// The failure kinds passed to Lua so far; the index is the code minus `NOT_OK + 1`.
    failures: RefCell<Vec<&'static str>>,
    /// The user running `setup`.
    setup_slot: Cell<Option<u32>>,
    setup_result: RefCell<Json>,
    memory_bytes_max: usize,
    /// How many more out-of-memory failures to ignore before the next full collection.
    collections_skipped: Cell<u32>,
}

/// A script's file after it has been read and run once.
pub(crate) struct LoadedFile {
    /// The file's name, for messages.
    pub(crate) file: String,
    pub(crate) state: State,
    shared: Rc<Shared>,
    loader: Rc<Loader>,
    functions: Functions,
    /// The value it returned.
    pub(crate) module: Value,
}

impl LoadedFile {
    pub(crate) fn new(
        source: &Source<'_>,
        host: Rc<dyn Host>,
        memory_bytes: usize,
    ) -> Result<LoadedFile, Error> {
        let Opened { text, root, file } = source.open()?;
        let shared = Shared::new(host);
        let loader = Loader::new(root);
        let state = State::new(&shared, &loader, memory_bytes).map_err(state_error)?;
        for (name, value) in &source.variables {
            state
                .variables
                .raw_set(*name, *value)
                .map_err(state_error)?;
        }
        let chunk = loader
            .compile(&state.lua, &file, &text)
            .map_err(lua_error)?;
        let functions = Functions::new(&state.entry).map_err(state_error)?;
        let module = load_chunk(&state, &chunk, &functions);
        if shared.panicked.get() {
            shared.resume_panic();
        }
        let module = module.map_err(state_error)?.map_err(Error::Lua)?;
        Ok(LoadedFile {
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
    /// Reads a script (a path, or a [`Source`]), runs it once in a fresh state and checks that it
    /// returns a table of functions with at least one scenario. Errors carry file and line.
    pub fn load<'a>(source: impl Into<Source<'a>>, host: Rc<dyn Host>) -> Result<Script, Error> {
        Script::load_within(source, host, MEMORY_BYTES_MAX)
    }

    /// [`load`](Script::load) with a given memory limit, in bytes.
    pub(crate) fn load_within<'a>(
        source: impl Into<Source<'a>>,
        host: Rc<dyn Host>,
        memory_bytes: usize,
    ) -> Result<Script, Error> {
        let opened = LoadedFile::new(&source.into(), host, memory_bytes)?;
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
            states: RefCell::new(Vec::new()),
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

    /// The hooks of the script.
    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// Passes the result of `setup()` to scenarios and hooks as their second argument. The users of
    /// a core share it.
    pub fn set_data(&self, data: &Json) -> Result<(), Error> {
        let value = json::value(&self.lua, data).map_err(state_error)?;
        self.functions
            .set_data
            .call::<()>(value)
            .map_err(state_error)
    }

    /// Creates a user on `slot`, a small integer that may be reused after
    /// [`detach`](Script::detach). `number` is the user's number in the run, from 0: `user.id`.
    pub fn attach(&self, slot: u32, number: u64) -> Result<(), Error> {
        let mut states = self.states.borrow_mut();
        let index = slot as usize;
        if states.len() <= index {
            states.resize(index + 1, CoroutineState::Absent);
        }
        assert_eq!(
            states[index],
            CoroutineState::Absent,
            "slot {slot} has a user"
        );
        self.functions
            .attach
            .call::<()>((slot, number as f64))
            .map_err(state_error)?;
        states[index] = CoroutineState::Idle;
        Ok(())
    }

    /// Starts an entry of an idle user. A hook that the script doesn't have is `Done` at once.
    /// `stopping` says that the load asks the user to stop, which `user:running()` returns.
    pub fn run(&self, slot: u32, entry: Entry, stopping: bool) -> Step {
        self.assert_state(slot, CoroutineState::Idle);
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
            self.loader.set_reading(true);
        }
        self.step(slot, self.functions.run.call((slot, index, stopping)))
    }

    /// Resumes a user after a request.
    pub fn reply(&self, slot: u32, reply: &Reply<'_>) -> Step {
        self.assert_state(slot, CoroutineState::Requesting);
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
        let result = if reply.head.is_none() && reply.body.is_none() {
            let numbers = (slot, reply.status, code, reply.latency_ms);
            self.functions.reply.call(numbers)
        } else {
            self.reply_kept(slot, code, reply)
        };
        self.step(slot, result)
    }

    fn reply_kept(&self, slot: u32, code: u32, reply: &Reply<'_>) -> mlua::Result<i64> {
        let string = |bytes: Option<&[u8]>| bytes.map(|b| self.lua.create_string(b)).transpose();
        let (head, body) = (string(reply.head)?, string(reply.body)?);
        self.functions
            .reply_kept
            .call((slot, reply.status, code, reply.latency_ms, head, body))
    }

    /// Resumes a user after a sleep; `stopping` as for [`run`](Script::run).
    pub fn wake(&self, slot: u32, stopping: bool) -> Step {
        self.assert_state(slot, CoroutineState::Sleeping);
        self.step(slot, self.functions.wake.call((slot, stopping)))
    }

    /// Starts branch `index` (from 0) of a user that asked for branches, on a slot of its own. The
    /// script sees the same user. Once it is `Done` or `Failed`, the caller detaches it.
    pub fn fork(&self, slot: u32, parent: u32, index: u32, stopping: bool) -> Step {
        self.assert_state(parent, CoroutineState::Forked);
        let mut states = self.states.borrow_mut();
        if states.len() <= slot as usize {
            states.resize(slot as usize + 1, CoroutineState::Absent);
        }
        assert_eq!(
            states[slot as usize],
            CoroutineState::Absent,
            "slot {slot} is taken"
        );
        drop(states);
        let forked = (slot, parent, index + 1, stopping);
        self.step(slot, self.functions.fork.call(forked))
    }

    /// Resumes a user whose branches have all ended; `stopping` as for [`run`](Script::run).
    pub fn join(&self, slot: u32, stopping: bool) -> Step {
        self.assert_state(slot, CoroutineState::Forked);
        self.step(slot, self.functions.wake.call((slot, stopping)))
    }

    /// Tunes the garbage collector to the size of the state: a small state is collected rarely,
    /// since marking it costs every request a share; a large one at the default rate, to bound its
    /// memory. To be called about once a second.
    pub fn tune_gc(&self) {
        let used = self.lua.used_memory();
        let pause = match used {
            ..SMALL_STATE_BYTES => RELAXED_PAUSE_PERCENT,
            LARGE_STATE_BYTES.. => DEFAULT_PAUSE_PERCENT,
            _ => return,
        };
        let params = GcIncParams::default().pause(pause);
        self.lua.gc_set_mode(GcMode::Incremental(params));
    }

    /// Advances the collector by a small step (some tens of microseconds), for a core with nothing
    /// else to do; returns true when a collection cycle ended. Users that left leave garbage
    /// behind, which otherwise stays until the remaining ones have allocated as much again.
    pub fn collect_step(&self) -> bool {
        (0..COLLECTOR_STEPS).any(|_| self.lua.gc_step().unwrap_or(true))
    }

    /// Removes the user of `slot`, whether idle or in the middle of something.
    pub fn detach(&self, slot: u32) {
        let Some(state) = self
            .states
            .borrow_mut()
            .get_mut(slot as usize)
            .map(|state| std::mem::replace(state, CoroutineState::Absent))
        else {
            return;
        };
        if state != CoroutineState::Absent {
            // It only writes existing table slots, so it can't run out of memory.
            let _: mlua::Result<()> = self
                .functions
                .detach
                .call((slot, state == CoroutineState::Idle));
        }
    }

    /// The result of `setup`, once [`Entry::Setup`] was `Done`; null before.
    pub fn setup_result(&self) -> Json {
        self.setup_result.borrow().clone()
    }

    /// Whether the script may read a body after the reply arrived, so that bodies should be
    /// retained until the user's next step.
    pub fn reads_bodies(&self) -> bool {
        self.loader.reads_bodies()
    }

    /// Whether the script may read headers, so that [`Reply::head`] should be set.
    pub fn reads_heads(&self) -> bool {
        self.loader.reads_heads()
    }

    /// Whether the script may reject replies ([`Host::reject`]), so that a request should only be
    /// recorded once the script has seen the reply.
    pub fn judges_replies(&self) -> bool {
        self.loader.judges_replies()
    }

    /// Whether the script may ask for [`Host::timings`].
    pub fn reads_timings(&self) -> bool {
        self.loader.reads_timings()
    }

    /// The memory of the Lua state, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    fn assert_state(&self, slot: u32, wanted: CoroutineState) {
        let state = self
            .states
            .borrow()
            .get(slot as usize)
            .copied()
            .unwrap_or(CoroutineState::Absent);
        assert_eq!(state, wanted, "the user of slot {slot}");
    }

    /// Decodes the number from core.lua and updates the state of the user's coroutine.
    fn step(&self, slot: u32, result: mlua::Result<i64>) -> Step {
        if self.shared.panicked.get() {
            self.shared.resume_panic();
        }
        let (state, step) = match result {
            Ok(template) if template >= 0 => {
                (CoroutineState::Requesting, Step::Template(template as u32))
            }
            Ok(code::SLEEP) => self.sleep(),
            Ok(code::REQUEST) => match self.shared.request.borrow_mut().take() {
                Some(request) => (CoroutineState::Requesting, Step::Request(request)),
                None => self.broken(slot, "a request without its content"),
            },
            Ok(code::DONE) => self.done(slot),
            Ok(code::LEAVE) => {
                self.end_setup();
                (CoroutineState::Idle, Step::Leave)
            }
            Ok(code::STOP) => {
                self.end_setup();
                (CoroutineState::Idle, Step::Stop)
            }
            Ok(code::FAILED) => (CoroutineState::Idle, self.failed()),
            Ok(code) if code < code::PARALLEL => {
                let branches = (code::PARALLEL - code) as u32;
                (CoroutineState::Forked, Step::Parallel(branches))
            }
            Ok(code) => self.broken(slot, &format!("unknown step {code}")),
            Err(error) => self.broken(slot, &location::cause(&error)),
        };
        self.states.borrow_mut()[slot as usize] = state;
        step
    }

    fn sleep(&self) -> (CoroutineState, Step) {
        match self.functions.sleep_times.call::<(f64, f64)>(()) {
            // core.lua bounds the seconds.
            Ok((min, max)) => {
                let (min, max) = (Duration::from_secs_f64(min), Duration::from_secs_f64(max));
                (CoroutineState::Sleeping, Step::Sleep { min, max })
            }
            Err(error) => (
                CoroutineState::Sleeping,
                failed_with(location::cause(&error)),
            ),
        }
    }

    fn done(&self, slot: u32) -> (CoroutineState, Step) {
        if self.setup_slot.get() != Some(slot) {
            return (CoroutineState::Idle, Step::Done);
        }
        self.end_setup();
        let outcome = self
            .functions
            .outcome
            .call::<Value>(())
            .map_err(|e| location::cause(&e));
        let step = match outcome.and_then(|value| json::encode(&self.lua, &value, "data")) {
            Ok(data) => {
                *self.setup_result.borrow_mut() = data;
                Step::Done
            }
            Err(message) => failed_with(format!("the result of setup: {message}")),
        };
        (CoroutineState::Idle, step)
    }

    /// Files can be read up to here.
    fn end_setup(&self) {
        self.setup_slot.set(None);
        self.loader.set_reading(false);
    }

    fn failed(&self) -> Step {
        self.end_setup();
        match fetch_failure(&self.functions.failure) {
            Ok(error) => {
                self.reclaim_memory(&error.message);
                Step::Failed(Box::new(error))
            }
            Err(error) => failed_with(location::cause(&error)),
        }
    }

    /// After an out-of-memory error, collects what the failed iteration held: LuaJIT's collector
    /// starts at twice the live size, which may be beyond the limit. If that frees little, the next
    /// failures do not try again, since every try stops the core.
    fn reclaim_memory(&self, message: &str) {
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

    /// The coroutine can't be resumed any more, so the user gets a new one.
    fn broken(&self, slot: u32, message: &str) -> (CoroutineState, Step) {
        let _: mlua::Result<()> = self.functions.drop.call(slot);
        self.reclaim_memory(message);
        (CoroutineState::Idle, failed_with(message.to_owned()))
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
    Error::State(location::cause(&error))
}

fn lua_error(error: mlua::Error) -> Error {
    Error::Lua(ScriptError {
        message: location::cause(&error),
        traceback: String::new(),
    })
}

#[cfg(test)]
mod tests;
