//! Questions about a run, answered from its rows as JSON values.
//!
//! Percentiles come from merged histograms only. Times of the run are whole seconds from its
//! start; windows are half open.

mod columns;
mod detail;
mod figures;
mod heat;
mod load;
mod of;
mod rows;
mod span;
mod window;

pub use columns::{Axis, checks, latency_columns, series};
pub(crate) use detail::{RESULTS, hide_script, verdict};
pub use detail::{card, detail, events, figures, thresholds};
pub(crate) use figures::{counted, statuses, totals_of};
pub use heat::{distribution, heatmap};
pub(crate) use load::{LoadSpan, load, warmup_s};
pub(crate) use of::{Rest, keys};
pub use rows::rows;
pub use span::span;
pub use window::{failures, names};
pub(crate) use window::{kind_of, measured, metrics};

use crate::Error;
use crate::store::{RunView, SLOTS};
use stats::NameKind;
use wire::Kind;

/// The number of a name; 0 for all requests when no name is asked for.
///
/// # Errors
/// When the run has no such name.
pub fn name_id(
    view: &dyn RunView,
    kind: NameKind,
    name: Option<&str>,
) -> Result<Option<u32>, Error> {
    let Some(name) = name else {
        return Ok(Some(0));
    };
    let kind = i32::from(Kind::from(kind));
    let mut names = view.names().iter();
    let found = names.find(|(_, (k, n))| *k == kind && n == name);
    Ok(found.map(|(id, _)| *id))
}

/// The name a key belongs to.
fn name_of(key: u32) -> u32 {
    key / SLOTS
}
