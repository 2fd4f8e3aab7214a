//! A small HTTP/1.1 client that sends exactly what it is told to, and a server to talk to.

use mistress_server as server;
use prost::Message;
use server::access::{Accounts, EVERY_PROJECT, Role};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use wire::{Batch, RunStart, VERSION};

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Long enough for a slow machine; only a hang takes it.
const PATIENCE: Duration = Duration::from_secs(60);
pub const PASSWORD: &str = "correct horse";

/// An answer, the head in lowercase names.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `name=value` of the cookie that it sets.
    pub fn cookie(&self) -> Option<String> {
        let line = self.header("set-cookie")?;
        line.split(';').next().map(str::to_owned)
    }
}

/// Sends a request with these headers besides `host` and reads the answer's head and body.
pub fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Reply> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| *name == "host") {
        head += "host: localhost\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!(
        "connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(body);
    read(&mut stream)
}

fn read(stream: &mut TcpStream) -> Result<Reply> {
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(bytes[..end].to_vec())?;
            let is_stream = head.to_ascii_lowercase().contains("text/event-stream");
            let mut body = bytes.split_off(end + 4);
            if !is_stream {
                let _ = stream.read_to_end(&mut body);
            }
            let status = head.split(' ').nth(1).unwrap_or_default().parse()?;
            return Ok(Reply { status, head, body });
        }
        match stream.read(&mut part)? {
            0 => return Err("the server closed without an answer".into()),
            count => bytes.extend_from_slice(&part[..count]),
        }
    }
}

/// A server with accounts: `root` is admin of all, and one account per role in `shop`.
pub struct Served {
    pub running: server::Running,
    pub accounts: Accounts,
    dir: tempfile::TempDir,
}

impl Served {
    pub fn open() -> Result<Served> {
        let dir = tempfile::tempdir()?;
        let accounts = Accounts::open(dir.path())?;
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let running = server::start(server::Options::new(bind, dir.path()))?;
        Ok(Served {
            running,
            accounts,
            dir,
        })
    }

    pub fn with_accounts() -> Result<Served> {
        let served = Served::open()?;
        let rows = [
            ("root", Role::Admin, EVERY_PROJECT),
            ("guest", Role::Guest, "shop"),
            ("manager", Role::Manager, "shop"),
            ("admin", Role::Admin, "shop"),
            ("stranger", Role::Admin, "bank"),
        ];
        for (name, role, project) in rows {
            served.accounts.add(name, PASSWORD, role, project)?;
        }
        Ok(served)
    }

    /// Lets the newest token have expired.
    pub fn expire_token(&self) -> Result {
        let db = rusqlite::Connection::open(self.dir.path().join("meta.sqlite"))?;
        let sql = "UPDATE token SET expires_us = 1 WHERE id = (SELECT max(id) FROM token)";
        assert_eq!(db.execute(sql, [])?, 1);
        Ok(())
    }

    pub fn addr(&self) -> SocketAddr {
        self.running.addr()
    }

    /// The cookie of a new session.
    pub fn sign_in(&self, name: &str) -> Result<String> {
        let reply = sign_in(self.addr(), name, PASSWORD)?;
        reply
            .cookie()
            .ok_or_else(|| format!("{name}: {reply:?}").into())
    }

    /// Delivers the start of a run.
    pub fn deliver(&self, start: RunStart, id: &str) -> Result<Reply> {
        let token = self.running.token().to_owned();
        deliver(self.addr(), &token, start, id)
    }
}

pub fn sign_in(addr: SocketAddr, name: &str, password: &str) -> Result<Reply> {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("name={name}&password={password}");
    send(addr, "POST", "/sign-in", &form, body.as_bytes())
}

pub fn deliver(addr: SocketAddr, token: &str, start: RunStart, id: &str) -> Result<Reply> {
    let batch = Batch {
        version: VERSION,
        run_id: id.to_owned(),
        epoch: 1,
        sequence: 1,
        start: Some(Box::new(start)),
        ..Batch::default()
    };
    let body = zstd::encode_all(batch.encode_to_vec().as_slice(), 1)?;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "zstd"),
    ];
    send(addr, "POST", "/ingest/v1/batch", &headers, &body)
}
