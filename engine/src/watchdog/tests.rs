//! Cores that do not turn, look by look.

use super::*;

/// A core that does not turn, looked at for `looks` times: whether it is in a script, its state,
/// and the share of the processor that its thread gets. What was found, with the number of looks.
fn stalled(looks: u64, in_script: bool, state: State, share: f64) -> Vec<(u64, Finding)> {
    let at = |number: u64| Look {
        turns: 7,
        in_script,
        thread: Some(ThreadState {
            state,
            ran: Duration::from_secs(5) + LOOK_EVERY.mul_f64(number as f64 * share),
        }),
    };
    let mut watched = Watched::new(&at(0));
    let mut all = Vec::new();
    for number in 1..=looks {
        match watched.look(&at(number), LOOK_EVERY) {
            Finding::Nothing => {}
            found @ Finding::Tell(_) => all.push((number, found)),
            // The run ends.
            found @ Finding::GiveUp(_) => {
                all.push((number, found));
                break;
            }
        }
    }
    all
}

#[test]
fn a_script_that_computes_is_told_of_and_ends_the_run() {
    let found = stalled(101, true, State::Runnable, 1.0);
    let expected = [
        (11, Finding::Tell(Cause::Script)),
        (101, Finding::GiveUp(Cause::Script)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_script_is_given_ten_seconds_of_processor_not_of_waiting() {
    let found = stalled(170, true, State::Runnable, 0.6);
    let expected = [
        (11, Finding::Tell(Cause::Script)),
        (167, Finding::GiveUp(Cause::Script)),
    ];
    assert_eq!(found, expected);
    // 3 of 20 ms: late for more than a minute, then it has used its ten seconds
    let found = stalled(670, true, State::Runnable, 0.15);
    let expected = [
        (11, Finding::Tell(Cause::Processor)),
        (667, Finding::GiveUp(Cause::Script)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_thread_that_waits_for_its_processor_is_late_and_never_stuck() {
    for in_script in [false, true] {
        let found = stalled(100_000, in_script, State::Runnable, 0.0);
        assert_eq!(found, [(11, Finding::Tell(Cause::Processor))]);
    }
}

#[test]
fn a_thread_that_sleeps_is_not_the_scripts_fault() {
    let expected = [
        (11, Finding::Tell(Cause::Asleep)),
        (101, Finding::GiveUp(Cause::Asleep)),
    ];
    for in_script in [false, true] {
        assert_eq!(stalled(101, in_script, State::Sleeping, 0.0), expected);
    }
    let found = stalled(101, false, State::Runnable, 1.0);
    assert_eq!(found[1], (101, Finding::GiveUp(Cause::Engine)));
}

/// Found asleep at each look, but it runs in between: it is kept from its processor.
#[test]
fn a_thread_that_runs_between_looks_is_not_asleep() {
    let found = stalled(200, false, State::Sleeping, 0.01);
    assert_eq!(found, [(11, Finding::Tell(Cause::Processor))]);
}

#[test]
fn a_turn_begins_anew_and_a_late_watchdog_proves_nothing() {
    let mut look = Look {
        turns: 1,
        in_script: true,
        thread: None,
    };
    let mut watched = Watched::new(&look);
    // the whole process was stopped for an hour
    assert_eq!(
        watched.look(&look, Duration::from_secs(3600)),
        Finding::Nothing
    );
    assert_eq!(watched.since, 2 * LOOK_EVERY);
    for _ in 0..8 {
        assert_eq!(watched.look(&look, LOOK_EVERY), Finding::Nothing);
    }
    look.turns = 2;
    assert_eq!(watched.look(&look, LOOK_EVERY), Finding::Nothing);
    assert_eq!(watched.since, Duration::ZERO);
    // without the kernel's word a core in a script is taken to compute
    let found = (0..11).map(|_| watched.look(&look, LOOK_EVERY)).last();
    assert_eq!(found, Some(Finding::Tell(Cause::Script)));
}
