//! Pushes news of a run to its viewers as server-sent events.

use crate::access::{Caller, Guarded, sees_run};
use crate::store::{RunObserver, State};
use crate::{ApiError, App};
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, Method};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Extension, Router};
use serde_json::json;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::sync::mpsc;
use tokio::time::interval;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream};
use wire::EventRow;

/// How many events a slow listener may lag behind; it misses older ones, which is harmless: with
/// the next second it asks for everything new.
const BEHIND_MAX: usize = 64;

/// How often it is looked whether a listener may still see the run.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// An event for listeners.
#[derive(Debug, Clone)]
enum LiveEvent {
    Second(u64),
    Event(Arc<serde_json::Value>),
    End(State),
}

/// The listeners of each run.
#[derive(Debug, Clone, Default)]
pub struct Broadcaster(Arc<Mutex<Runs>>);

#[derive(Debug, Default)]
struct Runs {
    by_id: HashMap<String, Sender<LiveEvent>>,
    /// The server is stopping: no new listeners.
    is_closed: bool,
}

impl Broadcaster {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, id: &str) -> Option<Receiver<LiveEvent>> {
        let mut runs = self.runs();
        if runs.is_closed {
            return None;
        }
        runs.by_id.retain(|_, sender| sender.receiver_count() > 0);
        let sender = runs.by_id.entry(id.to_owned());
        Some(sender.or_insert_with(|| channel(BEHIND_MAX).0).subscribe())
    }

    fn send(&self, run: &str, note: LiveEvent) {
        if let Some(sender) = self.runs().by_id.get(run) {
            // there may be no listener left
            let _ = sender.send(note);
        }
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> u64 {
        let runs = self.runs();
        runs.by_id
            .values()
            .map(|run| run.receiver_count() as u64)
            .sum()
    }

    /// Ends all streams.
    pub(crate) fn close(&self) {
        let mut runs = self.runs();
        runs.is_closed = true;
        runs.by_id.clear();
    }
}

impl RunObserver for Broadcaster {
    fn second(&self, run: &str, time_s: u64) {
        self.send(run, LiveEvent::Second(time_s));
    }

    fn event(&self, run: &str, event: &EventRow) {
        let data = json!({ "time_us": event.time_us, "kind": event.kind, "text": event.text });
        self.send(run, LiveEvent::Event(Arc::new(data)));
    }

    fn end(&self, run: &str, state: State) {
        self.send(run, LiveEvent::End(state));
        self.runs().by_id.remove(run);
    }
}

/// The route for live updates.
pub(crate) fn routes() -> Router<App> {
    Router::new().guarded(Method::GET, "/api/v1/runs/{id}/live", live)
}

async fn live(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    // subscribe before reading the state, so that the end cannot be missed
    let receiver = app.live.listen(&id);
    let (store, wanted) = (Arc::clone(&app.store), id.clone());
    let run = app.blocking(move || store.run(&wanted)).await?;
    let run = run.ok_or_else(|| ApiError::not_found("no such run"))?;
    let over = (run.state != State::Live).then_some(LiveEvent::End(run.state));
    let (sender, events) = mpsc::channel(BEHIND_MAX);
    if let Some(receiver) = receiver.filter(|_| over.is_none()) {
        let listener = Listener {
            app,
            headers,
            caller,
            run: id,
        };
        tokio::spawn(listener.forward(receiver, sender));
    }
    let first = tokio_stream::iter(over.or(Some(LiveEvent::Second(0))));
    let stream = first
        .chain(ReceiverStream::new(events))
        .map(|note| Ok::<_, Infallible>(to_sse(&note)));
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// Who listens to a run.
struct Listener {
    app: App,
    headers: HeaderMap,
    caller: Caller,
    run: String,
}

impl Listener {
    /// Sends events on until the run has ended, nobody takes them, or the listener may not see the
    /// run any more.
    async fn forward(self, receiver: Receiver<LiveEvent>, sender: mpsc::Sender<LiveEvent>) {
        // missed events are fetched with the next second
        let mut events = BroadcastStream::new(receiver).filter_map(Result::ok);
        let mut look = interval(LOOK_EVERY);
        look.tick().await;
        loop {
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { return };
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
                _ = look.tick() => {
                    if !sees_run(&self.app, &self.headers, &self.caller, &self.run).await {
                        return;
                    }
                }
                () = sender.closed() => return,
            }
        }
    }
}

fn to_sse(note: &LiveEvent) -> Event {
    match note {
        LiveEvent::Second(time_s) => event("second", &json!({ "time_s": time_s })),
        LiveEvent::Event(data) => event("event", data),
        LiveEvent::End(state) => event("end", &json!({ "state": state.as_str() })),
    }
}

fn event(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
