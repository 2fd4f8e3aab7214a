//! A node of a run of several: joins the rendezvous, starts with the others, hears commands for all,
//! and ends with the others.

mod client;
mod clock;
mod facts;
mod settings;

use clock::ClockOffset;
pub use clock::RunClock;
pub use settings::JoinSettings;

use crate::command::exit::Failure;
use crate::render::format;
use anyhow::anyhow;
use client::{NodeClient, NodeError};
use serde_json::Value;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use wire::rendezvous::{
    Joining, NodeFacts, NodeRequest, NodeStage, RunStage, RunState, TimedCommand, WAIT_MAX_MS,
};

/// Exchanges that tell the clock's offset.
const PINGS: usize = 16;
/// A larger uncertainty is warned of.
const UNCERTAINTY_WARN: Duration = Duration::from_millis(10);
/// How long to wait before a message is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How often somebody who waits looks at the time.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A node that has joined its run.
pub struct Joined {
    client: NodeClient,
    settings: JoinSettings,
    clock: ClockOffset,
    /// Until when all must be ready.
    deadline: Instant,
    shared: Arc<Shared>,
}

/// What the thread that listens and the others share.
#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    state: RunState,
    /// What `setup` returned.
    setup: Option<Value>,
    heard: Option<Instant>,
    /// Why the rendezvous refuses this node.
    refused: Option<String>,
    /// Commands that were fetched.
    taken: usize,
    /// The start here.
    start: Option<Instant>,
    start_lag: Duration,
    /// The drift of the clock at the end.
    drift_us: i64,
    /// Contact was lost for a lease while there was load.
    is_lost: bool,
    /// The load of this node is over.
    has_ended: bool,
    /// The user does not want to wait for the other nodes.
    is_wait_over: bool,
    /// Nothing more is to be heard.
    is_closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a state, if it is newer.
    fn take(&self, state: Option<RunState>) {
        let mut inner = self.lock();
        inner.heard = Some(Instant::now());
        if let Some(mut state) = state.filter(|state| state.number >= inner.state.number) {
            if state.nodes.is_empty() {
                state.nodes = std::mem::take(&mut inner.state.nodes);
            }
            if let Some(data) = state.setup.take() {
                inner.setup = Some(data);
            }
            inner.state = state;
        }
        self.changed.notify_all();
    }

    /// Waits until something has changed, or a moment.
    fn wait<'a>(&'a self, inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        let waited = self.changed.wait_timeout(inner, LOOK_EVERY);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Joined {
    /// Joins the run at its rendezvous, which may not be there yet, and measures the clock. Notices
    /// to show come along.
    ///
    /// # Errors
    /// The rendezvous refuses the node, or does not answer within the time limit.
    pub fn join(settings: JoinSettings) -> Result<(Joined, Vec<String>), Failure> {
        let deadline = Instant::now() + settings.timeout;
        let client = settings.client()?;
        let shared = Arc::new(Shared::default());
        let request = NodeRequest::Join(Box::new(settings.joining.clone()));
        loop {
            match client.send(0, request.clone()) {
                Ok((answer, _)) => {
                    shared.take(answer.state);
                    break;
                }
                Err(NodeError::Unreachable(_)) if Instant::now() < deadline => {
                    thread::sleep(AGAIN_AFTER);
                }
                Err(error) => return Err(refused(&settings.url, error.text())),
            }
        }
        let deadline = Instant::now() + settings.timeout;
        let clock = measure(&client).map_err(|error| refused(&settings.url, error.text()))?;
        let joined = Joined {
            client,
            settings,
            clock,
            deadline,
            shared,
        };
        joined.listen().map_err(Failure::failed)?;
        let uncertainty = Duration::from_micros(clock.uncertainty_us);
        let notice = (uncertainty > UNCERTAINTY_WARN).then(|| {
            format!(
                "the rendezvous answers slowly: this node may start up to {} early or late",
                format::length(uncertainty)
            )
        });
        Ok((joined, notice.into_iter().collect()))
    }

    /// Starts the thread that listens until this is dropped.
    fn listen(&self) -> std::io::Result<()> {
        let listener = Listener {
            client: self.client.clone(),
            joining: self.settings.joining.clone(),
            shared: Arc::clone(&self.shared),
        };
        let thread = thread::Builder::new().name("rendezvous".into());
        thread.spawn(move || listener.run()).map(drop)
    }

    /// The rendezvous' clock.
    pub fn run_clock(&self) -> RunClock {
        self.client.clock.rendezvous_clock(self.clock)
    }

    /// The rendezvous' address.
    pub fn url(&self) -> &str {
        &self.settings.url
    }

    /// Without contact for so long, a node starts no new load.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.settings.joining.lease_ms)
    }

    /// Whether `setup` and `teardown` are this node's.
    pub fn has_hooks(&self) -> bool {
        self.settings.joining.shards.0 == 0
    }

    fn send(&self, request: NodeRequest) -> Result<(), NodeError> {
        let seen = self.shared.lock().state.number;
        let (answer, _) = self.client.send(seen, request)?;
        self.shared.take(answer.state);
        Ok(())
    }

    /// This node is ready: waits until all are, runs `setup` if it is this node's, and returns when
    /// the load starts here, with what `setup` returned.
    ///
    /// # Errors
    /// A node is missing or has given up, `setup` failed, or the rendezvous is gone.
    pub fn start(
        &self,
        setup: impl FnOnce() -> Result<Value, engine::Error>,
    ) -> Result<(Instant, Value), Failure> {
        let fail = |text: &str| refused(&self.settings.url, text);
        let deadline = self.deadline;
        let ready = NodeRequest::Ready {
            round_trip_us: self.clock.round_trip_us,
            clock_offset_us: self.clock.offset_us,
            clock_uncertainty_us: self.clock.uncertainty_us,
        };
        self.send(ready).map_err(|error| fail(error.text()))?;
        let mut setup = Some(setup).filter(|_| self.has_hooks());
        let mut inner = self.shared.lock();
        loop {
            if let Some(text) = inner.state.failed.as_ref().or(inner.refused.as_ref()) {
                return Err(fail(text));
            }
            if inner
                .heard
                .is_none_or(|heard| heard.elapsed() > self.lease())
            {
                return Err(fail(&format!(
                    "no answer for {}",
                    format::length(self.lease())
                )));
            }
            match inner.state.stage {
                RunStage::SettingUp if setup.is_some() => {
                    drop(inner);
                    self.set_up(setup.take())?;
                    inner = self.shared.lock();
                    continue;
                }
                RunStage::Gathering if Instant::now() > deadline => {
                    let text = missing(&inner.state.nodes, self.settings.timeout);
                    drop(inner);
                    self.leave(&text);
                    return Err(fail(&text));
                }
                RunStage::Started => {
                    let there_us = inner.state.start_us.unwrap_or_default();
                    let at = self.client.clock.instant(there_us, self.clock);
                    inner.start = Some(at);
                    return Ok((at, inner.setup.take().unwrap_or_default()));
                }
                _ => inner = self.refreshed(inner, deadline),
            }
        }
    }

    /// Waits; who is missing is only asked for when the time is over.
    fn refreshed<'a>(
        &'a self,
        inner: MutexGuard<'a, Inner>,
        deadline: Instant,
    ) -> MutexGuard<'a, Inner> {
        let inner = self.shared.wait(inner);
        if inner.state.stage != RunStage::Gathering || Instant::now() <= deadline {
            return inner;
        }
        drop(inner);
        if let Ok((answer, _)) = self.client.send(0, NodeRequest::Listen { wait_ms: 0 }) {
            self.shared.take(answer.state);
        }
        self.shared.lock()
    }

    /// Runs `setup` and tells what it returned.
    fn set_up(
        &self,
        setup: Option<impl FnOnce() -> Result<Value, engine::Error>>,
    ) -> Result<(), Failure> {
        let Some(setup) = setup else {
            return Ok(());
        };
        let data = setup().inspect_err(|error| self.leave(&error.to_string()))?;
        self.send(NodeRequest::SetUp(data))
            .map_err(|error| refused(&self.settings.url, error.text()))
    }

    /// The load began at this moment, which should have been that of [`Joined::start`].
    pub fn began(&self, at: Instant) {
        let mut inner = self.shared.lock();
        let due = inner.start.unwrap_or(at);
        inner.start_lag = at.saturating_duration_since(due);
    }

    /// Gives up before the start, and tells the others why.
    pub fn leave(&self, reason: &str) {
        let first = reason.lines().next().unwrap_or_default();
        // whoever does not hear of it waits for this node for a while
        let _ = self.send(NodeRequest::Leave(first.to_owned()));
    }

    /// Sends a command for all nodes, this one included. Never waits.
    pub fn send_command(&self, command: String) {
        let (client, shared) = (self.client.clone(), Arc::clone(&self.shared));
        thread::spawn(move || {
            let seen = shared.lock().state.number;
            if let Ok((answer, _)) = client.send(seen, NodeRequest::Command(command)) {
                shared.take(answer.state);
            }
        });
    }

    /// Commands that have not been fetched.
    pub fn take_commands(&self) -> Vec<TimedCommand> {
        let mut inner = self.shared.lock();
        let taken = inner.taken;
        inner.taken = inner.state.commands.len().max(taken);
        inner.state.commands.iter().skip(taken).cloned().collect()
    }

    /// Whether there was no contact for a lease while this node had load; from then on it is so.
    pub fn is_lost(&self) -> bool {
        let mut inner = self.shared.lock();
        let is_silent = inner
            .heard
            .is_none_or(|heard| heard.elapsed() >= self.lease());
        if inner.start.is_some() && !inner.has_ended && is_silent {
            inner.is_lost = true;
        }
        inner.is_lost
    }

    /// Who waits for the other nodes does so no longer.
    pub fn stop_waiting(&self) {
        self.shared.lock().is_wait_over = true;
        self.shared.changed.notify_all();
    }

    /// The load of this node is over: measures the clock again, and waits until that of all is, or
    /// contact is lost.
    pub fn end(&self) {
        self.shared.lock().has_ended = true;
        if let Ok(after) = measure(&self.client) {
            self.shared.lock().drift_us = after.offset_us - self.clock.offset_us;
        }
        let facts = self.own_facts();
        let since = Instant::now();
        while self
            .send(NodeRequest::Ended(Box::new(facts.clone())))
            .is_err()
        {
            if since.elapsed() > self.lease() || self.shared.lock().is_wait_over {
                break;
            }
            thread::sleep(AGAIN_AFTER);
        }
        let mut inner = self.shared.lock();
        while inner.state.stage != RunStage::Over && !inner.is_wait_over {
            if inner
                .heard
                .is_none_or(|heard| heard.elapsed() > self.lease())
            {
                break;
            }
            inner = self.shared.wait(inner);
        }
        inner.is_closed = true;
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let is_before = {
            let mut inner = self.shared.lock();
            inner.is_closed = true;
            inner.start.is_none() && inner.state.failed.is_none() && inner.refused.is_none()
        };
        if is_before {
            self.leave("it ended before the start");
        }
    }
}

