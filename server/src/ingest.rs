//! Receives batches from load nodes: reads them within limits, validates them, and acknowledges
//! them once stored.

mod batch_check;
mod message_limits;

use crate::access::{EVERY_PROJECT, Guarded, Visitor};
use crate::observe::Logged;
use crate::store::{BATCH_MAX, Delivery};
use crate::{App, Error};
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use prost::Message;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use wire::{Ack, Batch, MEDIA_TYPE, PATH, VERSION};

/// Maximum size of a batch as sent, in bytes.
pub const BODY_MAX: usize = 8 << 20;
/// Maximum total size of batches as sent that are in memory at the same time, in bytes.
const PACKED_BYTES_MAX: usize = 64 << 20;
/// Maximum total size of unpacked batches that are in memory at the same time, in bytes.
const UNPACKED_BYTES_MAX: usize = 96 << 20;
/// Larger batches (unpacked) are unpacked on a blocking thread.
const INLINE_MAX: usize = 512 << 10;
/// How long a body may take to arrive, since it holds memory meanwhile.
const BODY_TIME: Duration = Duration::from_secs(20);

/// Memory budget for batches being read, in KiB: as sent, and unpacked.
#[derive(Debug)]
pub struct BatchMemory(Semaphore, Semaphore);

impl Default for BatchMemory {
    fn default() -> Self {
        BatchMemory(
            Semaphore::new(PACKED_BYTES_MAX >> 10),
            Semaphore::new(UNPACKED_BYTES_MAX >> 10),
        )
    }
}

/// Converts bytes to KiB, at least one.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 10).max(1)).unwrap_or(u32::MAX)
}

/// The route for batches.
pub(crate) fn routes() -> Router<App> {
    Router::new().guarded(Method::POST, PATH, batch)
}

/// A rejected batch: the status, and the reason.
struct BatchError(StatusCode, String);

impl BatchError {
    fn bad(why: impl Into<String>) -> Self {
        BatchError(StatusCode::BAD_REQUEST, why.into())
    }

    fn too_large(why: String) -> Self {
        BatchError(StatusCode::PAYLOAD_TOO_LARGE, why)
    }
}

