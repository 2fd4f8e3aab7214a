//! Scripts: the LuaJIT state of one core, the coroutines of its users, and the Lua API.
//!
//! The crate knows nothing of sockets, HTTP framing, clocks or threads: a script runs until it
//! needs something external (a request, a sleep), returns that as a [`Step`], and is resumed with
//! the result. What it needs immediately (randomness, counters, bodies) it gets from the [`Host`].

mod bindings;
mod cache;
mod cookie_jars;
mod cookies;
mod error;
mod extract;
mod functions;
mod headers;
mod host;
mod host_functions;
mod integer;
mod json;
mod loader;
mod location;
mod module;
mod option_values;
mod options;
mod rates;
mod script;
mod source;
mod state;
mod step;
mod summary;
mod tags;
mod text;
mod toolbox;
mod uploads;
mod xml;

/// Definitions of everything that scripts can use, for editors with the Lua language server: a file
/// to be put beside scripts, under any name that ends in `.lua`.
pub const EDITOR_DEFINITIONS: &str = include_str!("editor/mistress.lua");

pub use cookie_jars::CookieJar;
pub use error::{Error, ScriptError};
pub use host::{Host, MetricKind, Row};
pub use rates::rates;
pub use script::Script;
pub use source::Source;
pub use step::{BodyPart, CookieSpec, Cookies, Entry, Hooks, Reply, RequestSpec, Step};
pub use summary::summary;
pub use tags::Tag;
