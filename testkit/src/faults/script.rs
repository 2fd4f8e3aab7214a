//! The script of a misbehaving server, connection by connection.

use std::time::Duration;

/// One thing done on a connection. After the last one the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read up to the end of a request head. When the peer closes instead, the list ends.
    ReadHead,
    /// Read something, whatever it is, and drop it.
    ReadAny,
    /// Read this many further bytes.
    ReadBody(u64),
    /// Read as many as the last head's content-length says.
    ReadDeclaredBody,
    /// Write these bytes.
    Send(Vec<u8>),
    /// Write these bytes one in each segment, with a pause after each.
    SendBytewise {
        /// What to write.
        bytes: Vec<u8>,
        /// The pause; zero is allowed.
        gap: Duration,
    },
    /// Write this many zero bytes, from one small buffer.
    SendBig(u64),
    /// Do nothing for so long.
    Pause(Duration),
    /// Over TLS, say that nothing more comes.
    CloseNotify,
    /// Close; over TLS without a word. Bytes of the peer that were not read turn the kernel's FIN into a reset.
    Close,
    /// Reset: what the kernel has not sent yet is lost.
    Reset,
    /// Send FIN and stay.
    ShutdownWrite,
    /// Read and drop everything until the peer closes.
    AwaitClose,
    /// Begin the list again.
    Repeat,
}

impl Step {
    /// [`Step::Send`] of text.
    pub fn send(bytes: impl Into<Vec<u8>>) -> Step {
        Step::Send(bytes.into())
    }
}

/// A `200 OK` with this body and its length.
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The lists of steps of a server, one for each connection in the order of accepting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The last is for all further connections, too. Never empty.
    connections: Vec<Vec<Step>>,
}

impl Script {
    /// The same for each connection.
    pub fn each(steps: impl Into<Vec<Step>>) -> Script {
        Script {
            connections: vec![steps.into()],
        }
    }

    /// Another list for the connections after those there are; the last list is for all further.
    pub fn then(mut self, steps: impl Into<Vec<Step>>) -> Script {
        self.connections.push(steps.into());
        self
    }

    /// After those there are, a server without fault: a good answer to each request.
    pub fn then_good(self) -> Script {
        self.then(Script::good())
    }

    /// The steps of a server without fault, for requests with or without a body.
    pub fn good() -> Vec<Step> {
        vec![
            Step::ReadHead,
            Step::ReadDeclaredBody,
            Step::Send(ok("good")),
            Step::Repeat,
        ]
    }

    /// The same script with other bytes in its `Send`s.
    pub(super) fn map_sent(mut self, change: impl Fn(&Vec<u8>) -> Vec<u8>) -> Script {
        for step in self.connections.iter_mut().flatten() {
            if let Step::Send(bytes) = step {
                *bytes = change(bytes);
            }
        }
        self
    }

    /// What is done on the connection with this number, from 0.
    pub fn steps(&self, connection: usize) -> &[Step] {
        &self.connections[connection.min(self.connections.len() - 1)]
    }
}
