//! The server process: options, threads, and the complete router.

use crate::access::OidcOptions;
use crate::connections::{self, ConnectionLimits, TlsFiles};
use crate::metrics::Metrics;
use crate::observe::RequestLog;
use crate::store::{Expiry, LockedFolder, Observers, RunObserver, Sqlite, Store, make_private};
use crate::webhooks::{Context, Deliveries, Network, WebhookOptions, Webhooks};
use crate::{
    Error, access, api, export, health, ingest, live, node_check, observe, openapi, pages,
    rendezvous, webhooks,
};
use axum::Router;
use axum::http::Uri;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// Threads that serve requests.
const WORKERS: usize = 2;
/// Threads for blocking disk access; further requests queue.
const BLOCKING_MAX: usize = 8;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 4_096;

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
    /// Speaks TLS with these files.
    pub tls: Option<TlsFiles>,
    /// How many connections there may be, and how long each may let the server wait.
    pub(crate) connections: ConnectionLimits,
    /// Most disk space for runs, in bytes: beyond it, those that arrived first are deleted, but no
    /// pinned, baseline or live ones.
    pub keep_bytes: Option<u64>,
    /// The URL under which people reach the server, without a path; its host needs no entry in
    /// `hosts`. `None`: that of the bound address.
    pub url: Option<String>,
    /// How webhooks are delivered.
    pub(crate) webhooks: WebhookOptions,
    /// The OpenID Connect provider that people may sign in with.
    pub oidc: Option<OidcOptions>,
}

impl Options {
    /// Listens on `bind` and keeps everything below `data_dir`.
    pub fn new(bind: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Options {
            bind,
            data_dir: data_dir.into(),
            hosts: Vec::new(),
            tls: None,
            connections: ConnectionLimits::default(),
            keep_bytes: None,
            url: None,
            webhooks: WebhookOptions::default(),
            oidc: None,
        }
    }

    /// Lets webhooks post to these networks although they are refused by default.
    pub fn allow_webhooks_to(&mut self, networks: &[Network]) {
        self.webhooks.allow = networks.to_vec();
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
    /// The connections of clients.
    pub(crate) connections: Arc<connections::Table>,
    /// What is counted of requests and batches.
    pub(crate) metrics: Arc<Metrics>,
    /// What is logged of requests.
    pub(crate) request_log: Arc<RequestLog>,
    /// Tells other systems of runs.
    pub(crate) webhooks: Webhooks,
    /// Where the nodes of runs meet.
    pub(crate) rendezvous: rendezvous::Rendezvous,
}

impl App {
    fn new(
        access: Arc<access::Access>,
        store: Arc<dyn Store>,
        live: live::Broadcaster,
        connections: Arc<connections::Table>,
        webhooks: Webhooks,
    ) -> App {
        App {
            access,
            store,
            live,
            batch_memory: Arc::default(),
            exports: export::ExportPool::default(),
            connections,
            metrics: Arc::default(),
            request_log: Arc::default(),
            webhooks,
            rendezvous: rendezvous::Rendezvous::default(),
        }
    }

