//! A run of three nodes, told what time it is.

use super::Refusal;
use super::run_nodes::RunNodes;
use serde_json::{Value, json};
use wire::rendezvous::{Joining, NodeFacts, NodeStage, RunStage};

const TOKEN: &str = "0123456789abcdef";
const SECOND: i64 = 1_000_000;

/// What node `index` of three says of itself.
fn joining(index: u64) -> Joining {
    let shards = [(0, 342), (342, 683), (683, 1024)];
    let same = [("profile", "aa"), ("script", "bb")];
    Joining {
        project: "shop".to_owned(),
        host: format!("host-{index}"),
        segment: format!("{}/3", index + 1),
        count: 3,
        lease_ms: 10_000,
        shards: shards[index as usize],
        same: same.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        ..Joining::default()
    }
}

/// Three nodes that have joined; node `n` has the epoch 10 + n.
fn gathered() -> RunNodes {
    let mut nodes = RunNodes::of(TOKEN, &joining(0), 0).unwrap();
    for node in 0..3 {
        let joined = nodes.join(node, 10 + u64::from(node), &joining(node.into()), 0);
        joined.unwrap();
    }
    nodes
}

fn started(at_us: i64) -> RunNodes {
    let mut nodes = gathered();
    (0..3).for_each(|node| nodes.ready(node, 1_000));
    nodes.set_up(json!({ "id": 7 }), at_us);
    nodes
}

fn stages(nodes: &RunNodes) -> Vec<NodeStage> {
    let nodes = nodes.state(0).nodes;
    nodes.iter().map(|node| node.stage).collect()
}

