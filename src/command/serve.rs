//! `mistress serve`: the stats server on its own.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::store;
use crate::cli::ServeArguments;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// It cannot listen, or the store cannot be used.
pub fn execute(arguments: &ServeArguments) -> Result<Exit, Failure> {
    let data = store::data_dir(arguments.data.as_deref())?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::failed)?;
    let mut options = server::Options::new(arguments.bind, &data);
    options.hosts.clone_from(&arguments.host);
    let running = server::start(options).map_err(Failure::failed)?;
    let url = running.url();
    Stream::Out.print(&format!(
        "serving {url}/report/list\nruns are kept in {}\n",
        data.display()
    ));
    // its end is how this command ends: the exit code is not that of an interruption
    signals.forever().next();
    running.stop();
    Ok(Exit::Done)
}
