//! The rendezvous of a run of several nodes: where they join, start at one moment, hear commands,
//! and where the loss of one is noticed.
//!
//! What is known of a run is in memory. After a restart, nodes that have started join again and
//! bring the start along.

mod run_nodes;

#[cfg(test)]
mod tests;

use crate::access::{Guarded, Visitor};
use crate::body::Body;
use crate::store::is_id;
use crate::{ApiError, App};
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::{Extension, Json, Router};
use run_nodes::RunNodes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::timeout;
use wire::VERSION;
use wire::rendezvous::{
    NODE_PATH, NodeAnswer, NodeMessage, NodeRequest, RunState, TOKEN_HEADER, WAIT_MAX_MS, coverage,
};

/// The largest message, in bytes: `setup` may return much.
const MESSAGE_MAX: usize = 8 << 20;
/// The most runs that are known at the same time.
const RUNS_MAX: usize = 256;
/// Runs that were not heard of for this long are forgotten, in microseconds.
const FORGOTTEN_US: i64 = 3_600 * 1_000_000;

/// Why a message is refused.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// It is not as documented.
    Bad(String),
    /// The run's token is wrong.
    Token,
    /// The run, or the node in it, is unknown.
    Unknown,
    /// It contradicts what is known of the run.
    Conflict(String),
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Bad(text) => ApiError::bad_request(text),
            Refusal::Token => {
                let text = "the run's token (MISTRESS_JOIN_TOKEN) is not that of its first node";
                ApiError::new(StatusCode::FORBIDDEN, text)
            }
            Refusal::Unknown => ApiError::not_found("no such run, or no such node in it"),
            Refusal::Conflict(text) => ApiError::new(StatusCode::CONFLICT, text),
        }
    }
}

/// The runs that have a rendezvous here.
#[derive(Debug, Clone)]
pub(crate) struct Rendezvous(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    runs: Mutex<HashMap<String, KnownRun>>,
    /// The clock: the time of the system at the start, and from then on monotonic.
    origin: Instant,
    origin_us: i64,
}

/// A run, and the number of its state for those who wait.
#[derive(Debug)]
struct KnownRun {
    nodes: RunNodes,
    changed: watch::Sender<u64>,
}

impl Default for Rendezvous {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Rendezvous(Arc::new(Shared {
            runs: Mutex::default(),
            origin: Instant::now(),
            origin_us: i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(0),
        }))
    }
}

