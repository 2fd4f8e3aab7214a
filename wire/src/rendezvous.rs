//! What the nodes of a run and their rendezvous, a stats server, tell each other: JSON, posted by
//! the nodes to [`NODE_PATH`]. A node that waits for news is answered when there is some, or after
//! [`WAIT_MAX_MS`].

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where nodes post their messages.
pub const NODE_PATH: &str = "/ingest/v1/node";
/// The header with the run's own token.
pub const TOKEN_HEADER: &str = "mistress-join-token";
/// The longest time that a message is held back for want of news, in milliseconds.
pub const WAIT_MAX_MS: u64 = 1_000;
/// A node and the rendezvous that have not heard from each other for so long count as parted, in
/// milliseconds.
pub const LEASE_MS: u64 = 10_000;
/// Shards of a run, which its nodes share.
pub const SHARDS: u64 = 1_024;
/// The largest factor of the load, relative to the plan.
pub const FACTOR_MAX: f64 = 1_000.0;

/// A message of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeMessage {
    /// The version of the wire format, [`crate::VERSION`].
    pub version: u32,
    /// The run's id.
    pub run: String,
    /// The node's index in the run, from 0.
    pub node: u32,
    /// Random per start of a node, below 2^63.
    pub epoch: u64,
    /// The number of the last state that the node has seen; 0 for none.
    pub seen: u64,
    /// What it tells or asks.
    pub request: NodeRequest,
}

/// What a node tells or asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeRequest {
    /// Nothing: only the times of the answer matter.
    Ping,
    /// It wants to be part of the run.
    Join(Box<Joining>),
    /// It is ready to start, and what it knows of its clock and the way to the rendezvous.
    Ready {
        /// The shortest time of a message and its answer, in microseconds.
        round_trip_us: u64,
        /// How far its clock is ahead of the rendezvous', in microseconds.
        #[serde(default)]
        clock_offset_us: i64,
        /// The offset is right to within this, in microseconds.
        #[serde(default)]
        clock_uncertainty_us: u64,
    },
    /// `setup` has run; what it returned.
    SetUp(Value),
    /// It waits for a state that it has not seen, for at most so many milliseconds.
    Listen {
        /// At most [`WAIT_MAX_MS`].
        wait_ms: u64,
    },
    /// A command for all nodes, in words.
    Command(String),
    /// Its load is over, and how its clock and its start were.
    Ended(Box<NodeFacts>),
    /// It gives up before the start, and why.
    Leave(String),
}

/// What a node tells of itself when it joins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Joining {
    /// The project of the run.
    pub project: String,
    /// The node's host name.
    pub host: String,
    /// Its segment as given, `2/3`.
    pub segment: String,
    /// How many nodes the run has.
    pub count: u32,
    /// Its shards: the first and the one after the last.
    pub shards: (u64, u64),
    /// What must be the same on all nodes, by name: hashes and versions.
    pub same: BTreeMap<String, String>,
    /// What is to be said against its machine as a load generator.
    pub findings: Vec<String>,
    /// The loss of a node ends the load of the others.
    pub abort_on_loss: bool,
    /// After how long without contact it counts as lost, in milliseconds; at least a second.
    pub lease_ms: u64,
    /// The start of the load, in microseconds of the rendezvous' clock, for a node that has lost its
    /// rendezvous and found it again.
    pub started_us: Option<i64>,
}

/// The answer to a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeAnswer {
    /// When the message came, in microseconds of the rendezvous' clock.
    pub received_us: i64,
    /// When the answer went.
    pub sent_us: i64,
    /// The state of the run, if the node has not seen it.
    pub state: Option<RunState>,
}

/// The state of a run at its rendezvous.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// From 1, higher with each change that all nodes must see.
    pub number: u64,
    /// How far it is.
    pub stage: RunStage,
    /// When the load starts, in microseconds of the rendezvous' clock.
    pub start_us: Option<i64>,
    /// What `setup` returned; only for nodes that have not seen it.
    pub setup: Option<Value>,
    /// All commands so far.
    pub commands: Vec<TimedCommand>,
    /// Why the run will not start.
    pub failed: Option<String>,
    /// All nodes, by index: when the run is over, and for who listens without having seen a state.
    /// Of a thousand nodes they are too many to tell all of them each time.
    pub nodes: Vec<NodeFacts>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStage {
    /// Not all nodes are ready.
    #[default]
    Gathering,
    /// All nodes are ready; the one with the first shard runs `setup`.
    SettingUp,
    /// The start is set.
    Started,
    /// No node has load left.
    Over,
}

