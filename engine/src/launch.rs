//! A run seen from outside its cores, step by step: prepare, `setup`, start at a moment, wait for
//! the end of the load, `teardown`, end. Whoever spreads a run over processes drives these steps in
//! all of them, and the hooks in one.

use crate::Error;
use crate::addresses::resolve;
use crate::clock::Clock;
use crate::control::{Control, Heartbeat};
use crate::core::{Budget, Core, CoreParts, SingleUser, arrivals_due};
use crate::event::{Event, Traced};
use crate::feeder::Sources;
use crate::local_ports::LocalPorts;
use crate::messages::{Command, LauncherLink, Report};
use crate::pacing::{Segment, Share};
use crate::probe;
use crate::ring_refusal;
use crate::tls::{Rows, Setup};
use crate::watchdog;
use config::{Origin, Plan};
use glommio::{LocalExecutorBuilder, Placement};
use serde_json::Value;
use stats::{Recorder, Window};
use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When Glommio would want the core back, which it never is. Its timer must not expire between
/// being set and the executor's first look for tasks: the executor would then sleep with the
/// core's task in its queue, and nothing would wake it.
const PREEMPT_TIMER: Duration = Duration::from_secs(3600);
/// How often the end of a run is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the other cores have to hand over their last windows when one is stalled.
const OTHERS_END_WITHIN: Duration = Duration::from_secs(5);
/// Memory that Glommio registers for files; this engine reads none through it.
const GLOMMIO_IO_BYTES: usize = 256 << 10;
/// Submission entries of one of Glommio's own rings.
const GLOMMIO_RING_DEPTH: usize = 32;

/// What to run and where.
pub struct RunSpec {
    /// The run's id, which scripts can read.
    pub id: String,
    /// The plan; its target is replaced by `origin`.
    pub plan: Arc<Plan>,
    /// The part of the run's work that is this process's.
    pub segment: Segment,
    /// The target.
    pub origin: Origin,
    /// The processors to use, one core of the run on each; at least one.
    pub cpus: Vec<usize>,
    /// One per processor.
    pub recorders: Vec<Recorder>,
    /// Where logs, script errors and traces go.
    pub events: SyncSender<Event>,
    /// Which requests are told as events, with their replies.
    pub traced: Traced,
    /// Run only this user; for one processor and the whole run as segment.
    pub only: Option<SingleUser>,
    /// The run's switch.
    pub control: Control,
}

/// A run whose cores are warm, with rings made and scripts loaded, and wait for the start. When it
/// is dropped, they end.
pub struct Ready {
    cores: Cores,
    scenarios: Vec<String>,
    events: SyncSender<Event>,
}

/// A run that has started.
pub struct Running {
    cores: Cores,
    start: Instant,
    stalls: Receiver<Error>,
}

/// The cores of a run as the launcher has them, by index.
struct Cores {
    clock: Clock,
    plan: Arc<Plan>,
    segment: Segment,
    control: Control,
    reports: Receiver<Report>,
    commands: Vec<Sender<Command>>,
    threads: Vec<JoinHandle<()>>,
    heartbeats: Vec<Arc<Heartbeat>>,
    hooks: Hooks,
    /// One of them is stalled: its thread ends with the process only.
    is_stalled: bool,
}

/// Which hooks the script has.
#[derive(Default)]
struct Hooks {
    setup: bool,
    teardown: bool,
}

/// How a load ended.
pub struct Outcome {
    /// The last window of each core that generated its load to the end, with the core's index.
    pub windows: Vec<(u32, Window)>,
    /// The cores that did not, and so did not hand over their last window.
    pub lost: Vec<LostCore>,
    /// When the last core had generated its load: the end of the drain, before `teardown`.
    pub end: Instant,
    /// What ended the run before its time.
    pub error: Option<Error>,
}

/// A core that stopped before its load was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostCore {
    /// Its index in the run, from 0.
    pub core: u32,
    /// Arrivals that the plan had for it up to the end of the load.
    pub planned: u64,
    /// Those of them that come after the warm-up.
    pub planned_measured: u64,
}

