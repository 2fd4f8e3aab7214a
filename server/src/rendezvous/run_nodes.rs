//! The nodes of one run: who has joined, when they start, what they are told, who was lost. Knows no
//! clock: whoever calls says what time it is, in microseconds.

use super::Refusal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;
use wire::rendezvous::{
    Joining, NodeFacts, NodeStage, RunStage, RunState, SHARDS, TimedCommand, check_command,
    is_token,
};

/// A start is at least this far ahead.
const START_AHEAD_US: i64 = 1_000_000;
/// A command is at least this far ahead.
const COMMAND_AHEAD_US: i64 = 300_000;
/// What is ahead is so by at least this many times the longest round trip of a node.
const ROUND_TRIPS_AHEAD: i64 = 20;
/// Bounds of a lease, in milliseconds.
const LEASES_MS: std::ops::RangeInclusive<u64> = 1_000..=60_000;
/// The most commands of a run.
const COMMANDS_MAX: usize = 1_000;

/// The hash of a run's token.
pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The nodes of one run.
#[derive(Debug)]
pub(super) struct RunNodes {
    token: [u8; 32],
    /// Of the run.
    pub(super) project: String,
    count: u32,
    abort_on_loss: bool,
    lease_us: i64,
    /// What the first node said that all must agree on, and its label.
    same: BTreeMap<String, String>,
    first: String,
    members: BTreeMap<u32, Member>,
    stage: RunStage,
    /// Of the state.
    number: u64,
    /// The number of the state with the start.
    start_number: u64,
    start_us: Option<i64>,
    setup: Value,
    commands: Vec<TimedCommand>,
    failed: Option<String>,
    /// When it was last heard of.
    pub(super) touched_us: i64,
    /// Since when it is known here.
    since_us: i64,
}

/// The epoch of a node that was not heard of since this server started.
const UNHEARD: u64 = u64::MAX;

#[derive(Debug)]
struct Member {
    epoch: u64,
    facts: NodeFacts,
    shards: (u64, u64),
    heard_us: i64,
    round_trip_us: i64,
}

impl RunNodes {
    /// For a run whose first node this is.
    pub(super) fn of(token: &str, joining: &Joining, now_us: i64) -> Result<RunNodes, Refusal> {
        if !is_token(token) {
            return Err(Refusal::Bad(
                "the run's token must have 16 to 256 visible ASCII characters".to_owned(),
            ));
        }
        if joining.count == 0 || u64::from(joining.count) > SHARDS {
            return Err(Refusal::Bad(format!("a run has 1 to {SHARDS} nodes")));
        }
        let is_started = joining.started_us.is_some();
        Ok(RunNodes {
            token: hash(token),
            project: joining.project.clone(),
            count: joining.count,
            abort_on_loss: joining.abort_on_loss,
            lease_us: joining.lease_ms.clamp(*LEASES_MS.start(), *LEASES_MS.end()) as i64 * 1_000,
            same: joining.same.clone(),
            first: format!("{} on {}", joining.segment, joining.host),
            members: BTreeMap::new(),
            stage: match is_started {
                true => RunStage::Started,
                false => RunStage::Gathering,
            },
            number: 1,
            start_number: 1,
            start_us: joining.started_us,
            setup: Value::Null,
            commands: Vec::new(),
            failed: None,
            touched_us: now_us,
            since_us: now_us,
        })
    }

    pub(super) fn has_token(&self, token: &str) -> bool {
        self.token.ct_eq(&hash(token)).into()
    }

    /// Whether the run will not start and a new attempt may take its place.
    pub(super) fn is_given_up(&self) -> bool {
        self.failed.is_some()
    }

    /// The number of the state.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A node wants to be part of the run.
    pub(super) fn join(
        &mut self,
        node: u32,
        epoch: u64,
        joining: &Joining,
        now_us: i64,
    ) -> Result<(), Refusal> {
        let label = format!("{} on {}", joining.segment, joining.host);
        let is_back = self
            .members
            .get(&node)
            .is_some_and(|one| one.epoch == epoch);
        if !is_back {
            self.admit(node, joining, &label)?;
        }
        let known = self.members.remove(&node).filter(|_| is_back);
        let stage = match joining.started_us {
            Some(_) => NodeStage::Running,
            None => NodeStage::Joined,
        };
        let member = known.unwrap_or_else(|| Member {
            epoch,
            facts: NodeFacts {
                node,
                host: joining.host.chars().take(255).collect(),
                segment: joining.segment.chars().take(255).collect(),
                shards: joining.shards.1 - joining.shards.0,
                stage,
                findings: joining.findings.iter().take(100).cloned().collect(),
                ..NodeFacts::default()
            },
            shards: joining.shards,
            heard_us: now_us,
            round_trip_us: 0,
        });
        self.members.insert(node, member);
        self.renew_lease(node, now_us);
        Ok(())
    }

