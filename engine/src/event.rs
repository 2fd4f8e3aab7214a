//! What the engine tells the outside while it runs, apart from numbers.

use std::time::Duration;

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
    /// Something that was taken for granted before the load, such as how a data file is written.
    Notice {
        /// The text, the place first.
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
    /// The status, 0 when none came.
    pub status: u16,
    /// The kind of failure, when it failed.
    pub failure: Option<&'static str>,
    /// From due to done.
    pub latency: Duration,
}