/// The thread that waits for news, which is also this node's sign of life.
struct Listener {
    client: NodeClient,
    joining: Joining,
    shared: Arc<Shared>,
}

impl Listener {
    fn run(self) {
        loop {
            let (seen, start) = {
                let inner = self.shared.lock();
                if inner.is_closed {
                    return;
                }
                (inner.state.number, inner.start)
            };
            // several signs of life within a lease
            let wait_ms = WAIT_MAX_MS.min(self.joining.lease_ms / 4);
            match self.client.send(seen, NodeRequest::Listen { wait_ms }) {
                Ok((answer, _)) => self.shared.take(answer.state),
                Err(NodeError::Unknown(_)) if start.is_some() => self.rejoin(),
                Err(NodeError::Refused(text) | NodeError::Unknown(text)) => {
                    self.shared.lock().refused = Some(text);
                    self.shared.changed.notify_all();
                    thread::sleep(AGAIN_AFTER);
                }
                Err(NodeError::Unreachable(_)) => thread::sleep(AGAIN_AFTER),
            }
        }
    }

    /// The rendezvous was started again and knows nothing: tells it what it was.
    fn rejoin(&self) {
        let start_us = self.shared.lock().state.start_us;
        let mut joining = self.joining.clone();
        joining.started_us = start_us;
        if let Ok((answer, _)) = self.client.send(0, NodeRequest::Join(Box::new(joining))) {
            let mut inner = self.shared.lock();
            // its numbers and commands begin anew
            inner.state = RunState {
                start_us,
                ..RunState::default()
            };
            inner.taken = 0;
            drop(inner);
            self.shared.take(answer.state);
        } else {
            thread::sleep(AGAIN_AFTER);
        }
    }
}

/// Measures how far the clocks are apart.
fn measure(client: &NodeClient) -> Result<ClockOffset, NodeError> {
    let exchanges = (0..PINGS).map(|_| client.send(u64::MAX, NodeRequest::Ping));
    let exchanges = exchanges.map(|done| done.map(|(_, exchange)| exchange));
    let exchanges: Vec<_> = exchanges.collect::<Result<_, _>>()?;
    Ok(clock::best(&exchanges))
}

fn refused(url: &str, text: &str) -> Failure {
    let text = format::escape(text);
    Failure::failed(anyhow!("--join {url}: {text}"))
}

/// Who is not there when the time is over.
fn missing(nodes: &[NodeFacts], waited: Duration) -> String {
    let ready = nodes.iter().filter(|one| one.stage == NodeStage::Ready);
    let late = nodes.iter().filter(|one| one.stage != NodeStage::Ready);
    let late = late.map(|one| match one.stage {
        NodeStage::Missing => format!("{} has not joined", one.segment),
        _ => format!("{} is not ready", one.label()),
    });
    format!(
        "{} of {} nodes were ready within {}: {}",
        ready.count(),
        nodes.len(),
        format::length(waited),
        late.collect::<Vec<_>>().join(", ")
    )
}
