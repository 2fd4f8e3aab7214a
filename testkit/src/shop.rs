//! The application under `testkit/app`: a small shop in Python, run by gunicorn.
//!
//! Its packages lie in a virtual environment below `target/`, where `cargo xtask test` puts them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use crate::certificates::Identity;
use crate::need;
use crate::service::{Service, retried, scratch};

/// An account that may log in: name and password.
pub const ACCOUNT: (&str, &str) = ("ann", "secret");

/// The path of the environment below the root of the workspace.
pub const ENVIRONMENT: &str = "target/shop-environment";
/// The folder of the application and its requirements, below the root of the workspace.
pub const FOLDER: &str = "testkit/app";

/// The running application; stopped when it is dropped.
pub struct Shop {
    addr: SocketAddr,
    scheme: &'static str,
    service: Service,
}

impl Shop {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`, or with https, without a trailing slash.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.addr)
    }

    /// The number of its first process.
    pub fn id(&self) -> u32 {
        self.service.id()
    }
}

/// Starts it on 127.0.0.1, with TLS if there is a certificate for it.
///
/// `None`, said loudly, when its environment is not there.
///
/// # Panics
/// When it is missing and `CI` is set, or when it does not start; the message has its log.
pub fn start(identity: Option<&Identity>) -> Option<Shop> {
    start_at(Ipv4Addr::LOCALHOST.into(), identity)
}

/// As [`start`], at another address.
///
/// # Panics
/// As [`start`].
pub fn start_at(ip: IpAddr, identity: Option<&Identity>) -> Option<Shop> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = root.join(ENVIRONMENT).join("bin/gunicorn");
    if !need::need(
        "the packages of the test application (cargo xtask setup)",
        program.is_file(),
    ) {
        return None;
    }
    let command = || {
        let mut command = Command::new(&program);
        command
            .arg("--bind")
            .arg(SocketAddr::new(ip, 0).to_string());
        command.args(["--threads", "16"]);
        command.args(["--keep-alive", "30", "--graceful-timeout", "2"]);
        command.args(["--no-control-socket", "--chdir"]);
        command.arg(root.join(FOLDER));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    Some(retried("the test application", || {
        try_start(command(), identity)
    }))
}

fn try_start(mut command: Command, identity: Option<&Identity>) -> Result<Shop, String> {
    let folder = scratch("shop")?;
    if let Some(identity) = identity {
        let (certificate, key) = identity.write(&folder, "server");
        command.arg("--certfile").arg(certificate);
        command.arg("--keyfile").arg(key);
    }
    command.arg("shop:app");
    let mut service = Service::start(command, folder)?;
    // Connections wait in the master's socket until the worker takes them.
    service.wait_until(|service| service.output().contains("Booting worker"))?;
    let addr = listening(&service.output()).ok_or_else(|| service.output())?;
    let scheme = if identity.is_some() { "https" } else { "http" };
    Ok(Shop {
        addr,
        scheme,
        service,
    })
}

/// Reads `Listening at: http://127.0.0.1:39185 (31463)`.
fn listening(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("Listening at: ")?;
    let (_, rest) = rest.split_once("://")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn the_log_tells_the_address() {
        let log = "[INFO] Listening at: http://127.0.0.1:39185 (31463)\n[INFO] Using";
        let addr = SocketAddr::from(([127, 0, 0, 1], 39185));
        assert_eq!(listening(log), Some(addr));
        assert_eq!(listening("nothing"), None);
    }

    #[test]
    fn serves_its_pages_and_ends() {
        let Some(shop) = start(None) else { return };
        let addr = shop.addr();
        let mut client = Client::connect(addr).unwrap();
        let home = client.get("/").unwrap();
        assert_eq!(home.status, 200);
        assert!(home.header("set-cookie").unwrap().starts_with("sid="));
        let echo = client.request("POST", "/echo", "", b"abc").unwrap();
        // SHA-256 of "abc" (FIPS 180-2, appendix B.1)
        assert!(String::from_utf8_lossy(&echo.body).contains("ba7816bf8f01cfea414140de5dae2223"));
        drop(client);
        drop(shop);
        assert!(Client::connect(addr).is_err());
    }
}
