//! The plan: a profile after validation, without illegal state.

use stats::threshold::Threshold;
use std::path::PathBuf;
use std::time::Duration;

use crate::curve::Curve;
use crate::origin::Origin;
use crate::transport::{Connections, Tls};
use crate::web::Web;

/// What a run is to do. Made by [`crate::load`] and [`crate::parse`] only from valid profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the run, 1 to 200 bytes without control characters.
    pub name: String,
    /// The profile's file as it was given.
    pub profile_path: PathBuf,
    /// The profile's text, kept for the record of the run.
    pub profile_text: String,
    /// The Lua script, resolved against the profile's folder.
    pub script: PathBuf,
    /// What is loaded.
    pub target: Target,
    /// Seed of every random choice of the run.
    pub seed: u64,
    /// Cores that generate load.
    pub cores: Cores,
    /// Longest wait for one reply, above zero, at most an hour.
    pub timeout: Duration,
    /// Longest wait for what is unfinished after the last phase, at most a day; may be zero.
    pub drain: Duration,
    /// The first part of the run, in whole seconds, shorter than the run: in the series of
    /// seconds, but in no total.
    pub warmup: Duration,
    /// What ends the run before its phases do.
    pub limits: Limits,
    /// Where the statistics go besides the report.
    pub stats: StatsSink,
    /// What all requests have in common.
    pub web: Web,
    /// How connections are made and how long they are kept.
    pub connections: Connections,
    /// How TLS is spoken with https servers.
    pub tls: Tls,
    /// The loads, in the order of the file; at least one.
    pub loads: Vec<Load>,
    /// What must hold for the run to pass, in the order of the file.
    pub thresholds: Vec<Threshold>,
    /// The data sources, in the order of the file; no name twice.
    pub data: Vec<Data>,
}

impl Plan {
    /// Time from the start to the end of the longest load, or to the limit of time; without the
    /// drain.
    pub fn duration(&self) -> Duration {
        duration(&self.loads, &self.limits)
    }

    /// `"open"`, `"closed"`, or `"mixed"` when both kinds of load are present.
    pub fn model_label(&self) -> &'static str {
        let open = self
            .loads
            .iter()
            .any(|load| matches!(load.model, Model::Open { .. }));
        let closed = self
            .loads
            .iter()
            .any(|load| matches!(load.model, Model::Closed { .. }));
        match (open, closed) {
            (true, true) => "mixed",
            (true, false) => "open",
            (false, _) => "closed",
        }
    }

    /// This plan against another target, as `--target` asks.
    ///
    /// # Errors
    /// When `target` is neither `"builtin"` nor an address as [`Origin::parse`] reads it; the
    /// message says what is allowed.
    pub fn with_target(mut self, target: &str) -> Result<Self, String> {
        self.target = Target::parse(target)?;
        Ok(self)
    }
}

/// See [`Plan::duration`].
pub(crate) fn duration(loads: &[Load], limits: &Limits) -> Duration {
    let ends = loads
        .iter()
        .map(|load| load.start + load.model.curve().duration());
    let longest = ends.max().unwrap_or_default();
    limits.time.map_or(longest, |most| longest.min(most))
}

/// What ends a run before its phases do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How long the load lasts, above zero, at most 30 days.
    pub time: Option<Duration>,
    /// How many iterations begin, 1 to 10^15.
    pub iterations: Option<u64>,
    /// How many requests are made, 1 to 10^15.
    pub requests: Option<u64>,
}

/// What is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The small server of this program, started for the run.
    Builtin,
    /// A server at an address, with or without TLS.
    Http(Origin),
}

impl Target {
    /// Reads `"builtin"`, `http[s]://host[:port][/base]` or `unix:/path`.
    ///
    /// # Errors
    /// A message that says what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "builtin" => Ok(Self::Builtin),
            _ => match text.strip_prefix("unix:") {
                Some(path) => Origin::of_socket(path).map(Self::Http),
                None => Origin::parse(text).map(Self::Http),
            },
        }
    }
}