    /// Whether a node that was not there may become part of the run.
    fn admit(&self, node: u32, joining: &Joining, label: &str) -> Result<(), Refusal> {
        let has_started = self.stage != RunStage::Gathering;
        let is_unheard = |one: &&Member| one.epoch == UNHEARD && joining.started_us.is_some();
        if let Some(other) = self.members.get(&node).filter(|one| !is_unheard(one)) {
            let other = other.facts.label();
            return Err(Refusal::Conflict(match has_started {
                true => format!(
                    "segment {} of this run has already started ({other}); a segment runs once, \
                     use a new --run-id to run again",
                    joining.segment
                ),
                false => format!("segment {} has already joined: {other}", joining.segment),
            }));
        }
        if has_started && joining.started_us.is_none() {
            return Err(Refusal::Conflict(format!(
                "this run has already started without segment {}",
                joining.segment
            )));
        }
        if let Some((name, theirs, ours)) = self.difference(joining) {
            return Err(Refusal::Conflict(format!(
                "{name} differs: {label} has {theirs}, {} has {ours}",
                self.first
            )));
        }
        let (first, end) = joining.shards;
        if first >= end || end > SHARDS || node >= self.count {
            let segment = &joining.segment;
            return Err(Refusal::Bad(format!("segment {segment}: no part of a run")));
        }
        let overlaps = |one: &&Member| first < one.shards.1 && one.shards.0 < end;
        if let Some(other) = self.members.values().find(overlaps) {
            return Err(Refusal::Conflict(format!(
                "{label} overlaps {}",
                other.facts.label()
            )));
        }
        Ok(())
    }

