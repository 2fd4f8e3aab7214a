//! The plan: a validated profile, without illegal states.

use stats::threshold::{FailOn, Threshold};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::curve::Curve;
use crate::origin::Origin;
use crate::transport::{Connections, Tls};
use crate::variables::Variables;
use crate::web::Web;

/// What a run does. [`crate::load`] and [`crate::parse`] only make it from valid profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name of the run, 1 to 200 bytes without control characters.
    pub name: String,
    /// The profile's path as it was given.
    pub profile_path: PathBuf,
    /// The profile's text, kept with the result of the run.
    pub profile_text: String,
    /// The Lua script, resolved against the profile's folder. If its text is in the profile, its
    /// name in messages, in that folder; there is no such file.
    pub script: PathBuf,
    /// The text of a script that is in the profile.
    pub script_text: Option<String>,
    /// The variables of profile and script, secret ones among them.
    pub variables: Variables,
    /// What was changed by arguments, each as it was given.
    pub overrides: Vec<String>,
    /// The system under test.
    pub target: Target,
    /// Seed of all random choices of the run.
    pub seed: u64,
    /// Cores that generate load.
    pub cores: Cores,
    /// Request timeout, above zero and at most an hour.
    pub timeout: Duration,
    /// Longest wait for unfinished work after the last phase, at most a day; may be zero.
    pub drain: Duration,
    /// Warm-up at the start of the run, in whole seconds and shorter than the run: part of the
    /// per-second series, but excluded from all totals.
    pub warmup: Duration,
    /// What ends the run before its phases do.
    pub limits: Limits,
    /// Where statistics go in addition to the report.
    pub stats: StatsSink,
    /// Defaults of all requests.
    pub web: Web,
    /// How connections are opened, reused and closed.
    pub connections: Connections,
    /// TLS options for https servers.
    pub tls: Tls,
    /// The loads, in the order of the file; at least one.
    pub loads: Vec<Load>,
    /// The pass criteria of the run, in the order of the file.
    pub thresholds: Vec<Threshold>,
    /// What fails the run besides, each rule once.
    pub fail_on: Vec<FailOn>,
    /// In a run of several nodes, the loss of one ends the load of the others.
    pub abort_on_node_loss: bool,
    /// The data sources, in the order of the file; names are unique.
    pub data: Vec<Data>,
}

/// A script: a file, or a text that is elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct ScriptText<'a> {
    /// Its file, or its name in the folder that it belongs to.
    pub path: &'a Path,
    /// Its text, if that is not in the file.
    pub text: Option<&'a str>,
}

impl Plan {
    /// The script.
    pub fn script(&self) -> ScriptText<'_> {
        ScriptText {
            path: &self.script,
            text: self.script_text.as_deref(),
        }
    }

    /// The users that it may have at once, if that is bounded.
    pub fn users_max(&self) -> Option<u64> {
        let mut loads = self.loads.iter();
        loads.try_fold(0, |sum, load| match &load.model {
            Model::Open { users_max, .. } => Some(sum + u64::from((*users_max)?)),
            Model::Closed { users, .. } => Some(sum + users.max().ceil() as u64),
        })
    }

    /// Time from the start to the end of the longest load, or to the time limit if that is earlier;
    /// without the drain.
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

    /// The thresholds of the file, then the rules of `fail_on`: all that must hold for the run to
    /// pass.
    pub fn criteria(&self) -> Vec<Threshold> {
        let rules = self.fail_on.iter().map(|rule| rule.threshold());
        self.thresholds.iter().cloned().chain(rules).collect()
    }

    /// Replaces the target, for `--target`.
    ///
    /// # Errors
    /// If `target` is neither `"builtin"` nor an address that [`Origin::parse`] accepts; the
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

/// Limits that end a run before its phases do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Duration of the load, above zero and at most 30 days.
    pub time: Option<Duration>,
    /// Number of iterations started, 1 to 10^15.
    pub iterations: Option<u64>,
    /// Number of requests sent, 1 to 10^15.
    pub requests: Option<u64>,
}