fn conflict(refused: Result<(), Refusal>) -> String {
    match refused {
        Err(Refusal::Conflict(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_starts_when_all_are_ready_and_set_up() {
    let mut nodes = gathered();
    nodes.ready(0, 1_000);
    nodes.ready(2, 100_000);
    nodes.set_up(Value::Null, 5 * SECOND);
    let state = nodes.state(0);
    assert_eq!((state.stage, state.start_us), (RunStage::Gathering, None));
    nodes.ready(1, 1_000);
    let before = nodes.state(0);
    assert_eq!(before.stage, RunStage::SettingUp);
    nodes.set_up(json!({ "id": 7 }), 5 * SECOND);
    let state = nodes.state(before.number);
    assert_eq!(state.stage, RunStage::Started);
    // 20 times the longest round trip
    assert_eq!(state.start_us, Some(7 * SECOND));
    assert_eq!(state.setup, Some(json!({ "id": 7 })));
    assert_eq!(nodes.state(state.number).setup, None, "it is told once");
    assert_eq!(stages(&nodes), [NodeStage::Running; 3]);
}

#[test]
fn what_does_not_fit_is_refused_and_named() {
    let mut nodes = gathered();
    let mut other = joining(1);
    let twice = conflict(nodes.join(1, 99, &other, 0));
    assert_eq!(twice, "segment 2/3 has already joined: 2/3 on host-1");
    nodes.join(1, 11, &other, 0).expect("the same one again");
    let mut nodes = RunNodes::of(TOKEN, &joining(0), 0).unwrap();
    nodes.join(0, 10, &joining(0), 0).unwrap();
    other.same.insert("profile".to_owned(), "cc".to_owned());
    let differs = conflict(nodes.join(1, 11, &other, 0));
    let expected = "profile differs: 2/3 on host-1 has cc, 1/3 on host-0 has aa";
    assert_eq!(differs, expected);
    let mut other = joining(1);
    other.shards = (300, 700);
    let overlaps = conflict(nodes.join(1, 11, &other, 0));
    assert_eq!(overlaps, "2/3 on host-1 overlaps 1/3 on host-0");
    assert!(!nodes.has_token("0123456789abcdeF"));
    assert!(RunNodes::of("short", &joining(0), 0).is_err());
}

#[test]
fn a_started_segment_is_not_started_again() {
    let mut nodes = started(0);
    let again = conflict(nodes.join(1, 99, &joining(1), SECOND));
    assert!(
        again.contains("2/3 of this run has already started"),
        "{again}"
    );
    nodes.join(1, 11, &joining(1), SECOND).expect("it is back");
}

#[test]
fn a_node_that_is_silent_for_a_lease_is_lost() {
    let mut nodes = started(0);
    let all_but_one = |nodes: &mut RunNodes, at_us| {
        nodes.renew_lease(0, at_us);
        nodes.renew_lease(2, at_us);
        nodes.expire_leases(at_us)
    };
    nodes.renew_lease(1, 3 * SECOND);
    assert!(!all_but_one(&mut nodes, 13 * SECOND));
    assert!(all_but_one(&mut nodes, 14 * SECOND));
    let state = nodes.state(0);
    assert_eq!(state.nodes[1].stage, NodeStage::Lost);
    // the load started at 1 s
    assert_eq!(state.nodes[1].lost_s, Some(2));
    assert_eq!(state.commands, []);
    nodes.ended(0, &NodeFacts::default());
    assert_eq!(nodes.state(0).stage, RunStage::Started);
    nodes.ended(2, &NodeFacts::default());
    assert_eq!(nodes.state(0).stage, RunStage::Over);
}

#[test]
fn a_loss_can_end_the_load_and_before_the_start_ends_the_run() {
    let mut first = joining(0);
    first.abort_on_loss = true;
    let mut nodes = RunNodes::of(TOKEN, &first, 0).unwrap();
    nodes.join(0, 10, &first, 0).unwrap();
    for node in 1..3 {
        nodes
            .join(node, 10 + u64::from(node), &joining(node.into()), 0)
            .unwrap();
    }
    (0..3).for_each(|node| nodes.ready(node, 1_000));
    nodes.set_up(Value::Null, 0);
    nodes.renew_lease(0, 11 * SECOND);
    nodes.expire_leases(11 * SECOND);
    let commands = nodes.state(0).commands;
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert_eq!(commands[0].command, "drain");

    let mut nodes = gathered();
    nodes.renew_lease(0, 11 * SECOND);
    nodes.expire_leases(11 * SECOND);
    let failed = nodes.state(0).failed.unwrap_or_default();
    assert!(
        failed.starts_with("2/3 on host-1, 3/3 on host-2: not heard"),
        "{failed}"
    );
    assert!(nodes.is_given_up());
}

#[test]
fn commands_reach_all_at_one_moment_ahead_and_in_order() {
    let mut nodes = gathered();
    assert!(nodes.command("pause", 0).is_err(), "nothing has started");
    let mut nodes = started(0);
    assert_eq!(nodes.command(" scale  1.5 ", 5 * SECOND), Ok(4_300_000));
    assert_eq!(nodes.command("resume", 4 * SECOND), Ok(4_300_000));
    let commands = nodes.state(0).commands;
    assert_eq!(commands[0].command, "scale 1.5");
    for wrong in ["faster", "scale", "scale -1", "pause now", ""] {
        assert!(
            matches!(nodes.command(wrong, 0), Err(Refusal::Bad(_))),
            "{wrong}"
        );
    }
}

#[test]
fn nodes_bring_the_start_back_after_a_restart() {
    let back = |index| Joining {
        started_us: Some(SECOND),
        ..joining(index)
    };
    let mut nodes = RunNodes::of(TOKEN, &back(0), 20 * SECOND).unwrap();
    nodes.join(0, 10, &back(0), 20 * SECOND).unwrap();
    nodes.join(2, 12, &back(2), 21 * SECOND).unwrap();
    let state = nodes.state(0);
    assert_eq!(
        (state.stage, state.start_us),
        (RunStage::Started, Some(SECOND))
    );
    assert!(
        nodes.join(1, 99, &joining(1), 22 * SECOND).is_err(),
        "it is no new run"
    );
    nodes.ended(0, &NodeFacts::default());
    nodes.ended(2, &NodeFacts::default());
    assert_eq!(nodes.state(0).stage, RunStage::Started, "one may come back");
    nodes.expire_leases(31 * SECOND);
    assert_eq!(stages(&nodes)[1], NodeStage::Lost);
    assert_eq!(nodes.state(0).stage, RunStage::Over);
}
