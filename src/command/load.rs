//! The steps of a run that is all in this process: prepare, `setup`, load, `teardown`.

use engine::{Outcome, Ready, RunSpec};
use std::time::Instant;

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
