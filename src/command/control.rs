//! `mistress control`: sends a command to a running test, or to the nodes of one.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::store;
use crate::cli::{ControlArguments, parse_run_id, parse_stats};
use crate::render::format;
use crate::reporter::upload;
use anyhow::anyhow;
use config::StatsSink;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long to wait for an answer; a run answers within tens of milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Sends one command and prints the answer.
///
/// # Errors
/// Nothing listens on the socket, or the command is rejected.
pub fn execute(arguments: &ControlArguments) -> Result<Exit, Failure> {
    let name = arguments.run.to_string_lossy();
    if let (Ok(run), false) = (parse_run_id(&name), arguments.run.exists()) {
        return control_nodes(&run, arguments);
    }
    let shown = arguments.run.display();
    let failed = |error: std::io::Error| Failure::failed(anyhow!("{shown}: {error}"));
    let mut stream = UnixStream::connect(&arguments.run).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    let command = arguments.command.join(" ");
    stream
        .write_all(format!("{command}\n").as_bytes())
        .map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream)
        .read_line(&mut answer)
        .map_err(failed)?;
    let answer = answer.trim_end();
    if let Some(error) = answer.strip_prefix("error: ") {
        return Err(Failure::usage(anyhow!("{error}")));
    }
    if answer.is_empty() {
        return Err(Failure::failed(anyhow!(
            "{shown}: the run ended without an answer"
        )));
    }
    Stream::Out.print(&format!("{}\n", format::escape(answer)));
    Ok(Exit::Done)
}

/// Sends one command to the rendezvous of a run, and prints the answer.
fn control_nodes(run: &str, arguments: &ControlArguments) -> Result<Exit, Failure> {
    let server = server_of(arguments)?;
    let failed = |text: &str| {
        let text = format::escape(text);
        Failure::failed(anyhow!("{run} at {server}: {text}"))
    };
    let agent = upload::agent(&server, ANSWER_MAX);
    let token = store::token().map(|token| format!("Bearer {token}"));
    let token = token.unwrap_or_default();
    let command = arguments.command.join(" ");
    let url = format!("{server}/api/v1/runs/{run}");
    let answered = match command.as_str() {
        "status" => {
            let mut request = agent.get(format!("{url}/nodes"));
            if !token.is_empty() {
                request = request.header("authorization", &token);
            }
            request.call()
        }
        _ => {
            let mut request = agent.post(format!("{url}/control"));
            if !token.is_empty() {
                request = request.header("authorization", &token);
            }
            let body = json!({ "command": command }).to_string();
            let request = request.header("content-type", "application/json");
            request.send(body.as_bytes())
        }
    };
    let mut response = answered.map_err(|error| failed(&upload::reason(error)))?;
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_vec();
    let body = body.map_err(|error| failed(&upload::reason(error)))?;
    if status != 200 {
        let text = upload::error_of(&body).unwrap_or_else(|| format!("status {status}"));
        return Err(match status {
            400 | 422 => Failure::usage(anyhow!("{}", format::escape(&text))),
            _ => failed(&text),
        });
    }
    let answer: Value = serde_json::from_slice(&body).map_err(Failure::failed)?;
    match answer["at_s"].as_f64() {
        Some(at_s) => Stream::Out.print(&format!("all nodes at {at_s:.3} s: {command}\n")),
        None if answer["nodes"].as_array().is_some_and(Vec::is_empty) => {
            return Err(failed("no run of several nodes has this id there"));
        }
        None => Stream::Out.print(&format!("{answer}\n")),
    }
    Ok(Exit::Done)
}

/// Where the nodes meet.
fn server_of(arguments: &ControlArguments) -> Result<String, Failure> {
    if let Some(url) = &arguments.stats {
        return Ok(url.clone());
    }
    let given = std::env::var("MISTRESS_STATS").unwrap_or_default();
    match parse_stats(&given) {
        Ok(StatsSink::Url(url)) => Ok(url.trim_end_matches('/').to_owned()),
        _ => Ok(format!("http://127.0.0.1:{}", store::port())),
    }
}