/// A command and its moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimedCommand {
    /// In microseconds from the start of the load.
    pub at_us: i64,
    /// In words: pause, resume, scale 1.5, next, drain, stop.
    pub command: String,
}

/// A node of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeFacts {
    /// Its index, from 0.
    pub node: u32,
    /// Its host name.
    pub host: String,
    /// Its segment, `2/3`.
    pub segment: String,
    /// How many of the run's 1024 shards it has.
    pub shards: u64,
    /// How far it is.
    pub stage: NodeStage,
    /// How far its clock is ahead of the rendezvous' (negative: behind), in microseconds.
    pub clock_offset_us: i64,
    /// Half the shortest round trip: the offset is right to within this.
    pub clock_uncertainty_us: u64,
    /// How much the offset grew between the start and the end of the load.
    pub clock_drift_us: i64,
    /// How late its load began, in microseconds.
    pub start_lag_us: u64,
    /// When it was heard for the last time, in seconds from the start of the load; only of lost
    /// nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_s: Option<u64>,
    /// Seconds of the load that the stats server has of it, from the first on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_s: Option<u64>,
    /// What is to be said against its machine as a load generator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

impl NodeFacts {
    /// `2/3 on host-b`.
    pub fn label(&self) -> String {
        format!("{} on {}", self.segment, self.host)
    }
}

/// How far a node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStage {
    /// It has not joined.
    #[default]
    Missing,
    /// It has joined, and prepares itself.
    Joined,
    /// It could start.
    Ready,
    /// It generates load.
    Running,
    /// Its load is over.
    Ended,
    /// It was not heard of for its lease.
    Lost,
}

/// Seconds of a run that the same nodes have delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The first second.
    pub from_s: u64,
    /// The second after the last.
    pub to_s: u64,
    /// How many nodes have delivered them.
    pub nodes: u64,
    /// How many of the run's 1024 shards these have.
    pub shards: u64,
}

/// How much of each second has been delivered, from the first to the last that any node has.
pub fn coverage(nodes: &[NodeFacts]) -> Vec<Coverage> {
    let mut ends: Vec<u64> = nodes.iter().filter_map(|one| one.delivered_s).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut from_s = 0;
    let span = |to_s: u64| {
        let having = nodes.iter().filter(|one| one.delivered_s >= Some(to_s));
        let span = Coverage {
            from_s,
            to_s,
            nodes: having.clone().count() as u64,
            shards: having.map(|one| one.shards).sum(),
        };
        from_s = to_s;
        span
    };
    ends.into_iter().filter(|end| *end > 0).map(span).collect()
}

/// Whether a text may be a run's own token: 16 to 256 visible ASCII characters.
pub fn is_token(text: &str) -> bool {
    (16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a text is a command for a run: pause, resume, scale FACTOR, next, drain, stop.
///
/// # Errors
/// What was found and what is allowed.
pub fn check_command(text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_factor = |word: &str| {
        word.parse()
            .is_ok_and(|f: f64| (0.0..=FACTOR_MAX).contains(&f))
    };
    match words.as_slice() {
        ["pause" | "resume" | "next" | "drain" | "stop"] => Ok(()),
        ["scale", factor] if is_factor(factor) => Ok(()),
        _ => {
            let found: String = text.chars().take(60).collect();
            Err(format!(
                "found {found:?}, expected pause, resume, scale FACTOR (0 to {FACTOR_MAX}), next, \
                 drain, stop"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_covered_by_those_that_delivered_them() {
        let node = |shards, delivered_s| NodeFacts {
            shards,
            delivered_s,
            ..NodeFacts::default()
        };
        let nodes = [
            node(342, Some(9)),
            node(341, Some(4)),
            node(341, Some(9)),
            node(0, None),
        ];
        let span = |from_s, to_s, nodes, shards| Coverage {
            from_s,
            to_s,
            nodes,
            shards,
        };
        assert_eq!(coverage(&nodes), [span(0, 4, 3, 1024), span(4, 9, 2, 683)]);
        assert_eq!(coverage(&[node(1024, None)]), []);
    }

    #[test]
    fn commands_are_words() {
        for right in [
            "pause",
            " resume ",
            "scale 1.5",
            "scale 0",
            "next",
            "drain",
            "stop",
        ] {
            assert_eq!(check_command(right), Ok(()), "{right}");
        }
        for wrong in [
            "scale",
            "scale -1",
            "scale NaN",
            "scale 1e9",
            "pause now",
            "",
            "PAUSE",
        ] {
            assert!(check_command(wrong).is_err(), "{wrong}");
        }
    }
}
