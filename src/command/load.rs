//! The steps of a run that is all in this process: prepare, `setup`, load, `teardown`.

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
