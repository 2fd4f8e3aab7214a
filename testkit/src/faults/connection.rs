//! One connection of the misbehaving server, which runs its list of steps.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::script::Step;
use super::server_state::{End, Shared};
use super::wire::Wire;

/// Heads kept for the report.
const HEADS_MAX: usize = 1000;
/// Longest request head read.
const HEAD_MAX: usize = 1 << 20;
/// Bytes written at once by `SendBig`.
const BIG: usize = 256 * 1024;

static ZEROS: [u8; BIG] = [0; BIG];

/// One connection with its list of steps.
pub(super) struct FaultConnection<'a> {
    wire: Wire,
    number: usize,
    shared: &'a Shared,
    /// Read beyond the last head.
    input: Vec<u8>,
    /// The content-length of the last head.
    declared: u64,
}

/// Continue, or end like this.
type Flow = ControlFlow<End>;

impl<'a> FaultConnection<'a> {
    pub(super) fn new(wire: Wire, number: usize, shared: &'a Shared) -> FaultConnection<'a> {
        FaultConnection {
            wire,
            number,
            shared,
            input: Vec::new(),
            declared: 0,
        }
    }

    pub(super) fn run(mut self) {
        let end = match self.steps() {
            ControlFlow::Break(_) if self.shared.lock().stopping => End::Stopped,
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => End::Server,
        };
        let FaultConnection {
            wire,
            number,
            shared,
            ..
        } = self;
        shared.lock().open.remove(&number);
        // The last handle: the socket is closed here, before the report says so.
        drop(wire);
        shared.update(|report| report.ends[number] = end);
    }

    fn steps(&mut self) -> Flow {
        let shared = self.shared;
        let steps = shared.script.steps(self.number);
        let mut next = 0;
        while let Some(step) = steps.get(next) {
            next += 1;
            if shared.lock().stopping {
                return ControlFlow::Break(End::Stopped);
            }
            match step {
                Step::ReadHead => self.read_head()?,
                Step::ReadAny => self.read_any()?,
                Step::ReadBody(n) => self.read_body(*n)?,
                Step::ReadDeclaredBody => self.read_body(self.declared)?,
                Step::Send(bytes) => self.send(bytes)?,
                Step::SendBytewise { bytes, gap } => self.send_bytewise(bytes, *gap)?,
                Step::SendBig(n) => self.send_big(*n)?,
                Step::Pause(length) => self.pause(*length)?,
                Step::Close => return ControlFlow::Break(End::Server),
                Step::CloseNotify => {
                    // A peer that is gone shows at the next step.
                    let _ = self.wire.close_notify();
                }
                Step::Reset => {
                    self.wire.reset_when_closed();
                    return ControlFlow::Break(End::Server);
                }
                Step::ShutdownWrite => {
                    self.wire.shutdown_write();
                }
                Step::AwaitClose => loop {
                    self.input.clear();
                    self.more()?;
                },
                Step::Repeat => next = 0,
            }
        }
        ControlFlow::Continue(())
    }

    /// Reads something more into `input`.
    fn more(&mut self) -> Flow {
        let mut chunk = [0; 32 * 1024];
        loop {
            match self.wire.read(&mut chunk) {
                Ok(0) => return ControlFlow::Break(End::PeerClosed),
                Ok(n) => {
                    self.input.extend_from_slice(&chunk[..n]);
                    self.shared.update(|report| report.bytes_in += n as u64);
                    return ControlFlow::Continue(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return ControlFlow::Break(End::PeerReset),
            }
        }
    }

    fn read_head(&mut self) -> Flow {
        let mut seen = 0;
        let end = loop {
            let found = self.input[seen..].windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(i) = found {
                break seen + i + 4;
            }
            assert!(
                self.input.len() <= HEAD_MAX,
                "a request head above {HEAD_MAX} bytes"
            );
            seen = self.input.len().saturating_sub(3);
            self.more()?;
        };
        let rest = self.input.split_off(end);
        let head = std::mem::replace(&mut self.input, rest);
        let head = String::from_utf8_lossy(&head).into_owned();
        self.declared = declared_length(&head);
        let number = self.number;
        self.shared.update(|report| {
            report.requests += 1;
            report.requests_by_connection[number] += 1;
            if report.heads.len() < HEADS_MAX {
                report.heads.push(head);
            }
        });
        ControlFlow::Continue(())
    }

    fn read_any(&mut self) -> Flow {
        if self.input.is_empty() {
            self.more()?;
        }
        self.input.clear();
        ControlFlow::Continue(())
    }

    fn read_body(&mut self, length: u64) -> Flow {
        let mut left = length;
        loop {
            let here = left.min(self.input.len() as u64);
            self.input.drain(..here as usize);
            left -= here;
            if left == 0 {
                return ControlFlow::Continue(());
            }
            self.more()?;
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Flow {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.wire.write(rest) {
                Ok(n) => {
                    rest = &rest[n..];
                    self.shared.update(|report| report.bytes_out += n as u64);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return ControlFlow::Break(End::PeerReset),
            }
        }
        ControlFlow::Continue(())
    }

    fn send_bytewise(&mut self, bytes: &[u8], gap: Duration) -> Flow {
        for byte in bytes.chunks(1) {
            self.send(byte)?;
            self.pause(gap)?;
        }
        ControlFlow::Continue(())
    }

    fn send_big(&mut self, length: u64) -> Flow {
        let mut left = length;
        while left > 0 {
            let here = left.min(BIG as u64);
            self.send(&ZEROS[..here as usize])?;
            left -= here;
        }
        ControlFlow::Continue(())
    }

    /// Waits, but not beyond the server's own end.
    fn pause(&self, length: Duration) -> Flow {
        if length.is_zero() {
            return ControlFlow::Continue(());
        }
        let deadline = Instant::now() + length;
        let mut state = self.shared.lock();
        loop {
            if state.stopping {
                return ControlFlow::Break(End::Stopped);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            state = self.shared.wait(state, left);
        }
    }
}

fn declared_length(head: &str) -> u64 {
    let lines = head.split("\r\n").skip(1);
    lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
