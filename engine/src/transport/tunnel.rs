//! What a client and a proxy say to each other before a connection leads to a server: CONNECT
//! (RFC 9110 section 9.3.6), or SOCKS 5 (RFC 1928) with name and password (RFC 1929). Bytes in,
//! bytes out, no sockets.

#[cfg(test)]
mod tests;

use config::ProxyCredentials;
use std::net::SocketAddr;

/// The longest answer to CONNECT, interim ones included.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Fields of one answer to CONNECT.
const FIELDS_MAX: usize = 64;
/// Bytes of an answer that are shown.
const SHOWN_BYTES_MAX: usize = 80;
/// How an answer to CONNECT begins.
const HTTP: &[u8] = b"HTTP/1.";

const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const WITH_CREDENTIALS: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// The command: connect.
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Where a SOCKS proxy is to connect to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination<'a> {
    Address(SocketAddr),
    /// A name of at most 255 bytes, which the proxy resolves, and a port.
    Name(&'a str, u16),
}

/// Why a proxy makes no way to a server; the text says what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TunnelFault {
    /// It wants to know who asks, or does not believe it.
    Credentials(String),
    /// It says no.
    Refused(String),
    /// What it says cannot be read.
    Malformed(String),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The head of the answer to CONNECT.
    Head,
    /// The way to sign in that the proxy has chosen.
    Method,
    /// Whether it takes name and password.
    SignIn,
    /// Whether it has connected.
    Reply,
    /// Nothing: bytes are the server's.
    Open,
}

/// The dialogue on one connection.
#[derive(Debug)]
pub(super) struct Tunnel {
    step: Step,
    /// What has come and could not be read so far.
    received: Vec<u8>,
    /// Bytes of interim answers that were read.
    passed: usize,
    /// SOCKS: name and password as they are sent, if there are any.
    sign_in: Vec<u8>,
    /// SOCKS: the request.
    request: Vec<u8>,
}

impl Tunnel {
    /// Asks an HTTP proxy for a way to `authority`, which is `host:port`; appends the request to
    /// `out`. `authorization` is the value of the field for the proxy.
    pub(super) fn connect(
        authority: &str,
        authorization: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Tunnel {
        let field = authorization.map_or(String::new(), |value| {
            format!("Proxy-Authorization: {value}\r\n")
        });
        let agent = crate::http::encode::USER_AGENT;
        let head = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {agent}\r\n{field}\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        Tunnel::waiting_for(Step::Head)
    }

    /// Greets a SOCKS proxy; appends the greeting to `out`.
    pub(super) fn socks(
        to: Destination<'_>,
        credentials: Option<&ProxyCredentials>,
        out: &mut Vec<u8>,
    ) -> Tunnel {
        match credentials {
            None => out.extend_from_slice(&[VERSION, 1, NO_CREDENTIALS]),
            Some(_) => out.extend_from_slice(&[VERSION, 2, NO_CREDENTIALS, WITH_CREDENTIALS]),
        }
        Tunnel {
            sign_in: credentials.map_or(Vec::new(), sign_in),
            request: request(to),
            ..Tunnel::waiting_for(Step::Method)
        }
    }

    fn waiting_for(step: Step) -> Tunnel {
        Tunnel {
            step,
            received: Vec::new(),
            passed: 0,
            sign_in: Vec::new(),
            request: Vec::new(),
        }
    }

    /// Whether the connection leads to the server now.
    pub(super) fn is_open(&self) -> bool {
        self.step == Step::Open
    }

    /// Takes bytes of the proxy, however they are cut, and appends what is to be sent to `out`.
    ///
    /// # Errors
    /// The proxy makes no way, or bytes came that nobody has asked for.
    pub(super) fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), TunnelFault> {
        let seen = self.received.len();
        self.received.extend_from_slice(bytes);
        let mut seen = Some(seen);
        while !self.is_open() {
            let taken = match self.step {
                Step::Head => self.read_head(seen.take().unwrap_or(0))?,
                Step::Method => self.read_method(out)?,
                Step::SignIn => self.read_sign_in(out)?,
                Step::Reply => self.read_reply()?,
                Step::Open => 0,
            };
            if taken == 0 {
                return Ok(());
            }
            self.received.drain(..taken);
        }
        match self.received.is_empty() {
            true => Ok(()),
            false => {
                let bytes = shown(&self.received);
                Err(TunnelFault::Malformed(format!(
                    "sent {bytes} behind its answer, before anything was asked of the server"
                )))
            }
        }
    }

    /// Reads the head of an answer, whose first `seen` bytes were looked at before; 0 when it has
    /// not ended.
    fn read_head(&mut self, seen: usize) -> Result<usize, TunnelFault> {
        let head = &self.received;
        let beginning = head.len().min(HTTP.len());
        if head[..beginning] != HTTP[..beginning] {
            let found = shown(head);
            return Err(TunnelFault::Malformed(format!(
                "answered {found}, which is no HTTP/1"
            )));
        }
        let end = end_of_head(head, seen);
        if self.passed + end.unwrap_or(head.len()) > HEAD_BYTES_MAX {
            return Err(TunnelFault::Malformed(format!(
                "answered with more than {HEAD_BYTES_MAX} bytes and no end of the head"
            )));
        }
        let Some(end) = end else {
            return Ok(0);
        };
        self.passed += end;
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut answer = httparse::Response::new(&mut fields);
        let parsed = answer.parse(&head[..end]);
        let status = answer.code.filter(|_| parsed.is_ok());
        let line = shown(first_line(head));
        match status {
            Some(100..=199) => {}
            Some(200..=299) => self.step = Step::Open,
            // Some proxies have the status of servers.
            Some(401 | 407) => return Err(TunnelFault::Credentials(format!("answered {line}"))),
            Some(_) => return Err(TunnelFault::Refused(format!("answered {line}"))),
            None => {
                return Err(TunnelFault::Malformed(format!(
                    "answered {line} with a head that cannot be read"
                )));
            }
        }
        Ok(end)
    }

