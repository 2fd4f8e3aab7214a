//! `mistress control`: sends a command to a running test.

use super::console::Stream;
use super::exit::{Exit, Failure};
use crate::cli::ControlArguments;
use crate::render::format;
use anyhow::anyhow;
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
    let shown = arguments.socket.display();
    let failed = |error: std::io::Error| Failure::failed(anyhow!("{shown}: {error}"));
    let mut stream = UnixStream::connect(&arguments.socket).map_err(failed)?;
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
