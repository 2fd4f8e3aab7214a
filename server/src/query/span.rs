//! All that the tiles of a page show of a window: its totals and its merged times.

use super::figures::{counted, percentiles, phases, statuses, totals, totals_json};
use crate::Error;
use crate::store::{COARSEST_S, RunView};
use serde_json::{Map, Value};
use stats::Phase;

/// A window, warm-up included, in the words of the JSON result.
///
/// # Errors
/// When the store fails.
pub fn span(view: &dyn RunView, from: u64, to: u64) -> Result<Value, Error> {
    let to = to.min(view.length_s());
    let from = from.min(to);
    let all = totals(view, from, to, COARSEST_S)?;
    let mut map = Map::new();
    map.insert("from".to_owned(), from.into());
    map.insert("to".to_owned(), to.into());
    map.insert("seconds".to_owned(), (to - from).into());
    map.insert("totals".to_owned(), totals_json(&all));
    let sums = phases(view, 0, (from, to), COARSEST_S, Phase::ALL)?;
    for (phase, sum) in Phase::ALL.iter().zip(&sums) {
        map.insert(phase.as_str().to_owned(), percentiles(sum));
    }
    let requests = all.requests.unwrap_or_default();
    map.insert("status".to_owned(), statuses(&requests));
    map.insert("failures".to_owned(), counted(&requests.failures));
    Ok(Value::Object(map))
}