impl Rendezvous {
    fn now_us(&self) -> i64 {
        let elapsed = i64::try_from(self.0.origin.elapsed().as_micros());
        self.0.origin_us.saturating_add(elapsed.unwrap_or(i64::MAX))
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<String, KnownRun>> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message; returns the state if the node has not seen it, or else what tells of the
    /// next one.
    fn take(
        &self,
        message: &NodeMessage,
        token: &str,
    ) -> Result<(Option<RunState>, watch::Receiver<u64>), Refusal> {
        let now_us = self.now_us();
        let mut runs = self.runs();
        if let NodeRequest::Join(joining) = &message.request {
            let is_new = runs
                .get(&message.run)
                .is_none_or(|one| one.nodes.is_given_up());
            if is_new {
                runs.retain(|_, one| now_us - one.nodes.touched_us < FORGOTTEN_US);
                if runs.len() >= RUNS_MAX {
                    return Err(Refusal::Conflict("too many runs at once".to_owned()));
                }
                let mut nodes = RunNodes::of(token, joining, now_us)?;
                nodes.join(message.node, message.epoch, joining, now_us)?;
                let changed = watch::channel(0).0;
                runs.insert(message.run.clone(), KnownRun { nodes, changed });
            }
        }
        let known = runs.get_mut(&message.run).ok_or(Refusal::Unknown)?;
        let nodes = &mut known.nodes;
        if !nodes.has_token(token) {
            return Err(Refusal::Token);
        }
        if let NodeRequest::Join(joining) = &message.request {
            nodes.join(message.node, message.epoch, joining, now_us)?;
        } else if !nodes.is_member(message.node, message.epoch) {
            return Err(Refusal::Unknown);
        }
        nodes.renew_lease(message.node, now_us);
        nodes.expire_leases(now_us);
        match &message.request {
            NodeRequest::Ready {
                round_trip_us,
                clock_offset_us,
                clock_uncertainty_us,
            } => {
                nodes.clock(message.node, *clock_offset_us, *clock_uncertainty_us);
                nodes.ready(message.node, *round_trip_us);
            }
            NodeRequest::SetUp(data) => nodes.set_up(data.clone(), now_us),
            NodeRequest::Command(text) => nodes.command(text, now_us).map(drop)?,
            NodeRequest::Ended(facts) => nodes.ended(message.node, facts),
            NodeRequest::Leave(reason) => nodes.leave(message.node, reason),
            NodeRequest::Ping | NodeRequest::Join(_) | NodeRequest::Listen { .. } => {}
        }
        known.changed.send_replace(known.nodes.number());
        let is_news = known.nodes.number() > message.seen;
        // who speaks of something else is not told of all nodes
        let seen = match message.request {
            NodeRequest::Listen { .. } => message.seen,
            _ => message.seen.max(1),
        };
        let state = is_news.then(|| known.nodes.state(seen));
        Ok((state, known.changed.subscribe()))
    }

    /// The state that a node has not seen; `None` when there is none within `wait`.
    async fn news(
        &self,
        message: &NodeMessage,
        mut changed: watch::Receiver<u64>,
        wait: Duration,
    ) -> Option<RunState> {
        let seen = message.seen;
        let _ = timeout(wait, changed.wait_for(|number| *number > seen)).await;
        let now_us = self.now_us();
        let mut runs = self.runs();
        let known = runs.get_mut(&message.run)?;
        known.nodes.renew_lease(message.node, now_us);
        let nodes = &known.nodes;
        (nodes.number() > seen).then(|| nodes.state(seen))
    }

    /// A batch is stored: what its node has delivered, if the run has its rendezvous here.
    pub(crate) fn delivered(&self, run: &str, node: u32, until_s: u64) {
        if let Some(known) = self.runs().get_mut(run) {
            known.nodes.delivered(node, until_s);
        }
    }

    /// A command for all nodes of a run; its moment, in seconds from the start of the load.
    fn command(&self, run: &str, text: &str) -> Result<f64, Refusal> {
        let now_us = self.now_us();
        let mut runs = self.runs();
        let known = runs.get_mut(run).ok_or(Refusal::Unknown)?;
        known.nodes.expire_leases(now_us);
        let at_us = known.nodes.command(text, now_us)?;
        known.changed.send_replace(known.nodes.number());
        Ok(at_us as f64 / 1e6)
    }

    /// Adds what is known of live nodes to those of a run as a reader is told of them.
    pub(crate) fn describe(&self, run: &str, nodes: &mut Value) {
        let Some(state) = self.state(run) else {
            return;
        };
        for node in nodes.as_array_mut().into_iter().flatten() {
            let index = node["node"].as_u64();
            let mut known = state.nodes.iter();
            let Some(facts) = known.find(|one| Some(u64::from(one.node)) == index) else {
                continue;
            };
            node["stage"] = json!(facts.stage);
            if node["clock_offset_us"].is_null() {
                node["clock_offset_us"] = facts.clock_offset_us.into();
                node["clock_uncertainty_us"] = facts.clock_uncertainty_us.into();
                node["lost_s"] = json!(facts.lost_s);
            }
        }
    }

    /// The state of a run.
    fn state(&self, run: &str) -> Option<RunState> {
        let now_us = self.now_us();
        let mut runs = self.runs();
        let known = runs.get_mut(run)?;
        if known.nodes.expire_leases(now_us) {
            known.changed.send_replace(known.nodes.number());
        }
        // what `setup` returned may be secret
        Some(known.nodes.state(u64::MAX))
    }

    /// Whether a run is known here.
    fn knows(&self, run: &str) -> bool {
        self.runs().contains_key(run)
    }

    /// The project of a run that is known here.
    fn project(&self, run: &str) -> Option<String> {
        Some(self.runs().get(run)?.nodes.project.clone())
    }
}

/// The routes for nodes, and for who controls them.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .guarded(Method::POST, NODE_PATH, node)
        .guarded(Method::GET, "/api/v1/runs/{id}/nodes", nodes)
        .guarded(Method::POST, "/api/v1/runs/{id}/control", control)
}

