//! All that the tiles of a page show of a window: its totals and its merged times.

use super::figures::{counted, put_phases, statuses, totals, totals_json};
use super::load::{load, throughput_in};
use super::of::Of;
use crate::Error;
use crate::store::{COARSEST_S, RunView};
use serde_json::{Map, Value};

/// A window, warm-up included, in the words of the JSON result; `latency` is of the requests `of`
/// names.
///
/// # Errors
/// When the store fails.
pub fn span(view: &dyn RunView, from: u64, to: u64, of: Of) -> Result<Value, Error> {
    let to = to.min(view.length_s());
    let from = from.min(to);
    let all = totals(view, from, to, COARSEST_S)?;
    let mut map = Map::new();
    map.insert("from".to_owned(), from.into());
    map.insert("to".to_owned(), to.into());
    map.insert("seconds".to_owned(), (to - from).into());
    map.insert("totals".to_owned(), totals_json(&all));
    map.insert(
        "throughput".to_owned(),
        throughput_in(view, load(view)?, (from, to))?,
    );
    put_phases(&mut map, view, (from, to), of)?;
    let requests = all.requests.unwrap_or_default();
    map.insert("status".to_owned(), statuses(&requests));
    map.insert("failures".to_owned(), counted(&requests.failures));
    Ok(Value::Object(map))
}
