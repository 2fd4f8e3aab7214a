//! All that the tiles of a page show of a window: its totals and its merged times.

use super::figures::totals;
use super::load::{load, throughput_in};
use super::window::Measured;
use crate::Error;
use crate::store::{COARSEST_S, RunView};
use serde_json::Value;
use stats::Of;

/// A window in the words of the JSON result; `latency` is of the requests `of`
/// names.
///
/// # Errors
/// When the store fails.
pub fn span(view: &dyn RunView, from: u64, to: u64, of: Of) -> Result<Value, Error> {
    let to = to.min(view.length_s());
    let from = from.min(to);
    let all = totals(view, from, to, COARSEST_S)?;
    let throughput = throughput_in(view, load(view)?, (from, to))?;
    let mut map = Measured::of(view, (from, to), all, throughput)?.to_json(of);
    map["from"] = from.into();
    map["to"] = to.into();
    map["seconds"] = (to - from).into();
    Ok(map)
}