async fn node(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<NodeAnswer>, ApiError> {
    let received_us = app.rendezvous.now_us();
    let body = to_bytes(request.into_body(), MESSAGE_MAX).await;
    let body = body.map_err(|_| {
        let text = format!("the message is larger than {MESSAGE_MAX} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    })?;
    let message: NodeMessage = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad_request(format!("not a message of a node: {error}")))?;
    if message.version != VERSION || !is_id(&message.run) || message.epoch >> 63 != 0 {
        return Err(ApiError::bad_request(format!(
            "version: expected {VERSION}; run: an id; epoch: below 2^63"
        )));
    }
    let token = headers
        .get(TOKEN_HEADER)
        .and_then(|value| value.to_str().ok());
    authorize(&app, &visitor, &message).await?;
    let (mut state, changed) = app.rendezvous.take(&message, token.unwrap_or_default())?;
    if let (None, NodeRequest::Listen { wait_ms }) = (&state, &message.request) {
        let wait = Duration::from_millis((*wait_ms).min(WAIT_MAX_MS));
        state = app.rendezvous.news(&message, changed, wait).await;
    }
    Ok(Json(NodeAnswer {
        received_us,
        sent_us: app.rendezvous.now_us(),
        state,
    }))
}

/// A token of one project only permits runs of that project; and a run that is stored has had its
/// start.
async fn authorize(app: &App, visitor: &Visitor, message: &NodeMessage) -> Result<(), ApiError> {
    let run = message.run.clone();
    let joined = match &message.request {
        NodeRequest::Join(joining) => Some(joining),
        _ => None,
    };
    let mut projects: Vec<String> = app.rendezvous.project(&run).into_iter().collect();
    projects.extend(joined.map(|joining| joining.project.clone()));
    if let Some(joining) = joined.filter(|_| !app.rendezvous.knows(&run)) {
        let owned = app.clone();
        let stored = app.blocking(move || owned.project_of(&run)).await?;
        if stored.is_some() && joining.started_us.is_none() {
            let text = "this run has already started; use a new --run-id to run again";
            return Err(ApiError::new(StatusCode::CONFLICT, text));
        }
        projects.extend(stored);
    }
    match projects.iter().all(|project| visitor.may_ingest(project)) {
        true => Ok(()),
        false => {
            let text = "the token belongs to another project";
            Err(ApiError::new(StatusCode::FORBIDDEN, text))
        }
    }
}

/// The nodes of a run as its rendezvous knows them; none of runs that had none here.
async fn nodes(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let state = match app.rendezvous.state(&id) {
        Some(state) => state,
        None => {
            let (owned, run) = (app.clone(), id.clone());
            let stored = app.blocking(move || owned.project_of(&run)).await?;
            stored.ok_or_else(|| ApiError::not_found("no such run"))?;
            RunState::default()
        }
    };
    Ok(Json(json!({
        "stage": state.stage,
        "start_us": state.start_us,
        "commands": state.commands,
        "coverage": coverage(&state.nodes),
        "nodes": state.nodes,
    })))
}

/// A command for a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    command: String,
}

async fn control(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Value>, ApiError> {
    let at_s = app.rendezvous.command(&id, &wanted.command);
    let at_s = at_s.map_err(|refusal| match refusal {
        Refusal::Unknown => ApiError::not_found(
            "no such run has its rendezvous here; runs of one process have a --control socket",
        ),
        other => other.into(),
    })?;
    Ok(Json(json!({ "at_s": at_s })))
}
