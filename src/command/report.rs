//! `mistress report`: a run of the local store as text, or in another format.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::stored;
use crate::cli::ReportArguments;
use crate::render::{format, text};
use server::export;
use server::store::RunRecord;

/// Shows one run, or writes it in another format.
///
/// # Errors
/// There is no such run, or the store cannot be read.
pub fn execute(arguments: &ReportArguments) -> Result<Exit, Failure> {
    let store = stored::open(arguments.data.as_deref())?;
    let run = stored::find(&store, &arguments.run)?;
    let view = stored::view(&store, &run)?;
    if let Some(format) = arguments.format {
        let options = export::ExportOptions {
            warmup: arguments.warmup,
            script: true,
        };
        Stream::Out.deliver_by(
            |out| match export::write(format, options, &run, &*view, out) {
                Err(server::Error::Write(error)) => Ok(Err(error)),
                other => other.map(Ok).map_err(Failure::failed),
            },
        )?;
        return Ok(Exit::Done);
    }
    let report = export::report(&run, &*view).map_err(Failure::failed)?;
    let (width, style) = (Stream::Out.width(), Stream::Out.style(false));
    let columns = arguments.columns.clone().unwrap_or_default();
    Stream::Out.print(&text::render(&report, width, style, &columns));
    Stream::Out.print(&kept_as(&run));
    Ok(Exit::Done)
}

/// Under which id a run is kept, and what people say about it.
fn kept_as(run: &RunRecord) -> String {
    let mut text = format!("run id       {}  {}\n", run.id, run.state.as_str());
    if !run.comment.is_empty() {
        text += &format!("comment      {}\n", format::escape(&run.comment));
    }
    text
}
