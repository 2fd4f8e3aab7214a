//! The server process: options, threads, and the complete router.

use crate::store::{Observers, Sqlite, Store, make_private};
use crate::webhooks::{Context, Deliveries, WebhookOptions, Webhooks};
use crate::{
    Error, access, api, export, health, ingest, live, node_check, openapi, pages, webhooks,
};
use axum::Router;
use axum::http::Uri;
use std::future::IntoFuture;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Threads that serve requests.
const WORKERS: usize = 2;
/// Threads for blocking disk access; further requests queue.
const BLOCKING_MAX: usize = 8;

/// How long running requests may delay a stop.
const STOP_MAX: Duration = Duration::from_secs(3);

/// Options of the server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on; port 0 picks a free one.
    pub bind: SocketAddr,
    /// The data folder; created if absent.
    pub data_dir: PathBuf,
    /// Host names, besides the bound address and localhost, under which browsers may reach the
    /// server.
    pub hosts: Vec<String>,
    /// The URL under which people reach the server, without a path; its host needs no entry in
    /// `hosts`. `None`: that of the bound address.
    pub url: Option<String>,
    /// How webhooks are delivered.
    pub webhooks: WebhookOptions,
}

impl Options {
    /// Listens on `bind` and keeps everything below `data_dir`.
    pub fn new(bind: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Options {
            bind,
            data_dir: data_dir.into(),
            hosts: Vec::new(),
            url: None,
            webhooks: WebhookOptions::default(),
        }
    }
}

/// State shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Access control.
    pub(crate) access: Arc<access::Access>,
    /// The store of runs.
    pub store: Arc<dyn Store>,
    /// Live updates of runs.
    pub live: live::Broadcaster,
    /// Memory budget for batches being read.
    pub(crate) batch_memory: Arc<ingest::BatchMemory>,
    /// Makes exports.
    pub(crate) exports: export::ExportPool,
    /// Tells other systems of runs.
    pub(crate) webhooks: Webhooks,
}

impl App {
    /// Runs blocking work on a thread for that purpose.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let joined = tokio::task::spawn_blocking(work).await;
        joined.unwrap_or_else(|_| {
            Err(Error::Format(
                "the work for a request was interrupted".to_owned(),
            ))
        })
    }

    /// The project of a run; `None` when there is no such run.
    pub(crate) fn project_of(&self, run: &str) -> Result<Option<String>, Error> {
        Ok(self.store.run(run)?.map(|run| run.project))
    }
}

/// A running server; stops when dropped.
pub struct Running {
    addr: SocketAddr,
    token: String,
    notices: Vec<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// The actual address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL for a browser, without a path.
    pub fn url(&self) -> String {
        url_of(self.addr)
    }

