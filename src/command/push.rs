//! `mistress push`: uploads results that could not be delivered during the run.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::store;
use crate::cli::PushArguments;
use crate::reporter::upload::{self, Spool, StatsClient};
use anyhow::anyhow;

/// Uploads a spool to its original server, or another one.
///
/// # Errors
/// The folder is not a spool, or not all of it could be uploaded.
pub fn execute(arguments: &PushArguments) -> Result<Exit, Failure> {
    let folder = arguments.spool.display();
    let spool =
        Spool::open(&arguments.spool).map_err(|e| Failure::usage(anyhow!("{folder}: {e}")))?;
    let server = arguments.to.clone().or_else(|| spool.server()).ok_or_else(|| {
        Failure::usage(anyhow!(
            "{folder}: not the spool of a run (no file `server`); use --to URL to upload it anyway"
        ))
    })?;
    let client = StatsClient::new(&server, store::token());
    let done = upload::deliver(client, spool);
    Stream::Out.print(&format!(
        "{} batches uploaded to {server}\n",
        done.delivered
    ));
    let error = done.error.unwrap_or_default();
    if done.gone {
        return Err(Failure::failed(anyhow!(
            "{folder}: the run was deleted on the server, so the rest of it was deleted too"
        )));
    }
    if done.left > 0 || done.rejected > 0 {
        return Err(Failure::failed(anyhow!(
            "{folder}: {} batches are left, {} were rejected: {error}",
            done.left,
            done.rejected
        )));
    }
    Ok(Exit::Done)
}
