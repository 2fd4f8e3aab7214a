//! One batch over HTTP, and what the server makes of it.

use prost::Message as _;
use stats::wire::{Ack, HELLO_PATH, MEDIA_TYPE, PATH, VERSION};
use std::time::Duration;

/// The longest time for one answer: several times what a busy disk takes to commit.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The longest time for the first contact.
const HELLO_MAX: Duration = Duration::from_millis(1_500);
/// Bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 64 * 1_024;

/// Posts batches to one server.
#[derive(Clone, Debug)]
pub struct Poster {
    server: String,
    token: Option<String>,
    agent: ureq::Agent,
}

/// What a server answered to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Everything up to this sequence is stored.
    Accepted(u64),
    /// This batch will never be.
    Refused(String),
    /// The run was deleted there: none of its batches will ever be.
    Gone(String),
    /// Perhaps another time.
    Later(String),
}

/// What answers at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// A stats server that takes our batches.
    Welcome,
    /// One that does not, and why.
    Refused(String),
    /// Something else.
    Stranger,
    /// Nothing.
    Nobody(String),
}

impl Poster {
    /// For the server at `http://host:port`; with a token where it asks for one.
    pub fn new(server: &str, token: Option<String>) -> Poster {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_MAX))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        Poster {
            server: server.trim_end_matches('/').to_owned(),
            token,
            agent: config.into(),
        }
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Posts an encoded and compressed batch.
    pub fn post(&self, body: &[u8]) -> Answer {
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
            Err(error) => Answer::Later(reason(error)),
        }
    }

    /// Asks who is there.
    pub fn hello(&self) -> Hello {
        let request = self.agent.get(format!("{}{HELLO_PATH}", self.server));
        let mut request = request.config().timeout_global(Some(HELLO_MAX)).build();
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return Hello::Nobody(reason(error)),
        };
        let status = response.status().as_u16();
        let ack = read(&mut response).and_then(|body| Ack::decode(body.as_slice()).ok());
        match (status, ack) {
            (200, Some(ack)) if ack.version == VERSION => Hello::Welcome,
            (200, Some(ack)) if ack.version > 0 => Hello::Refused(format!(
                "it takes version {} of the wire and this is version {VERSION}",
                ack.version
            )),
            (401 | 403, _) => Hello::Refused("it asks for a token (MISTRESS_TOKEN)".to_owned()),
            _ => Hello::Stranger,
        }
    }
}

fn reason(error: ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        error => error.to_string(),
    }
}

fn judge(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let status = response.status().as_u16();
    let body = read(&mut response).unwrap_or_default();
    let ack = Ack::decode(body.as_slice()).unwrap_or_default();
    let refusal = || match ack.error.as_str() {
        "" => format!("status {status}"),
        error => format!("status {status}: {error}"),
    };
    match status {
        200 if ack.error.is_empty() => Answer::Accepted(ack.accepted_through),
        // who we are, how often, and what takes too long can change
        401 | 403 | 404 | 408 | 429 => Answer::Later(refusal()),
        410 => Answer::Gone(refusal()),
        400..=499 => Answer::Refused(refusal()),
        _ => Answer::Later(refusal()),
    }
}

fn read(response: &mut ureq::http::Response<ureq::Body>) -> Option<Vec<u8>> {
    let body = response.body_mut().with_config().limit(ANSWER_LEN_MAX);
    body.read_to_vec().ok()
}