async fn batch(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    match receive(&app, &visitor, request).await {
        Ok(through) => ack(StatusCode::OK, through, String::new()),
        Err(BatchError(status, why)) => {
            let (sender, reason) = (visitor.name(), why.as_str());
            app.request_log.batches.pass(|suppressed| {
                let (sender, status) = (sender.as_str(), status.as_u16());
                tracing::warn!(sender, status, reason, suppressed, "batch refused");
            });
            let mut answer = ack(status, 0, why);
            answer.extensions_mut().insert(Logged);
            answer
        }
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

async fn receive(app: &App, visitor: &Visitor, request: Request) -> Result<u64, BatchError> {
    let len = length(request.headers())?;
    // released once the batch is stored
    let _memory = app.batch_memory.0.acquire_many(permits(len)).await;
    let body = timeout(BODY_TIME, to_bytes(request.into_body(), len)).await;
    let body = body.map_err(|_| too_slow())?;
    let packed = body.map_err(|_| too_long())?.to_vec();
    let claim = crate::store::unpacked_len(&packed);
    let _unpacked_memory = app.batch_memory.1.acquire_many(permits(claim)).await;
    let unpacked = if claim <= INLINE_MAX {
        read(packed)
    } else {
        let read = tokio::task::spawn_blocking(move || read(packed));
        read.await
            .unwrap_or_else(|_| Err(BatchError::bad("the batch cannot be read")))
    };
    let (batch, packed) = unpacked?;
    authorize(app, visitor, &batch).await?;
    let bytes = packed.len() as u64;
    let (run, node) = (batch.run_id.clone(), batch.node);
    let ends = batch.seconds.iter().map(|row| row.time_s + row.seconds);
    let until_s = ends.max().unwrap_or_default();
    let (sender, result) = oneshot::channel();
    let delivery = Delivery {
        batch,
        packed,
        done: Box::new(move |result| {
            // the node may have disconnected
            let _ = sender.send(result);
        }),
    };
    let busy = || {
        BatchError(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many batches are waiting".to_owned(),
        )
    };
    app.store.deliver(Box::new(delivery)).map_err(|_| busy())?;
    match result.await {
        Ok(Ok(through)) => {
            app.metrics.batch_bytes.fetch_add(bytes, Ordering::Relaxed);
            app.rendezvous.delivered(&run, node, until_s);
            Ok(through)
        }
        Ok(Err(error @ Error::DiskFull(_))) => Err(BatchError(
            StatusCode::SERVICE_UNAVAILABLE,
            error.to_string(),
        )),
        Ok(Err(error @ Error::RunDeleted)) => Err(BatchError(StatusCode::GONE, error.to_string())),
        Ok(Err(Error::RunEnded(why))) => Err(BatchError(StatusCode::CONFLICT, why)),
        Ok(Err(Error::OutOfTime(why))) => Err(BatchError::bad(why)),
        Ok(Err(error)) => Err(BatchError(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
        Err(_) => Err(busy()),
    }
}

/// A token of one project only permits runs of that project, whatever the batch says.
async fn authorize(app: &App, visitor: &Visitor, batch: &Batch) -> Result<(), BatchError> {
    if visitor.may_ingest(EVERY_PROJECT) {
        return Ok(());
    }
    let (owned, run) = (app.clone(), batch.run_id.clone());
    let stored = app.blocking(move || match owned.project_of(&run)? {
        None => Ok((None, owned.store.is_deleted(&run)?)),
        project => Ok((project, false)),
    });
    let stored = stored.await;
    let (stored, is_deleted) =
        stored.map_err(|error| BatchError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if is_deleted && batch.start.is_none() {
        return Err(BatchError(StatusCode::GONE, Error::RunDeleted.to_string()));
    }
    let claimed = batch.start.as_ref().map(|start| start.project.clone());
    let projects: Vec<String> = stored.into_iter().chain(claimed).collect();
    if projects.is_empty() || !projects.iter().all(|project| visitor.may_ingest(project)) {
        let why = "the token belongs to another project".to_owned();
        return Err(BatchError(StatusCode::FORBIDDEN, why));
    }
    Ok(())
}

/// The maximum length of the body according to its headers.
fn length(headers: &HeaderMap) -> Result<usize, BatchError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let encoding = text(header::CONTENT_ENCODING).unwrap_or("identity");
    if encoding != "zstd" {
        let why = format!("content-encoding: {encoding:?} is not supported, expected zstd");
        return Err(BatchError(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let claimed = text(header::CONTENT_LENGTH).map(str::parse::<usize>);
    match claimed {
        Some(Ok(len)) if len > BODY_MAX => Err(too_long()),
        Some(Ok(len)) => Ok(len),
        Some(Err(_)) => Err(BatchError::bad("content-length: not a number")),
        None => Ok(BODY_MAX),
    }
}

fn too_long() -> BatchError {
    BatchError::too_large(format!("the batch is larger than {BODY_MAX} bytes"))
}

fn too_slow() -> BatchError {
    let why = format!("the batch took longer than {} s", BODY_TIME.as_secs());
    BatchError(StatusCode::REQUEST_TIMEOUT, why)
}

/// The validated batch of a body, and the body.
fn read(packed: Vec<u8>) -> Result<(Batch, Vec<u8>), BatchError> {
    let bytes = crate::store::decompress(&packed)
        .map_err(|error| BatchError::bad(format!("the body is not zstd: {error}")))?
        .ok_or_else(|| {
            BatchError::too_large(format!("the batch unpacks to more than {BATCH_MAX} bytes"))
        })?;
    message_limits::check(&bytes).map_err(BatchError::bad)?;
    let mut batch = Batch::decode(bytes.as_slice())
        .map_err(|error| BatchError::bad(format!("the body is not a batch: {error}")))?;
    batch_check::check(&batch).map_err(BatchError::bad)?;
    batch_check::bound(&mut batch);
    Ok((batch, packed))
}
