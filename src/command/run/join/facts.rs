//! What is reported of the nodes of a run when it has ended.

use super::Joined;
use crate::render::format;
use wire::rendezvous::{NodeFacts, NodeStage, SHARDS};

impl Joined {
    /// This node.
    pub(super) fn own_facts(&self) -> NodeFacts {
        let inner = self.shared.lock();
        let joining = &self.settings.joining;
        NodeFacts {
            node: self.client.node,
            host: joining.host.clone(),
            segment: joining.segment.clone(),
            shards: joining.shards.1 - joining.shards.0,
            stage: NodeStage::Ended,
            clock_offset_us: self.clock.offset_us,
            clock_uncertainty_us: self.clock.uncertainty_us,
            clock_drift_us: inner.drift_us,
            start_lag_us: inner.start_lag.as_micros() as u64,
            lost_s: None,
            delivered_s: None,
            findings: joining.findings.clone(),
        }
    }

    /// All nodes as the rendezvous knew them at the end, this one as it knows itself.
    pub fn nodes(&self) -> Vec<NodeFacts> {
        let own = self.own_facts();
        let mut nodes = self.shared.lock().state.nodes.clone();
        match nodes.iter_mut().find(|one| one.node == own.node) {
            Some(known) => {
                *known = NodeFacts {
                    stage: known.stage,
                    lost_s: known.lost_s,
                    delivered_s: known.delivered_s,
                    ..own
                }
            }
            None => nodes.push(own),
        }
        nodes
    }

    /// What speaks against the run because nodes were lost, or this one lost the others.
    pub fn loss(&self) -> Option<String> {
        let nodes = self.nodes();
        let lost: Vec<&NodeFacts> = nodes
            .iter()
            .filter(|one| one.stage == NodeStage::Lost)
            .collect();
        if !lost.is_empty() {
            let shards: u64 = lost.iter().map(|one| one.shards).sum();
            let named = lost.iter().map(|one| {
                let at_s = one.lost_s.unwrap_or_default();
                format!("{} at {at_s} s", one.label())
            });
            return Some(format!(
                "{} of {} nodes lost, with {shards} of {SHARDS} shards of the load: {}",
                lost.len(),
                nodes.len(),
                named.collect::<Vec<_>>().join(", ")
            ));
        }
        let is_lost = self.shared.lock().is_lost;
        is_lost.then(|| {
            format!(
                "this node lost contact with the others for {}: its load ended then",
                format::length(self.lease())
            )
        })
    }
}