/// Makes the cores of a run ready: data files are open, names resolved, rings made and scripts
/// loaded. Neither hooks nor users have run.
///
/// # Errors
///
/// Whatever keeps the run from beginning.
pub fn prepare(job: RunSpec) -> Result<Ready, Error> {
    // An executor that cannot have its rings panics.
    probe::try_ring()?;
    let sources = Arc::new(Sources::open(&job.plan, job.segment)?);
    for notice in sources.notices() {
        // Nobody may be listening any more.
        let _ = job.events.try_send(Event::Notice {
            text: notice.clone(),
        });
    }
    let proxy = job.plan.connections.proxies.proxy_for(&job.origin);
    let is_secure = job.origin.scheme == config::Scheme::Https
        || proxy.is_some_and(|proxy| proxy.scheme == config::ProxyScheme::Https);
    let (tls, notice) = open_tls(&job.plan, &sources, is_secure)?;
    if let Some(text) = notice {
        let _ = job.events.try_send(Event::Notice { text });
    }
    try_sources(&job.plan.connections.source)?;
    let addresses = resolve(&job.origin, &job.plan)?;
    let sizes = probe::sizes(&job.plan, job.cpus.len());
    let count = job.cpus.len() as u32;
    let budget = Arc::new(Budget::of(&job.plan, job.segment));
    let ports = LocalPorts::of_system(job.plan.connections.ports);
    let (to_launcher, reports) = channel();
    let mut cores = Cores {
        clock: Clock::new(Instant::now()),
        plan: Arc::clone(&job.plan),
        segment: job.segment,
        control: job.control.clone(),
        reports,
        commands: Vec::new(),
        threads: Vec::new(),
        heartbeats: Vec::new(),
        hooks: Hooks::default(),
        is_stalled: false,
    };
    for (core, (cpu, recorder)) in (0..).zip(job.cpus.iter().zip(job.recorders)) {
        let parts = CoreParts {
            run_id: job.id.clone(),
            plan: Arc::clone(&job.plan),
            origin: job.origin.clone(),
            addresses: addresses.clone(),
            sources: Arc::clone(&sources),
            tls: Arc::clone(&tls),
            share: Share::new(job.segment, core, count),
            budget: Arc::clone(&budget),
            ports: ports.clone(),
            core,
            cores: count,
            sizes,
            clock: cores.clock,
            recorder,
            events: job.events.clone(),
            traced: job.traced,
            only: job.only,
            control: job.control.clone(),
            heartbeat: Arc::default(),
        };
        cores.add(core, *cpu, parts, to_launcher.clone())?;
    }
    drop(to_launcher);
    let scenarios = cores.await_ready()?;
    Ok(Ready {
        cores,
        scenarios,
        events: job.events,
    })
}

/// Reads certificates and keys; also what should be told of it.
fn open_tls(
    plan: &Plan,
    sources: &Sources,
    is_secure: bool,
) -> Result<(Arc<Setup>, Option<String>), Error> {
    let client_data = plan.tls.client_data.as_deref();
    let mut found = client_data.and_then(|data| sources.rows(data));
    let rows = found.as_mut().map(|(file, rows)| Rows { file, rows });
    let (tls, notice) = Setup::open(&plan.tls, is_secure, rows).map_err(Error::Tls)?;
    Ok((Arc::new(tls), notice))
}

impl Ready {
    /// How far ahead a start is best, for all cores of this process to hear of it in time.
    pub const LEAD: Duration = Duration::from_millis(50);

    /// Runs the script's `setup` on one core and waits for its end. To be called once per run, in
    /// one of its processes; what it returns is for all of them. Null where there is no `setup`.
    ///
    /// # Errors
    ///
    /// `setup` failed, or a core did.
    pub fn setup(&mut self) -> Result<Value, Error> {
        if !self.cores.hooks.setup {
            return Ok(Value::Null);
        }
        self.cores.run_hook(Command::Setup)
    }

    /// Starts the load at a moment; one that has passed counts as now. `data` is what `setup`
    /// returned.
    pub fn start(self, at: Instant, data: Value) -> Running {
        let cores = self.cores;
        let ahead = at.saturating_duration_since(Instant::now());
        let start = cores.clock.now().after(ahead);
        let data = Arc::new(data);
        for commands in &cores.commands {
            // A core that ended in between is met again while waiting for the end.
            let _ = commands.send(Command::Start {
                at: start,
                data: Arc::clone(&data),
            });
        }
        let control = cores.control.clone();
        Running {
            start: cores.clock.instant(start),
            stalls: watchdog::watch(&cores.heartbeats, self.scenarios, self.events, control),
            cores,
        }
    }
}

