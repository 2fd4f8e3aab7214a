//! Starting a run on its cores, and waiting for its end.

use crate::Error;
use crate::clock::Clock;
use crate::control::{Control, Heartbeat};
use crate::core::{
    Budget, Core, CoreParts, LauncherLink, Report, SingleUser, StartSignal, arrivals_due,
};
use crate::event::Event;
use crate::feeder::Sources;
use crate::local_ports::LocalPorts;
use crate::pacing::{Segment, Share};
use crate::probe;
use crate::tls::Setup;
use crate::watchdog;
use config::{Origin, Plan};
use glommio::{LocalExecutorBuilder, Placement};
use serde_json::Value;
use stats::{Recorder, Window};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From when all cores are ready until the load starts: time for all of them to hear of it.
const LEAD: Duration = Duration::from_millis(50);
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
    /// Tell every request and reply as an event.
    pub traced: bool,
    /// Run only this user; for one processor and the whole run as segment.
    pub only: Option<SingleUser>,
    /// The run's switch.
    pub control: Control,
}

/// A run that goes on.
pub struct Running {
    clock: Clock,
    start: Instant,
    cores: usize,
    reports: Receiver<Report>,
    threads: Vec<JoinHandle<()>>,
    heartbeats: Vec<Arc<Heartbeat>>,
    stalled: Receiver<Error>,
    plan: Arc<Plan>,
    segment: Segment,
    control: Control,
}

/// How a run ended.
pub struct Outcome {
    /// The last window of each core that carried its load to the end, with the core's place.
    pub windows: Vec<(u32, Window)>,
    /// The cores that did not, and so did not hand over their last window.
    pub lost: Vec<LostCore>,
    /// When the last core had carried its load: the end of the drain, before `teardown`.
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

/// Starts a run: makes the cores, runs `setup`, and fixes the moment of the start. Returns when
/// the load is about to begin.
///
/// # Errors
///
/// Whatever keeps the run from beginning; no load was sent then (`setup` may have).
pub fn start(job: RunSpec) -> Result<Running, Error> {
    // An executor that cannot have its rings panics.
    probe::try_ring()?;
    let sources = Arc::new(Sources::open(&job.plan, job.segment)?);
    for notice in sources.notices() {
        // Nobody may be listening any more.
        let _ = job.events.try_send(Event::Notice {
            text: notice.clone(),
        });
    }
    let is_secure = job.origin.scheme == config::Scheme::Https;
    let tls = Setup::open(&job.plan.tls, is_secure).map_err(Error::Tls)?;
    let tls = Arc::new(tls);
    let addresses = resolve(&job.origin, &job.plan)?;
    let sizes = probe::sizes(&job.plan, job.cpus.len());
    let clock = Clock::new(Instant::now());
    let cores = job.cpus.len();
    let loaded = Arc::new(AtomicUsize::new(cores));
    let budget = Arc::new(Budget::of(&job.plan, job.segment));
    let (to_launcher, reports) = channel();
    let mut running = Running::new(&job, clock, reports);
    let ports = LocalPorts::of_system(job.plan.connections.ports);
    let mut begins: Vec<Sender<StartSignal>> = Vec::new();
    for (core, (cpu, recorder)) in job.cpus.iter().zip(job.recorders).enumerate() {
        let heartbeat = Arc::new(Heartbeat::default());
        let (begin, from_launcher) = channel();
        let parts = CoreParts {
            plan: Arc::clone(&job.plan),
            origin: job.origin.clone(),
            addresses: addresses.clone(),
            sources: Arc::clone(&sources),
            tls: Arc::clone(&tls),
            share: Share::new(job.segment, core as u32, cores as u32),
            budget: Arc::clone(&budget),
            ports: ports.clone(),
            place: (core as u32, cores as u32),
            sizes,
            clock,
            recorder,
            events: job.events.clone(),
            traced: job.traced,
            only: job.only,
            control: job.control.clone(),
            heartbeat: Arc::clone(&heartbeat),
        };
        let line = LauncherLink {
            core: core as u32,
            to_launcher: to_launcher.clone(),
            from_launcher,
            loaded: Arc::clone(&loaded),
        };
        running.threads.push(spawn(*cpu, parts, line)?);
        running.heartbeats.push(heartbeat);
        begins.push(begin);
    }
    drop(to_launcher);
    let (scenarios, data) = running.await_ready()?;
    running.begin(&begins, data);
    running.stalled = watchdog::watch(&running.heartbeats, scenarios, job.events, job.control);
    Ok(running)
}

impl Running {
    fn new(job: &RunSpec, clock: Clock, reports: Receiver<Report>) -> Running {
        Running {
            clock,
            start: Instant::now(),
            cores: job.cpus.len(),
            reports,
            threads: Vec::new(),
            heartbeats: Vec::new(),
            stalled: channel().1,
            plan: Arc::clone(&job.plan),
            segment: job.segment,
            control: job.control.clone(),
        }
    }

