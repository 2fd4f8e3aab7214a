//! Tells those who watch a run what is new in it, as server-sent events.

use crate::access::Guarded;
use crate::store::{State, Watch};
use crate::{App, Refusal};
use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::http::Method;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde_json::json;
use stats::wire::EventRow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};

/// Notes that a slow listener may be behind; older ones it misses, which is no harm: it asks for
/// all that is new when it hears of a second.
const BEHIND_MAX: usize = 64;

/// What a listener hears.
#[derive(Debug, Clone)]
enum Note {
    Second(u64),
    Event(Arc<serde_json::Value>),
    End(State),
}

/// Who listens to which run.
#[derive(Debug, Clone, Default)]
pub struct Hub(Arc<Mutex<Runs>>);

#[derive(Debug, Default)]
struct Runs {
    by_id: HashMap<String, Sender<Note>>,
    /// The server stops: nobody may listen any more.
    is_closed: bool,
}

impl Hub {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, id: &str) -> Option<Receiver<Note>> {
        let mut runs = self.runs();
        if runs.is_closed {
            return None;
        }
        runs.by_id.retain(|_, sender| sender.receiver_count() > 0);
        let sender = runs.by_id.entry(id.to_owned());
        Some(sender.or_insert_with(|| channel(BEHIND_MAX).0).subscribe())
    }

    fn tell(&self, run: &str, note: Note) {
        if let Some(sender) = self.runs().by_id.get(run) {
            // nobody may be left
            let _ = sender.send(note);
        }
    }

    /// Ends all streams.
    pub(crate) fn close(&self) {
        let mut runs = self.runs();
        runs.is_closed = true;
        runs.by_id.clear();
    }
}

impl Watch for Hub {
    fn second(&self, run: &str, time_s: u64) {
        self.tell(run, Note::Second(time_s));
    }

    fn event(&self, run: &str, event: &EventRow) {
        let said = json!({ "time_us": event.time_us, "kind": event.kind, "text": event.text });
        self.tell(run, Note::Event(Arc::new(said)));
    }

    fn end(&self, run: &str, state: State) {
        self.tell(run, Note::End(state));
        self.runs().by_id.remove(run);
    }
}

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new().guarded(Method::GET, "/api/v1/runs/{id}/live", live)
}

async fn live(
    Shared(app): Shared<App>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    // listening begins before the look at the state, so that no end is missed
    let heard = app.live.listen(&id);
    let (store, wanted) = (Arc::clone(&app.store), id.clone());
    let run = app.blocking(move || store.run(&wanted)).await?;
    let run = run.ok_or_else(|| Refusal::absent("there is no such run"))?;
    let over = (run.state != State::Live).then_some(Note::End(run.state));
    let heard = heard.filter(|_| over.is_none());
    let first = tokio_stream::iter(over.or(Some(Note::Second(0))));
    let stream = first
        .chain(notes(heard))
        .map(|note| Ok::<_, Infallible>(shown(&note)));
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// What is heard; nothing, and then the end, without a receiver.
fn notes(heard: Option<Receiver<Note>>) -> impl Stream<Item = Note> {
    let heard = heard.unwrap_or_else(|| channel(1).1);
    // what was missed is asked for with the next second
    BroadcastStream::new(heard).filter_map(Result::ok)
}

fn shown(note: &Note) -> Event {
    match note {
        Note::Second(time_s) => event("second", &json!({ "time_s": time_s })),
        Note::Event(said) => event("event", said),
        Note::End(state) => event("end", &json!({ "state": state.as_str() })),
    }
}

fn event(name: &str, data: &serde_json::Value) -> Event {
    Event::default().event(name).data(data.to_string())
}
