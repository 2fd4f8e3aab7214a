//! A real nginx for tests, with its own folder and ports, plain and with TLS.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::certificates::Identity;
use crate::client::Client;
use crate::need;
use crate::service::{Service, free_addrs, retried, scratch};

/// A running nginx, on 127.0.0.1 unless told otherwise; stopped, and its folder removed, when it is dropped.
pub struct Nginx {
    addr: SocketAddr,
    tls: Vec<SocketAddr>,
    service: Service,
    /// Requests to the status page by this handle, which nginx counts among all others.
    own: AtomicU64,
}

/// A port of its own with TLS.
#[derive(Clone, Debug)]
pub struct TlsPort<'a> {
    /// As nginx has it: `"TLSv1.2 TLSv1.3"`.
    pub protocols: &'a str,
    /// What it shows.
    pub identity: &'a Identity,
    /// The authority (PEM) of clients' certificates; `Some`: nobody without one is served.
    pub client_authority: Option<&'a str>,
    /// Further lines of its `server` block.
    pub server: &'a str,
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
    start_with(server, &[])
}

/// The same, and further ports with TLS.
///
/// # Panics
/// As [`start`].
pub fn start_with(server: &str, tls: &[TlsPort<'_>]) -> Option<Nginx> {
    start_at(Ipv4Addr::LOCALHOST.into(), server, tls)
}

/// The same on another address of this host.
///
/// # Panics
/// As [`start`].
pub fn start_at(ip: IpAddr, server: &str, tls: &[TlsPort<'_>]) -> Option<Nginx> {
    let program = need::program("nginx");
    if !need::need(
        "nginx (Debian: apt-get install nginx-light)",
        program.is_some(),
    ) {
        return None;
    }
    let program = program?;
    Some(retried("nginx", || try_start(&program, ip, server, tls)))
}

impl Nginx {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Such as `http://127.0.0.1:port`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The address of the TLS port with this index in the list given to [`start_with`].
    pub fn tls_addr(&self, index: usize) -> SocketAddr {
        self.tls[index]
    }

    /// Its prefix, for files to serve: `root files;` is `folder().join("files")`.
    pub fn folder(&self) -> &Path {
        self.service.folder()
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

fn try_start(
    program: &Path,
    ip: IpAddr,
    server: &str,
    tls: &[TlsPort<'_>],
) -> Result<Nginx, String> {
    let mut addrs = free_addrs(ip, 1 + tls.len())?;
    let addr = addrs.remove(0);
    let folder = scratch("nginx")?;
    let conf = folder.join("nginx.conf");
    let mut servers = format!(
        "server {{\n    listen {addr} backlog=4096;\n    \
         location = /stub_status {{ stub_status; }}\n    {server}\n  }}\n"
    );
    for (index, (port, addr)) in tls.iter().zip(&addrs).enumerate() {
        servers += &tls_server(&folder, index, port, *addr);
    }
    fs::write(&conf, configuration(&servers)).map_err(|e| format!("{conf:?}: {e}"))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(&folder).arg("-c").arg(&conf);
    command.arg("-e").arg(folder.join("error.log"));
    let mut service = Service::start(command, folder)?;
    // Its own page must answer: a listening port could be anybody's.
    service.wait_until(|_| {
        let answer = Client::connect(addr).and_then(|mut client| client.get("/stub_status"));
        answer.is_ok()
    })?;
    Ok(Nginx {
        addr,
        tls: addrs,
        service,
        own: AtomicU64::new(1),
    })
}

/// The `server` block of a port with TLS.
fn tls_server(folder: &Path, index: usize, port: &TlsPort<'_>, addr: SocketAddr) -> String {
    let (certificate, key) = port.identity.write(folder, &format!("tls{index}"));
    let asking = port.client_authority.map(|pem| {
        let path = folder.join(format!("clients{index}.pem"));
        fs::write(&path, pem).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        format!("ssl_client_certificate {path:?}; ssl_verify_client on;")
    });
    format!(
        "  server {{
    listen {addr} ssl backlog=4096;
    ssl_certificate {certificate:?};
    ssl_certificate_key {key:?};
    ssl_protocols {};
    ssl_session_cache shared:tls{index}:1m;
    {}
    {}
  }}
",
        port.protocols,
        asking.unwrap_or_default(),
        port.server
    )
}

fn configuration(servers: &str) -> String {
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
  {servers}
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
