//! The connections of clients: accepted within limits, closed when a client lets the server wait.
//!
//! A connection either works (the server reads, computes or streams an answer) or waits for its
//! client: for a handshake and a head, for a body, for the client to take an answer, or between two
//! requests. Waiting has a limit of time each. When all slots are taken, or all of one address, a
//! new connection takes the slot of one that waits: the one that has waited longest of the address
//! that holds most. So whoever holds thousands of connections only pushes out their own. When none
//! waits, the new one is refused.

mod body;
mod stream;
mod table;
mod tls;

pub(crate) use table::Table;
pub use tls::TlsFiles;
pub(crate) use tls::acceptor;

use crate::log_limit::LogLimit;
use axum::Router;
use axum::extract::Request;
use body::{ReceivedBody, SentBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stream::ClientStream;
use table::{Phase, Slot};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// The most connections, whatever the limit of descriptors.
const OPEN_MAX: usize = 16_384;
/// Descriptors kept for files: three per run that goes on, and those of readers.
const DESCRIPTORS_KEPT: u64 = 1_024;
/// How long to wait after accepting failed, as when there are no descriptors.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Maximum number of refusals sent at the same time; other refused connections are only closed.
const REFUSALS_MAX: usize = 64;
/// How long a refused client may take to read the answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// The answer to a refused client.
const REFUSED: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    retry-after: 5\r\nconnection: close\r\ncontent-length: 48\r\n\r\n\
    {\"error\":\"too many connections; try again soon\"}";

/// How many connections there may be, and how long each may let the server wait.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// All connections.
    pub open_max: usize,
    /// Those of one address, or of one IPv6 network of 64 bits.
    pub per_address_max: usize,
    /// For the TLS handshake and the head of the first request, or a later head once it began.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// For the client to take anything of an answer.
    pub write: Duration,
}

impl ConnectionLimits {
    /// Those of a process that may open so many descriptors; `None` is no limit. At least half of
    /// them, and up to 1024, are left for the store.
    pub fn of(descriptors: Option<u64>) -> ConnectionLimits {
        let room = descriptors.map_or(u64::MAX, |all| {
            all.saturating_sub(DESCRIPTORS_KEPT).max(all / 2)
        });
        let open_max = usize::try_from(room).map_or(OPEN_MAX, |room| room.clamp(2, OPEN_MAX));
        ConnectionLimits {
            open_max,
            // a proxy on this machine is one address, with many clients behind it
            per_address_max: open_max / 2,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(30),
            write: Duration::from_secs(60),
        }
    }
}

impl Default for ConnectionLimits {
    /// Those of this process.
    fn default() -> ConnectionLimits {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        ConnectionLimits::of(limit.current)
    }
}

/// Who sent a request; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    /// Over TLS of this server's own.
    pub(crate) is_encrypted: bool,
}

/// What every connection needs.
#[derive(Clone)]
struct Context {
    router: Router,
    table: Arc<Table>,
    tls: Option<TlsAcceptor>,
    /// True when the server stops; also held by every open connection.
    stopping: watch::Receiver<bool>,
}

/// Serves until `stop` completes, and then until the requests under way have been answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    table: Arc<Table>,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
) {
    let (stops, stopping) = watch::channel(false);
    let context = Context {
        router,
        table,
        tls,
        stopping,
    };
    let permits = Arc::new(Semaphore::new(REFUSALS_MAX));
    let (refused, failed) = (LogLimit::default(), LogLimit::default());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, addr)) => match context.table.admit(addr.ip()) {
                Ok(slot) => {
                    tokio::spawn(connection(stream, addr, slot, context.clone()));
                }
                Err(refusal) => {
                    refused.pass(|suppressed| {
                        tracing::warn!(
                            address = addr.ip().to_string().as_str(),
                            limit = refusal.name(),
                            suppressed,
                            "connection refused: too many"
                        );
                    });
                    refuse(stream, context.tls.is_some(), &permits);
                }
            },
            // the client has gone already
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                failed.pass(|suppressed| {
                    let error = error.to_string();
                    tracing::error!(
                        error = error.as_str(),
                        suppressed,
                        "cannot accept connections"
                    );
                });
                sleep(RETRY_AFTER).await;
            }
        }
    }
    drop(listener);
    drop(context);
    // fails when no connection is left
    let _ = stops.send(true);
    stops.closed().await;
}

fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// Answers a refused client with 503, unless too many such answers are under way; over TLS that would
/// cost a handshake, so there the connection is only closed.
fn refuse(mut stream: TcpStream, is_tls: bool, permits: &Arc<Semaphore>) {
    let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
        return;
    };
    if is_tls {
        return;
    }
    tokio::spawn(async move {
        let _permit = permit;
        let reply = async {
            stream.write_all(REFUSED.as_bytes()).await?;
            stream.shutdown().await?;
            // closing with bytes unread would reset the connection, and the answer with it
            let mut rest = [0; 1_024];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<(), io::Error>(())
        };
        // fails when the client has gone
        let _ = timeout(REFUSAL_TIMEOUT, reply).await;
    });
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, addr: SocketAddr, slot: Slot, context: Context) {
    let slot = Arc::new(slot);
    // answers are written whole; waiting to join small packets only delays their ends
    let _ = stream.set_nodelay(true);
    let mut stopping = context.stopping.clone();
    let Some(tls) = context.tls.clone() else {
        return http(stream, addr, false, slot, context).await;
    };
    let secured = tokio::select! {
        secured = tls.accept(stream) => secured,
        () = slot.overdue() => return,
        _ = stopping.wait_for(|stops| *stops) => return,
    };
    match secured {
        Ok(stream) => http(stream, addr, true, slot, context).await,
        Err(error) => {
            let (address, error) = (addr.ip().to_string(), error.to_string());
            let address = address.as_str();
            tracing::debug!(address, error = error.as_str(), "TLS handshake failed");
        }
    }
}

/// Serves the requests of a connection.
async fn http<S>(stream: S, addr: SocketAddr, is_encrypted: bool, slot: Arc<Slot>, context: Context)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Context {
        router,
        mut stopping,
        ..
    } = context;
    let peer = Peer { addr, is_encrypted };
    let own_slot = Arc::clone(&slot);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (mut router, slot) = (router.clone(), Arc::clone(&own_slot));
        async move {
            let mut request: Request = request.map(|body| ReceivedBody::wrap(body, &slot));
            request.extensions_mut().insert(peer);
            let answer = router.call(request).await;
            answer.map(|answer| answer.map(|body| SentBody::new(body, slot)))
        }
    });
    let io = TokioIo::new(ClientStream::new(stream, Arc::clone(&slot)));
    let mut builder = http1::Builder::new();
    // `overdue` tells heads from idle connections, which that limit does not
    let builder = builder.timer(TokioTimer::new()).header_read_timeout(None);
    let mut serving = pin!(builder.serve_connection(io, service));
    let mut stops = false;
    loop {
        tokio::select! {
            // an error is the client's: a broken head, a reset
            _ = serving.as_mut() => return,
            () = slot.overdue() => return,
            _ = stopping.wait_for(|stops| *stops), if !stops => {
                if slot.phase() != Phase::Work {
                    return;
                }
                stops = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
}

impl Slot {
    /// Completes when the client has let the server wait for too long, or another connection takes
    /// the slot.
    async fn overdue(&self) {
        loop {
            let now = Instant::now();
            let until = match self.deadline() {
                Some(deadline) if deadline <= now => {
                    self.timed_out();
                    return;
                }
                // the phase may change to one with a nearer deadline
                Some(deadline) => deadline.min(now + self.limits().head / 4),
                None => now + self.limits().head / 4,
            };
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.evicted() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_for_the_store() {
        let rows = [
            (Some(64), 32),
            (Some(1_024), 512),
            (Some(4_096), 3_072),
            (Some(20_000), 16_384),
            (None, 16_384),
        ];
        for (descriptors, open_max) in rows {
            let limits = ConnectionLimits::of(descriptors);
            assert_eq!(limits.open_max, open_max, "{descriptors:?}");
            assert_eq!(limits.per_address_max, open_max / 2);
        }
    }

    #[test]
    fn the_answer_to_the_refused_has_the_length_that_it_says() {
        let (head, body) = REFUSED.split_once("\r\n\r\n").expect("a head and a body");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
        let body: serde_json::Value = serde_json::from_str(body).expect("it is JSON");
        assert!(body["error"].is_string());
    }
}
