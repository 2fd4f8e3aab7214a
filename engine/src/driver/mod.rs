//! The driver of one core: it submits, waits, hands completions to their owners, and starts what
//! is due. Between start and stop it shares nothing but its recorder's ring, a pulse and flags.

mod afterwards;
mod budget;
mod closing;
mod connections;
mod dial;
mod exchange;
mod files;
mod habits;
mod host;
mod leftovers;
mod life;
mod links;
mod origins;
#[cfg(test)]
mod plan_tests;
mod pool;
mod ports;
mod prepare;
mod queue;
mod resolver;
mod run_queue;
mod schedule;
mod secure;
mod session;
mod steer;
mod template;
mod terms;
mod told;
mod traffic;
mod uploads;
mod users;

use crate::clock::{Clock, Moment};
use crate::control::{Control, Pulse, Wish};
use crate::event::Event;
use crate::feeder::{Feeder, Sources};
use crate::http::response::HeadMemo;
use crate::local_ports::LocalPorts;
use crate::pacing::Share;
use crate::ring::{Buffers, Completion, Ring, Sizes, Slot, WAIT_MAX};
use crate::timers::{Owner, Timers};
use crate::tls::{self, Tls};
pub(crate) use budget::Budget;
use config::Plan;
use connections::{Connection, Connections};
use files::Files;
use habits::Habits;
use host::Shared;
use leftovers::Leftovers;
pub(crate) use life::{Begin, Line, Report};
use origins::{Addresses, Endpoint, Kept, Origins};
use pool::SharedPool;
use run_queue::RunQueue;
pub use schedule::Only;
use schedule::Schedule;
pub(crate) use schedule::arrivals_due;
use scripting::Script;
use socket2::SockAddr;
use stats::Recorder;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use terms::{Defaults, Terms};
use users::{HookEnd, Users};

/// How late the kernel may end a wait, to end it together with others.
const TIMER_SLACK_NS: u64 = 1_000;
/// How long before a deadline the core stops sleeping: waking takes the kernel tens of
/// microseconds, and all of them would be lateness of what is due.
const SPIN: Duration = Duration::from_micros(80);
/// The longest wait of one turn while a request waits for a name to be resolved.
const WAIT_FOR_LOOKUP: Duration = Duration::from_millis(1);
/// A wait that is at least so long says that the core has time for other things.
const RESTFUL: Duration = Duration::from_millis(2);
/// Distinct texts of script errors that one core tells; the rest is only counted.
const ERROR_TEXTS_MAX: usize = 64;

/// What a core is made from.
pub(crate) struct Parts {
    pub(crate) plan: Arc<Plan>,
    pub(crate) origin: config::Origin,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) tls: Arc<tls::Setup>,
    pub(crate) share: Share,
    pub(crate) budget: Arc<Budget>,
    pub(crate) ports: LocalPorts,
    /// The core's number, and how many there are in this process.
    pub(crate) place: (u32, u32),
    pub(crate) sizes: Sizes,
    pub(crate) clock: Clock,
    pub(crate) recorder: Recorder,
    pub(crate) events: SyncSender<Event>,
    pub(crate) traced: bool,
    pub(crate) only: Option<Only>,
    pub(crate) control: Control,
    pub(crate) pulse: Arc<Pulse>,
}

/// One core at work.
pub(crate) struct Driver {
    ring: Ring,
    buffers: Buffers,
    completions: Vec<Completion>,
    memo: HeadMemo,
    timers: Timers,
    clock: Clock,
    /// When the present turn began: every completion of the turn is taken to be done then.
    now: Moment,
    /// When the last full second of the load ended, and its number.
    window_end: Moment,
    window: u64,
    cpu_ns: u64,
    /// When the thread's times were last read: `cpu_ns` and what `queue` says are of then.
    accounted: Moment,
    /// When the load ended on this core, from its start.
    load_end: Duration,
    queue: RunQueue,
    /// Time spent awake for the next deadline since `cpu_ns` was taken: not work.
    spun_ns: u64,
    connections: Connections,
    /// How connections are made and how long they are kept.
    habits: Habits,
    /// Where connections are the core's and no user's.
    pool: Option<SharedPool>,
    /// Users whose waiting requests may find a connection now.
    relieved: Vec<u32>,
    /// Connections with an entry queued in this turn, whose moment of acting is not yet stamped.
    acting: Vec<Slot>,
    users: Users,
    /// Users that go on in the next turn.
    ready: VecDeque<(u32, u32)>,
    schedule: Schedule,
    script: Script,
    shared: Rc<Shared>,
    lookups: dial::Lookups,
    tls: Tls,
    plan: Arc<Plan>,
    terms: Terms,
    control: Control,
    pulse: Arc<Pulse>,
    hook_end: Option<HookEnd>,
    error_texts: Vec<String>,
    /// Shared with the other cores.
    budget: Arc<Budget>,
    /// Loads that were ended here for want of rows.
    loads_ended: usize,
    leftovers: Leftovers,
    /// How many of the control's changes were made.
    changes_made: usize,
    /// Only one user of the plan runs.
    is_single: bool,
}

