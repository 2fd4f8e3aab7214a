//! `mistress target`: the built-in server on its own.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::prepare;
use crate::cli::TargetArguments;
use anyhow::anyhow;
use engine::TargetOptions;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// It cannot listen, or a processor is not allowed.
pub fn execute(arguments: &TargetArguments) -> Result<Exit, Failure> {
    let allowed = engine::allowed_cpus();
    if let Some(cpu) = arguments.cpu.iter().find(|cpu| !allowed.contains(cpu)) {
        let allowed = prepare::list(&allowed);
        return Err(Failure::usage(anyhow!(
            "--cpu: {cpu} cannot be used, allowed are {allowed}"
        )));
    }
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::failed)?;
    engine::raise_open_files();
    let target = engine::Target::start(&TargetOptions {
        listen: arguments.listen,
        cpus: arguments.cpu.clone(),
        threads: arguments.threads.into(),
    })?;
    Stream::Out.print(&format!("listening on http://{}\n", target.address()));
    // its end is how this command ends: the exit code is not that of an interruption
    signals.forever().next();
    target.stop();
    Ok(Exit::Done)
}
