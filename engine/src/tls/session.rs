//! The TLS of one connection.

use super::fault::Fault;
use super::trust::Asked;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ContentType, HandshakeKind};
use std::sync::Arc;

/// Bytes of a record before what it carries: type, version, length.
const RECORD_HEAD_BYTES: usize = 5;
/// The most that one record carries (RFC 8446, section 5.1).
const RECORD_BYTES_MAX: usize = 1 << 14;
/// More than encryption adds to a record in any version: head, nonce, type, tag.
const RECORD_OVERHEAD_MAX: usize = 64;
/// Bytes of a reply that is no TLS which are shown.
const SHOWN_BYTES_MAX: usize = 80;
/// How many messages are drawn from a connection that has failed: the alert for the other side.
const LAST_WORDS_MAX: usize = 4;

/// The TLS of one connection, from its first byte to its end.
pub(crate) struct Session {
    machine: UnbufferedClientConnection,
    asked: Arc<Asked>,
    /// The beginning of a record whose end has not come yet.
    partial: Vec<u8>,
    stage: Stage,
    /// The server asked for a certificate.
    was_asked: bool,
    /// The server said that nothing more comes.
    is_closed: bool,
    /// Why it has failed, in words.
    reason: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server has said nothing.
    Unheard,
    Handshake,
    /// Data may be sent.
    Open,
    Failed,
}

impl Session {
    pub(super) fn new(machine: UnbufferedClientConnection, asked: Arc<Asked>) -> Session {
        Session {
            machine,
            asked,
            partial: Vec::new(),
            stage: Stage::Unheard,
            was_asked: false,
            is_closed: false,
            reason: None,
        }
    }

    /// Why it has failed, in words.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The first message, for a connection that has just been made, appended to `out`.
    ///
    /// # Errors
    /// What rustls says.
    pub(crate) fn hello(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.pump(&mut [], out, &mut |_| {}).map(drop)
    }