/// The system under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The built-in server, started for the run.
    Builtin,
    /// A server at an address, with or without TLS.
    Http(Origin),
}

impl Target {
    /// Parses `"builtin"`, `http[s]://host[:port][/base]` or `unix:/path`.
    ///
    /// # Errors
    /// A message that says what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "builtin" => Ok(Self::Builtin),
            _ => match text.strip_prefix("unix:") {
                Some(path) => Origin::from_socket_path(path).map(Self::Http),
                None => Origin::parse(text).map(Self::Http),
            },
        }
    }
}

/// Cores that generate load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cores {
    /// As many as this machine can use well.
    Auto,
    /// This many, 1 to 1024; the choice of cpus is left open.
    Count(usize),
    /// Exactly these cpu ids: not empty, without duplicates, each at most 8191.
    List(Vec<usize>),
}

/// Where statistics go in addition to the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsSink {
    /// To the local store, which this program also serves.
    Auto,
    /// To the stats server at this address, of the form [`Origin::parse`] reads.
    Url(String),
    /// Nowhere.
    Off,
}

/// One load: its scenarios, and how many users run them over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The scenarios to choose from, in the order of the file; at least one, names are unique.
    pub scenarios: Vec<Weighted>,
    /// How users come to be.
    pub model: Model,
    /// Start of its curve, from the start of the run; at most 30 days.
    pub start: Duration,
    /// Ends of its phases, from the start of the load; a phase may consist of several segments of
    /// the curve.
    pub phase_ends: Vec<Duration>,
}

/// A scenario and its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    /// Name in the script, 1 to 200 bytes without control characters.
    pub name: String,
    /// Relative to the other weights of its load: above zero, at most 1e9.
    pub weight: f64,
}

/// How users come to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Users arrive as planned, whatever the target does, and run a scenario once each.
    Open {
        /// How arrivals are distributed around the rate.
        arrivals: Arrivals,
        /// Arrivals per second, each value from 0 to 1e9; the total is above zero.
        rate: Curve,
        /// Most concurrent users, 1 to 10 million; further arrivals are dropped and counted.
        users_max: Option<u32>,
        /// How many iterations the user of an arrival runs, 1 to a million.
        iterations: u32,
    },
    /// A given number of users run their scenarios in a loop.
    Closed {
        /// Concurrent users, each value from 0 to 10 million.
        users: Curve,
        /// Minimum time from one iteration start to the next, above zero.
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

/// How the arrivals of an open load are distributed around their rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Arrival k is due at `rate.inverse(k)`, k from 0.
    Even,
    /// Independent of each other, like visitors (a Poisson process).
    Poisson,
    /// One arrival at a random time within each of evenly spaced slots: arrival k is due at
    /// `rate.inverse(k + u)`, u uniform from 0 to 1.
    Jittered,
}

/// A data file whose rows are handed out to users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Its name in scripts, 1 to 200 bytes without control characters.
    pub name: String,
    /// The file, resolved against the profile's folder.
    pub file: PathBuf,
    /// Its format.
    pub format: Format,
    /// CSV: the separator, an ASCII character; `None`: a comma, semicolon or tab, detected from the
    /// file.
    pub separator: Option<u8>,
    /// CSV: column names of a file without a header line, at least one, none empty or repeated;
    /// `None`: the first line has them.
    pub columns: Option<Vec<String>>,
    /// Which row comes next.
    pub order: Order,
    /// What happens after the last row. Never [`AtEnd::Wrap`] with [`Order::Unique`], always with
    /// [`Order::Random`].
    pub at_end: AtEnd,
}

/// The format of a data file.
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
    /// A random row each time, with repetition.
    Random,
    /// All rows in random order, shuffled again for each pass.
    Shuffled,
    /// In the order of the file, each row at most once across all users of the run.
    Unique,
}

/// What happens after the last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// They are handed out again.
    Wrap,
    /// The user that asks leaves its load. The load ends once users of all its scenarios have left.
    Stop,
    /// The iteration that asks fails.
    Error,
}