    /// Runs a change that a full disk must not prevent, on a thread for that purpose.
    pub(crate) async fn with_room<T: Send + 'static>(
        &self,
        work: impl Fn() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(&self.store);
        let work = move || match work() {
            Err(error) if error.is_full() => {
                store.make_room();
                work()
            }
            done => done,
        };
        self.blocking(work).await
    }

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
    is_tls: bool,
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
        url_of(self.addr, self.is_tls)
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
/// When the address is taken, other machines can reach it and no admin exists, the data folder
/// cannot be used, a file for TLS, or the OpenID Connect provider as it is given.
pub fn start(mut options: Options) -> Result<Running, Error> {
    let public_url = public_url(&mut options)?;
    let data = |source| Error::Data {
        path: options.data_dir.clone(),
        source,
    };
    let tls = options.tls.as_ref();
    let tls = tls.map(connections::acceptor).transpose()?;
    let folder = LockedFolder::open(&options.data_dir)?;
    let mut access = access::Access::open(&options)?;
    let token = access.own_token();
    let notices: Vec<String> = made_private(&options.data_dir).into_iter().collect();
    let runtime = runtime().map_err(data)?;
    let listener = listen(&runtime, options.bind)?;
    let addr = listener.local_addr().map_err(data)?;
    let is_tls = tls.is_some();
    let live = live::Broadcaster::default();
    let url = public_url.unwrap_or_else(|| url_of(addr, is_tls));
    access.start_oidc(&options, &url)?;
    let access = Arc::new(access);
    let (webhooks, inbox) = Webhooks::new(&options.webhooks, Arc::clone(&access.accounts));
    let observers = Observers(vec![
        Box::new(live.clone()),
        Box::new(AuditObserver(Arc::clone(&access))),
        Box::new(webhooks.clone()),
    ]);
    let keep_bytes = options.keep_bytes;
    let store = Sqlite::start_locked(&options.data_dir, folder, Arc::new(observers), keep_bytes);
    let store = Arc::new(store?);
    let context = Context {
        accounts: Arc::clone(&access.accounts),
        store: Arc::clone(&store) as Arc<dyn Store>,
        options: options.webhooks.clone(),
        url,
    };
    let deliveries = Deliveries::start(webhooks.clone(), inbox, context)?;
    let table = connections::Table::new(options.connections);
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let app = App::new(access, shared, live, table, webhooks);
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("server-main".to_owned())
        .spawn(move || {
            runtime.block_on(serve(listener, app, tls, stopped));
            // pending disk access gets a moment to finish
            runtime.shutdown_timeout(STOP_MAX);
            store.stop();
            tracing::info!("stopped");
            deliveries.stop(STOP_MAX);
        })
        .map_err(data)?;
    log_start(&options, &notices, addr);
    Ok(Running {
        addr,
        is_tls,
        token,
        notices,
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// Tells the log what this server is.
fn log_start(options: &Options, notices: &[String], addr: SocketAddr) {
    for notice in notices {
        tracing::warn!(notice = notice.as_str(), "access to the data folder");
    }
    tracing::info!(
        address = %addr,
        tls = options.tls.is_some(),
        data = &*options.data_dir.to_string_lossy(),
        connections_max = options.connections.open_max,
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );
}

/// Makes the data folder private; what there is to say of it.
fn made_private(folder: &Path) -> Option<String> {
    let made = make_private(folder);
    let folder = folder.display();
    match made {
        Ok(false) => None,
        Ok(true) => Some(format!(
            "{folder}: other users could read this folder, which holds runs and accounts; now \
             only its owner can"
        )),
        // a volume may belong to another user
        Err(error) => Some(format!(
            "{folder}: other users can read this folder, which holds runs and accounts, and its \
             permissions cannot be changed: {error}"
        )),
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_name("server")
        .enable_all()
        .build()
}

/// Records runs that retention deletes in the audit log.
struct AuditObserver(Arc<access::Access>);

impl RunObserver for AuditObserver {
    fn expired(&self, run: &str, reason: Expiry) {
        self.0.record_expired(run, reason.as_str());
    }
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
fn url_of(addr: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    if addr.ip().is_loopback() || addr.ip().is_unspecified() {
        format!("{scheme}://localhost:{}", addr.port())
    } else {
        format!("{scheme}://{addr}")
    }
}

fn listen(runtime: &Runtime, addr: SocketAddr) -> Result<TcpListener, Error> {
    let bind = || {
        let socket = match addr {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let _entered = runtime.enter();
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| Error::Bind { addr, source })
}

async fn serve(
    listener: TcpListener,
    app: App,
    tls: Option<TlsAcceptor>,
    stopped: oneshot::Receiver<()>,
) {
    let (live, table) = (app.live.clone(), Arc::clone(&app.connections));
    let router = routes(app);
    let (stopping, mut is_stopping) = tokio::sync::watch::channel(());
    let stop = async move {
        let _ = stopped.await;
        tracing::info!("stopping");
        // streams do not end by themselves
        live.close();
        drop(stopping);
    };
    let too_late = async {
        let _ = is_stopping.changed().await;
        tokio::time::sleep(STOP_MAX).await;
    };
    tokio::select! {
        () = connections::serve(listener, router, table, tls, stop) => {}
        () = too_late => {}
    }
}

/// All routes behind the guard.
fn routes(app: App) -> Router {
    let open = Router::new()
        .merge(ingest::routes())
        .merge(node_check::routes())
        .merge(rendezvous::routes())
        .merge(api::routes())
        .merge(openapi::routes())
        .merge(live::routes())
        .merge(export::routes())
        .merge(health::routes())
        .merge(pages::routes())
        .merge(webhooks::routes())
        .merge(access::routes());
    let packed = axum::middleware::from_fn(pages::compress::layer);
    let observed = axum::middleware::from_fn_with_state(app.clone(), observe::layer);
    access::guard(open, &app)
        .layer(packed)
        .layer(observed)
        .with_state(app)
}
