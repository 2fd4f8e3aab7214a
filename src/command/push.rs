//! `mistress push`: delivers what a run could not.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::store;
use crate::cli::PushArguments;
use crate::reporter::send::{self, Poster, Spool};
use anyhow::anyhow;

/// Sends a spool to the server it was meant for, or another.
///
/// # Errors
/// It is no spool, or not all of it could be delivered.
pub fn execute(arguments: &PushArguments) -> Result<Exit, Failure> {
    let place = arguments.spool.display();
    let spool =
        Spool::open(&arguments.spool).map_err(|e| Failure::usage(anyhow!("{place}: {e}")))?;
    let server = arguments.to.clone().or_else(|| spool.server()).ok_or_else(|| {
        Failure::usage(anyhow!(
            "{place}: no batches of a run: it has no file `server`; to send them anyway: --to URL"
        ))
    })?;
    let poster = Poster::new(&server, store::token());
    let done = send::deliver(poster, spool);
    Stream::Out.print(&format!(
        "{} batches delivered to {server}\n",
        done.delivered
    ));
    let error = done.error.unwrap_or_default();
    if done.gone {
        return Err(Failure::failed(anyhow!(
            "{place}: the run was deleted on the server; what was left of it is too"
        )));
    }
    if done.left > 0 || done.refused > 0 {
        return Err(Failure::failed(anyhow!(
            "{place}: {} batches are left, {} were refused: {error}",
            done.left,
            done.refused
        )));
    }
    Ok(Exit::Done)
}
