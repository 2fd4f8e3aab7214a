//! `mistress compare`: runs of the local store beside each other.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::stored;
use crate::cli::CompareArguments;
use crate::render::comparison;
use serde_json::json;

/// The version of the JSON of a comparison: raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// Shows what differs between runs, and whether that is beyond noise and beyond limits.
///
/// # Errors
/// There is no such run, two of them are the same, or the store cannot be read.
pub fn execute(arguments: &CompareArguments) -> Result<Exit, Failure> {
    let archive = stored::open(arguments.data.as_deref())?;
    let all = stored::all(&archive)?;
    let runs = stored::distinct(&all, &arguments.runs)?;
    let ids: Vec<&str> = runs.iter().map(|run| run.id.as_str()).collect();
    let compared = archive.compare(&ids, &arguments.max_regression);
    let compared = compared.map_err(Failure::failed)?;
    let regressions = &compared["regressions"];
    if arguments.json {
        let document = json!({
            "schema": SCHEMA,
            "runs": compared["runs"],
            "metrics": compared["metrics"],
            "regressions": regressions,
        });
        Stream::Out.deliver(&format!("{document}\n"))?;
    } else {
        let style = Stream::Out.style(false);
        Stream::Out.print(&comparison::render(&compared, style));
        Stream::Out.print(&comparison::limits(regressions, style));
    }
    let regressions = regressions.as_array().map_or(&[][..], Vec::as_slice);
    match regressions.iter().any(|one| one["regressed"] == true) {
        true => Ok(Exit::Regressed),
        false => Ok(Exit::Done),
    }
}
