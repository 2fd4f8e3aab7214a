//! The threads of exports: few at a time, each export in bounded memory.
//!
//! An export is sent while it is read. It has its own thread, so that it keeps nobody else from
//! the threads for blocking disk access; one that is not taken any more ends at its next bytes.

use crate::ApiError;
use axum::body::{Body, Bytes};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Exports at a time; others wait until it is their turn.
const EXPORTS_MAX: usize = 2;
/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;
/// Chunks of an export that wait to be taken.
const CHUNKS: usize = 4;
/// The export of a client that takes nothing for so long is given up.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Bounds how many exports are made at a time.
#[derive(Clone)]
pub(crate) struct ExportPool {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicU64>,
}

impl Default for ExportPool {
    fn default() -> Self {
        ExportPool {
            places: Arc::new(Semaphore::new(EXPORTS_MAX)),
            waiting: Arc::default(),
        }
    }
}

/// Counts an export as long as it waits.
struct Waiting(Arc<AtomicU64>);

impl Waiting {
    fn of(pool: &ExportPool) -> Waiting {
        pool.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(&pool.waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ExportPool {
    /// How many exports are being made, and how many wait.
    pub(crate) fn figures(&self) -> (u64, u64) {
        let running = EXPORTS_MAX - self.places.available_permits();
        (running as u64, self.waiting.load(Ordering::Relaxed))
    }

    /// What `write` writes, as a body that is made while it is sent.
    ///
    /// # Errors
    /// That of `write`, if nothing was written before. Later ones break the body off.
    pub(crate) async fn body(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<Body, ApiError> {
        let interrupted = || ApiError::from(crate::Error::Write(io::ErrorKind::Interrupted.into()));
        let waiting = Waiting::of(self);
        let permit = Arc::clone(&self.places).acquire_owned().await;
        drop(waiting);
        let permit = permit.map_err(|_| interrupted())?;
        let (sender, mut chunks) = mpsc::channel(CHUNKS);
        let runtime = Handle::current();
        let work = move || {
            let _permit = permit;
            let mut out = ChunkWriter {
                runtime,
                sender,
                chunk: Vec::new(),
            };
            let written = write(&mut out);
            let sent = written.and_then(|()| Ok(out.flush().map_err(crate::Error::Write)?));
            if let Err(error) = sent {
                // fails when nobody is there any more
                let _ = out.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("export".to_owned());
        thread.spawn(work).map_err(crate::Error::Write)?;
        let first = match chunks.recv().await {
            None => Bytes::new(),
            Some(first) => first?,
        };
        let rest = ReceiverStream::new(chunks);
        let rest = rest.map(|chunk| chunk.map_err(|error| io::Error::other(error.message)));
        Ok(Body::from_stream(tokio_stream::once(Ok(first)).chain(rest)))
    }
}

/// Sends what is written, chunk by chunk.
struct ChunkWriter {
    runtime: Handle,
    sender: mpsc::Sender<Result<Bytes, ApiError>>,
    chunk: Vec<u8>,
}

impl ChunkWriter {
    fn send(&self, chunk: Result<Bytes, ApiError>) -> io::Result<()> {
        let sent = self.sender.send_timeout(chunk, TAKEN_WITHIN);
        let gone = |_| io::ErrorKind::BrokenPipe.into();
        self.runtime.block_on(sent).map_err(gone)
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.send(Ok(Bytes::from(chunk)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc as std_mpsc;

    fn on_a_runtime(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn what_is_written_arrives_in_order() {
        on_a_runtime(async {
            let pool = ExportPool::default();
            let body = pool.body(|out| {
                for number in 0..50_000 {
                    writeln!(out, "{number}").map_err(crate::Error::Write)?;
                }
                Ok(())
            });
            let body = body.await.expect("it is written");
            let bytes = axum::body::to_bytes(body, usize::MAX).await;
            let text = String::from_utf8(bytes.expect("it arrives").to_vec());
            let text = text.expect("it is text");
            let numbers = text.lines().map(|line| line.parse::<u32>());
            assert!(numbers.enumerate().all(|(at, n)| n == Ok(at as u32)));
            assert_eq!(text.lines().count(), 50_000);
        });
    }

    #[test]
    fn an_early_error_is_told_and_a_late_one_breaks_off() {
        on_a_runtime(async {
            let pool = ExportPool::default();
            let early = pool.body(|_| Err(ApiError::not_found("there is no such run")));
            let error = early.await.expect_err("nothing was written");
            assert_eq!(
                (error.status.as_u16(), &*error.message),
                (404, "there is no such run")
            );
            let late = pool.body(|out| {
                out.write_all(&[b'x'; CHUNK]).map_err(crate::Error::Write)?;
                Err(ApiError::bad_request("late"))
            });
            let body = late.await.expect("it begins");
            assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
        });
    }

    #[test]
    fn an_export_ends_when_nobody_takes_it() {
        on_a_runtime(async {
            let (sender, ended) = std_mpsc::channel();
            let pool = ExportPool::default();
            let endless = pool.body(move |out| {
                let mut written = 0_usize;
                let error = loop {
                    match out.write_all(&[b'x'; 4_096]) {
                        Ok(()) => written += 4_096,
                        Err(error) => break error,
                    }
                };
                sender
                    .send((written, error.kind()))
                    .expect("the test waits");
                Err(crate::Error::Write(error).into())
            });
            drop(endless.await.expect("it begins"));
            let (written, kind) = ended
                .recv_timeout(Duration::from_secs(10))
                .expect("it ends soon");
            assert!(written <= (CHUNKS + 2) * CHUNK, "{written}");
            assert_eq!(kind, io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn few_are_made_at_a_time() {
        on_a_runtime(async {
            let pool = ExportPool::default();
            let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let exports = (0..6).map(|_| {
                let (pool, now, most) = (pool.clone(), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    let body = pool.body(move |_| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(20));
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    });
                    body.await.map(drop)
                })
            });
            for export in exports.collect::<Vec<_>>() {
                assert!(export.await.is_ok_and(|made| made.is_ok()));
            }
            assert_eq!(most.load(Ordering::SeqCst), EXPORTS_MAX as u32);
        });
    }
}
