//! Notices a core that stopped turning, and why. A compiled Lua loop cannot be interrupted from
//! outside (no debug hook fires in it), so the watchdog names scenario and user, and ends the run.
//!
//! Only a script that computes is blamed on the script, and only by the time for which its thread
//! had the processor. A thread that waits for the processor is late, however long it takes.

#[cfg(test)]
mod tests;
mod thread_state;

use crate::Error;
use crate::control::{Control, HOOK, Heartbeat};
use crate::event::{Event, Stall};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::{Duration, Instant};
use thread_state::{State, ThreadState};

/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A core that has not turned for this long is told of.
const WARN_AFTER: Duration = Duration::from_secs(1);
/// A core that has computed or slept for this long without a turn ends the run.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// What the watchdog sees of a core at one look.
#[derive(Clone, Copy, Debug)]
struct Look {
    turns: u64,
    in_script: bool,
    /// None where the kernel does not say.
    thread: Option<ThreadState>,
}

/// One core since it turned last.
#[derive(Clone, Copy, Debug)]
struct Watched {
    turns: u64,
    /// How long it was watched without a turn.
    since: Duration,
    /// How long of that it was found asleep at each look, up to the last.
    asleep: Duration,
    /// Processor time of its thread when it had turned last, and at the last look.
    ran_before: Duration,
    ran: Duration,
    /// What it was told of for: each cause once.
    told: Option<Cause>,
}

/// Why a core does not turn, without the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Script,
    Engine,
    Processor,
    Asleep,
}

/// What to do about a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Nothing,
    Tell(Cause),
    GiveUp(Cause),
}

impl Watched {
    fn new(look: &Look) -> Watched {
        let ran = look.thread.map_or(Duration::ZERO, |thread| thread.ran);
        Watched {
            turns: look.turns,
            since: Duration::ZERO,
            asleep: Duration::ZERO,
            ran_before: ran,
            ran,
            told: None,
        }
    }

    /// Takes in one look, `gap` after the last.
    fn look(&mut self, look: &Look, gap: Duration) -> Finding {
        if look.turns != self.turns {
            *self = Watched::new(look);
            return Finding::Nothing;
        }
        // The watchdog itself may be late, stopped together with all the rest.
        let gap = gap.min(2 * LOOK_EVERY);
        self.since += gap;
        let cause = self.cause(look, gap);
        let lasted = match cause {
            Cause::Asleep => self.asleep,
            Cause::Script | Cause::Engine => self.computed(look),
            Cause::Processor => Duration::ZERO,
        };
        if lasted > GIVE_UP_AFTER {
            return Finding::GiveUp(cause);
        }
        if self.since > WARN_AFTER && self.told != Some(cause) {
            self.told = Some(cause);
            return Finding::Tell(cause);
        }
        Finding::Nothing
    }

    /// How long it has computed since its last turn; where the kernel does not say, all the time.
    fn computed(&self, look: &Look) -> Duration {
        match look.thread {
            Some(_) => self.ran.saturating_sub(self.ran_before).min(self.since),
            None => self.since,
        }
    }

    fn cause(&mut self, look: &Look, gap: Duration) -> Cause {
        let computing = if look.in_script {
            Cause::Script
        } else {
            Cause::Engine
        };
        let Some(thread) = look.thread else {
            return computing;
        };
        let has_run = thread.ran > self.ran;
        self.ran = thread.ran;
        if thread.state == State::Sleeping && !has_run {
            self.asleep += gap;
            return Cause::Asleep;
        }
        self.asleep = Duration::ZERO;
        let computed = self.computed(look);
        // Most of the time it could have run it was not let.
        if 2 * computed < self.since && computed <= GIVE_UP_AFTER {
            return Cause::Processor;
        }
        computing
    }
}

/// Watches the cores on a thread of its own until they end; a message is the end of the run.
pub(crate) fn watch(
    heartbeats: &[Arc<Heartbeat>],
    scenarios: Vec<String>,
    events: SyncSender<Event>,
    control: Control,
) -> Receiver<Error> {
    let (stalled, receiver) = channel();
    let heartbeats = heartbeats.to_vec();
    let watch = move || look(&heartbeats, &scenarios, &events, &control, &stalled);
    // Without the thread the run still works, it is only not watched.
    let _ = std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(watch);
    receiver
}

fn look(
    heartbeats: &[Arc<Heartbeat>],
    scenarios: &[String],
    events: &SyncSender<Event>,
    control: &Control,
    stalled: &Sender<Error>,
) {
    let mut watched: Vec<Watched> = heartbeats
        .iter()
        .map(|heartbeat| Watched::new(&seen(heartbeat)))
        .collect();
    let mut looked = Instant::now();
    while heartbeats.iter().any(|heartbeat| !heartbeat.is_done()) {
        std::thread::sleep(LOOK_EVERY);
        let gap = looked.elapsed();
        looked += gap;
        for (core, (heartbeat, watched)) in (0..).zip(heartbeats.iter().zip(&mut watched)) {
            if heartbeat.is_done() {
                continue;
            }
            match watched.look(&seen(heartbeat), gap) {
                Finding::Nothing => {}
                Finding::Tell(cause) => {
                    let _ = events.try_send(Event::Stalled {
                        core,
                        stall: stall(cause, heartbeat, scenarios),
                        since: watched.since,
                    });
                }
                Finding::GiveUp(cause) => {
                    control.stop();
                    let stall = stall(cause, heartbeat, scenarios);
                    let _ = stalled.send(Error::Stalled { core, stall });
                    return;
                }
            }
        }
    }
}

fn seen(heartbeat: &Heartbeat) -> Look {
    Look {
        turns: heartbeat.turns(),
        in_script: heartbeat.is_in_script(),
        thread: heartbeat.thread().and_then(ThreadState::of),
    }
}

fn stall(cause: Cause, heartbeat: &Heartbeat, scenarios: &[String]) -> Stall {
    match cause {
        Cause::Script => {
            let (scenario, user) = heartbeat.last_entered();
            let hook = if scenario == HOOK {
                "a hook"
            } else {
                "unknown"
            };
            let name = scenarios.get(scenario as usize);
            let scenario = name.map_or_else(|| hook.to_owned(), Clone::clone);
            Stall::Script { scenario, user }
        }
        Cause::Engine => Stall::Engine,
        Cause::Processor => Stall::Processor,
        Cause::Asleep => Stall::Asleep,
    }
}
