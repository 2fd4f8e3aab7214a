//! One core at work: its users run their scripts, whose requests go to the transport and come back
//! as replies, and it starts what is due. Between start and stop it shares nothing but its recorder's ring, a heartbeat and flags.

mod budget;
mod destination;
mod files;
mod follow_up;
mod host;
mod lifecycle;
mod links;
mod lua_gc;
#[cfg(test)]
mod plan_tests;
mod request;
mod request_defaults;
mod run_queue;
mod schedule;
mod session;
mod state;
mod steer;
mod template;
mod user_memory;
mod users;

pub(crate) use budget::Budget;
pub use schedule::SingleUser;
pub(crate) use schedule::arrivals_due;

use crate::clock::{Clock, Moment};
use crate::control::{Control, Heartbeat, StopLevel};
use crate::error_key::error_key;
use crate::event::{Event, Traced};
use crate::feeder::{Feeder, Sources};
use crate::local_ports::LocalPorts;
use crate::pacing::Share;
use crate::ring::{KernelRing, Sizes, WAIT_MAX};
use crate::ring_refusal::ring_error;
use crate::telemetry::Telemetry;
use crate::timers::Timers;
use crate::tls;
use crate::transport::{Origins, Transport, TransportSpec};
use config::Plan;
use lua_gc::GcPacer;
use request_defaults::RequestDefaults;
use run_queue::RunQueue;
use schedule::Schedule;
use scripting::{Script, ScriptError};
use state::{CoreState, RunIdentity};
use stats::{Counter, Recorder};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use users::Users;

/// How late the kernel may end a wait, to end it together with others.
const TIMER_SLACK_NS: u64 = 1_000;
/// How long before a deadline the core stops sleeping: waking takes the kernel tens of
/// microseconds, and all of them would be lateness of what is due.
const SPIN: Duration = Duration::from_micros(80);
/// A wait that is at least so long says that the core has time for other things.
const IDLE_WAIT: Duration = Duration::from_millis(2);
/// What a core is made from.
pub(crate) struct CoreParts {
    pub(crate) run_id: String,
    pub(crate) plan: Arc<Plan>,
    pub(crate) origin: config::Origin,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) tls: Arc<tls::Setup>,
    pub(crate) share: Share,
    pub(crate) budget: Arc<Budget>,
    pub(crate) ports: LocalPorts,
    /// The core's index in this process.
    pub(crate) core: u32,
    /// How many cores there are in this process.
    pub(crate) cores: u32,
    pub(crate) sizes: Sizes,
    pub(crate) clock: Clock,
    pub(crate) recorder: Recorder,
    pub(crate) events: SyncSender<Event>,
    pub(crate) traced: Traced,
    pub(crate) only: Option<SingleUser>,
    pub(crate) control: Control,
    pub(crate) heartbeat: Arc<Heartbeat>,
}

/// One core at work.
pub(crate) struct Core {
    transport: Transport<KernelRing>,
    /// When users go on, by slot and generation.
    timers: Timers<(u32, u32)>,
    clock: Clock,
    /// When the present turn began: everything that it serves is taken to have happened then.
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
    users: Users,
    /// Users that go on in the next turn, by slot and generation.
    ready: VecDeque<(u32, u32)>,
    schedule: Schedule,
    script: Script,
    state: Rc<CoreState>,
    plan: Arc<Plan>,
    defaults: RequestDefaults,
    control: Control,
    heartbeat: Arc<Heartbeat>,
    /// How `setup` or `teardown` ended, once it has.
    hook_end: Option<Result<(), ScriptError>>,
    /// Shared with the other cores.
    budget: Arc<Budget>,
    /// Loads that were ended here for want of rows.
    loads_ended: usize,
    gc_pacer: GcPacer,
    /// How many of the control's changes were made.
    changes_made: usize,
    /// Only one user of the plan runs.
    is_single: bool,
    /// Which requests are told as events, with their replies.
    traced: Traced,
}

