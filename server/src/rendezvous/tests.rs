//! A run of three nodes, told what time it is.

use super::Refusal;
use super::gathering::Gathering;
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
fn gathered() -> Gathering {
    let mut gathering = Gathering::of(TOKEN, &joining(0), 0).unwrap();
    for node in 0..3 {
        let joined = gathering.join(node, 10 + u64::from(node), &joining(node.into()), 0);
        joined.unwrap();
    }
    gathering
}

fn started(at_us: i64) -> Gathering {
    let mut gathering = gathered();
    (0..3).for_each(|node| gathering.ready(node, 1_000));
    gathering.set_up(json!({ "id": 7 }), at_us);
    gathering
}

fn stages(gathering: &Gathering) -> Vec<NodeStage> {
    let nodes = gathering.state(0).nodes;
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
    let mut gathering = gathered();
    gathering.ready(0, 1_000);
    gathering.ready(2, 100_000);
    gathering.set_up(Value::Null, 5 * SECOND);
    let state = gathering.state(0);
    assert_eq!((state.stage, state.start_us), (RunStage::Gathering, None));
    gathering.ready(1, 1_000);
    let before = gathering.state(0);
    assert_eq!(before.stage, RunStage::SettingUp);
    gathering.set_up(json!({ "id": 7 }), 5 * SECOND);
    let state = gathering.state(before.number);
    assert_eq!(state.stage, RunStage::Started);
    // 20 times the longest round trip
    assert_eq!(state.start_us, Some(7 * SECOND));
    assert_eq!(state.setup, Some(json!({ "id": 7 })));
    assert_eq!(gathering.state(state.number).setup, None, "it is told once");
    assert_eq!(stages(&gathering), [NodeStage::Running; 3]);
}

#[test]
fn what_does_not_fit_is_refused_and_named() {
    let mut gathering = gathered();
    let mut other = joining(1);
    let twice = conflict(gathering.join(1, 99, &other, 0));
    assert_eq!(twice, "segment 2/3 has already joined: 2/3 on host-1");
    gathering
        .join(1, 11, &other, 0)
        .expect("the same one again");
    let mut gathering = Gathering::of(TOKEN, &joining(0), 0).unwrap();
    gathering.join(0, 10, &joining(0), 0).unwrap();
    other.same.insert("profile".to_owned(), "cc".to_owned());
    let differs = conflict(gathering.join(1, 11, &other, 0));
    let expected = "profile differs: 2/3 on host-1 has cc, 1/3 on host-0 has aa";
    assert_eq!(differs, expected);
    let mut other = joining(1);
    other.shards = (300, 700);
    let overlaps = conflict(gathering.join(1, 11, &other, 0));
    assert_eq!(overlaps, "2/3 on host-1 overlaps 1/3 on host-0");
    assert!(!gathering.has_token("0123456789abcdeF"));
    assert!(Gathering::of("short", &joining(0), 0).is_err());
}

#[test]
fn a_started_segment_is_not_started_again() {
    let mut gathering = started(0);
    let again = conflict(gathering.join(1, 99, &joining(1), SECOND));
    assert!(
        again.contains("2/3 of this run has already started"),
        "{again}"
    );
    gathering
        .join(1, 11, &joining(1), SECOND)
        .expect("it is back");
}

#[test]
fn a_node_that_is_silent_for_a_lease_is_lost() {
    let mut gathering = started(0);
    let all_but_one = |gathering: &mut Gathering, at_us| {
        gathering.hear(0, at_us);
        gathering.hear(2, at_us);
        gathering.look(at_us)
    };
    gathering.hear(1, 3 * SECOND);
    assert!(!all_but_one(&mut gathering, 13 * SECOND));
    assert!(all_but_one(&mut gathering, 14 * SECOND));
    let state = gathering.state(0);
    assert_eq!(state.nodes[1].stage, NodeStage::Lost);
    // the load started at 1 s
    assert_eq!(state.nodes[1].lost_s, Some(2));
    assert_eq!(state.commands, []);
    gathering.ended(0, &NodeFacts::default());
    assert_eq!(gathering.state(0).stage, RunStage::Started);
    gathering.ended(2, &NodeFacts::default());
    assert_eq!(gathering.state(0).stage, RunStage::Over);
}

#[test]
fn a_loss_can_end_the_load_and_before_the_start_ends_the_run() {
    let mut first = joining(0);
    first.abort_on_loss = true;
    let mut gathering = Gathering::of(TOKEN, &first, 0).unwrap();
    gathering.join(0, 10, &first, 0).unwrap();
    for node in 1..3 {
        gathering
            .join(node, 10 + u64::from(node), &joining(node.into()), 0)
            .unwrap();
    }
    (0..3).for_each(|node| gathering.ready(node, 1_000));
    gathering.set_up(Value::Null, 0);
    gathering.hear(0, 11 * SECOND);
    gathering.look(11 * SECOND);
    let commands = gathering.state(0).commands;
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert_eq!(commands[0].command, "drain");

    let mut gathering = gathered();
    gathering.hear(0, 11 * SECOND);
    gathering.look(11 * SECOND);
    let failed = gathering.state(0).failed.unwrap_or_default();
    assert!(
        failed.starts_with("2/3 on host-1, 3/3 on host-2: not heard"),
        "{failed}"
    );
    assert!(gathering.is_given_up());
}

#[test]
fn commands_reach_all_at_one_moment_ahead_and_in_order() {
    let mut gathering = gathered();
    assert!(
        gathering.command("pause", 0).is_err(),
        "nothing has started"
    );
    let mut gathering = started(0);
    assert_eq!(gathering.command(" scale  1.5 ", 5 * SECOND), Ok(4_300_000));
    assert_eq!(gathering.command("resume", 4 * SECOND), Ok(4_300_000));
    let commands = gathering.state(0).commands;
    assert_eq!(commands[0].command, "scale 1.5");
    for wrong in ["faster", "scale", "scale -1", "pause now", ""] {
        assert!(
            matches!(gathering.command(wrong, 0), Err(Refusal::Bad(_))),
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
    let mut gathering = Gathering::of(TOKEN, &back(0), 20 * SECOND).unwrap();
    gathering.join(0, 10, &back(0), 20 * SECOND).unwrap();
    gathering.join(2, 12, &back(2), 21 * SECOND).unwrap();
    let state = gathering.state(0);
    assert_eq!(
        (state.stage, state.start_us),
        (RunStage::Started, Some(SECOND))
    );
    assert!(
        gathering.join(1, 99, &joining(1), 22 * SECOND).is_err(),
        "it is no new run"
    );
    gathering.ended(0, &NodeFacts::default());
    gathering.ended(2, &NodeFacts::default());
    assert_eq!(
        gathering.state(0).stage,
        RunStage::Started,
        "one may come back"
    );
    gathering.look(31 * SECOND);
    assert_eq!(stages(&gathering)[1], NodeStage::Lost);
    assert_eq!(gathering.state(0).stage, RunStage::Over);
}
