//! Which batches a run takes: those of its time, and after its end a day of late ones of its own.

use super::super::State;
use super::super::meta::{RunTimes, now_us};
use crate::Error;
use wire::{Batch, EventRow};

const SECOND_US: u64 = 1_000_000;
/// A run that has ended takes late batches for so long.
const LATE_MAX_US: u64 = 24 * 3_600 * SECOND_US;
/// So far may the seconds of a run be ahead of the clock.
const AHEAD_MAX_S: u64 = 3_600;

/// What decides whether a run takes a batch.
#[derive(Debug, Default)]
pub(super) struct Admission(Option<RunTimes>);

impl Admission {
    /// Of a run, if it is in the list.
    pub(super) fn of(times: Option<RunTimes>) -> Admission {
        Admission(times)
    }

    /// A node says when the load began.
    pub(super) fn started(&mut self, started_us: u64) {
        if let Some(times) = &mut self.0 {
            times.started_us = started_us;
        }
    }

    /// [`State::Lost`] if the list has it so.
    pub(super) fn lost(&self) -> Option<State> {
        let state = self.0.as_ref().map(|times| times.state);
        state.filter(|state| *state == State::Lost)
    }

    /// Whether a batch that was not there yet is taken, and what is told of a late one. `is_own`:
    /// its node and epoch sent before; `is_complete`: all
    /// parts of the run have ended.
    ///
    /// # Errors
    /// The run takes no more batches, or none of such seconds.
    pub(super) fn check(
        &self,
        batch: &Batch,
        is_own: bool,
        is_complete: bool,
    ) -> Result<Option<EventRow>, Error> {
        let Some(times) = &self.0 else {
            return Ok(None);
        };
        let now_us = now_us();
        in_time(batch, times, now_us)?;
        let since_end_us = now_us.saturating_sub(times.ended_us);
        let is_late = is_complete || (times.state != State::Live && since_end_us > LATE_MAX_US);
        if !is_late {
            return Ok(None);
        }
        let is_reopened = now_us.saturating_sub(times.reopened_us) < LATE_MAX_US;
        // the end that is not in the list yet is of this moment
        let is_recent = times.ended_us == 0 || since_end_us < LATE_MAX_US;
        if is_reopened || (is_own && is_recent) {
            let after_s = if times.ended_us == 0 {
                0
            } else {
                since_end_us / SECOND_US
            };
            return Ok(Some(late(batch, times, after_s)));
        }
        Err(Error::RunEnded(
            match is_own {
                true => "the run ended more than a day ago; a manager of its project can reopen it",
                false => {
                    "the run has ended, and this node was not part of it; a manager of its project \
                 can reopen it"
                }
            }
            .to_owned(),
        ))
    }
}

/// Seconds that cannot have been yet would make the run as long as they are far away.
fn in_time(batch: &Batch, times: &RunTimes, now_us: u64) -> Result<(), Error> {
    // the clock of a node may be wrong
    let began_us = times.started_us.min(times.arrived_us);
    let elapsed_s = now_us.saturating_sub(began_us) / SECOND_US;
    let ahead = |row: &&wire::SecondRow| row.time_s > elapsed_s + AHEAD_MAX_S;
    match batch.seconds.iter().find(ahead) {
        None => Ok(()),
        Some(row) => Err(Error::OutOfTime(format!(
            "second {}: the run began {elapsed_s} s ago",
            row.time_s
        ))),
    }
}

/// What is told of a late batch.
fn late(batch: &Batch, times: &RunTimes, after_s: u64) -> EventRow {
    let what = match (batch.seconds.first(), batch.seconds.last()) {
        (Some(first), Some(last)) if first.time_s != last.time_s => {
            format!("seconds {} to {}", first.time_s, last.time_s)
        }
        (Some(first), _) => format!("second {}", first.time_s),
        _ => "a batch without seconds".to_owned(),
    };
    let since_start_us = now_us().saturating_sub(times.arrived_us);
    EventRow {
        time_us: i64::try_from(since_start_us).unwrap_or(i64::MAX),
        kind: "late".to_owned(),
        text: format!(
            "{what} of node {} arrived {after_s} s after the end of the run",
            batch.node
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::SecondRow;

    const HOUR_US: u64 = 3_600 * SECOND_US;

    fn times(state: State, ended_ago_h: u64) -> RunTimes {
        let now = now_us();
        RunTimes {
            state,
            started_us: now - (ended_ago_h + 1) * HOUR_US,
            arrived_us: now - (ended_ago_h + 1) * HOUR_US,
            ended_us: now - ended_ago_h * HOUR_US,
            reopened_us: 0,
        }
    }

    fn batch(time_s: u64) -> Batch {
        Batch {
            seconds: vec![SecondRow {
                time_s,
                ..SecondRow::default()
            }],
            ..Batch::default()
        }
    }

    #[test]
    fn a_run_that_ended_takes_late_batches_of_its_own_for_a_day() {
        // state, all nodes ended, hours since, own node and epoch, reopened; taken, told as late
        let rows = [
            (State::Live, false, 0, false, false, true, false),
            (State::Done, true, 1, true, false, true, true),
            (State::Done, true, 1, false, false, false, false),
            (State::Done, true, 25, true, false, false, false),
            (State::Done, true, 25, true, true, true, true),
            (State::Done, true, 25, false, true, true, true),
            (State::Done, false, 1, false, false, true, false),
            (State::Done, false, 25, false, false, false, false),
            (State::Lost, false, 1, false, false, true, false),
            (State::Lost, false, 25, true, false, false, false),
            (State::Lost, false, 25, false, true, true, true),
        ];
        for row in rows {
            let (state, is_complete, hours, is_own, is_reopened, taken, told) = row;
            let mut times = times(state, hours);
            if is_reopened {
                times.reopened_us = now_us() - HOUR_US;
            }
            let found = Admission(Some(times)).check(&batch(7), is_own, is_complete);
            assert_eq!(found.is_ok(), taken, "{row:?}");
            assert_eq!(found.is_ok_and(|late| late.is_some()), told, "{row:?}");
        }
        let late = Admission(Some(times(State::Done, 1))).check(&batch(7), true, true);
        let text = late.expect("it is taken").expect("it is late").text;
        assert_eq!(
            text,
            "second 7 of node 0 arrived 3600 s after the end of the run"
        );
    }

    #[test]
    fn seconds_far_ahead_of_the_clock_are_refused() {
        let live = |started_ago_s: u64, arrived_ago_s: u64| {
            let ago = |s: u64| now_us() - s * SECOND_US;
            Admission(Some(RunTimes {
                started_us: ago(started_ago_s),
                arrived_us: ago(arrived_ago_s),
                ..times(State::Live, 0)
            }))
        };
        // began so long ago by the node, by the server; the second; taken
        let rows = [
            (10, 10, 10, true),
            (10, 10, 3_600, true),
            (10, 10, 3_700, false),
            (10, 10, 2_678_399, false),
            (100_000, 10, 90_000, true),
            // a node whose clock is years ahead or behind
            (0, 100, 3_650, true),
            (1_000_000_000, 10, 2_678_399, true),
        ];
        for (started, arrived, second, taken) in rows {
            let found = live(started, arrived).check(&batch(second), true, false);
            assert_eq!(found.is_ok(), taken, "{started} {arrived} {second}");
        }
        let told = live(10, 10).check(&batch(9_999), true, false);
        let told = told.expect_err("it is ahead").to_string();
        assert_eq!(told, "second 9999: the run began 10 s ago");
    }
}