    /// The token for batches of this process; no other process has it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What was changed when it started, for whoever started it.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Stops the server: no new requests, running ones finish, the store is closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // sending fails if the thread has already ended
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the server on its own threads, which inherit the CPU affinity of the calling one.
///
/// # Errors
/// When the address is taken, other machines can reach it and no admin exists, or the data folder
/// cannot be used.
pub fn start(mut options: Options) -> Result<Running, Error> {
    let public_url = public_url(&mut options)?;
    let data = |source| Error::Data {
        path: options.data_dir.clone(),
        source,
    };
    let access = access::Access::open(&options)?;
    let token = access.own_token();
    let mut notices = Vec::new();
    let folder = options.data_dir.display();
    match make_private(&options.data_dir) {
        Ok(false) => {}
        Ok(true) => notices.push(format!(
            "{folder}: other users could read this folder, which holds runs and accounts; now \
             only its owner can"
        )),
        // a volume may belong to another user
        Err(error) => notices.push(format!(
            "{folder}: other users can read this folder, which holds runs and accounts, and its \
             permissions cannot be changed: {error}"
        )),
    }
    let listener = listen(options.bind)?;
    let addr = listener.local_addr().map_err(data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_name("server")
        .enable_all()
        .build()
        .map_err(data)?;
    let live = live::Broadcaster::default();
    let url = public_url.unwrap_or_else(|| url_of(addr));
    let (store, webhooks, deliveries) = observed_store(&options, live.clone(), url)?;
    let app = App {
        access: Arc::new(access),
        store: Arc::clone(&store) as Arc<dyn Store>,
        live,
        batch_memory: Arc::default(),
        exports: export::ExportPool::default(),
        webhooks,
    };
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("server-main".to_owned())
        .spawn(move || {
            runtime.block_on(serve(listener, app, stopped));
            // pending disk access gets a moment to finish
            runtime.shutdown_timeout(STOP_MAX);
            store.stop();
            deliveries.stop(STOP_MAX);
        })
        .map_err(data)?;
    Ok(Running {
        addr,
        token,
        notices,
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// The store, and the webhooks that are told of its runs.
fn observed_store(
    options: &Options,
    live: live::Broadcaster,
    url: String,
) -> Result<(Arc<Sqlite>, Webhooks, Deliveries), Error> {
    let accounts = Arc::new(access::Accounts::open(&options.data_dir)?);
    let (webhooks, inbox) = Webhooks::new(&options.webhooks, Arc::clone(&accounts));
    let observers = Observers(vec![Box::new(live), Box::new(webhooks.clone())]);
    let store = Arc::new(Sqlite::start(&options.data_dir, Arc::new(observers))?);
    let context = Context {
        accounts,
        store: Arc::clone(&store) as Arc<dyn Store>,
        options: options.webhooks.clone(),
        url,
    };
    let deliveries = Deliveries::start(webhooks.clone(), inbox, context)?;
    Ok((store, webhooks, deliveries))
}

/// The URL for people, if one is given; its host is one that browsers may use.
///
/// # Errors
/// When it is no such URL.
fn public_url(options: &mut Options) -> Result<Option<String>, Error> {
    let Some(given) = &options.url else {
        return Ok(None);
    };
    let url = given.trim_end_matches('/').to_owned();
    let uri: Option<Uri> = url.parse().ok();
    let authority = uri.as_ref().and_then(|uri| {
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_bare = uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority()?.as_str();
        (is_http && is_bare && !authority.contains('@')).then(|| authority.to_owned())
    });
    let Some(authority) = authority else {
        return Err(Error::Refused(format!(
            "--url {given:?}: expected http://HOST or https://HOST, with a port if necessary, and \
             without a path"
        )));
    };
    options.hosts.push(authority);
    Ok(Some(url))
}

/// The URL for a browser, without a path.
fn url_of(addr: SocketAddr) -> String {
    if addr.ip().is_loopback() || addr.ip().is_unspecified() {
        format!("http://localhost:{}", addr.port())
    } else {
        format!("http://{addr}")
    }
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
    let live = app.live.clone();
    let router = routes(app);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let (stopping, mut is_stopping) = tokio::sync::watch::channel(());
    let served = axum::serve(listener, service).with_graceful_shutdown(async move {
        let _ = stopped.await;
        // streams do not end by themselves
        live.close();
        drop(stopping);
    });
    let too_late = async {
        let _ = is_stopping.changed().await;
        tokio::time::sleep(STOP_MAX).await;
    };
    tokio::select! {
        _ = served.into_future() => {}
        () = too_late => {}
    }
}

/// All routes behind the guard.
fn routes(app: App) -> Router {
    let open = Router::new()
        .merge(ingest::routes())
        .merge(node_check::routes())
        .merge(api::routes())
        .merge(openapi::routes())
        .merge(live::routes())
        .merge(export::routes())
        .merge(health::routes())
        .merge(pages::routes())
        .merge(webhooks::routes())
        .merge(access::routes());
    let packed = axum::middleware::from_fn(pages::compress::layer);
    access::guard(open, &app).layer(packed).with_state(app)
}
