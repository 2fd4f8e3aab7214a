//! Scripts: the LuaJIT state of one core, the coroutines of its users, and the Lua API.
//!
//! The crate refuses to know sockets, HTTP framing, clocks and threads: a script runs until it
//! wants something of the outside (a request, a sleep), hands that back as a [`Step`], and is
//! resumed with the outcome. Everything it needs at once (randomness, counters, bodies) it asks
//! of the [`Host`].

mod cookies;
mod error;
mod extract;
mod functions;
mod headers;
mod host;
mod integer;
mod json;
mod loader;
mod module;
mod native;
mod options;
mod place;
mod rates;
mod script;
mod state;
mod step;
mod text;
mod uploads;

pub use error::{Error, ScriptError};
pub use host::{Host, MetricKind, Row};
pub use rates::rates;
pub use script::Script;
pub use step::{CookieSpec, Cookies, Entry, Hooks, Part, Reply, RequestSpec, Step};