impl Core {
    /// Makes the core's ring and loads its script.
    ///
    /// # Errors
    ///
    /// A script that cannot be used, or a ring that cannot be made.
    pub(crate) fn new(parts: CoreParts) -> Result<Core, crate::Error> {
        be_punctual();
        let mut ring = KernelRing::new(parts.sizes, parts.clock).map_err(ring_error)?;
        let origins = Origins::new(&parts.plan, &parts.origin, &parts.addresses, &mut ring)?;
        let origins = Rc::new(RefCell::new(origins));
        let telemetry = Rc::new(Telemetry::new(parts.recorder, parts.events));
        let feeder = Feeder::new(Arc::clone(&parts.sources), parts.plan.seed);
        let state = Rc::new(CoreState::new(
            RunIdentity::of(&parts.plan, parts.run_id, parts.control.clone()),
            &parts.plan,
            parts.clock,
            feeder,
            Rc::clone(&telemetry),
            Rc::clone(&origins),
        ));
        let script = load_script(&parts.plan, state.clone())?;
        let mut schedule = Schedule::new(&parts.plan, parts.share, script.scenarios())?;
        if let Some(only) = parts.only {
            schedule.keep_single_user(only);
            let mut feeder = state.feeder.borrow_mut();
            match only.is_apart {
                true => feeder.keep_apart(only.load),
                false => feeder.skip_to(only.load, only.number),
            }
        }
        let is_traced = parts.traced != Traced::Nothing;
        let retains = is_traced || script.reads_bodies() || script.reads_heads();
        let spec = TransportSpec {
            plan: Arc::clone(&parts.plan),
            ports: parts.ports,
            core: parts.core,
            cores: parts.cores,
            sockets: parts.sizes.sockets,
            tls: &parts.tls,
            telemetry,
            origins,
            is_traced,
        };
        let mut core = Core {
            transport: Transport::new(ring, spec),
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
            users: Users::default(),
            ready: VecDeque::new(),
            schedule,
            script,
            state,
            defaults: RequestDefaults::of(&parts.plan, retains),
            plan: parts.plan,
            control: parts.control,
            heartbeat: parts.heartbeat,
            hook_end: None,
            budget: parts.budget,
            loads_ended: 0,
            gc_pacer: GcPacer::default(),
            changes_made: 0,
            is_single: parts.only.is_some(),
            traced: parts.traced,
        };
        core.reserve();
        Ok(core)
    }

    /// Makes room for the users of closed loads, so that no table grows to twice what is needed.
    fn reserve(&mut self) {
        let expected = self.schedule.closed_users();
        self.transport.reserve(expected);
        self.users.reserve(expected);
        self.state.script_users.borrow_mut().reserve_exact(expected);
    }

    /// One turn: submit, wait for `limit` at most, and serve what came and what is due.
    ///
    /// # Errors
    ///
    /// What the ring says; the core cannot go on.
    fn turn(&mut self, limit: Duration) -> io::Result<()> {
        let begun = self.now;
        self.heartbeat.leave();
        self.now = self.transport.stamp();
        let took_ns = self.now.since(begun);
        self.state
            .telemetry
            .record(|recorder| recorder.turn(took_ns));
        let submitted = self.now;
        let longest_wait = self.longest_wait(limit);
        self.now = self.transport.wait(blocked_part(longest_wait))?;
        self.state.now.set(self.now);
        self.heartbeat.beat();
        if !longest_wait.is_zero() && longest_wait < SPIN {
            self.spun_ns += self.now.since(submitted);
        }
        self.serve_replies();
        self.serve_timers();
        self.serve_ready();
        // Users that have gone have left connections to others.
        self.serve_replies();
        if longest_wait >= IDLE_WAIT && self.gc_pacer.is_due() {
            self.gc_pacer.step(self.script.collect_step());
        }
        Ok(())
    }

    /// How long this turn may wait.
    fn longest_wait(&mut self, limit: Duration) -> Duration {
        if !self.ready.is_empty() {
            return Duration::ZERO;
        }
        let next = self
            .timers
            .next()
            .min(self.transport.next_deadline())
            .min(self.schedule.next_due())
            .min(self.window_end);
        Duration::from_nanos(next.since(self.now))
            .min(limit)
            .min(self.transport.wait_max())
    }

    /// Hands replies to their users, whose next requests are queued at once.
    fn serve_replies(&mut self) {
        while let Some(done) = self.transport.poll() {
            self.on_completed(done);
        }
    }

    fn serve_timers(&mut self) {
        while let Some((slot, generation)) = self.timers.pop_due(self.now) {
            self.wake_user(slot, generation);
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
    fn script(&self) -> &Script {
        &self.script
    }

    /// Counts the error, and tells each distinct text once.
    fn tell_error(&self, slot: u32, scenario: String, error: &ScriptError) {
        self.state.telemetry.count(Counter::ScriptError, 1);
        let text = error.to_string();
        let matter = format!("{scenario}\n{}", error_key(&text));
        let user = self.state.script_users.borrow()[slot as usize].number;
        self.state
            .telemetry
            .send_once(matter, || Event::ScriptError {
                scenario,
                user,
                text,
            });
    }

    fn stop_level(&self) -> StopLevel {
        self.control.stop_level()
    }
}

/// Loads the script of a plan, with its variables.
fn load_script(plan: &Plan, host: Rc<dyn scripting::Host>) -> Result<Script, crate::Error> {
    let source = scripting::Source {
        path: &plan.script,
        text: plan.script_text.as_deref(),
        variables: plan.variables.iter().collect(),
    };
    Script::load(source, host).map_err(crate::Error::Script)
}

/// The default of 50 us would be a lateness of that size for everything that is due at a moment.
/// Without the right to change it, it stays.
fn be_punctual() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS));
}

/// The part of a wait that the core sleeps; it is awake for the rest.
fn blocked_part(longest_wait: Duration) -> Duration {
    if longest_wait >= WAIT_MAX {
        longest_wait
    } else {
        longest_wait.saturating_sub(SPIN)
    }
}