impl Running {
    /// The moment the load starts; may lie a little ahead.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Whether all cores have generated their load.
    pub fn is_finished(&self) -> bool {
        let cores = &self.cores;
        cores
            .heartbeats
            .iter()
            .all(|heartbeat| heartbeat.is_delivered())
            || cores.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits until every core has generated its load, drain included. To be called once.
    pub fn wait(&mut self) -> Outcome {
        let mut outcome = Outcome {
            windows: Vec::new(),
            lost: Vec::new(),
            end: self.start,
            error: None,
        };
        let cores = &mut self.cores;
        let mut load_end: Option<Duration> = None;
        let mut is_over = vec![false; cores.threads.len()];
        // Once a core is stalled: until when the others have time to end.
        let mut limit: Option<Instant> = None;
        while is_over.contains(&false) {
            match cores.reports.recv_timeout(LOOK_EVERY) {
                Ok(Report::Delivered {
                    core,
                    window,
                    at,
                    load_end: end,
                }) => {
                    is_over[core as usize] = true;
                    outcome.windows.push((core, *window));
                    outcome.end = outcome.end.max(cores.clock.instant(at));
                    load_end = load_end.max(Some(end));
                }
                Ok(Report::Failed { core, error }) => {
                    is_over[core as usize] = true;
                    outcome.error.get_or_insert(error);
                }
                Ok(Report::Ended { core }) => is_over[core as usize] = true,
                Ok(Report::Ready { .. } | Report::HookDone(_)) => {}
                Err(_) if cores.threads.iter().all(JoinHandle::is_finished) => break,
                Err(_) => {}
            }
            if let Ok(error) = self.stalls.try_recv() {
                cores.is_stalled = true;
                outcome.error.get_or_insert(error);
                limit = Some(Instant::now() + OTHERS_END_WITHIN);
            }
            let all_but_stalled = outcome.windows.len() + 1 >= is_over.len();
            if limit.is_some_and(|limit| all_but_stalled || Instant::now() > limit) {
                outcome.end = Instant::now();
                break;
            }
        }
        if let Some(reason) = cores.control.abort_reason() {
            let reason = reason.to_owned();
            outcome.error.get_or_insert(Error::Aborted { reason });
        }
        outcome.lost = cores.lost(&outcome, load_end, self.start);
        outcome
    }

    /// Runs the script's `teardown`, if it has one, and waits for its end. To be called once per
    /// run, in the process that ran `setup`, after every process has come to the end of its load.
    /// After a stall, or without its core, there is none.
    ///
    /// # Errors
    ///
    /// `teardown` failed, or a core did.
    pub fn teardown(&mut self) -> Result<(), Error> {
        let cores = &mut self.cores;
        let has_core = !cores.heartbeats[0].is_done();
        if !cores.hooks.teardown || cores.is_stalled || !has_core {
            return Ok(());
        }
        cores.run_hook(Command::Teardown).map(drop)
    }

    /// Closes what connections are left and ends the cores.
    ///
    /// # Errors
    ///
    /// A core that failed after its load was over.
    pub fn end(self) -> Result<(), Error> {
        let cores = self.cores;
        drop(cores.commands);
        if cores.is_stalled {
            // The thread cannot be ended; it goes down with the process.
            return Ok(());
        }
        for thread in cores.threads {
            // A panic was reported by the guard of the core's thread.
            let _ = thread.join();
        }
        let failed = cores.reports.try_iter().find_map(|report| match report {
            Report::Failed { error, .. } => Some(error),
            _ => None,
        });
        failed.map_or(Ok(()), Err)
    }
}

impl Cores {
    /// Starts the thread of the next core.
    fn add(
        &mut self,
        core: u32,
        cpu: usize,
        parts: CoreParts,
        to_launcher: Sender<Report>,
    ) -> Result<(), Error> {
        let (commands, from_launcher) = channel();
        self.heartbeats.push(Arc::clone(&parts.heartbeat));
        self.commands.push(commands);
        let link = LauncherLink {
            core,
            to_launcher,
            from_launcher,
        };
        self.threads.push(spawn(cpu, parts, link)?);
        Ok(())
    }

