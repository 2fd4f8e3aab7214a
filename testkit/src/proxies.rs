//! Real proxies for tests: tinyproxy (HTTP), microsocks (SOCKS 5), and stunnel, which puts TLS in
//! front of one.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::certificates::Identity;
use crate::client::Client;
use crate::need;
use crate::service::{Service, free_addrs, retried, scratch};

/// Name and password that a proxy wants.
pub type Credentials<'a> = (&'a str, &'a str);

/// A running proxy; stopped, and its folder removed, when it is dropped.
pub struct Proxy {
    addr: SocketAddr,
    service: Service,
}

impl Proxy {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        let log = self.service.folder().join("access.log");
        self.service.output() + &fs::read_to_string(log).unwrap_or_default()
    }
}

/// Starts tinyproxy on an address of this machine: absolute URLs, after which it closes, and CONNECT to any port.
///
/// `None`, said loudly, when it is not installed.
///
/// # Panics
/// When it is missing and `CI` is set, or when it does not start; the message has its output.
pub fn tinyproxy(ip: IpAddr, credentials: Option<Credentials<'_>>) -> Option<Proxy> {
    start(ip, "tinyproxy", "tinyproxy", |program, addr, folder| {
        let auth = credentials.map_or(String::new(), |(user, password)| {
            format!("BasicAuth {user} {password}\n")
        });
        let text = format!(
            "Listen {ip}\nPort {}\nTimeout 600\nMaxClients 200\nLogLevel Connect\n\
             LogFile \"{}\"\n{auth}",
            addr.port(),
            folder.join("access.log").display()
        );
        let file = folder.join("tinyproxy.conf");
        fs::write(&file, text).map_err(|e| format!("{file:?}: {e}"))?;
        let mut command = Command::new(program);
        command.arg("-d").arg("-c").arg(file);
        Ok(command)
    })
}

/// Starts microsocks on an address of this machine: SOCKS 5 for names and addresses.
///
/// `None`, said loudly, when it is not installed.
///
/// # Panics
/// As [`tinyproxy`].
pub fn microsocks(ip: IpAddr, credentials: Option<Credentials<'_>>) -> Option<Proxy> {
    start(ip, "microsocks", "microsocks", |program, addr, _| {
        let mut command = Command::new(program);
        command.args(["-i", &ip.to_string(), "-p", &addr.port().to_string()]);
        if let Some((user, password)) = credentials {
            command.args(["-u", user, "-P", password]);
        }
        Ok(command)
    })
}

/// Starts stunnel on 127.0.0.1: TLS, with this certificate, in front of a server.
///
/// `None`, said loudly, when it is not installed.
///
/// # Panics
/// As [`tinyproxy`].
pub fn tls_front(behind: SocketAddr, identity: &Identity) -> Option<Proxy> {
    let ip = Ipv4Addr::LOCALHOST.into();
    start(ip, "stunnel4", "stunnel4", |program, addr, folder| {
        let (certificate, key) = identity.write(folder, "front");
        let text = format!(
            "foreground = yes\npid =\nsyslog = no\n[front]\naccept = {addr}\nconnect = {behind}\n\
             cert = {}\nkey = {}\n",
            certificate.display(),
            key.display()
        );
        let file = folder.join("stunnel.conf");
        fs::write(&file, text).map_err(|e| format!("{file:?}: {e}"))?;
        let mut command = Command::new(program);
        command.arg(file);
        Ok(command)
    })
}

/// Starts a program that listens on a free port of an address, with the command that is made for it.
fn start(
    ip: IpAddr,
    name: &str,
    package: &str,
    command: impl Fn(&Path, SocketAddr, &Path) -> Result<Command, String>,
) -> Option<Proxy> {
    let program = need::program(name);
    let needed = format!("{name} (Debian: apt-get install {package})");
    if !need::need(&needed, program.is_some()) {
        return None;
    }
    let program = program?;
    let try_start = || {
        let addr = free_addrs(ip, 1)?.remove(0);
        let folder = scratch(name)?;
        let command = command(&program, addr, &folder)?;
        let mut service = Service::start(command, folder)?;
        service.wait_until(|_| Client::connect(addr).is_ok())?;
        Ok(Proxy { addr, service })
    };
    Some(retried(name, try_start))
}
