//! `mistress report`: a run of the local store as text, or in another format.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::stored;
use crate::cli::ReportArguments;
use crate::render::{format, text};
use server::StoredRun;

/// Shows one run, or writes it in another format.
///
/// # Errors
/// There is no such run, or the store cannot be read.
pub fn execute(arguments: &ReportArguments) -> Result<Exit, Failure> {
    let archive = stored::open(arguments.data.as_deref())?;
    let run = stored::find(&archive, &arguments.run)?;
    if let Some(format) = arguments.format {
        Stream::Out.deliver_by(|out| {
            match archive.export(&run.id, format, arguments.warmup, out) {
                Err(server::Error::Write(error)) => Ok(Err(error)),
                other => other.map(Ok).map_err(Failure::failed),
            }
        })?;
        return Ok(Exit::Done);
    }
    let report = archive.report(&run.id).map_err(Failure::failed)?;
    let (width, style) = (Stream::Out.width(), Stream::Out.style(false));
    let columns = arguments.columns.clone().unwrap_or_default();
    Stream::Out.print(&text::render(&report, width, style, &columns));
    Stream::Out.print(&kept_as(&run));
    Ok(Exit::Done)
}

/// Under which id a run is kept, and what people say about it.
fn kept_as(run: &StoredRun) -> String {
    let mut text = format!("run id       {}  {}\n", run.id, run.state);
    if !run.comment.is_empty() {
        text += &format!("comment      {}\n", format::escape(&run.comment));
    }
    text
}