    /// Reads the way to sign in, and sends what it asks for.
    fn read_method(&mut self, out: &mut Vec<u8>) -> Result<usize, TunnelFault> {
        self.check_version()?;
        let Some(&method) = self.received.get(1) else {
            return Ok(0);
        };
        let may_sign_in = !self.sign_in.is_empty();
        match method {
            NO_CREDENTIALS => self.ask(out),
            WITH_CREDENTIALS if may_sign_in => {
                out.extend_from_slice(&self.sign_in);
                self.step = Step::SignIn;
            }
            NO_METHOD if may_sign_in => {
                let text = "takes neither name and password nor clients without";
                return Err(TunnelFault::Refused(text.to_owned()));
            }
            NO_METHOD => {
                let text = "takes no clients without name and password";
                return Err(TunnelFault::Credentials(text.to_owned()));
            }
            other => {
                let text = format!("chose the way to sign in {other:#04x}, which was not offered");
                return Err(TunnelFault::Malformed(text));
            }
        }
        Ok(2)
    }

    fn ask(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request);
        self.step = Step::Reply;
    }

    fn read_sign_in(&mut self, out: &mut Vec<u8>) -> Result<usize, TunnelFault> {
        // The first byte is a version, which not all proxies have right.
        match self.received.get(1) {
            None => Ok(0),
            Some(0) => {
                self.ask(out);
                Ok(2)
            }
            Some(_) => {
                let text = "does not take the name and the password";
                Err(TunnelFault::Credentials(text.to_owned()))
            }
        }
    }

    /// Reads whether it has connected; the address behind that is of no use.
    fn read_reply(&mut self) -> Result<usize, TunnelFault> {
        self.check_version()?;
        let code = self.received.get(1).copied().unwrap_or(0);
        if code != 0 {
            return Err(TunnelFault::Refused(format!(
                "answered {code}, {}",
                meaning(code)
            )));
        }
        let bytes = match self.received.get(3..) {
            None | Some([]) => return Ok(0),
            Some([IPV4, ..]) => 4 + 4 + 2,
            Some([IPV6, ..]) => 4 + 16 + 2,
            Some([NAME]) => return Ok(0),
            Some([NAME, length, ..]) => 4 + 1 + usize::from(*length) + 2,
            Some([kind, ..]) => {
                let text = format!("answered with an address of the unknown type {kind}");
                return Err(TunnelFault::Malformed(text));
            }
        };
        if self.received.len() < bytes {
            return Ok(0);
        }
        self.step = Step::Open;
        Ok(bytes)
    }

    fn check_version(&self) -> Result<(), TunnelFault> {
        match self.received.first() {
            None | Some(&VERSION) => Ok(()),
            Some(_) => {
                let found = shown(first_line(&self.received));
                let text = format!("answered {found}, which is no SOCKS 5");
                Err(TunnelFault::Malformed(text))
            }
        }
    }
}

/// Name and password as RFC 1929 has them; both have at most 255 bytes.
fn sign_in(credentials: &ProxyCredentials) -> Vec<u8> {
    let mut bytes = vec![1];
    for text in [&credentials.user, &credentials.password] {
        bytes.push(text.len() as u8);
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The request to connect.
fn request(to: Destination<'_>) -> Vec<u8> {
    let mut bytes = vec![VERSION, CONNECT, 0];
    let port = match to {
        Destination::Address(SocketAddr::V4(address)) => {
            bytes.push(IPV4);
            bytes.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Destination::Address(SocketAddr::V6(address)) => {
            bytes.push(IPV6);
            bytes.extend_from_slice(&address.ip().octets());
            address.port()
        }
        Destination::Name(name, port) => {
            bytes.extend_from_slice(&[NAME, name.len() as u8]);
            bytes.extend_from_slice(name.as_bytes());
            port
        }
    };
    bytes.extend_from_slice(&port.to_be_bytes());
    bytes
}

/// What the codes of RFC 1928 section 6 mean.
fn meaning(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "no answer within its time",
        7 => "command not supported",
        8 => "type of address not supported",
        _ => "an unknown code",
    }
}

/// The index after the empty line that ends a head; the first `seen` bytes have none in them.
fn end_of_head(bytes: &[u8], seen: usize) -> Option<usize> {
    let from = seen.saturating_sub(3);
    memchr::memchr_iter(b'\n', &bytes[from..]).find_map(|offset| {
        let next = from + offset + 1;
        match bytes[next..] {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes)
}

/// The beginning of bytes as text in quotes.
fn shown(bytes: &[u8]) -> String {
    let begin = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    format!("\"{}\"", begin.trim_ascii_end().escape_ascii())
}
