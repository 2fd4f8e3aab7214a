//! What the engine tells the outside while it runs, apart from numbers.

use std::time::Duration;

/// Bytes kept of a reply that could not be read.
pub(crate) const WIRE_BYTES_MAX: usize = 4_096;

/// A message from a core. Sent without waiting: when nobody listens fast enough, messages are
/// lost and the loss is counted, the load is not touched.
#[derive(Clone, Debug)]
pub enum Event {
    /// A line that a script logged.
    Log {
        /// The user, by its number in its load; none while the file is loading.
        user: Option<u64>,
        /// The text.
        text: String,
    },
    /// A Lua error that ended an iteration; each distinct text is told once per core.
    ScriptError {
        /// The scenario or hook.
        scenario: String,
        /// The user, by its number in its load.
        user: u64,
        /// Message and traceback.
        text: String,
    },
    /// A core has not turned for a while: its script does not give up the processor.
    Stuck {
        /// The core's place in the run, from 0.
        core: u32,
        /// The scenario or hook that runs.
        scenario: String,
        /// The user, by its number in its load.
        user: u64,
        /// For how long so far.
        since: Duration,
    },
    /// What only words can say: how a data file was read, why a handshake failed, that one of
    /// several addresses is dead. Each distinct matter is told once per core.
    Notice {
        /// The text, beginning with the file or the server.
        text: String,
    },
    /// A request and its reply, when the run is traced.
    Exchange(Box<Exchange>),
}

/// A request and its reply as they were on the wire.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The name it is reported under.
    pub name: String,
    /// The bytes sent.
    pub request: Vec<u8>,
    /// The raw head of the reply, empty when none came.
    pub head: Vec<u8>,
    /// The body of the reply with its framing removed.
    pub body: Vec<u8>,
    /// The first 4096 bytes of a reply that could not be read, as they came.
    pub wire: Vec<u8>,
    /// The status, 0 when none came.
    pub status: u16,
    /// The kind of failure, when it failed.
    pub failure: Option<&'static str>,
    /// From due to done.
    pub latency: Duration,
}
