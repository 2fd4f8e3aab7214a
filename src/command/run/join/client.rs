//! Posts the messages of a node to its rendezvous.

use super::clock::{Exchange, NodeClock};
use crate::reporter::upload;
use std::time::Duration;
use wire::VERSION;
use wire::rendezvous::{
    NODE_PATH, NodeAnswer, NodeMessage, NodeRequest, TOKEN_HEADER, WAIT_MAX_MS,
};

/// How long an answer may take, besides the time that the rendezvous holds it back.
const ANSWER_MAX: Duration = Duration::from_millis(WAIT_MAX_MS + 2_000);
/// The most bytes of an answer: what `setup` returned is in it.
const ANSWER_LEN_MAX: u64 = 16 << 20;

/// Why a message had no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeError {
    /// It is refused, and why.
    Refused(String),
    /// The rendezvous knows nothing of the run, or of this node.
    Unknown(String),
    /// No answer for now.
    Unreachable(String),
}

impl NodeError {
    /// In words.
    pub fn text(&self) -> &str {
        match self {
            NodeError::Refused(text) | NodeError::Unknown(text) | NodeError::Unreachable(text) => {
                text
            }
        }
    }
}

/// Speaks for one node of one run.
#[derive(Clone)]
pub struct NodeClient {
    pub server: String,
    /// The run's own token.
    pub token: String,
    /// The one that the server asks for.
    pub ingest_token: Option<String>,
    pub run: String,
    pub node: u32,
    pub epoch: u64,
    pub clock: NodeClock,
    agent: ureq::Agent,
}

impl NodeClient {
    pub fn new(
        server: &str,
        tokens: (String, Option<String>),
        run: &str,
        node: u32,
        epoch: u64,
    ) -> NodeClient {
        NodeClient {
            server: server.trim_end_matches('/').to_owned(),
            token: tokens.0,
            ingest_token: tokens.1,
            run: run.to_owned(),
            node,
            epoch,
            clock: NodeClock::of_system(),
            agent: upload::agent(server, ANSWER_MAX),
        }
    }

    /// Says something, and waits for the answer.
    ///
    /// # Errors
    /// It is refused, or nobody answers.
    pub fn send(
        &self,
        seen: u64,
        request: NodeRequest,
    ) -> Result<(NodeAnswer, Exchange), NodeError> {
        let message = NodeMessage {
            version: VERSION,
            run: self.run.clone(),
            node: self.node,
            epoch: self.epoch,
            seen,
            request,
        };
        let body = serde_json::to_vec(&message)
            .map_err(|error| NodeError::Refused(format!("not JSON: {error}")))?;
        let mut request = self
            .agent
            .post(format!("{}{NODE_PATH}", self.server))
            .header("content-type", "application/json")
            .header(TOKEN_HEADER, &self.token);
        if let Some(token) = &self.ingest_token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let sent_us = self.clock.now_us();
        let answered = request.send(&body[..]);
        let received_us = self.clock.now_us();
        let mut response =
            answered.map_err(|error| NodeError::Unreachable(upload::reason(error)))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_LEN_MAX);
        let body = body
            .read_to_vec()
            .map_err(|error| NodeError::Unreachable(upload::reason(error)))?;
        if status != 200 {
            return Err(self.error_of(status, &body));
        }
        let answer: NodeAnswer = serde_json::from_slice(&body).map_err(|_| {
            NodeError::Refused("what answers is no stats server of this version".to_owned())
        })?;
        let exchange = Exchange {
            sent_us,
            received_there_us: answer.received_us,
            sent_there_us: answer.sent_us,
            received_us,
        };
        Ok((answer, exchange))
    }

    /// What an answer other than 200 means.
    fn error_of(&self, status: u16, body: &[u8]) -> NodeError {
        let said = upload::error_of(body);
        let text = said.clone().unwrap_or_else(|| format!("status {status}"));
        match status {
            401 if self.ingest_token.is_none() => {
                NodeError::Refused("it requires a token (MISTRESS_TOKEN)".to_owned())
            }
            404 if said.is_some_and(|text| text.contains("no such run")) => {
                NodeError::Unknown(text)
            }
            404 | 405 => {
                NodeError::Refused("what answers is no stats server of this version".to_owned())
            }
            408 | 429 | 500..=599 => NodeError::Unreachable(text),
            _ => NodeError::Refused(text),
        }
    }
}
