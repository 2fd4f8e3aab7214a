//! Facts about a run that are not statistics: who, when, where, with what.

use serde::Serialize;

/// The `run` part of the JSON result.
#[derive(Debug, Clone, Serialize)]
pub struct RunFacts {
    /// The name from the profile.
    pub name: String,
    /// Tells runs apart; unique on this machine.
    pub id: String,
    /// When the load began, UTC, as `2026-11-22T22:45:06Z`.
    pub start: String,
    /// From the start of the load to its end, drain included, in seconds.
    pub duration_s: f64,
    /// What the plan's phases take together, in seconds.
    pub planned_s: f64,
    /// How much of its beginning is in no total, in seconds.
    pub warmup_s: u64,
    /// How it ended.
    pub ended: Ended,
    /// The seed of every random choice.
    pub seed: u64,
    /// The address of the target.
    pub target: String,
    /// Certificates of servers were not verified.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// The script's file.
    pub script: String,
    /// SHA-256 of the script's text, in hexadecimal.
    pub script_sha256: String,
    /// The profile's file.
    pub profile: String,
    /// SHA-256 of the profile's text, in hexadecimal.
    pub profile_sha256: String,
    /// The cpus that generated load, in the order of the cores' numbers.
    pub cores: Vec<usize>,
    /// Which part of the run this process carried, `1/2`; none: all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Changes while it went on, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeMade>,
    /// The version of this tool.
    pub version: String,
}

/// A change of the load while the run went on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeMade {
    /// When it held, in seconds from the start of the load.
    pub time_s: f64,
    /// What it was, in words.
    pub change: String,
    /// From then on the load was so many times that of the plan; 0 in a pause.
    pub factor: f64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// All phases done, and drained or out of drain time.
    Completed,
    /// Ended early by a missed threshold; what was under way was drained.
    Aborted,
    /// Asked to end early; what was under way was drained.
    Interrupted,
    /// Stopped at once.
    Stopped,
    /// By an error.
    Failed,
}

impl Ended {
    /// What to tell the reader; nothing when there is nothing special.
    pub fn remark(self) -> Option<&'static str> {
        match self {
            Ended::Completed => None,
            Ended::Aborted => Some("ended by a missed threshold: no new arrivals, then drained"),
            Ended::Interrupted => Some("interrupted: no new arrivals, then drained"),
            Ended::Stopped => Some("stopped at once: a partial run"),
            Ended::Failed => Some("ended by an error: a partial run"),
        }
    }
}