impl Driver {
    /// Makes the core's ring and loads its script.
    ///
    /// # Errors
    ///
    /// A script that cannot be used, or a ring that cannot be made.
    pub(crate) fn new(parts: Parts) -> Result<Driver, crate::Error> {
        be_punctual();
        let (mut ring, buffers) = Ring::new(parts.sizes).map_err(crate::probe::ring_error)?;
        let shared = Rc::new(Shared {
            clock: parts.clock,
            now: Cell::new(Moment(0)),
            start: Cell::new(Moment::NEVER),
            seed: parts.plan.seed,
            recording: Cell::new(false),
            draining: Cell::new(false),
            keep_alive: parts.plan.connections.keep_alive,
            traced: parts.traced,
            wire: told::Wire::default(),
            recorder: RefCell::new(parts.recorder),
            actors: RefCell::default(),
            templates: RefCell::default(),
            checks: RefCell::default(),
            metrics: RefCell::default(),
            transactions: RefCell::default(),
            origins: RefCell::new(origins_of((parts.origin, &parts.addresses), &mut ring)?),
            latest: RefCell::default(),
            feeder: RefCell::new(Feeder::new(Arc::clone(&parts.sources), parts.plan.seed)),
            files: Files::new(&parts.plan.script),
            defaults: Defaults::of(&parts.plan),
            events: parts.events,
        });
        let host = Rc::clone(&shared) as Rc<dyn scripting::Host>;
        let script = Script::load(&parts.plan.script, host).map_err(crate::Error::Script)?;
        let schedule = schedule((&parts.plan, parts.share, parts.only), &shared, &script)?;
        let retains = parts.traced || script.reads_bodies() || script.reads_heads();
        Ok(Driver {
            ring,
            buffers,
            completions: Vec::with_capacity(4 * parts.sizes.entries as usize),
            memo: HeadMemo::default(),
            timers: Timers::default(),
            clock: parts.clock,
            now: parts.clock.now(),
            window_end: Moment::NEVER,
            window: 0,
            cpu_ns: 0,
            accounted: Moment(0),
            load_end: Duration::MAX,
            queue: RunQueue::of_this_thread(),
            spun_ns: 0,
            connections: Connections::new(parts.sizes.sockets),
            habits: Habits::of(&parts.plan, parts.ports, parts.place),
            pool: SharedPool::of(&parts.plan),
            relieved: Vec::new(),
            acting: Vec::new(),
            users: Users::default(),
            ready: VecDeque::new(),
            schedule,
            script,
            shared,
            lookups: dial::Lookups::default(),
            tls: Tls::new(&parts.tls),
            terms: Terms::of(&parts.plan, retains),
            plan: parts.plan,
            control: parts.control,
            pulse: parts.pulse,
            hook_end: None,
            error_texts: Vec::new(),
            budget: parts.budget,
            loads_ended: 0,
            leftovers: Leftovers::default(),
            changes_made: 0,
            is_single: parts.only.is_some(),
        })
    }

    /// One turn: submit, wait for `limit` at most, and serve what came and what is due.
    ///
    /// # Errors
    ///
    /// What the ring says; the core cannot go on.
    pub(crate) fn turn(&mut self, limit: Duration) -> io::Result<()> {
        let begun = self.now;
        self.pulse.leave();
        self.stamp();
        let took_ns = self.now.since(begun);
        self.shared.record(|recorder| recorder.turn(took_ns));
        let submitted = self.now;
        let patience = self.patience(limit);
        self.ring.turn(blocked_part(patience))?;
        self.now = self.clock.now();
        self.shared.now.set(self.now);
        self.pulse.beat();
        if !patience.is_zero() && patience < SPIN {
            self.spun_ns += self.now.since(submitted);
        }
        self.serve_completions();
        self.serve_lookups();
        self.serve_timers();
        self.serve_ready();
        self.serve_queues();
        if patience >= RESTFUL && self.leftovers.are_there() {
            self.leftovers.step(self.script.collect_step());
        }
        Ok(())
    }