    /// The moment the load starts; may lie a little ahead.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Whether all cores have ended.
    pub fn is_finished(&self) -> bool {
        self.heartbeats.iter().all(|heartbeat| heartbeat.is_done())
            || self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the end of the run.
    pub fn wait(self) -> Outcome {
        let mut outcome = Outcome {
            windows: Vec::new(),
            lost: Vec::new(),
            end: self.start,
            error: None,
        };
        let mut load_end: Option<Duration> = None;
        let mut open = self.cores;
        // Once a core is stalled: until when the others have time to end.
        let mut limit: Option<Instant> = None;
        while open > 0 {
            match self.reports.recv_timeout(LOOK_EVERY) {
                Ok(Report::Carried {
                    core,
                    window,
                    at,
                    load_end: end,
                }) => {
                    outcome.windows.push((core, *window));
                    outcome.end = outcome.end.max(self.clock.instant(at));
                    load_end = load_end.max(Some(end));
                }
                Ok(Report::Ended) => open -= 1,
                Ok(Report::Failed(error)) => {
                    outcome.error.get_or_insert(error);
                    open -= 1;
                }
                Ok(Report::Ready { .. }) => {}
                Err(_) if self.threads.iter().all(JoinHandle::is_finished) => break,
                Err(_) => {}
            }
            if let Ok(error) = self.stalled.try_recv() {
                outcome.error.get_or_insert(error);
                limit = Some(Instant::now() + OTHERS_END_WITHIN);
            }
            let all_but_stalled = outcome.windows.len() + 1 >= self.cores;
            if limit.is_some_and(|limit| all_but_stalled || Instant::now() > limit) {
                // The thread cannot be ended; it goes down with the process.
                outcome.end = Instant::now();
                outcome.lost = self.lost(&outcome, load_end);
                return outcome;
            }
        }
        outcome.lost = self.lost(&outcome, load_end);
        for thread in self.threads {
            // A panic was reported by the guard of the core's thread.
            let _ = thread.join();
        }
        outcome
    }

    /// The cores without a last window. The load ended at `load_end` on the others, or now.
    fn lost(&self, outcome: &Outcome, load_end: Option<Duration>) -> Vec<LostCore> {
        let carried = |core: u32| outcome.windows.iter().any(|(other, _)| *other == core);
        let until = load_end.unwrap_or_else(|| self.start.elapsed());
        let until = until.min(self.start.elapsed());
        let changes = self.control.changes_after(0);
        let lost = (0..self.cores as u32).filter(|core| !carried(*core));
        lost.map(|core| {
            let share = Share::new(self.segment, core, self.cores as u32);
            let span = (self.plan.warmup, until);
            let (planned, planned_measured) = arrivals_due(&self.plan, share, &changes, span);
            LostCore {
                core,
                planned,
                planned_measured,
            }
        })
        .collect()
    }

    /// Waits until every core is ready; the scenarios and what `setup` returned.
    fn await_ready(&mut self) -> Result<(Vec<String>, Value), Error> {
        let mut data = Value::Null;
        let mut names = Vec::new();
        for _ in 0..self.cores {
            match self.reports.recv() {
                Ok(Report::Ready {
                    scenarios,
                    data: found,
                }) => {
                    names = scenarios;
                    data = found.unwrap_or(data);
                }
                Ok(Report::Failed(error)) => return Err(error),
                Ok(Report::Carried { .. } | Report::Ended) | Err(_) => return Err(Error::Stopped),
            }
        }
        Ok((names, data))
    }

    fn begin(&mut self, begins: &[Sender<StartSignal>], data: Value) {
        let data = Arc::new(data);
        let start = self.clock.now().after(LEAD);
        self.start = self.clock.instant(start);
        for begin in begins {
            // A core that ended in between is met again while waiting for the end.
            let _ = begin.send(StartSignal {
                start,
                data: Arc::clone(&data),
            });
        }
    }
}

/// Starts the thread of one core.
fn spawn(cpu: usize, parts: CoreParts, line: LauncherLink) -> Result<JoinHandle<()>, Error> {
    let core = line.core;
    let spawned = std::thread::Builder::new()
        .name(format!("core-{core}"))
        .spawn(move || {
            let heartbeat = Arc::clone(&parts.heartbeat);
            heartbeat.set_thread();
            let guard = Guard {
                core,
                heartbeat,
                to_launcher: line.to_launcher.clone(),
                calm: false,
            };
            let ended = LocalExecutorBuilder::new(Placement::Fixed(cpu))
                .io_memory(GLOMMIO_IO_BYTES)
                .ring_depth(GLOMMIO_RING_DEPTH)
                .preempt_timer(PREEMPT_TIMER)
                .make()
                .map_err(|e| probe::executor_error(&e))
                .and_then(|executor| {
                    // One poll from start to end: the loop of the executor loses a wake-up when
                    // its thread loses the processor there, so nothing goes back to it.
                    executor.run(async move { Core::new(parts)?.live(line) })
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
        let report = ended.map_or_else(Report::Failed, |()| Report::Ended);
        let _ = self.to_launcher.send(report);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.calm {
            self.heartbeat.end();
            let error = Error::Panicked { core: self.core };
            let _ = self.to_launcher.send(Report::Failed(error));
        }
    }
}

/// The addresses of the target, in the order of the system's resolver; none where it is a socket in
/// the file system.
///
/// # Errors
///
/// The name has none.
pub fn resolve(origin: &Origin, plan: &Plan) -> Result<Vec<SocketAddr>, Error> {
    if origin.socket.is_some() {
        return Ok(Vec::new());
    }
    if let Some(fixed) = fixed_addresses(plan, &origin.host, origin.port) {
        return Ok(fixed);
    }
    let failed = |source| Error::Resolve {
        host: origin.host.clone(),
        source,
    };
    let found = (origin.host.as_str(), origin.port)
        .to_socket_addrs()
        .map_err(failed)?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(failed(std::io::Error::other("the answer is empty")));
    }
    Ok(addresses)
}

/// The addresses that the profile has for a name.
pub(crate) fn fixed_addresses(plan: &Plan, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let hosts = &plan.connections.hosts;
    let (_, addresses) = hosts.iter().find(|(name, _)| name == host)?;
    let with_port = |address: &std::net::IpAddr| SocketAddr::new(*address, port);
    Some(addresses.iter().map(with_port).collect())
}
