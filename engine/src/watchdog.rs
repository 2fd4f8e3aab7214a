//! Notices a core that stopped turning. A compiled Lua loop cannot be interrupted from outside
//! (no debug hook fires in it), so the watchdog names scenario and user, and ends the run.

use crate::Error;
use crate::control::{Control, HOOK, Pulse};
use crate::event::Event;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::{Duration, Instant};

/// How often the watchdog looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A core that has not turned for this long is told of.
const WARN_AFTER: Duration = Duration::from_secs(1);
/// A core that has not turned for this long ends the run.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// One core as the watchdog saw it last.
struct Seen {
    turns: u64,
    at: Instant,
    warned: bool,
}

/// Watches the cores on a thread of its own until they end; a message is the end of the run.
pub(crate) fn watch(
    pulses: &[Arc<Pulse>],
    scenarios: Vec<String>,
    events: SyncSender<Event>,
    control: Control,
) -> Receiver<Error> {
    let (stuck, receiver) = channel();
    let pulses = pulses.to_vec();
    let watch = move || look(&pulses, &scenarios, &events, &control, &stuck);
    // Without the thread the run still works, it is only not watched.
    let _ = std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(watch);
    receiver
}

fn look(
    pulses: &[Arc<Pulse>],
    scenarios: &[String],
    events: &SyncSender<Event>,
    control: &Control,
    stuck: &Sender<Error>,
) {
    let fresh = |pulse: &Arc<Pulse>| Seen {
        turns: pulse.turns(),
        at: Instant::now(),
        warned: false,
    };
    let mut seen: Vec<Seen> = pulses.iter().map(fresh).collect();
    while pulses.iter().any(|pulse| !pulse.is_done()) {
        std::thread::sleep(LOOK_EVERY);
        for (core, (pulse, last)) in pulses.iter().zip(&mut seen).enumerate() {
            if pulse.is_done() || pulse.turns() != last.turns {
                *last = fresh(pulse);
                continue;
            }
            let since = last.at.elapsed();
            let (scenario, user) = named(pulse, scenarios);
            let core = core as u32;
            if since > WARN_AFTER && !last.warned {
                last.warned = true;
                let _ = events.try_send(Event::Stuck {
                    core,
                    scenario: scenario.clone(),
                    user,
                    since,
                });
            }
            if since > GIVE_UP_AFTER {
                control.stop();
                let _ = stuck.send(Error::Stuck {
                    core,
                    scenario,
                    user,
                });
                return;
            }
        }
    }
}

fn named(pulse: &Pulse, scenarios: &[String]) -> (String, u64) {
    let (scenario, user) = pulse.last_entered();
    let name = scenarios.get(scenario as usize);
    let hook = if scenario == HOOK {
        "a hook"
    } else {
        "unknown"
    };
    (name.map_or_else(|| hook.to_owned(), Clone::clone), user)
}
