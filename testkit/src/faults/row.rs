//! One line of a fault table: what the server does, what is asked of it, what must be reported.

use std::time::Duration;

use super::script::{Script, Step};

/// What a request must end as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A success with this status.
    Ok(u16),
    /// A failure of this kind.
    Failed(&'static str),
    /// A failure of one of these kinds, where the kernel's order of events leaves more than one.
    FailedOneOf(&'static [&'static str]),
}

impl Outcome {
    /// Whether a request that ended with this status, and this failure if it failed, is as
    /// expected.
    pub fn holds(&self, status: u16, failure: Option<&str>) -> bool {
        match (self, failure) {
            (Outcome::Ok(expected), None) => *expected == status,
            (Outcome::Failed(kind), Some(failure)) => *kind == failure,
            (Outcome::FailedOneOf(kinds), Some(failure)) => kinds.contains(&failure),
            _ => false,
        }
    }
}

/// One user makes `expected.len()` requests, one after another, to a server that follows `script`.
#[derive(Clone, Debug)]
pub struct Row {
    /// Says what is wrong; unique in its table.
    pub name: String,
    /// The method of each request.
    pub method: &'static str,
    /// Bytes of body of each request; 0: none.
    pub body_bytes: usize,
    /// The limit for each request; `None`: a generous one (10 s or more).
    pub timeout: Option<Duration>,
    /// Sleep between the end of one request and the next.
    pub gap: Duration,
    /// Whether the script asks for the body.
    pub keep_body: bool,
    /// What the server does.
    pub script: Script,
    /// How each request must end, in order.
    pub expected: Vec<Outcome>,
    /// Counters that must have exactly this value at the end; others are not checked.
    pub counters: Vec<(&'static str, u64)>,
    /// Connections the server must have seen at the end.
    pub connections: u64,
    /// The most bytes the server may have received at the end; `None`: any.
    pub received_max: Option<u64>,
}

impl Row {
    /// GET without a body; nothing expected yet.
    pub(super) fn new(name: impl Into<String>, script: Script) -> Row {
        Row {
            name: name.into(),
            method: "GET",
            body_bytes: 0,
            timeout: None,
            gap: Duration::ZERO,
            keep_body: false,
            script,
            expected: Vec::new(),
            counters: Vec::new(),
            connections: 1,
            received_max: None,
        }
    }

    /// The first connection does this after the request head, the next is good: the first request
    /// fails with this kind, the connection is given up, and the second request succeeds.
    pub(super) fn fails(
        name: impl Into<String>,
        kind: &'static str,
        steps: impl IntoIterator<Item = Step>,
    ) -> Row {
        let steps: Vec<Step> = std::iter::once(Step::ReadHead).chain(steps).collect();
        Row::new(name, Script::each(steps).then_good())
            .expects([Outcome::Failed(kind), Outcome::Ok(200)])
            .connections(2)
    }

    /// This reply is good and the connection carries the next request.
    pub(super) fn reused(name: impl Into<String>, status: u16, reply: impl Into<Vec<u8>>) -> Row {
        let steps = [
            Step::ReadHead,
            Step::send(reply),
            Step::ReadHead,
            Step::Send(super::script::ok("next")),
            Step::AwaitClose,
        ];
        Row::new(name, Script::each(steps)).expects([Outcome::Ok(status), Outcome::Ok(200)])
    }

    /// This reply is good and the connection must not carry another request. The server closes
    /// only when told so by a `Close` in `after`, else it waits for the client to do it.
    pub(super) fn not_reused(
        name: impl Into<String>,
        status: u16,
        reply: impl Into<Vec<u8>>,
        after: Step,
    ) -> Row {
        let steps = [Step::ReadHead, Step::send(reply), after];
        Row::new(name, Script::each(steps).then_good())
            .expects([Outcome::Ok(status), Outcome::Ok(200)])
            .connections(2)
    }

    pub(super) fn expects(self, expected: impl Into<Vec<Outcome>>) -> Row {
        Row {
            expected: expected.into(),
            ..self
        }
    }

    pub(super) fn connections(self, connections: u64) -> Row {
        Row {
            connections,
            ..self
        }
    }

    pub(super) fn method(self, method: &'static str) -> Row {
        Row { method, ..self }
    }

    /// All requests are HEAD, and the good replies are without their bodies.
    pub(super) fn for_head(mut self) -> Row {
        let good = ["first", "next", "good"].map(super::script::ok);
        self.script = self.script.map_sent(|bytes| {
            if !good.contains(bytes) {
                return bytes.clone();
            }
            let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
            bytes[..end.expect("a good reply has a head") + 4].to_vec()
        });
        self.method("HEAD")
    }

    pub(super) fn body_bytes(self, body_bytes: usize) -> Row {
        Row { body_bytes, ..self }
    }

    pub(super) fn timeout(self, timeout: Duration) -> Row {
        Row {
            timeout: Some(timeout),
            ..self
        }
    }

    pub(super) fn gap(self, gap: Duration) -> Row {
        Row { gap, ..self }
    }

    pub(super) fn counter(mut self, counter: &'static str, count: u64) -> Row {
        self.counters.push((counter, count));
        self
    }
}
