//! The steps of a run: prepare, `setup`, load, `teardown`; alone, or together with other nodes.

use super::exit::Failure;
use super::run::Joined;
use config::Plan;
use engine::{Outcome, Ready, RunSpec};
use stats::{Recorder, WindowSource};
use std::time::Instant;

/// A recorder for each core, and the other ends of them. The names in them are without secrets.
pub fn recorders(
    plan: &Plan,
    cores: usize,
    windows_in_flight: usize,
) -> (Vec<Recorder>, Vec<WindowSource>) {
    let redactor = plan.variables.redactor();
    let link = |core| {
        let (mut recorder, source) = Recorder::link(core, windows_in_flight);
        if !redactor.is_empty() {
            let redactor = redactor.clone();
            recorder.filter_names(move |name| redactor.text(name).into_owned());
        }
        (recorder, source)
    };
    (0..cores as u32).map(link).unzip()
}

/// Generates the load of a job to its end, hooks included; `on_start` hears when it starts. How it
/// ended, and that moment.
///
/// # Errors
/// Whatever keeps the load from beginning.
pub fn generate(
    job: RunSpec,
    on_start: impl FnOnce(Instant),
) -> Result<(Instant, Outcome), engine::Error> {
    let mut ready = engine::prepare(job)?;
    let data = ready.setup()?;
    let mut running = ready.start(Instant::now() + Ready::LEAD, data);
    let start = running.start();
    on_start(start);
    let mut outcome = running.wait();
    let torn_down = running.teardown();
    let after = torn_down.and(running.end());
    outcome.error = outcome.error.or(after.err());
    Ok((start, outcome))
}

/// The same for a node of a run of several: all start at one moment, the hooks run on one of them,
/// and `teardown` when the load of all is over.
///
/// # Errors
/// Whatever keeps the load from beginning, here or on another node.
pub fn generate_with_others(
    job: RunSpec,
    joined: &Joined,
    on_start: impl FnOnce(Instant),
) -> Result<(Instant, Outcome), Failure> {
    let prepared = engine::prepare(job);
    let mut ready = prepared.inspect_err(|error| joined.leave(&error.to_string()))?;
    let (at, data) = joined.start(|| ready.setup())?;
    let mut running = ready.start(at, data);
    let start = running.start();
    joined.began(start);
    on_start(start);
    let mut outcome = running.wait();
    joined.end();
    let torn_down = match joined.has_hooks() {
        true => running.teardown(),
        false => Ok(()),
    };
    let after = torn_down.and(running.end());
    outcome.error = outcome.error.or(after.err());
    Ok((start, outcome))
}