    /// Takes bytes as they came, decrypting them in place: what they carry goes to `data`, what
    /// must be sent in answer is appended to `out`, also when it fails.
    ///
    /// # Errors
    /// What is wrong; nothing more can be received.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        input: &mut [u8],
        out: &mut Vec<u8>,
        data: &mut impl FnMut(&[u8]),
    ) -> Result<(), Fault> {
        if self.stage == Stage::Unheard {
            let Some(first) = input.first() else {
                return Ok(());
            };
            if !is_record_type(*first) {
                self.stage = Stage::Failed;
                let begin = &input[..input.len().min(SHOWN_BYTES_MAX)];
                let line = begin.split(|byte| *byte == b'\n').next().unwrap_or(begin);
                let reason = format!(
                    "the reply is no TLS: \"{}\"",
                    line.trim_ascii_end().escape_ascii()
                );
                self.reason = Some(reason.into());
                return Err(Fault::PlainText);
            }
            self.stage = Stage::Handshake;
        }
        if self.partial.is_empty() {
            let used = self.pump(input, out, data)?;
            self.keep(&input[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(input);
        let used = self.pump(&mut joined, out, data)?;
        if used == 0 {
            self.partial = joined;
        } else {
            self.keep(&joined[used..]);
        }
        Ok(())
    }

    /// Keeps the beginning of a record, with room for the rest of it.
    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            return;
        }
        let whole = match rest {
            [_, _, _, high, low, ..] => {
                RECORD_HEAD_BYTES + usize::from(u16::from_be_bytes([*high, *low]))
            }
            _ => RECORD_HEAD_BYTES,
        };
        self.partial = Vec::with_capacity(whole.max(rest.len()));
        self.partial.extend_from_slice(rest);
    }

    /// Lets the machine do what it can with `incoming`; returns how many bytes of it are done.
    fn pump(
        &mut self,
        incoming: &mut [u8],
        out: &mut Vec<u8>,
        data: &mut impl FnMut(&[u8]),
    ) -> Result<usize, Fault> {
        let mut used = 0;
        let mut is_open = false;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.machine.process_tls_records(&mut incoming[used..]);
            let state = match state {
                Ok(state) => state,
                Err(error) => return Err(self.failed(&error, out)),
            };
            let waits = match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| {
                            self.reason = Some(Fault::reason(&error).into());
                            Fault::of(&error)
                        })?;
                        discard += record.discard;
                        data(record.payload);
                    }
                    false
                }
                ConnectionState::WriteTraffic(_) => {
                    is_open = true;
                    true
                }
                ConnectionState::PeerClosed => {
                    self.is_closed = true;
                    false
                }
                other => transmit(other, out),
            };
            used += discard;
            if !waits {
                continue;
            }
            if self.stage != Stage::Open {
                self.was_asked |= self.asked.lately();
                if is_open {
                    self.stage = Stage::Open;
                }
            }
            return Ok(used);
        }
    }

    /// Lets the machine say its last words.
    #[cold]
    fn failed(&mut self, error: &rustls::Error, out: &mut Vec<u8>) -> Fault {
        self.stage = Stage::Failed;
        self.was_asked |= self.asked.lately();
        for _ in 0..LAST_WORDS_MAX {
            // Without anything to send it would read on, which a failed one must not.
            if !self.machine.wants_write() {
                break;
            }
            match self.machine.process_tls_records(&mut []).state {
                Ok(state) => drop(transmit(state, out)),
                Err(_) => break,
            }
        }
        let reason = Fault::reason(error);
        match Fault::of(error) {
            Fault::Alert if self.was_asked && !self.asked.has_identity() => {
                let reason = format!(
                    "{reason}, after it had asked for a certificate; tls.cert and tls.key give one"
                );
                self.reason = Some(reason.into());
                Fault::ClientCertificate
            }
            Fault::Alert if self.was_asked && Fault::is_about_certificate(error) => {
                let reason = format!("{reason}: it refused the client certificate");
                self.reason = Some(reason.into());
                Fault::ClientCertificate
            }
            fault => {
                self.reason = Some(reason.into());
                fault
            }
        }
    }

    /// Encrypts `plain` and appends it to `out`.
    ///
    /// # Errors
    /// The connection cannot carry it (any more).
    #[inline]
    pub(crate) fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let records = plain.len() / RECORD_BYTES_MAX + 1;
        let room = plain.len() + records * RECORD_OVERHEAD_MAX;
        self.write(out, room, |traffic, into| traffic.encrypt(plain, into))
    }

    /// Appends to `out` that nothing more will be sent; nothing when that cannot be said.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::Open {
            let said = self.write(out, RECORD_OVERHEAD_MAX, |traffic, into| {
                traffic.queue_close_notify(into)
            });
            self.stage = Stage::Failed;
            debug_assert!(said.is_ok(), "there is room for an alert");
        }
    }

    fn write(
        &mut self,
        out: &mut Vec<u8>,
        room: usize,
        write: impl FnOnce(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), Fault> {
        loop {
            // A message whose end has not come is known to the machine by its place in there.
            let UnbufferedStatus { discard, state } =
                self.machine.process_tls_records(&mut self.partial);
            match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let begin = out.len();
                    out.resize(begin + room, 0);
                    let written = write(&mut traffic, &mut out[begin..]);
                    out.truncate(begin + *written.as_ref().unwrap_or(&0));
                    self.partial.drain(..discard);
                    return written.map(drop).map_err(|_| Fault::Protocol);
                }
                Ok(ConnectionState::PeerClosed) => self.is_closed = true,
                Ok(state) => {
                    if transmit(state, out) {
                        return Err(Fault::Protocol);
                    }
                }
                Err(error) => {
                    self.reason = Some(Fault::reason(&error).into());
                    return Err(Fault::of(&error));
                }
            }
            self.partial.drain(..discard);
        }
    }

    /// Whether the handshake is done and data may be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether the server has said that nothing more comes.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The protocol that the handshake agreed on, if the server named one.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.machine.alpn_protocol()
    }

    /// Whether the handshake resumed an earlier session.
    pub(crate) fn is_resumed(&self) -> bool {
        self.machine.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, ClientConnectionData>;

/// Appends what a state wants to be sent; returns whether the machine waits for input now.
fn transmit(state: ConnectionState<'_, '_, ClientConnectionData>, out: &mut Vec<u8>) -> bool {
    match state {
        ConnectionState::EncodeTlsData(mut message) => {
            let begin = out.len();
            // Asked for room it does not have, a message says how much it needs.
            let needed = match message.encode(&mut []) {
                Err(EncodeError::InsufficientSize(size)) => size.required_size,
                _ => 0,
            };
            out.resize(begin + needed, 0);
            let written = message.encode(&mut out[begin..]).unwrap_or(0);
            out.truncate(begin + written);
            false
        }
        ConnectionState::TransmitTlsData(done) => {
            done.done();
            false
        }
        _ => true,
    }
}

/// The types of records there are (RFC 8446, section 5.1).
fn is_record_type(byte: u8) -> bool {
    const FIRST: u8 = 20;
    debug_assert_eq!(u8::from(ContentType::ChangeCipherSpec), FIRST);
    (FIRST..=23).contains(&byte)
}
