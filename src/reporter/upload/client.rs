//! The HTTP client of a stats server: posts batches and reads the replies.

use prost::Message as _;
use std::time::Duration;
use wire::{Ack, HELLO_PATH, MEDIA_TYPE, PATH, VERSION};

/// Timeout of one reply: several times what a busy disk takes to commit.
const REPLY_TIME_MAX: Duration = Duration::from_secs(5);
/// Timeout of the first contact.
const CHECK_TIME_MAX: Duration = Duration::from_millis(1_500);
/// Bytes read of a reply.
const REPLY_LEN_MAX: u64 = 64 * 1_024;

/// Posts batches to one server.
#[derive(Clone, Debug)]
pub struct StatsClient {
    server: String,
    token: Option<String>,
    agent: ureq::Agent,
}

/// A server's reply to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchReply {
    /// Everything up to this sequence is stored.
    Accepted(u64),
    /// The batch is rejected for good.
    Rejected(String),
    /// The run was deleted on the server: all its batches are rejected for good.
    RunDeleted(String),
    /// The post can be tried again later.
    Later(String),
}

/// What was found at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerCheck {
    /// A stats server that accepts our batches.
    Accepts,
    /// A stats server that rejects them, and why.
    Rejects(String),
    /// Another program.
    NotAStatsServer,
    /// Nothing answers, and the error.
    Unreachable(String),
}

impl StatsClient {
    /// A client of the server at `http://host:port`, with a token if it requires one.
    pub fn new(server: &str, token: Option<String>) -> StatsClient {
        StatsClient {
            server: server.trim_end_matches('/').to_owned(),
            token,
            agent: agent(server, REPLY_TIME_MAX),
        }
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Posts an encoded and compressed batch.
    pub fn post(&self, body: &[u8]) -> BatchReply {
        let mut request = self
            .agent
            .post(format!("{}{PATH}", self.server))
            .header("content-type", MEDIA_TYPE)
            .header("content-encoding", "zstd");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        match request.send(body) {
            Ok(response) => judge(response),
            Err(error) => BatchReply::Later(reason(error)),
        }
    }

    /// Checks what answers at the address, and whether it accepts batches.
    pub fn check(&self) -> ServerCheck {
        let request = self.agent.get(format!("{}{HELLO_PATH}", self.server));
        let mut request = request
            .config()
            .timeout_global(Some(CHECK_TIME_MAX))
            .build();
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return ServerCheck::Unreachable(reason(error)),
        };
        let status = response.status().as_u16();
        let body = read(&mut response).unwrap_or_default();
        let ack = Ack::decode(body.as_slice()).ok();
        match (status, ack) {
            (200, Some(ack)) if ack.version == VERSION => ServerCheck::Accepts,
            (200, Some(ack)) if ack.version > 0 => ServerCheck::Rejects(format!(
                "it expects version {} of the wire format, this is version {VERSION}",
                ack.version
            )),
            (401 | 403, _) => ServerCheck::Rejects(match self.token {
                None => "it requires a token (MISTRESS_TOKEN)".to_owned(),
                Some(_) => error_of(&body).unwrap_or_else(|| "it refuses the token".to_owned()),
            }),
            _ => ServerCheck::NotAStatsServer,
        }
    }
}

/// What posts to a stats server at this URL; an answer may take so long. The certificate of an
/// `https` server must be one that the system trusts, or SSL_CERT_FILE.
pub fn agent(server: &str, answer_max: Duration) -> ureq::Agent {
    if server.starts_with("https:")
        && let Ok(agent) = server::client_agent(answer_max)
    {
        return agent;
    }
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(answer_max))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build();
    config.into()
}

/// The error in a JSON answer.
pub fn error_of(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(answer["error"].as_str()?.to_owned())
}

/// What went wrong, in words.
pub fn reason(error: ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "timed out".to_owned(),
        error => error.to_string(),
    }
}

fn judge(mut response: ureq::http::Response<ureq::Body>) -> BatchReply {
    let status = response.status().as_u16();
    let body = read(&mut response).unwrap_or_default();
    let ack = Ack::decode(body.as_slice()).unwrap_or_default();
    let error = Some(ack.error.clone()).filter(|error| !error.is_empty());
    let refusal = || match error.or_else(|| error_of(&body)) {
        None => format!("status {status}"),
        Some(error) => format!("status {status}: {error}"),
    };
    match status {
        200 if ack.error.is_empty() => BatchReply::Accepted(ack.accepted_through),
        // identity, rate and timeouts can change
        401 | 403 | 404 | 408 | 429 => BatchReply::Later(refusal()),
        410 => BatchReply::RunDeleted(refusal()),
        400..=499 => BatchReply::Rejected(refusal()),
        _ => BatchReply::Later(refusal()),
    }
}

fn read(response: &mut ureq::http::Response<ureq::Body>) -> Option<Vec<u8>> {
    let body = response.body_mut().with_config().limit(REPLY_LEN_MAX);
    body.read_to_vec().ok()
}
