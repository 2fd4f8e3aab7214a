//! Takes batches of load nodes: reads them within limits, checks them, acknowledges when kept.

mod check;
mod shape;

use crate::access::{EVERY_PROJECT, Guarded, Visitor};
use crate::store::{BATCH_MAX, Delivery};
use crate::{App, Error};
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use prost::Message;
use stats::wire::{Ack, Batch, MEDIA_TYPE, PATH, VERSION};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// The most bytes of a batch as sent.
pub const BODY_MAX: usize = 8 << 20;
/// The most bytes of batches as sent that are in memory at the same time.
const ROOM: usize = 64 << 20;
/// The most bytes of batches once unpacked that are in memory at the same time.
const ROOM_UNPACKED: usize = 96 << 20;
/// Batches above this when unpacked are unpacked where they hold up nobody.
const INLINE_MAX: usize = 512 << 10;
/// How long a body may take to arrive: it holds room meanwhile.
const BODY_TIME: Duration = Duration::from_secs(20);

/// Room for batches that are being read, in KiB: as sent, and unpacked.
#[derive(Debug)]
pub struct Room(Semaphore, Semaphore);

impl Default for Room {
    fn default() -> Self {
        Room(
            Semaphore::new(ROOM >> 10),
            Semaphore::new(ROOM_UNPACKED >> 10),
        )
    }
}

/// Bytes in KiB, at least one.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10).max(1)).unwrap_or(u32::MAX)
}

/// The routes of this part.
pub(crate) fn routes() -> Router<App> {
    Router::new().guarded(Method::POST, PATH, batch)
}

/// A batch that is not taken: the status, and why.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(why: impl Into<String>) -> Self {
        Refused(StatusCode::BAD_REQUEST, why.into())
    }

    fn too_large(why: String) -> Self {
        Refused(StatusCode::PAYLOAD_TOO_LARGE, why)
    }
}

async fn batch(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    match take(&app, &visitor, request).await {
        Ok(through) => ack(StatusCode::OK, through, String::new()),
        Err(Refused(status, why)) => ack(status, 0, why),
    }
}

fn ack(status: StatusCode, accepted_through: u64, error: String) -> Response {
    let ack = Ack {
        version: VERSION,
        accepted_through,
        error,
    };
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE)];
    (status, headers, ack.encode_to_vec()).into_response()
}

async fn take(app: &App, visitor: &Visitor, request: Request) -> Result<u64, Refused> {
    let len = length(request.headers())?;
    // it comes back when the batch is kept
    let _room = app.room.0.acquire_many(permits(len)).await;
    let body = timeout(BODY_TIME, to_bytes(request.into_body(), len)).await;
    let body = body.map_err(|_| too_slow())?;
    let packed = body.map_err(|_| too_long())?.to_vec();
    let claim = crate::store::unpacked_len(&packed);
    let _unpacked_room = app.room.1.acquire_many(permits(claim)).await;
    let unpacked = if claim <= INLINE_MAX {
        read(packed)
    } else {
        let read = tokio::task::spawn_blocking(move || read(packed));
        read.await
            .unwrap_or_else(|_| Err(Refused::bad("the batch cannot be read")))
    };
    let (batch, packed) = unpacked?;
    permit(app, visitor, &batch).await?;
    let (kept, hears) = oneshot::channel();
    let delivery = Delivery {
        batch,
        packed,
        done: Box::new(move |result| {
            // the node may have gone
            let _ = kept.send(result);
        }),
    };
    let busy = || {
        Refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many batches wait".to_owned(),
        )
    };
    app.store.deliver(Box::new(delivery)).map_err(|_| busy())?;
    match hears.await {
        Ok(Ok(through)) => Ok(through),
        Ok(Err(error @ Error::Full(_))) => {
            Err(Refused(StatusCode::INSUFFICIENT_STORAGE, error.to_string()))
        }
        Ok(Err(error @ Error::Gone)) => Err(Refused(StatusCode::GONE, error.to_string())),
        Ok(Err(error)) => Err(Refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
        Err(_) => Err(busy()),
    }
}

/// A token of one project delivers runs of that project only, whatever the batch says.
async fn permit(app: &App, visitor: &Visitor, batch: &Batch) -> Result<(), Refused> {
    if visitor.may_ingest(EVERY_PROJECT) {
        return Ok(());
    }
    let (owned, run) = (app.clone(), batch.run_id.clone());
    let kept = app.blocking(move || match owned.project_of(&run)? {
        None => Ok((None, owned.store.is_deleted(&run)?)),
        project => Ok((project, false)),
    });
    let kept = kept.await;
    let (kept, is_deleted) =
        kept.map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if is_deleted && batch.start.is_none() {
        return Err(Refused(StatusCode::GONE, Error::Gone.to_string()));
    }
    let said = batch.start.as_ref().map(|start| start.project.clone());
    let projects: Vec<String> = kept.into_iter().chain(said).collect();
    if projects.is_empty() || !projects.iter().all(|project| visitor.may_ingest(project)) {
        let why = "the token is for runs of another project".to_owned();
        return Err(Refused(StatusCode::FORBIDDEN, why));
    }
    Ok(())
}

/// How many bytes the body may have, by what its headers say.
fn length(headers: &HeaderMap) -> Result<usize, Refused> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or("identity");
    if encoding != "zstd" {
        let why = format!("content-encoding: {encoding:?} is not taken, only zstd");
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let said = text(header::CONTENT_LENGTH).map(str::parse::<usize>);
    match said {
        Some(Ok(len)) if len > BODY_MAX => Err(too_long()),
        Some(Ok(len)) => Ok(len),
        Some(Err(_)) => Err(Refused::bad("content-length: not a number")),
        None => Ok(BODY_MAX),
    }
}

fn too_long() -> Refused {
    Refused::too_large(format!("the batch is larger than {BODY_MAX} bytes"))
}

fn too_slow() -> Refused {
    let why = format!("the batch took longer than {} s", BODY_TIME.as_secs());
    Refused(StatusCode::REQUEST_TIMEOUT, why)
}

/// The batch of a body, checked, beside the body.
fn read(packed: Vec<u8>) -> Result<(Batch, Vec<u8>), Refused> {
    let bytes = crate::store::decompress(&packed)
        .map_err(|error| Refused::bad(format!("the body is not zstd: {error}")))?
        .ok_or_else(|| {
            Refused::too_large(format!("the batch unpacks to more than {BATCH_MAX} bytes"))
        })?;
    shape::check(&bytes).map_err(Refused::bad)?;
    let batch = Batch::decode(bytes.as_slice())
        .map_err(|error| Refused::bad(format!("the body is not a batch: {error}")))?;
    check::check(&batch).map_err(Refused::bad)?;
    Ok((batch, packed))
}
