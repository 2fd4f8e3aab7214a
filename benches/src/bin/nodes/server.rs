//! `mistress serve` as a child, and a client that keeps its connection.

use crate::Failure;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wire::{Ack, PATH};

/// A server that ends with this value.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    pub data: tempfile::TempDir,
}

impl Server {
    pub fn start(mistress: &Path) -> Result<Self, Failure> {
        let data = tempfile::tempdir()?;
        let mut child = Command::new(mistress)
            .args(["serve", "--bind", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let port = line
            .split("localhost:")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let port: u16 = port.ok_or("the server did not say where it is")?.parse()?;
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Server { child, addr, data })
    }

    /// The most resident memory so far, in MiB.
    pub fn memory_max_mib(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.ok_or("no VmHWM")?.parse::<f64>()? / 1_024.0)
    }

    /// Begins to look for the most resident memory anew; that of this moment, in MiB.
    pub fn reset_memory_max(&self) -> Result<f64, Failure> {
        // 5 resets the peak: proc_pid_clear_refs(5)
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?;
        self.memory_max_mib()
    }

    /// Bytes of the files of runs, in MB.
    pub fn disk_mb(&self) -> Result<f64, Failure> {
        let mut sum = 0;
        for entry in std::fs::read_dir(self.data.path().join("runs"))? {
            sum += entry?.metadata()?.len();
        }
        Ok(sum as f64 / 1e6)
    }

    /// Whether nothing waits in the logs of the files: that of a run goes when it is in chunks.
    fn is_at_rest(&self) -> Result<bool, Failure> {
        for entry in std::fs::read_dir(self.data.path().join("runs"))? {
            let entry = entry?;
            let is_log = entry.file_name().to_string_lossy().ends_with("-wal");
            if is_log && entry.metadata().is_ok_and(|log| log.len() > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until the run is done and all of it is in chunks; how long that took.
    pub fn await_done(&self) -> Result<Duration, Failure> {
        let began = Instant::now();
        let mut client = Client::connect(self.addr)?;
        while began.elapsed() < Duration::from_secs(300) {
            let list = client.get("/api/v1/runs")?;
            let list: serde_json::Value = serde_json::from_slice(&list)?;
            if list["runs"][0]["state"] == "done" && self.is_at_rest()? {
                return Ok(began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err("the run did not end".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let host = format!("localhost:{}", addr.port());
        Ok(Client {
            stream: BufReader::new(stream),
            host,
        })
    }

    pub fn get(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        self.ask(path, &mut |piece| body.extend_from_slice(piece))?;
        Ok(body)
    }

    /// Reads a body without keeping it: how long its first byte took, and its length in bytes.
    pub fn drain(&mut self, path: &str) -> Result<(Duration, u64), Failure> {
        let began = Instant::now();
        let (mut first, mut bytes) = (None, 0);
        self.ask(path, &mut |piece| {
            first.get_or_insert_with(|| began.elapsed());
            bytes += piece.len() as u64;
        })?;
        Ok((first.ok_or("an empty body")?, bytes))
    }

    fn ask(&mut self, path: &str, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(head.as_bytes())?;
        match self.reply(take)? {
            200 => Ok(()),
            status => Err(format!("{path}: {status}").into()),
        }
    }

    /// Posts a batch and waits for its acknowledgement.
    pub fn post(&mut self, packed: &[u8]) -> Result<Ack, Failure> {
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nhost: {}\r\ncontent-encoding: zstd\r\n\
             content-length: {}\r\n\r\n",
            self.host,
            packed.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(packed);
        self.stream.get_mut().write_all(&request)?;
        let mut body = Vec::new();
        let status = self.reply(&mut |piece| body.extend_from_slice(piece))?;
        let ack = Ack::decode(body.as_slice())?;
        if status != 200 {
            return Err(format!("a batch: {status}: {}", ack.error).into());
        }
        Ok(ack)
    }

    /// Reads a reply, handing out its body piece by piece; its status.
    fn reply(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<u16, Failure> {
        let (mut status, mut length) = (0, None);
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let text = line.trim_end().to_ascii_lowercase();
            if text.is_empty() {
                break;
            }
            if let Some(code) = text.strip_prefix("http/1.1 ") {
                status = code.get(..3).unwrap_or_default().parse()?;
            }
            if let Some(bytes) = text.strip_prefix("content-length:") {
                length = Some(bytes.trim().parse::<usize>()?);
            }
        }
        let mut piece = Vec::new();
        if let Some(length) = length {
            piece.resize(length, 0);
            self.stream.read_exact(&mut piece)?;
            take(&piece);
            return Ok(status);
        }
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            piece.resize(usize::from_str_radix(line.trim_end(), 16)?, 0);
            self.stream.read_exact(&mut piece)?;
            line.clear();
            self.stream.read_line(&mut line)?;
            if piece.is_empty() {
                return Ok(status);
            }
            take(&piece);
        }
    }
}
