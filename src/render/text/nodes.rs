//! The nodes of a run of several, one line each.

use crate::render::format::escape;
use wire::rendezvous::{NodeFacts, NodeStage};

/// Nodes that are shown one by one; of more, those that were lost and the first.
const SHOWN: usize = 16;

/// A line for each node, whether something is wrong with it, and how many are left out.
pub(super) fn lines(nodes: &[NodeFacts]) -> (Vec<(String, bool)>, usize) {
    let is_lost = |one: &&NodeFacts| one.stage == NodeStage::Lost;
    let lost = nodes.iter().filter(is_lost);
    let others = nodes.iter().filter(|one| !is_lost(one));
    let shown: Vec<(String, bool)> = lost
        .chain(others)
        .take(SHOWN)
        .map(|one| (line(one), one.stage == NodeStage::Lost))
        .collect();
    let left = nodes.len() - shown.len();
    (shown, left)
}

fn line(node: &NodeFacts) -> String {
    let label = escape(&node.label());
    match (node.stage, node.lost_s) {
        (NodeStage::Lost, at_s) => {
            format!("{label}: lost at {} s", at_s.unwrap_or_default())
        }
        (NodeStage::Ended, _) => format!(
            "{label}: clock {} ± {} ms, drift {} ms, started {} ms late",
            signed_ms(node.clock_offset_us),
            ms(node.clock_uncertainty_us as f64),
            signed_ms(node.clock_drift_us),
            ms(node.start_lag_us as f64),
        ),
        _ => format!("{label}: its end is not known"),
    }
}

fn ms(us: f64) -> String {
    format!("{:.3}", us / 1e3)
}

fn signed_ms(us: i64) -> String {
    format!("{:+.3}", us as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_were_lost_come_first() {
        let node = |node: u32, stage, lost_s| NodeFacts {
            node,
            host: "h".to_owned(),
            segment: format!("{}/20", node + 1),
            stage,
            clock_offset_us: -1_500_000,
            clock_uncertainty_us: 120,
            clock_drift_us: 4,
            start_lag_us: 250,
            lost_s,
            ..NodeFacts::default()
        };
        let mut nodes: Vec<NodeFacts> = (0..19).map(|n| node(n, NodeStage::Ended, None)).collect();
        nodes.push(node(19, NodeStage::Lost, Some(12)));
        let (lines, left) = lines(&nodes);
        assert_eq!((lines.len(), left), (16, 4));
        assert_eq!(lines[0], ("20/20 on h: lost at 12 s".to_owned(), true));
        let expected = "1/20 on h: clock -1500.000 ± 0.120 ms, drift +0.004 ms, started 0.250 ms \
                        late";
        assert_eq!(lines[1], (expected.to_owned(), false));
    }
}