    /// The queued entries are submitted now: that is when their requests are sent.
    fn stamp(&mut self) {
        self.now = self.clock.now();
        let now = self.now;
        for slot in self.acting.drain(..) {
            let connection = self.connections.get_mut(slot);
            let Some(exchange) = &mut connection.exchange else {
                continue;
            };
            exchange.act(now);
            match connection.state {
                connections::State::Connecting | connections::State::Handshaking => {
                    connection.opened = now;
                }
                _ => exchange.sent = now,
            }
        }
    }

    /// How long this turn may wait.
    fn patience(&mut self, limit: Duration) -> Duration {
        if !self.ready.is_empty() {
            return Duration::ZERO;
        }
        let next = self
            .timers
            .next()
            .min(self.schedule.next_due())
            .min(self.window_end);
        let longest = if self.lookups.is_idle() {
            WAIT_MAX
        } else {
            WAIT_FOR_LOOKUP
        };
        Duration::from_nanos(next.since(self.now))
            .min(limit)
            .min(longest)
    }

    fn serve_completions(&mut self) {
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.reap(&mut completions);
        for completion in completions.drain(..) {
            self.complete(completion);
        }
        self.completions = completions;
        self.buffers.publish();
    }

    fn serve_timers(&mut self) {
        while let Some((_, owner)) = self.timers.pop_due(self.now) {
            match owner {
                Owner::User { slot, generation } => self.wake_user(slot, generation),
                Owner::Connection { slot, generation } => self.check_deadline(slot, generation),
                Owner::Upload { slot, generation } => self.stop_waiting(slot, generation),
            }
        }
    }

    /// Serves the users that were ready when this turn began; those that become ready meanwhile
    /// wait for the next one, so that input and output are served in between.
    fn serve_ready(&mut self) {
        for _ in 0..self.ready.len() {
            if let Some((slot, generation)) = self.ready.pop_front() {
                self.wake_user(slot, generation);
            }
        }
    }

    /// Whether somebody still runs or waits.
    fn is_populated(&self) -> bool {
        self.users.present() > 0
    }

    /// The script and its users, for the launcher.
    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    /// Bounds a message to the outside: each distinct error text once.
    fn tell_error(&mut self, slot: u32, scenario: String, error: &scripting::ScriptError) {
        let text = error.to_string();
        let known = format!("{scenario}\n{}", told::without_numbers(&text));
        if self.error_texts.len() >= ERROR_TEXTS_MAX || self.error_texts.contains(&known) {
            return;
        }
        self.error_texts.push(known);
        let user = self.shared.actors.borrow()[slot as usize].number;
        self.shared.tell(Event::ScriptError {
            scenario,
            user,
            text,
        });
    }

    fn wish(&self) -> Wish {
        self.control.wish()
    }
}

/// The default of 50 us would be a lateness of that size for everything that is due at a moment.
/// Without the right to change it, it stays.
fn be_punctual() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
}

/// What is to come on this core; of one user only, where that is asked.
fn schedule(
    (plan, share, only): (&Plan, Share, Option<Only>),
    shared: &Shared,
    script: &Script,
) -> Result<Schedule, crate::Error> {
    let mut schedule = Schedule::new(plan, share, script.scenarios())?;
    if let Some(only) = only {
        schedule.keep_only(only);
        let mut feeder = shared.feeder.borrow_mut();
        feeder.skip_to(only.load, only.number);
    }
    Ok(schedule)
}

/// The part of a wait that the core sleeps; it is awake for the rest.
fn blocked_part(patience: Duration) -> Duration {
    if patience >= WAIT_MAX {
        patience
    } else {
        patience.saturating_sub(SPIN)
    }
}

/// The target as the first origin, its addresses kept in the ring.
fn origins_of(
    (target, addresses): (config::Origin, &[SocketAddr]),
    ring: &mut Ring,
) -> Result<Origins, crate::Error> {
    let kept: Vec<Kept> = match &target.socket {
        Some(path) => {
            let unusable = |e| crate::Error::Tls(format!("{}: {e}", path.display()));
            let address = SockAddr::unix(path).map_err(unusable)?;
            vec![Kept {
                to: Endpoint::Unix,
                kept: ring.add_address(address),
            }]
        }
        None => {
            let keep = |&address| Kept {
                to: Endpoint::Internet(address),
                kept: ring.add_address(SockAddr::from(address)),
            };
            addresses.iter().map(keep).collect()
        }
    };
    let mut origins = Origins::default();
    let id = origins.intern(&target).map_err(crate::Error::Tls)?;
    origins.set_addresses(id, Addresses::Known(kept));
    Ok(origins)
}
