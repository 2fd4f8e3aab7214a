//! A tiny blocking client, so that the servers in here are tested by something simple.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Timeout of any read or write, for a test that would hang.
const IO_TIMEOUT: Duration = Duration::from_secs(30);

/// A reply with what it took.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The head with its empty line.
    pub head: String,
    /// As long as content-length said; empty without one.
    pub body: Vec<u8>,
    /// From before the request was written to after the reply was read.
    pub took: Duration,
}

impl Reply {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// One connection that is kept.
pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects.
    pub fn connect(addr: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect_timeout(&addr, IO_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        Ok(Client { stream })
    }

    /// `GET path` and its reply.
    pub fn get(&mut self, path: &str) -> Result<Reply> {
        self.request("GET", path, "", b"")
    }

    /// Sends a request with these further header lines (each with its CRLF) and this body.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Result<Reply> {
        let mut out = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}").into_bytes();
        if !body.is_empty() {
            out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        let start = Instant::now();
        self.send(&out)?;
        let (status, head, body) = self.receive(method == "HEAD")?;
        Ok(Reply {
            status,
            head,
            body,
            took: start.elapsed(),
        })
    }

    /// Writes bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// All that comes until the peer closes; an error when it resets.
    pub fn read_to_end(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn receive(&mut self, bodiless: bool) -> Result<(u16, String, Vec<u8>)> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(i) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                break i + 4;
            }
            self.more(&mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut body = bytes.split_off(end);
        let mut reply = Reply {
            status: 0,
            head,
            body: Vec::new(),
            took: Duration::ZERO,
        };
        let length = reply
            .header("content-length")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        while !bodiless && body.len() < length {
            self.more(&mut body)?;
        }
        reply.status = reply
            .head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        Ok((reply.status, reply.head, body))
    }

    fn more(&mut self, bytes: &mut Vec<u8>) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        let n = self.stream.read(&mut chunk)?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..n]);
        Ok(())
    }
}