    /// What a node has other than the first: its name, the node's and the first one's.
    fn difference<'a>(&'a self, joining: &'a Joining) -> Option<(&'a str, &'a str, &'a str)> {
        let names = self.same.keys().chain(joining.same.keys());
        names.into_iter().find_map(|name| {
            let of = |all: &'a BTreeMap<String, String>| all.get(name).map_or("none", |v| v);
            let (theirs, ours) = (of(&joining.same), of(&self.same));
            (theirs != ours).then_some((name.as_str(), theirs, ours))
        })
    }

    /// A node was heard of. False when it is none of the run's.
    pub(super) fn is_member(&self, node: u32, epoch: u64) -> bool {
        self.members
            .get(&node)
            .is_some_and(|one| one.epoch == epoch)
    }

    pub(super) fn renew_lease(&mut self, node: u32, now_us: i64) {
        self.touched_us = now_us;
        if let Some(member) = self.members.get_mut(&node) {
            member.heard_us = now_us;
        }
    }

    /// The seconds of a node before this one are stored.
    pub(super) fn delivered(&mut self, node: u32, until_s: u64) {
        if let Some(member) = self.members.get_mut(&node) {
            let known = &mut member.facts.delivered_s;
            *known = (*known).max(Some(until_s));
        }
    }

    /// How far the clock of a node is ahead, and how well it knows, in microseconds.
    pub(super) fn clock(&mut self, node: u32, offset_us: i64, uncertainty_us: u64) {
        if let Some(member) = self.members.get_mut(&node) {
            member.facts.clock_offset_us = offset_us;
            member.facts.clock_uncertainty_us = uncertainty_us;
        }
    }

    /// A node could start; with the last one the run goes on.
    pub(super) fn ready(&mut self, node: u32, round_trip_us: u64) {
        if let Some(member) = self.members.get_mut(&node) {
            member.round_trip_us = i64::try_from(round_trip_us).unwrap_or(i64::MAX / 64);
            if member.facts.stage == NodeStage::Joined {
                member.facts.stage = NodeStage::Ready;
            }
        }
        let ready = self.members.values();
        let ready = ready.filter(|one| one.facts.stage == NodeStage::Ready);
        let shards: u64 = ready.map(|one| one.facts.shards).sum();
        if self.stage == RunStage::Gathering && self.failed.is_none() && shards == SHARDS {
            self.stage = RunStage::SettingUp;
            self.number += 1;
        }
    }

    /// `setup` has run: the start is set.
    pub(super) fn set_up(&mut self, data: Value, now_us: i64) {
        if self.stage != RunStage::SettingUp || self.failed.is_some() {
            return;
        }
        self.setup = data;
        self.stage = RunStage::Started;
        self.start_us = Some(now_us + self.ahead(START_AHEAD_US));
        for member in self.members.values_mut() {
            member.facts.stage = NodeStage::Running;
        }
        self.number += 1;
        self.start_number = self.number;
    }

    /// How far ahead something is that all nodes must hear of.
    fn ahead(&self, least_us: i64) -> i64 {
        let longest = self.members.values().map(|one| one.round_trip_us).max();
        least_us.max(longest.unwrap_or_default() * ROUND_TRIPS_AHEAD)
    }

    /// A command for all nodes; its moment, in microseconds from the start of the load.
    pub(super) fn command(&mut self, text: &str, now_us: i64) -> Result<i64, Refusal> {
        check_command(text).map_err(Refusal::Bad)?;
        let conflict = |text: &str| Err(Refusal::Conflict(text.to_owned()));
        let start_us = match (self.stage, self.start_us) {
            (RunStage::Over, _) => return conflict("the load is over; there is nothing to change"),
            (_, Some(start_us)) => start_us,
            (_, None) => return conflict("the load has not started"),
        };
        if self.commands.len() >= COMMANDS_MAX {
            return conflict("the run has had too many commands");
        }
        let last_us = self.commands.last().map_or(0, |last| last.at_us);
        let at_us = (now_us + self.ahead(COMMAND_AHEAD_US) - start_us).max(last_us);
        let command = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.commands.push(TimedCommand { at_us, command });
        self.number += 1;
        Ok(at_us)
    }

    /// The load of a node is over.
    pub(super) fn ended(&mut self, node: u32, facts: &NodeFacts) {
        if let Some(member) = self.members.get_mut(&node) {
            let own = &mut member.facts;
            own.clock_offset_us = facts.clock_offset_us;
            own.clock_uncertainty_us = facts.clock_uncertainty_us;
            own.clock_drift_us = facts.clock_drift_us;
            own.start_lag_us = facts.start_lag_us;
            if own.stage == NodeStage::Running {
                own.stage = NodeStage::Ended;
            }
        }
        self.end_if_over();
    }

    /// A node gives up before the start, and with it the run.
    pub(super) fn leave(&mut self, node: u32, reason: &str) {
        let Some(member) = self.members.get(&node) else {
            return;
        };
        if self.start_us.is_none() && self.failed.is_none() {
            let reason: String = reason.chars().take(2_000).collect();
            self.failed = Some(format!("{}: {reason}", member.facts.label()));
            self.number += 1;
        }
    }

    /// Looks for nodes that were not heard of for a lease. True when something has changed.
    pub(super) fn expire_leases(&mut self, now_us: i64) -> bool {
        let before = self.number;
        let start_us = self.start_us;
        if start_us.is_some() && now_us - self.since_us > self.lease_us {
            self.add_absent();
        }
        let lease_us = self.lease_us;
        let mut lost = Vec::new();
        for member in self.members.values_mut() {
            let is_under_way = matches!(
                member.facts.stage,
                NodeStage::Joined | NodeStage::Ready | NodeStage::Running
            );
            if is_under_way && now_us - member.heard_us > lease_us {
                member.facts.stage = NodeStage::Lost;
                let at_us = member.heard_us - start_us.unwrap_or(member.heard_us);
                member.facts.lost_s = Some(u64::try_from(at_us / 1_000_000).unwrap_or(0));
                lost.push(member.facts.label());
            }
        }
        if lost.is_empty() {
            return false;
        }
        if start_us.is_none() {
            let lost = lost.join(", ");
            let text = format!(
                "{lost}: not heard of for {} s before the start",
                lease_us / 1_000_000
            );
            self.failed.get_or_insert(text);
            self.number += 1;
        } else {
            if self.abort_on_loss {
                let _ = self.command("drain", now_us);
            }
            self.number += 1;
            self.end_if_over();
        }
        self.number > before
    }

    /// After a restart of this server: nodes that have not come back are waited for no longer.
    fn add_absent(&mut self) {
        for facts in self.nodes() {
            self.members.entry(facts.node).or_insert_with(|| Member {
                epoch: UNHEARD,
                facts: NodeFacts {
                    stage: NodeStage::Running,
                    ..facts
                },
                shards: (0, 0),
                heard_us: self.since_us,
                round_trip_us: 0,
            });
        }
    }

    fn end_if_over(&mut self) {
        let is_over = |one: &Member| matches!(one.facts.stage, NodeStage::Ended | NodeStage::Lost);
        let are_all = self.members.len() == self.count as usize;
        if self.stage == RunStage::Started && are_all && self.members.values().all(is_over) {
            self.stage = RunStage::Over;
            self.setup = Value::Null;
            self.number += 1;
        }
    }

    /// The state for a node that has seen that of this number.
    pub(super) fn state(&self, seen: u64) -> RunState {
        let has_start = self.start_us.is_some() && seen < self.start_number;
        RunState {
            number: self.number,
            stage: self.stage,
            start_us: self.start_us,
            setup: has_start.then(|| self.setup.clone()),
            commands: self.commands.clone(),
            failed: self.failed.clone(),
            nodes: match seen == 0 || seen == u64::MAX || self.stage == RunStage::Over {
                true => self.nodes(),
                false => Vec::new(),
            },
        }
    }

    /// All nodes, also those that are missing.
    fn nodes(&self) -> Vec<NodeFacts> {
        let count = self.count as usize;
        let missing = |node: u32| NodeFacts {
            node,
            segment: format!("{}/{count}", node + 1),
            ..NodeFacts::default()
        };
        let known = |node: u32| self.members.get(&node).map(|one| one.facts.clone());
        (0..self.count)
            .map(|node| known(node).unwrap_or_else(|| missing(node)))
            .collect()
    }
}
