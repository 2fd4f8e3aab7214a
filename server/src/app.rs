//! The server's life: its options, its threads, the routes put together.

use crate::{Error, access, api, export, hello, ingest, live, pages};
use axum::Router;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Threads that serve requests.
const WORKERS: usize = 2;
/// Threads that wait for the disk on behalf of requests; more requests queue.
const BLOCKING_MAX: usize = 8;

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The folder that holds everything; made when absent.
    pub data_dir: PathBuf,
    /// Names besides the bound address and localhost under which browsers may reach the server.
    pub hosts: Vec<String>,
}

impl Options {
    /// On `bind`, with everything kept below `data_dir`.
    pub fn new(bind: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Options {
            bind,
            data_dir: data_dir.into(),
            hosts: Vec::new(),
        }
    }
}

/// What every handler shares; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The options it was started with, the address as bound.
    pub options: Arc<Options>,
    /// Who listens to which run.
    pub live: live::Hub,
}

/// A server that runs; stops when dropped.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// The address as bound.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to type into a browser, without a path.
    pub fn url(&self) -> String {
        if self.addr.ip().is_loopback() || self.addr.ip().is_unspecified() {
            format!("http://localhost:{}", self.addr.port())
        } else {
            format!("http://{}", self.addr)
        }
    }

    /// Stops: no new request, those under way end, the store is closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // a send fails when the thread has ended already
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the server on threads of its own, which inherit the processors of the calling one.
///
/// # Errors
/// When the address is taken, or the data folder cannot be used.
pub fn start(options: Options) -> Result<Running, Error> {
    let data = |source| Error::Data {
        path: options.data_dir.clone(),
        source,
    };
    std::fs::create_dir_all(&options.data_dir).map_err(data)?;
    let listener = listen(options.bind)?;
    let addr = listener.local_addr().map_err(data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_name("server")
        .enable_all()
        .build()
        .map_err(data)?;
    let app = App {
        options: Arc::new(Options {
            bind: addr,
            ..options.clone()
        }),
        live: live::Hub::default(),
    };
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("server-main".to_owned())
        .spawn(move || runtime.block_on(serve(listener, app, stopped)))
        .map_err(data)?;
    Ok(Running {
        addr,
        stop: Some(stop),
        thread: Some(thread),
    })
}

fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    let bind = || {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|source| Error::Bind { addr, source })
}

async fn serve(listener: TcpListener, app: App, stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let router = routes(app);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let _ = axum::serve(listener, service)
        .with_graceful_shutdown(async {
            let _ = stopped.await;
        })
        .await;
}

/// All routes behind the guard.
fn routes(app: App) -> Router {
    let open = Router::new()
        .merge(ingest::routes())
        .merge(hello::routes())
        .merge(api::routes())
        .merge(live::routes())
        .merge(export::routes())
        .merge(pages::routes())
        .merge(access::routes());
    let packed = axum::middleware::from_fn(pages::compress::layer);
    access::guard(open, &app).layer(packed).with_state(app)
}
