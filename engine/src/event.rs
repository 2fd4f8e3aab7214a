//! What the engine tells the outside while it runs, apart from numbers.

use stats::Tag;
use std::fmt;
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
    /// A core has not turned for a while.
    Stalled {
        /// The core's index in the run, from 0.
        core: u32,
        /// What keeps it.
        stall: Stall,
        /// For how long so far.
        since: Duration,
    },
    /// What only words can say: how a data file was read, why a handshake failed, that one of
    /// several addresses is dead. Each distinct matter is told once per core.
    Notice {
        /// The text, beginning with the file or the server.
        text: String,
    },
    /// What a core has counted shortly after the start of the load, once per core; not told when
    /// all requests are traced.
    First(FirstFigures),
    /// A request and its reply, where the run traces it.
    Exchange(Box<Exchange>),
}

/// The first figures of a run: there before its first second is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstFigures {
    /// Since the start of the load.
    pub elapsed: Duration,
    /// Requests that ended.
    pub ended: u64,
    /// Users present.
    pub users: u64,
}

impl FirstFigures {
    /// Adds those of another core.
    pub fn add(&mut self, other: FirstFigures) {
        self.elapsed = self.elapsed.max(other.elapsed);
        self.ended += other.ended;
        self.users += other.users;
    }
}

/// Why a core does not turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stall {
    /// A script computes on it and does not wait for anything.
    Script {
        /// The scenario or hook.
        scenario: String,
        /// The user, by its number in its load.
        user: u64,
    },
    /// It computes outside of any script.
    Engine,
    /// Its thread could run and is not let: other programs or a CPU quota have the processor. It
    /// is late, and goes on when it is let.
    Processor,
    /// Its thread sleeps and nothing wakes it.
    Asleep,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stall::Script { scenario, user } => write!(
                f,
                "in scenario {scenario:?}, user {user}: the script is blocking the core"
            ),
            Stall::Engine => f.write_str("in its own work, outside of any script"),
            Stall::Processor => {
                f.write_str("waiting for its processor, which other programs or a CPU quota take")
            }
            Stall::Asleep => f.write_str("asleep, and nothing wakes it"),
        }
    }
}

/// Which requests are told as events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traced {
    /// None.
    #[default]
    Nothing,
    /// Those that fail.
    Failed,
    /// All.
    All,
}

/// A request and its reply as they were on the wire.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The name it is reported under.
    pub name: String,
    /// Its tags, in the order of their keys.
    pub tags: Vec<Tag>,
    /// The user, by its number in its load.
    pub user: u64,
    /// Scheme, host and port of the server: `http://host:port`.
    pub server: String,
    /// When it was due, from the start of the load.
    pub at: Duration,
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
    /// From the first byte written to done; 0 when none was.
    pub service: Duration,
    /// From the first byte written to the first byte of the reply.
    pub first_byte: Duration,
}
