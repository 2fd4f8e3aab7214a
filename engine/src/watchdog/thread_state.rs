//! What the kernel says of a thread of this process: proc(5), `/proc/self/task/TID/stat`.

use std::time::Duration;

/// Whether a thread could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has the processor or waits for it.
    Runnable,
    /// It waits for something else, or is stopped.
    Sleeping,
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadState {
    pub(super) state: State,
    /// Processor time so far, user and system.
    pub(super) ran: Duration,
}

impl ThreadState {
    /// The present state of a thread of this process; none when it is gone or cannot be read.
    pub(super) fn of(thread: i32) -> Option<ThreadState> {
        let folder = format!("/proc/self/task/{thread}");
        let stat = std::fs::read_to_string(format!("{folder}/stat")).ok()?;
        let ticks_per_s = rustix::param::clock_ticks_per_second();
        let read = parse(&stat, ticks_per_s)?;
        // The scheduler's own account is finer, where the kernel keeps it.
        let account = std::fs::read_to_string(format!("{folder}/schedstat")).ok();
        let ran = account.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Some(ThreadState {
            ran: ran.map_or(read.ran, Duration::from_nanos),
            ..read
        })
    }
}

/// The name of a thread can hold anything, so numbers are counted from its closing parenthesis.
fn parse(stat: &str, ticks_per_s: u64) -> Option<ThreadState> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = match fields.next()? {
        "R" => State::Runnable,
        _ => State::Sleeping,
    };
    // fields 14 and 15 of the file; the state was the third
    let mut times = fields.skip(10).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(ThreadState {
        state,
        ran: Duration::from_secs_f64(ticks as f64 / ticks_per_s.max(1) as f64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let line = |name: &str, state: char| {
            format!("42 ({name}) {state} 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 3 0 99 1 2")
        };
        let rows = [
            ("core-0", 'R', State::Runnable),
            ("core-0", 'S', State::Sleeping),
            ("a b) R (c", 'D', State::Sleeping),
            (")", 'T', State::Sleeping),
        ];
        for (name, state, expected) in rows {
            let ran = Duration::from_millis(1_750);
            let expected = ThreadState {
                state: expected,
                ran,
            };
            assert_eq!(parse(&line(name, state), 100), Some(expected), "{name:?}");
        }
        for broken in [
            "",
            "42 (x",
            "42 (x) R 1 2 3",
            "42 (x) R 1 2 3 4 5 6 7 8 9 10 a b",
        ] {
            assert_eq!(parse(broken, 100), None, "{broken:?}");
        }
    }

    #[test]
    fn this_thread_runs_and_its_time_grows() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let first = ThreadState::of(thread).expect("this thread is there");
        assert_eq!(first.state, State::Runnable);
        let later = loop {
            let later = ThreadState::of(thread).expect("this thread is there");
            if later.ran > first.ran {
                break later;
            }
        };
        assert!(later.ran < first.ran + Duration::from_secs(10));
        assert_eq!(ThreadState::of(i32::MAX), None);
    }
}
