//! `mistress target`: the standalone built-in server.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::prepare;
use crate::cli::TargetArguments;
use anyhow::anyhow;
use engine::TargetOptions;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// It cannot listen, or a cpu is not allowed.
pub fn execute(arguments: &TargetArguments) -> Result<Exit, Failure> {
    let allowed = engine::allowed_cpus();
    if let Some(cpu) = arguments.cpu.iter().find(|cpu| !allowed.contains(cpu)) {
        let allowed = prepare::list(&allowed);
        return Err(Failure::usage(anyhow!(
            "--cpu: {cpu} cannot be used, expected one of {allowed}"
        )));
    }
    engine::preflight(arguments.threads.into())?;
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::failed)?;
    let target = engine::Target::start(&TargetOptions {
        listen: arguments.listen,
        cpus: arguments.cpu.clone(),
        threads: arguments.threads.into(),
    })?;
    Stream::Out.print(&format!("listening on http://{}\n", target.address()));
    // a signal is the normal end of this command, not an interruption
    signals.forever().next();
    target.stop();
    Ok(Exit::Done)
}
