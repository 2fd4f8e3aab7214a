//! A real nginx for tests, with its own folder and port.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::need;

/// How long it may take to begin listening.
const START_MAX: Duration = Duration::from_secs(10);
/// How long it may take to end before it is killed.
const STOP_MAX: Duration = Duration::from_secs(5);
/// Free ports tried: another process may take one between our look and nginx's bind.
const PORTS_TRIED: usize = 5;

/// A running nginx on 127.0.0.1; stopped, and its folder removed, when it is dropped.
pub struct Nginx {
    addr: SocketAddr,
    child: Child,
    folder: PathBuf,
    /// Requests to the status page by this handle, which nginx counts among all others.
    own: AtomicU64,
}

/// What nginx says about itself (`stub_status`), without this handle's own questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Connections open now.
    pub active: u64,
    /// Connections accepted since the start.
    pub accepted: u64,
    /// Of these the ones not dropped for want of resources.
    pub handled: u64,
    /// Requests since the start.
    pub requests: u64,
}

/// Starts nginx with these lines inside its `server` block, for example
/// `location / { return 200 "ok"; }`. Relative paths are below [`Nginx::folder`]. `/stub_status`
/// is there already, the access log is off, and keep-alive has no limit.
///
/// `None`, said loudly, when nginx is not installed.
///
/// # Panics
/// When it is missing and `CI` is set, or when it does not start; the message has its error log.
pub fn start(server: &str) -> Option<Nginx> {
    let program = need::program("nginx");
    if !need::need(
        "nginx (Debian: apt-get install nginx-light)",
        program.is_some(),
    ) {
        return None;
    }
    let program = program?;
    let mut said = String::new();
    for _ in 0..PORTS_TRIED {
        match try_start(&program, server) {
            Ok(nginx) => return Some(nginx),
            Err(e) => said = e,
        }
        if !said.contains("in use") {
            break;
        }
    }
    panic!("nginx does not start: {said}");
}

impl Nginx {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Its prefix, for files to serve: `root files;` is `folder().join("files")`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its own counts, now. Panics when it does not answer.
    pub fn status(&self) -> Status {
        let mut client = Client::connect(self.addr).expect("nginx is listening");
        let reply = client
            .get("/stub_status")
            .expect("nginx answers stub_status");
        let own = self.own.fetch_add(1, Ordering::Relaxed) + 1;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let status = parse_status(&text).unwrap_or_else(|| panic!("no stub_status: {text:?}"));
        Status {
            active: status.active.saturating_sub(1),
            accepted: status.accepted - own,
            handled: status.handled - own,
            requests: status.requests - own,
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        end(&mut self.child);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Asks it to end, waits, and kills what does not.
fn end(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + STOP_MAX;
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn try_start(program: &Path, server: &str) -> Result<Nginx, String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|l| l.local_addr())
        .map_err(|e| format!("no free port: {e}"))?
        .port();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let folder = scratch(port).map_err(|e| format!("no scratch folder: {e}"))?;
    let conf = folder.join("nginx.conf");
    let log = folder.join("error.log");
    fs::write(&conf, configuration(addr, server)).map_err(|e| format!("{conf:?}: {e}"))?;
    let child = Command::new(program)
        .arg("-p")
        .arg(&folder)
        .arg("-c")
        .arg(&conf)
        .arg("-e")
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program:?}: {e}"))?;
    let mut nginx = Nginx {
        addr,
        child,
        folder,
        own: AtomicU64::new(0),
    };
    let deadline = Instant::now() + START_MAX;
    // Its own page must answer: a listening port could be anybody's.
    while Client::connect(addr)
        .and_then(|mut c| c.get("/stub_status"))
        .is_err()
    {
        let ended = nginx.child.try_wait().map_err(|e| e.to_string())?;
        if ended.is_some() || Instant::now() > deadline {
            return Err(fs::read_to_string(&log).unwrap_or_else(|e| format!("{log:?}: {e}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    *nginx.own.get_mut() = 1;
    Ok(nginx)
}

fn scratch(port: u16) -> std::io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("testkit-nginx-{}-{port}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn configuration(addr: SocketAddr, server: &str) -> String {
    // Started by root, its worker would become an account that cannot read the scratch folder.
    let user = if rustix::process::getuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
events {{ worker_connections 16000; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  server {{
    listen {addr} backlog=4096;
    location = /stub_status {{ stub_status; }}
    {server}
  }}
}}
"
    )
}

/// Reads the four lines of the status page.
fn parse_status(text: &str) -> Option<Status> {
    let mut lines = text.lines();
    let active = lines
        .next()?
        .strip_prefix("Active connections:")?
        .trim()
        .parse()
        .ok()?;
    lines.next()?;
    let mut counts = lines.next()?.split_whitespace().map(str::parse::<u64>);
    let mut next = || counts.next()?.ok();
    Some(Status {
        active,
        accepted: next()?,
        handled: next()?,
        requests: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_page() {
        let text = "Active connections: 3 \nserver accepts handled requests\n 17 16 31 \n\
                    Reading: 0 Writing: 1 Waiting: 2 \n";
        let expected = Status {
            active: 3,
            accepted: 17,
            handled: 16,
            requests: 31,
        };
        assert_eq!(parse_status(text), Some(expected));
        assert_eq!(parse_status("404"), None);
    }

    #[test]
    fn counts_our_requests_and_ends() {
        let Some(nginx) = start("location / { return 200 \"ok\"; }") else {
            return;
        };
        let (addr, folder) = (nginx.addr(), nginx.folder().to_owned());
        let before = nginx.status();
        assert_eq!(before.requests, 0);
        let mut client = Client::connect(addr).unwrap();
        for _ in 0..100 {
            assert_eq!(client.get("/x").unwrap().body, b"ok");
        }
        let after = nginx.status();
        assert_eq!((after.requests, after.accepted, after.handled), (100, 1, 1));
        drop(nginx);
        assert!(!folder.exists());
        assert!(Client::connect(addr).is_err());
    }
}
