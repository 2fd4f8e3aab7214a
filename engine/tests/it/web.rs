//! A server for the tests of messages: one thread per connection, one function that answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case, in their order.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body came in chunks.
    pub(crate) chunked: bool,
}

impl Request {
    /// The values of a field, joined; empty without one.
    pub(crate) fn field(&self, name: &str) -> String {
        let fields = self.fields.iter().filter(|(known, _)| known == name);
        let values: Vec<&str> = fields.map(|(_, value)| &value[..]).collect();
        values.join(", ")
    }
}

/// What becomes of a request whose head asks for `100 Continue`.
pub(crate) enum Expectation {
    /// Say it.
    Say,
    /// Say nothing, and read the body.
    Mute,
    /// Answer at once, without the body, and close.
    Refuse(&'static str),
}

/// A server that ends when it is dropped.
pub(crate) struct Web {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

/// Answers a request with a whole response.
pub(crate) type Answer = fn(&Request) -> Vec<u8>;

impl Web {
    pub(crate) fn start(answer: Answer) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::Acquire) {
                    return;
                }
                let stream = stream.unwrap();
                // The client may go at any time.
                std::thread::spawn(move || serve(stream, answer));
            }
        });
        Web { address, stop }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, answer: Answer) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut request = read_head(&mut reader)?;
        if request.path == "/early" {
            writer
                .write_all(&response(
                    "413 Too Large",
                    "Connection: close\r\n",
                    b"early",
                ))
                .ok()?;
            // Without a reset, which would take the answer away: the rest is read and dropped.
            writer.shutdown(std::net::Shutdown::Write).ok()?;
            std::io::copy(&mut reader, &mut std::io::sink()).ok()?;
            return None;
        }
        if request.field("expect") == "100-continue" {
            match wish(&request) {
                Expectation::Say => writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?,
                Expectation::Mute => {}
                Expectation::Refuse(status) => {
                    writer.write_all(&response(status, "", b"no")).ok()?;
                    let mut rest = Vec::new();
                    reader.read_to_end(&mut rest).ok()?;
                    assert!(rest.is_empty(), "a refused body is not sent: {rest:?}");
                    return None;
                }
            }
        }
        read_body(&mut reader, &mut request)?;
        writer.write_all(&answer(&request)).ok()?;
    }
}

fn wish(request: &Request) -> Expectation {
    match &request.path[..] {
        "/mute" => Expectation::Mute,
        "/refuse" => Expectation::Refuse("417 Expectation Failed"),
        _ => Expectation::Say,
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let mut request = Request {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Request::default()
    };
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else {
            return Some(request);
        };
        let field = (name.to_ascii_lowercase(), value.trim().to_owned());
        request.fields.push(field);
    }
}

fn read_body(reader: &mut BufReader<TcpStream>, request: &mut Request) -> Option<()> {
    request.chunked = request.field("transfer-encoding") == "chunked";
    if !request.chunked {
        let length = request.field("content-length").parse().unwrap_or(0);
        request.body.resize(length, 0);
        return reader.read_exact(&mut request.body).ok();
    }
    loop {
        let size = usize::from_str_radix(&line(reader)?, 16).unwrap();
        let begun = request.body.len();
        request.body.resize(begun + size, 0);
        reader.read_exact(&mut request.body[begun..]).ok()?;
        assert_eq!(line(reader)?, "");
        if size == 0 {
            return Some(());
        }
    }
}

/// A whole response with a length.
pub(crate) fn response(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