/// Cores that generate load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cores {
    /// As many as make sense on this machine.
    Auto,
    /// So many, 1 to 1024; which ones is left open.
    Count(usize),
    /// Exactly these cpu ids: not empty, no id twice, each at most 8191.
    List(Vec<usize>),
}

/// Where the statistics go besides the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsSink {
    /// To the local store, shown by this program itself.
    Auto,
    /// To the stats server at this address, of the form [`Origin::parse`] reads.
    Url(String),
    /// Nowhere.
    Off,
}

/// One load: which scenarios, and how many users when.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The scenarios to choose from, in the order of the file; at least one, no name twice.
    pub scenarios: Vec<Weighted>,
    /// How users come to be.
    pub model: Model,
    /// When its curve begins, from the start of the run; at most 30 days.
    pub start: Duration,
    /// When its phases end, from its own start; a phase may be several pieces of the curve.
    pub phase_ends: Vec<Duration>,
}

/// A scenario and how often it is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    /// Name in the script, 1 to 200 bytes without control characters.
    pub name: String,
    /// Share among the weights of its load: above zero, at most 1e9.
    pub weight: f64,
}

/// How users come to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Users arrive by plan, whatever the target does, and run their scenario once.
    Open {
        /// How arrivals spread around the rate.
        arrivals: Arrivals,
        /// Arrivals per second, each value 0 to 1e9; its total is above zero.
        rate: Curve,
        /// Most users at once, 1 to 10 million; arrivals beyond are dropped and counted.
        users_max: Option<u32>,
        /// How often the user of an arrival runs a scenario, one pass after the other, 1 to a
        /// million.
        iterations: u32,
    },
    /// A number of users run their scenario again and again.
    Closed {
        /// Users at once, each value 0 to 10 million.
        users: Curve,
        /// Time from one start of an iteration to the next at least, above zero.
        pacing: Option<Duration>,
    },
}

impl Model {
    /// The rate or the number of users over time.
    pub fn curve(&self) -> &Curve {
        match self {
            Self::Open { rate, .. } => rate,
            Self::Closed { users, .. } => users,
        }
    }
}

/// How open arrivals spread around their rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Arrival k is due at `rate.inverse(k)`, k from 0.
    Even,
    /// Independent of each other, as visitors are.
    Poisson,
    /// Evenly spaced slots, each arrival at any place of its slot: arrival k is due at
    /// `rate.inverse(k + u)`, u uniform from 0 to 1.
    Jittered,
}

/// A file whose rows are handed out to users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// What scripts call it, 1 to 200 bytes without control characters.
    pub name: String,
    /// The file, resolved against the profile's folder.
    pub file: PathBuf,
    /// How it is written.
    pub format: Format,
    /// CSV: what separates values, an ASCII character; none: a comma, a semicolon or a tab, as the
    /// file shows.
    pub separator: Option<u8>,
    /// CSV: the names of the columns of a file without a heading, at least one, none empty and
    /// none twice; none: the first line has them.
    pub columns: Option<Vec<String>>,
    /// Which row comes next.
    pub order: Order,
    /// What happens when all rows have been handed out. Never [`AtEnd::Wrap`] when the order is
    /// [`Order::Unique`], always when it is [`Order::Random`].
    pub at_end: AtEnd,
}

/// How a data file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Values with separators (RFC 4180).
    Csv,
    /// One array of objects.
    Json,
    /// One object per line.
    JsonLines,
}

/// Which row comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In the order of the file.
    Sequential,
    /// Any row, as often as chance has it.
    Random,
    /// All rows in a random order, another one in each pass.
    Shuffled,
    /// In the order of the file, each row once at most, over all users of the run.
    Unique,
}

/// What happens when all rows have been handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// They are handed out again.
    Wrap,
    /// The user that asks leaves. The load ends once users of all its scenarios have.
    Stop,
    /// The iteration that asks fails.
    Error,
}