    /// Waits until every core is ready; the scenarios of the script.
    fn await_ready(&mut self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for _ in 0..self.threads.len() {
            match self.reports.recv() {
                Ok(Report::Ready {
                    scenarios,
                    has_setup,
                    has_teardown,
                }) => {
                    names = scenarios;
                    self.hooks = Hooks {
                        setup: has_setup,
                        teardown: has_teardown,
                    };
                }
                Ok(Report::Failed { error, .. }) => return Err(error),
                Ok(_) | Err(_) => return Err(Error::Stopped),
            }
        }
        Ok(names)
    }

    /// Has the first core run a hook, and waits for its end.
    fn run_hook(&mut self, hook: Command) -> Result<Value, Error> {
        self.commands[0].send(hook).map_err(|_| Error::Stopped)?;
        loop {
            match self.reports.recv() {
                Ok(Report::HookDone(data)) => return Ok(data),
                Ok(Report::Failed { error, .. }) => return Err(error),
                Ok(Report::Ended { core: 0 }) | Err(_) => return Err(Error::Stopped),
                Ok(_) => {}
            }
        }
    }

    /// The cores without a last window. The load ended at `load_end` on the others, or now.
    fn lost(&self, outcome: &Outcome, load_end: Option<Duration>, start: Instant) -> Vec<LostCore> {
        let delivered = |core: u32| outcome.windows.iter().any(|(other, _)| *other == core);
        let elapsed = Instant::now().saturating_duration_since(start);
        let until = load_end.unwrap_or(elapsed).min(elapsed);
        let changes = self.control.changes_after(0);
        let count = self.threads.len() as u32;
        let lost = (0..count).filter(|core| !delivered(*core));
        lost.map(|core| {
            let share = Share::new(self.segment, core, count);
            let (planned, planned_measured) =
                arrivals_due(&self.plan, share, &changes, self.plan.warmup, until);
            LostCore {
                core,
                planned,
                planned_measured,
            }
        })
        .collect()
    }
}

/// Starts the thread of one core.
fn spawn(cpu: usize, parts: CoreParts, link: LauncherLink) -> Result<JoinHandle<()>, Error> {
    let core = link.core;
    let spawned = std::thread::Builder::new()
        .name(format!("core-{core}"))
        .spawn(move || {
            let heartbeat = Arc::clone(&parts.heartbeat);
            heartbeat.set_thread();
            let guard = Guard {
                core,
                heartbeat,
                to_launcher: link.to_launcher.clone(),
                calm: false,
            };
            let ended = LocalExecutorBuilder::new(Placement::Fixed(cpu))
                .io_memory(GLOMMIO_IO_BYTES)
                .ring_depth(GLOMMIO_RING_DEPTH)
                .preempt_timer(PREEMPT_TIMER)
                .make()
                .map_err(|e| ring_refusal::executor_error(&e))
                .and_then(|executor| {
                    // One poll from start to end: the loop of the executor loses a wake-up when
                    // its thread loses the processor there, so nothing goes back to it.
                    executor.run(async move { Core::new(parts)?.live(link) })
                });
            guard.end(ended);
        });
    spawned.map_err(|e| Error::Core {
        core,
        message: format!("its thread did not start: {e}"),
    })
}

/// Tells the launcher how a core's thread ended, also when it panics.
struct Guard {
    core: u32,
    heartbeat: Arc<Heartbeat>,
    to_launcher: Sender<Report>,
    calm: bool,
}

impl Guard {
    fn end(mut self, ended: Result<(), Error>) {
        self.calm = true;
        self.heartbeat.end();
        let core = self.core;
        let report = match ended {
            Ok(()) => Report::Ended { core },
            Err(error) => Report::Failed { core, error },
        };
        let _ = self.to_launcher.send(report);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.calm {
            self.heartbeat.end();
            let core = self.core;
            let error = Error::Panicked { core };
            let _ = self.to_launcher.send(Report::Failed { core, error });
        }
    }
}

/// Tries the local addresses of a plan, which may be none of this machine's.
fn try_sources(sources: &[IpAddr]) -> Result<(), Error> {
    for &address in sources {
        UdpSocket::bind((address, 0)).map_err(|source| Error::Source { address, source })?;
    }
    Ok(())
}
