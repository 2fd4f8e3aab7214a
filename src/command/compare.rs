//! `mistress compare`: runs of the local store beside each other.

use super::console::Stream;
use super::exit::{Exit, Failure};
use super::stored;
use crate::cli::CompareArguments;
use crate::render::comparison;
use serde_json::json;
use server::{compare, query};
use stats::Of;

/// The version of the JSON of a comparison: raised when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// Shows what differs between runs, and whether that is beyond noise and beyond limits.
///
/// # Errors
/// There is no such run, two of them are the same, or the store cannot be read.
pub fn execute(arguments: &CompareArguments) -> Result<Exit, Failure> {
    let store = stored::open(arguments.data.as_deref())?;
    let runs = stored::all(&store)?;
    let mut cards = Vec::new();
    let mut blocks = Vec::new();
    for run in stored::distinct(&runs, &arguments.runs)? {
        let view = stored::view(&store, run)?;
        blocks.push(compare::blocks(&*view, Of::Ok).map_err(Failure::failed)?);
        cards.push(query::card(run, Some(&*view)).map_err(Failure::failed)?);
    }
    let metrics = compare::compare(&blocks);
    let regressions = compare::regressions(&arguments.max_regression, &metrics);
    if arguments.json {
        let document = json!({
            "schema": SCHEMA, "runs": cards, "metrics": metrics, "regressions": regressions,
        });
        Stream::Out.deliver(&format!("{document}\n"))?;
    } else {
        let style = Stream::Out.style(false);
        Stream::Out.print(&comparison::render(&cards, &metrics, style));
        Stream::Out.print(&comparison::limits(&regressions, style));
    }
    match regressions.iter().any(|one| one.regressed) {
        true => Ok(Exit::Regressed),
        false => Ok(Exit::Done),
    }
}
